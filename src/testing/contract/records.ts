import type { AttemptData, DeliveryRecord } from '../../domain/delivery.ts';
import type { EventRecord } from '../../domain/event.ts';
import type { WebhookRecord } from '../../domain/webhook.ts';
import type { AppendEntry } from '../../repos.ts';

/** An instant long past, for records whose times do not matter: 2020-01-01T00:00:00Z. */
export const LONG_AGO_MS = 1_577_836_800_000;

let made = 0;

/** An id that no other record of this process has; later ones sort behind earlier ones. */
export function freshId(prefix: string): string {
  made += 1;
  return `${prefix}_${String(made).padStart(12, '0')}`;
}

/** Strings that break stores which build statements, patterns or keys out of them. */
export const HOSTILE: readonly string[] = [
  "o'clock -- ; drop table",
  '"quoted"',
  '%',
  '_',
  '%_%',
  '$1',
  '\\',
  "\\'",
  '{a,b}',
  'null',
  'tenant*',
  ' leading and trailing ',
  'line\nbreak\ttab',
  'é and e\u0301',
  '😀 emoji 👩‍👩‍👧',
  'ÅÄÖ ß ſ İ',
  '__proto__',
  'constructor',
  'x'.repeat(500),
];

/** An event with unremarkable fields but for those given. Its fingerprint is unlike all others. */
export function anEvent(fields: Partial<EventRecord> = {}): EventRecord {
  const id = fields.id ?? freshId('evt');
  return {
    id,
    tenantId: 'tenant',
    type: 'invoice.paid',
    body: new TextEncoder().encode('{"type":"invoice.paid"}'),
    contentType: 'application/json',
    timestamp: LONG_AGO_MS,
    createdAt: LONG_AGO_MS,
    fingerprint: `fingerprint of ${id}`,
    ...fields,
  };
}

/** A pending express delivery of the event, due long ago, but for the fields given. */
export function aDelivery(event: EventRecord, fields: Partial<DeliveryRecord> = {}): DeliveryRecord {
  return {
    id: freshId('dlv'),
    eventId: event.id,
    webhookId: 'whk_any',
    tenantId: event.tenantId,
    eventType: event.type,
    status: 'pending',
    queue: 'express',
    dueAt: LONG_AGO_MS,
    token: 0,
    attempts: 0,
    tries: 0,
    lost: 0,
    createdAt: event.createdAt,
    ...fields,
  };
}

/** A new event with one delivery that has these fields; the event's tenant, type and time follow them. */
export function anEntry(fields: Partial<DeliveryRecord> = {}): AppendEntry {
  const event = anEvent({
    ...(fields.tenantId !== undefined && { tenantId: fields.tenantId }),
    ...(fields.eventType !== undefined && { type: fields.eventType }),
    ...(fields.createdAt !== undefined && { createdAt: fields.createdAt }),
  });
  return { event, deliveries: [aDelivery(event, fields)] };
}

/** A counted attempt that was answered 500, but for the fields given. */
export function anAttempt(fields: Partial<AttemptData> = {}): AttemptData {
  return {
    startedAt: LONG_AGO_MS,
    durationMs: 12,
    httpStatus: 500,
    responseBody: 'no',
    request: { url: 'https://example.com/hooks', headers: { 'webhook-id': 'evt' } },
    counted: true,
    ...fields,
  };
}

/** An enabled webhook of `tenant` for all types, but for the fields given. */
export function aWebhook(fields: Partial<WebhookRecord> = {}): WebhookRecord {
  return {
    id: freshId('whk'),
    tenantId: 'tenant',
    url: 'https://example.com/hooks',
    events: ['*'],
    status: { state: 'enabled' },
    delivery: { semantics: 'at-least-once', mode: 'single', ordered: false },
    secrets: [{ secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' }],
    createdAt: LONG_AGO_MS,
    updatedAt: LONG_AGO_MS,
    revision: 1,
    ...fields,
  };
}

/** Runs `make` for 0 up to `count`. */
export function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}
