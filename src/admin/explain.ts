import { plainObject } from '../domain/check.ts';
import type { DeliveryRecord } from '../domain/delivery.ts';
import type { EventRecord } from '../domain/event.ts';
import { matchesAny } from '../domain/event-pattern.ts';
import { matchesFilter } from '../domain/filter.ts';
import { checkTenantId } from '../domain/ids.ts';
import type { WebhookRecord } from '../domain/webhook.ts';
import { NotFoundError } from '../errors.ts';
import { toAttempt, toDelivery } from '../views.ts';
import { checkId } from './check-id.ts';
import type { DeliveryExplanation, NoDelivery } from './delivery-explanation.ts';
import { payloadOf } from './payload.ts';
import { type RecordParts, webhooksOf } from './records.ts';
import { waitOf } from './waiting.ts';

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
