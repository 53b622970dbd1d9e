/** Records as the engine would have stored them. */
import type { DeliveryRecord, EventRecord, WebhookRecord } from '../../../src/index.ts';

const DAY_MS = 86_400_000;
export const DEAD_TYPE = 'bench.dead';

/** A webhook that has been failing for a day. */
export function deadWebhook(id: string, url: string, now: number): WebhookRecord {
  return {
    ...healthyWebhook(id, { url, type: DEAD_TYPE, now }),
    status: { state: 'retrying', since: now - DAY_MS, failing: true },
  };
}

export function healthyWebhook(
  id: string,
  { url, type, now }: { readonly url: string; readonly type: string; readonly now: number },
): WebhookRecord {
  return {
    id,
    tenantId: 'default',
    url,
    events: [type],
    status: { state: 'enabled' },
    delivery: { semantics: 'at-least-once', mode: 'single', ordered: false },
    secrets: [{ secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' }],
    createdAt: now,
    updatedAt: now,
    revision: 1,
  };
}

export function eventRecord(
  id: string,
  type: string,
  { now, body }: { now: number; body: string },
): EventRecord {
  return {
    id,
    tenantId: 'default',
    type,
    body: Buffer.from(body),
    contentType: 'application/json',
    timestamp: now,
    createdAt: now,
    fingerprint: id,
  };
}

export function deliveryRecord(
  id: string,
  event: EventRecord,
  where: Pick<DeliveryRecord, 'webhookId' | 'queue'>,
): DeliveryRecord {
  return {
    id,
    eventId: event.id,
    tenantId: event.tenantId,
    eventType: event.type,
    status: 'pending',
    dueAt: event.createdAt,
    token: 0,
    attempts: 0,
    tries: 0,
    lost: 0,
    createdAt: event.createdAt,
    ...where,
  };
}
