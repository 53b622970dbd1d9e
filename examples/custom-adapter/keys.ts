/**
 * How everything maps onto sorted keys. A record has one key of its own, and one more in each order in which it is to be
 * found; those hold nothing but its id.
 *
 *     event/ID  deliveries/EVENT  idempotency/TENANT/KEY      unheard/CREATED/ID            events
 *     delivery/ID  body/DELIVERY  attempt/DELIVERY/TOKEN                                    deliveries
 *     due/express/AT/ORDER  due/own/WEBHOOK/AT/ORDER          what waits, and what is leased at the end of its lease
 *     line/WEBHOOK/KEY/ORDER  next/WEBHOOK/KEY/ORDER          ordering keys: who stands in line, and whose turn it is
 *     held/WEBHOOK/ORDER  batch/BATCH/ORDER                   who waits for a turn; what is sent together
 *     replay/MARKED/ORDER  ended/STATUS/COMPLETED/ORDER  attempted/STATUS/COMPLETED/ORDER  dead/WEBHOOK/ORDER
 *     page/all/CREATED/ID  page/tenant/TENANT/CREATED/ID  page/webhook/WEBHOOK/CREATED/ID
 *     webhook/ID  webhooks/all/CREATED/ID  webhooks/tenant/TENANT/CREATED/ID
 *     queue/WEBHOOK  turn/healthy/AT/WEBHOOK  turn/failing/AT/WEBHOOK  turn/leased/AT/WEBHOOK
 *     bucket/NAME  full/AT/NAME  tally/WEBHOOK/START/WRITER  tallies/START/WEBHOOK/WRITER
 *
 * So the next to be claimed is always the first of one stretch, whatever waits behind it.
 */
import type {
  AttemptRecord,
  DeliveryRecord,
  EventRecord,
  OutcomeTally,
  QueueRecord,
  WebhookRecord,
} from 'surehook';

/** The key of a `T`. */
export type Key<T> = string & { readonly holds?: T };

/** A stretch of keys of `T`s: `from` <= key < `to`. */
export interface Span<T> {
  readonly from: string;
  readonly to: string;
  readonly holds?: T;
}

/** The parts that the keys of one order begin with: texts, and whole numbers of 0 or more. */
export type Order = readonly (string | number)[];

/** An event as JSON can hold it. */
export type StoredEvent = Omit<EventRecord, 'body'> & { readonly body: string };

/** A delivery, with what the port does not show. */
export interface StoredDelivery {
  readonly record: DeliveryRecord;
  /** By append: the order among deliveries due at the same instant. */
  readonly order: number;
  /** When it was claimed or, for a replay, marked. */
  readonly since: number;
  /** Whether it has a body of its own. */
  readonly hasBody: boolean;
  /** Whether there are attempts to prune. */
  readonly hasAttempts: boolean;
  /** In its webhook's own queue: whether it is next in the line of its ordering key. */
  readonly hasTurn: boolean;
}

/**
 * Makes a key that sorts part by part. Each part ends with U+0000, which sorts before all else; one inside a part is
 * escaped so that the order is kept and no two lists of parts have the same key.
 */
export function key<T>(...parts: Order): Key<T> {
  return parts.map((part) => `${encode(part)}\0`).join('') as Key<T>;
}

/** The parts of a key; numbers as they are written in it. */
export function partsOf(key: string): string[] {
  const decode = (part: string): string =>
    part.replace(/\x01([\x01\x02])/g, (_, c) => (c === '\x01' ? '\0' : '\x01'));
  return key.split('\0').slice(0, -1).map(decode);
}

function encode(part: string | number): string {
  // 16 digits hold every instant that a Date can.
  if (typeof part === 'number') return String(part).padStart(16, '0');
  return part.replace(/[\0\x01]/g, (c) => (c === '\0' ? '\x01\x01' : '\x01\x02'));
}

/** Every key that goes on behind these parts. */
export function under<T = string>(order: Order): Span<T> {
  const from = key(...order);
  return { from, to: `${from.slice(0, -1)}\x01` };
}

/** The same, up to and including an instant. */
export function upTo(order: Order, instant: number): Span<string> {
  return { from: key(...order), to: key(...order, instant + 1) };
}

export const keys = {
  event: (id: string): Key<StoredEvent> => key('event', id),
  /** Ids of the event's deliveries, in the order of the append. */
  deliveries: (eventId: string): Key<readonly string[]> => key('deliveries', eventId),
  idempotency: (tenantId: string, text: string): Key<string> => key('idempotency', tenantId, text),
  delivery: (id: string): Key<StoredDelivery> => key('delivery', id),
  /** The body of a delivery that has its own, in base64. */
  body: (deliveryId: string): Key<string> => key('body', deliveryId),
  /** Every claim leaves one attempt at most, so its token is enough. */
  attempt: (deliveryId: string, token: number): Key<AttemptRecord> => key('attempt', deliveryId, token),
  attempts: (deliveryId: string): Span<AttemptRecord> => under(['attempt', deliveryId]),
  webhook: (id: string): Key<WebhookRecord> => key('webhook', id),
  queue: (webhookId: string): Key<QueueRecord> => key('queue', webhookId),
  /** When it is full again. */
  bucket: (name: string): Key<number> => key('bucket', name),
  tally: (webhookId: string, startsAt: number, writer: string): Key<OutcomeTally> =>
    key('tally', webhookId, startsAt, writer),
  tallies: (webhookId: string, since: number): Span<OutcomeTally> => ({
    ...under<OutcomeTally>(['tally', webhookId]),
    from: key('tally', webhookId, since),
  }),
};
