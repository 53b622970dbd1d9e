/** How deliveries are claimed under a lease, and how a claim ends. */
import type { BatchLimits } from '../domain/batch.ts';
import type { AttemptData, DeliveryRecord, SettledState } from '../domain/delivery.ts';
import type { EventRecord } from '../domain/event.ts';

/** What every claim carries: the caller's now and when its lease is to run out. */
export interface LeaseTimes {
  readonly now: number;
  readonly leaseUntil: number;
}

/** A claim of the express queue. */
export interface ExpressClaim extends LeaseTimes {
  readonly limit: number;
}

/** A claim of several webhooks' queues. */
export interface QueuesClaim extends LeaseTimes {
  readonly queues: readonly QueueClaim[];
}

/** A claim of one webhook's queue. */
export interface QueueClaim {
  readonly webhookId: string;
  readonly limit: number;
  /** One batch instead of single deliveries; `limit` then is 1, or 0 for a look. */
  readonly batch?: BatchClaim;
}

/**
 * A claim of one batch: its deliveries in the order of their append, each time alike, all under a lease, all with the same `batch`.
 *
 * - Where the first that can be claimed has a `batch` all of whose `size` members can be, it is that batch.
 * - Otherwise a batch is formed of the first, and of those behind it that are due, until one of them is of another kind (`batchKind`) or has other `tries`,
 *   or `maxEvents` or, by `bytesInBatch`, `maxBytes` would be exceeded; the first fits always. Members of batches that are not whole count as
 *   being in none. It gets the id given here and no refusals.
 * - A batch to which more could come by waiting is formed at the first one's `dueAt` + `maxWaitMs`, and not before: until then
 *   nothing is handed out, and `nextDueAt` tells that instant.
 */
export interface BatchClaim extends BatchLimits {
  readonly id: string;
}

/** What a claim got. */
export interface ClaimResult {
  readonly deliveries: readonly ClaimedDelivery[];
  /**
   * When the next delivery of that queue that was not claimed can be: its `dueAt`, or the end of its lease (those just
   * claimed included). Absent when the queue holds nothing at all.
   */
  readonly nextDueAt?: number;
}

/**
 * A delivery under a lease, with its event. Claiming sets `delivering`, raises `token` by one and sets `leaseUntil`. A delivery whose lease has run out is
 * claimed like one that is due at that instant; then the attempt that nobody recorded is added, atomically with the claim: error kind `lost`,
 * `counted: false`, the token of the lost claim, HTTP status 0, an empty request, `startedAt` and `durationMs` by the lost lease where known;
 * and `lost` and `attempts` rise by one.
 */
export interface ClaimedDelivery extends DeliveryContent {}

/** A delivery with what it sends: its event, whose `body` is the delivery's own where it has one. */
export interface DeliveryContent {
  readonly delivery: DeliveryRecord;
  readonly event: EventRecord;
}

/** Counts of one webhook's deliveries. Each stops at the `limit` that was asked for: then there are that many or more. */
export interface DeliveryCounts {
  /**
   * `pending`, `failed` and `delivering` ones. Of those in the express queue, which is not kept by webhook, the store may count only what it finds among
   * the first `limit` in the order of `dueAt`.
   */
  readonly waiting: number;
  /** `exhausted` ones. */
  readonly dead: number;
}

/** The end of one claim. */
export interface Settlement {
  readonly deliveryId: string;
  /** The token of the claim that ends. */
  readonly token: number;
  /**
   * The others of the batch that the delivery was claimed in. They end with it: where every token is present all are ended, else none is (`late`); those whose
   * claim is lost get the attempt as a late one, the others stay as they are.
   */
  readonly others?: readonly { readonly deliveryId: string; readonly token: number }[];
  /** The request that was made; absent when none was. `tries` rises by one where it is `counted`. */
  readonly attempt?: AttemptData;
  readonly next: SettledState;
}

/** What `settle` did with one settlement. */
export type SettleResult = 'applied' | 'repeated' | 'late' | 'unknown';
