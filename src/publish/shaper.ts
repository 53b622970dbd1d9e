import { Buffer } from 'node:buffer';
import type { DeliveryRecord } from '../domain/delivery.ts';
import type { WebhookRecord } from '../domain/webhook.ts';
import { HostCodeError, PayloadTooLargeError } from '../errors.ts';
import type { Shape, ShapeEvent } from '../options/publishing.ts';
import type { Settings } from '../options.ts';
import { toWebhook, type Webhook } from '../views.ts';
import { bodyContent, dataContent } from './content.ts';
import type { Draft } from './drafter.ts';
import type { ParsedEvent } from './event-input.ts';
import { inTime } from './host-code.ts';
import type { Subscribers } from './subscribers.ts';

/** Calls of the shape at a time. */
const AT_ONCE = 100;
const PART = 'shape';

/** What a shape works on. */
export interface ShapeJob {
  readonly shape: Shape;
  readonly parsed: readonly ParsedEvent[];
  readonly subscribers: Subscribers;
}

/** One delivery, and what it was drafted of. */
interface Call {
  readonly source: ParsedEvent;
  readonly delivery: DeliveryRecord;
  readonly webhook: Webhook;
}

/** By the id of a delivery: its own body, or `null` where its webhook does not get the event. Absent: it gets the event's body. */
type Shaped = Map<string, Uint8Array | null>;

/**
 * Has the host's shape make what each webhook gets of the drafted events. Rejects with `HostCodeError` where it fails, does not settle in time or makes what cannot be
 * sent, and with `PayloadTooLargeError`.
 */
export async function shaped(
  drafts: readonly Draft[],
  job: ShapeJob,
  settings: Settings,
): Promise<readonly Draft[]> {
  const { clock, storageTimeoutMs: timeoutMs } = settings;
  const bodies: Shaped = new Map();
  const calls = callsFor(drafts, job);
  for (let at = 0; at < calls.length; at += AT_ONCE) {
    const some = calls.slice(at, at + AT_ONCE).map(async (call) => {
      const body = await bodyFor(call, job.shape, settings.maxPayloadBytes);
      if (body !== undefined) bodies.set(call.delivery.id, body);
    });
    await inTime(Promise.all(some), { part: PART, clock, timeoutMs });
  }
  return bodies.size === 0 ? drafts : drafts.map((draft) => withBodies(draft, bodies));
}

function callsFor(drafts: readonly Draft[], { parsed, subscribers }: ShapeJob): readonly Call[] {
  const known = new Map<string, Webhook>();
  return parsed.flatMap((source, index) => {
    const deliveries = drafts[index]?.deliveries ?? [];
    const webhooks = new Map(subscribers(source.event).map((webhook) => [webhook.id, webhook]));
    return deliveries.flatMap((delivery) => {
      const record = webhooks.get(delivery.webhookId);
      return record === undefined ? [] : [{ source, delivery, webhook: faceOf(record, known) }];
    });
  });
}

/** One face of each webhook, which all calls share; a copy, since a store may share its records too. */
function faceOf(record: WebhookRecord, known: Map<string, Webhook>): Webhook {
  const face = known.get(record.id) ?? Object.freeze(structuredClone(toWebhook(record)));
  known.set(record.id, face);
  return face;
}

async function bodyFor(
  { source, webhook }: Call,
  shape: Shape,
  maxBytes: number,
): Promise<Uint8Array | null | undefined> {
  try {
    const result = await shape(faceForShape(source), webhook);
    if (result === undefined) return null;
    const { event, inner } = source;
    const { body } =
      typeof inner === 'string'
        ? dataContent(result, event, maxBytes)
        : bodyContent(result, event.contentType, maxBytes);
    return Buffer.compare(body, event.body) === 0 ? undefined : body;
  } catch (cause) {
    if (cause instanceof PayloadTooLargeError) throw cause;
    throw new HostCodeError(PART, { cause });
  }
}

/** A copy for each call: what one does to it the next does not see. */
function faceForShape({ event, inner }: ParsedEvent): ShapeEvent {
  const { id, type, tenantId, source, headers, timestamp, contentType } = event;
  return {
    id,
    type,
    tenantId,
    ...(source !== undefined && { source }),
    ...(headers !== undefined && { headers: { ...headers } }),
    timestamp: new Date(timestamp),
    ...(typeof inner === 'string'
      ? { data: JSON.parse(inner) as unknown }
      : { body: new Uint8Array(inner), contentType }),
  };
}

function withBodies(draft: Draft, shapedBodies: Shaped): Draft {
  const { event, deliveries, filteredFor } = draft;
  const own = new Map<string, Uint8Array>();
  const kept: DeliveryRecord[] = [];
  const filtered = [...filteredFor];
  for (const delivery of deliveries) {
    const body = shapedBodies.get(delivery.id);
    if (body === null) filtered.push(delivery.webhookId);
    else kept.push(delivery);
    if (body) own.set(delivery.id, body);
  }
  const next = { event, deliveries: kept, filteredFor: filtered };
  return own.size === 0 ? next : { ...next, bodies: own };
}
