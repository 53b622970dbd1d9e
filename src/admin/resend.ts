import type { EventRecord } from '../domain/event.ts';
import { newId } from '../domain/ids.ts';
import { ConflictError, NotFoundError, quote } from '../errors.ts';
import type { Published } from '../publish/published.ts';
import type { Publisher } from '../publish/publisher.ts';
import { checkId } from './check-id.ts';
import { type RecordParts, webhooksOf } from './records.ts';

/** What resending takes. */
export interface ResendParts extends RecordParts {
  readonly publisher: Publisher;
}

/** Publishes what a delivery sent as a new event for its webhook alone; see `DeliveryAdmin.resend`. */
export async function resendDelivery(parts: ResendParts, id: string): Promise<Published> {
  const { settings, storage, publisher } = parts;
  const checked = checkId(id);
  const [content] = await storage.once('events.getContents', () =>
    settings.repos.events.getContents([checked]),
  );
  if (content === undefined) throw new NotFoundError('delivery', id);
  const { delivery, event } = content;
  const webhook = (await webhooksOf(parts, [delivery])).get(delivery.webhookId);
  const refused = (why: string): ConflictError =>
    new ConflictError(`The delivery ${quote(id)} cannot be resent: ${why}`);
  if (webhook === undefined) throw refused('its webhook was deleted');
  const { state } = webhook.status;
  if (state === 'disabled' || state === 'unavailable') {
    throw refused(`its webhook is ${state}; enable it first`);
  }
  const now = settings.clock.now();
  return await publisher.publishRecord(webhook, again(event, newId('evt', now, settings.random), now));
}

/** The same event, happening once more: due at once, and under no key that it could meet its original by. */
function again(event: EventRecord, id: string, now: number): EventRecord {
  const { idempotencyKey: _key, deliverAt: _past, ...same } = event;
  return { ...same, id, createdAt: now, fingerprint: '' };
}
