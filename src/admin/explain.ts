import { plainObject } from '../domain/check.ts';
import type { DeliveryRecord, ExhaustedReason } from '../domain/delivery.ts';
import type { EventRecord } from '../domain/event.ts';
import { matchesAny } from '../domain/event-pattern.ts';
import { matchesFilter } from '../domain/filter.ts';
import { checkTenantId } from '../domain/ids.ts';
import type { WebhookRecord } from '../domain/webhook.ts';
import { NotFoundError } from '../errors.ts';
import { type Attempt, type Delivery, toAttempt, toDelivery } from '../views.ts';
import { checkId } from './check-id.ts';
import { payloadOf } from './payload.ts';
import { type RecordParts, webhooksOf } from './records.ts';
import { type Wait, waitOf } from './waiting.ts';

/** One event and one webhook. */
export interface ExplainQuery {
  readonly eventId: string;
  readonly webhookId: string;
  /** Only within this tenant: what is another's counts as unknown. */
  readonly tenantId?: string | undefined;
}

/** A delivery that there is, and its attempts so far. */
interface WithDelivery {
  readonly delivery: Delivery;
  /** The first one first. */
  readonly attempts: readonly Attempt[];
}

/**
 * Why an event did or did not reach a webhook. Where there is no delivery, the webhook is judged as it is now: it may have been another when
 * the event was published.
 */
export type DeliveryExplanation =
  | (WithDelivery & { readonly verdict: 'delivered' })
  /** A request is under way, or its worker has vanished and its lease runs out. */
  | (WithDelivery & { readonly verdict: 'delivering' })
  | (WithDelivery & { readonly verdict: 'waiting' } & Wait)
  | (WithDelivery & { readonly verdict: 'exhausted'; readonly reason: ExhaustedReason | undefined })
  | { readonly verdict: NoDelivery };

/**
 * Why there is no delivery.
 * - `other-tenant`: the event is another tenant's.
 * - `created-later`: the webhook did not exist yet.
 * - `not-subscribed`: its `events` do not cover the type.
 * - `filtered`: its filter does not let the event through.
 * - `disabled`: it is disabled, and gets nothing new.
 * - `undetermined`: as it is now it would get the event. What is stored cannot tell why it did not: it was disabled, or filtered or subscribed
 *   to something else; the host's `shape` kept the event back; the event was sent to one webhook only; or the delivery was removed by retention.
 */
export type NoDelivery =
  | 'other-tenant'
  | 'created-later'
  | 'not-subscribed'
  | 'filtered'
  | 'disabled'
  | 'undetermined';

/** Explains one event and one webhook; see `DeliveryAdmin.explain`. */
export async function explainDelivery(parts: RecordParts, query: unknown): Promise<DeliveryExplanation> {
  const { settings, storage } = parts;
  const { events } = settings.repos;
  const { eventId, webhookId, isVisible } = readQuery(query);
  const deliveries = await storage.once('events.deliveriesOf', () => events.deliveriesOf(eventId));
  const delivery = deliveries.find((one) => one.webhookId === webhookId && isVisible(one));
  if (delivery !== undefined) return await explained(parts, delivery);
  const [event] = await storage.once('events.getEvents', () => events.getEvents([eventId]));
  if (event === undefined || !isVisible(event)) throw new NotFoundError('event', eventId);
  const webhook = (await webhooksOf(parts, [{ webhookId }])).get(webhookId);
  if (webhook === undefined || !isVisible(webhook)) throw new NotFoundError('webhook', webhookId);
  return { verdict: whyNone(event, webhook) };
}

function readQuery(query: unknown): {
  readonly eventId: string;
  readonly webhookId: string;
  readonly isVisible: (record: { readonly tenantId: string }) => boolean;
} {
  const given = plainObject('query', query, {
    keys: ['eventId', 'webhookId', 'tenantId'] as const,
    path: '',
  });
  const tenantId = given.tenantId === undefined ? undefined : checkTenantId('tenantId', given.tenantId);
  return {
    eventId: checkId(given.eventId, 'eventId'),
    webhookId: checkId(given.webhookId, 'webhookId'),
    isVisible: (record) => tenantId === undefined || record.tenantId === tenantId,
  };
}

async function explained(parts: RecordParts, record: DeliveryRecord): Promise<DeliveryExplanation> {
  const { settings, storage } = parts;
  const attempts = await storage.once('events.attempts', () => settings.repos.events.attempts(record.id));
  const told = { delivery: toDelivery(record), attempts: attempts.map(toAttempt) };
  switch (record.status) {
    case 'delivered':
    case 'delivering':
      return { verdict: record.status, ...told };
    case 'exhausted':
      return { verdict: 'exhausted', reason: record.reason, ...told };
    case 'pending':
    case 'failed':
    case 'replaying':
      return { verdict: 'waiting', ...(await waitOf(parts, record)), ...told };
  }
}

/** What cannot have changed since comes first. */
function whyNone(event: EventRecord, webhook: WebhookRecord): NoDelivery {
  if (event.tenantId !== webhook.tenantId) return 'other-tenant';
  if (event.createdAt < webhook.createdAt) return 'created-later';
  if (!matchesAny(webhook.events, event.type)) return 'not-subscribed';
  if (webhook.filter !== undefined) {
    const data = payloadOf(event);
    if (!matchesFilter(webhook.filter, { ...event, data: () => data })) return 'filtered';
  }
  return webhook.status.state === 'disabled' ? 'disabled' : 'undetermined';
}
