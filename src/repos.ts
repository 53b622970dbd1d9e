/**
 * The three ports. The engine speaks to storage through these interfaces and nothing else; an adapter that keeps the
 * laws in these comments is correct, and `surehook/testing` tells when it does.
 *
 * - Instants are epoch milliseconds. A caller passes its own `now` and an absolute `leaseUntil`; a store with a clock of
 *   its own (a shared database) judges due times and leases by that clock and takes `leaseUntil - now` as the length of
 *   the lease, so that skew between processes cannot end a lease early.
 * - A method either applies in whole and resolves, or rejects; after a rejection the caller does not know which, and may
 *   call again with the same arguments. Every method but `takeTokens` and `returnTokens` is safe to repeat.
 * - Only `append` (an event with its deliveries) and `settle` (a delivery with its attempt) change more than one record
 *   atomically. Batches otherwise may be applied item by item.
 * - Nothing here speaks SQL. Ids, types and tenants are opaque strings.
 */

import type { BatchLimits } from './domain/batch.ts';
import type {
  AttemptData,
  AttemptRecord,
  DeliveryRecord,
  DeliveryStatus,
  ExhaustedReason,
  SettledState,
} from './domain/delivery.ts';
import type { EventRecord } from './domain/event.ts';
import type { RateLimit } from './domain/rate-limit.ts';
import type { OutcomeTally } from './domain/tally.ts';
import type { WebhookRecord, WebhookStatus } from './domain/webhook.ts';

export type { SettledState } from './domain/delivery.ts';

/** The repos that a surehook works on. They may come from different adapters. */
export interface Repos {
  /** A plain `WebhookRepo` is enough to deliver; managing webhooks through surehook needs a `WebhookStore`. */
  readonly webhooks: WebhookRepo | WebhookStore;
  readonly events: EventRepo;
  readonly state: StateRepo;
}

// ---------------------------------------------------------------------------------------------- webhooks

/** What the engine needs of webhooks. A host that keeps its own webhooks table implements this and no more. */
export interface WebhookRepo {
  /** The webhooks with these ids; unknown ids are left out. Any order. */
  getMany(ids: readonly string[]): Promise<readonly WebhookRecord[]>;
  /**
   * Every webhook of the tenant that may be subscribed to the type, whatever its status. More than those is allowed (the
   * engine matches `events` and `filter` itself), fewer is not.
   */
  subscribers(tenantId: string, eventType: string): Promise<readonly WebhookRecord[]>;
  /**
   * Optional: the same for several tenants and types in one step, each webhook once, in any order. Without it a batch of events asks once for
   * each tenant and type in it.
   */
  subscribersOfAll?(
    pairs: readonly { readonly tenantId: string; readonly eventType: string }[],
  ): Promise<readonly WebhookRecord[]>;
  /**
   * The engine's only write: sets the status where the present one equals `from` in every field (`sameStatus`).
   * One result per change, in order: whether it was applied. An unknown id is not applied.
   */
  setStatus(changes: readonly StatusChange[]): Promise<readonly boolean[]>;
  /**
   * Optional: calls `listener` with the ids of webhooks after each committed change, and returns what ends that. Without
   * it the engine notices changes made elsewhere after `webhookCacheMs`.
   */
  onChange?(listener: (ids: readonly string[]) => void): () => void;
}

/** A compare-and-set of one webhook's status. */
export interface StatusChange {
  readonly webhookId: string;
  readonly from: WebhookStatus;
  readonly to: WebhookStatus;
}

/** The second half of webhook storage: create, change, delete, list. */
export interface WebhookStore extends WebhookRepo {
  /** Stores a new webhook. Resolves false, changing nothing, when the id exists. */
  insert(webhook: WebhookRecord): Promise<boolean>;
  /**
   * Replaces everything but the status where the stored `revision` equals `expectedRevision`. Resolves false, changing
   * nothing, when it does not or the webhook is unknown.
   */
  update(webhook: WebhookRecord, expectedRevision: number): Promise<boolean>;
  /** Resolves whether there was one. */
  delete(id: string): Promise<boolean>;
  /** Newest first (`createdAt`, then `id`, both descending). */
  list(query: WebhookQuery): Promise<readonly WebhookRecord[]>;
}

/** Which webhooks to list. */
export interface WebhookQuery {
  readonly tenantId?: string;
  /** Only those after this place in the order. */
  readonly after?: PagePosition;
  readonly limit: number;
}

/** A place in a newest-first order: stable while rows come and go. */
export interface PagePosition {
  readonly createdAt: number;
  readonly id: string;
}

// ---------------------------------------------------------------------------------------------- events, deliveries

/** Events, deliveries and attempts: the rows that are the queue. */
export interface EventRepo {
  /**
   * Stores every event with all its deliveries, or nothing at all. An event whose id, or whose tenant and
   * `idempotencyKey`, is stored already (or comes earlier in the same batch) is not stored again: with an equal
   * `fingerprint` the stored one is returned as a duplicate, with another one the call rejects with `ConflictError`.
   * Results are in the order of the entries. Deliveries keep the order of the entries among equal `dueAt`.
   * With `tx`, the writes join that transaction of the host's.
   */
  append(entries: readonly AppendEntry[], options: AppendOptions): Promise<readonly AppendResult[]>;

  /**
   * Leases up to `limit` deliveries of the express queue whose `dueAt` has come, in order of `dueAt`, then of append.
   * See `ClaimedDelivery` for what a claim does. The cost must not depend on how much waits in any queue.
   */
  claimExpress(request: ExpressClaim): Promise<ClaimResult>;

  /**
   * The same for queues of single webhooks. One result per request, in order.
   *
   * Deliveries with an `orderingKey` take turns. Each holds its place in the line of its webhook and key, which is by append, from its append until
   * it is delivered or exhausted; one that is exhausted with `blocks`, and one that is replaying, holds it too. The turn is that of the one that
   * is delivering or, where none is, of the first in the line. Only a delivery whose turn it is is claimed, and the others do not count for `nextDueAt`.
   * One that came into the express queue holds its place as well; it is claimed from there whatever its turn, to be put into its own queue.
   */
  claimQueues(request: QueuesClaim): Promise<readonly ClaimResult[]>;

  /**
   * Ends leases and records attempts, each item atomically: applied only where `token` is the delivery's present one
   * and it is `delivering`. Whether the lease has run out does not matter as long as nobody claimed it since.
   * The result of each, in order:
   * - `applied`.
   * - `repeated`: this token has settled it before; nothing changes.
   * - `late`: it was claimed by another since, or ended otherwise. Its state stays; its attempt is still recorded with `late: true`,
   *   in the place of the `lost` one of the same token where there is one.
   * - `unknown`: there is no such delivery (any more).
   */
  settle(
    settlements: readonly Settlement[],
    options: { readonly now: number },
  ): Promise<readonly SettleResult[]>;

  /**
   * Gives up to `limit` waiting (not leased) deliveries of a webhook's own queue up with that reason, whatever their `dueAt`, and returns
   * them as they are now. None left: an empty array.
   */
  exhaustQueue(request: ExhaustRequest): Promise<readonly DeliveryRecord[]>;

  /**
   * Ids of webhooks whose own queue holds something that can be claimed, now or later, leased deliveries included, in ascending order after
   * `after`. The safety net that finds queues nobody opened.
   */
  ownQueues(request: { readonly after?: string; readonly limit: number }): Promise<readonly string[]>;

  /**
   * Marks exhausted deliveries as replaying: `tries` and `lost` restart at 0, `reason` and `completedAt` go. Others are left alone. Returns those that
   * were marked.
   */
  markReplay(ids: readonly string[], options: { readonly now: number }): Promise<readonly DeliveryRecord[]>;

  /**
   * Gives waiting deliveries (`pending`, `failed`, `replaying`; whatever their `dueAt`) up with reason `cancelled`, ended `now`: they keep no place in their line, and
   * their batch is not whole any more. An exhausted one that blocks loses `blocks` and nothing else. Others are left alone, among them those that are delivering, whether
   * their lease has run out or not. Returns those that were changed, each once, as they are now, in any order.
   */
  cancel(ids: readonly string[], options: { readonly now: number }): Promise<readonly DeliveryRecord[]>;

  /** Turns up to `limit` replaying deliveries, longest marked first, into pending ones of the express queue, due `now`, and returns them. */
  promoteReplays(request: {
    readonly now: number;
    readonly limit: number;
  }): Promise<readonly DeliveryRecord[]>;

  /** The deliveries with these ids; unknown ids are left out. Any order. */
  getDeliveries(ids: readonly string[]): Promise<readonly DeliveryRecord[]>;
  /** All deliveries of an event, in the order of their append; empty for an unknown id. */
  deliveriesOf(eventId: string): Promise<readonly DeliveryRecord[]>;
  /** The deliveries with these ids, each with its event as its webhook gets it (see `AppendEntry.bodies`); unknown ids are left out. Any order. */
  getContents(ids: readonly string[]): Promise<readonly DeliveryContent[]>;
  /** The events with these ids, as they were published; unknown ids are left out. Any order. */
  getEvents(ids: readonly string[]): Promise<readonly EventRecord[]>;
  /** All attempts of a delivery by ascending number; empty for an unknown id. */
  attempts(deliveryId: string): Promise<readonly AttemptRecord[]>;
  /** Newest first (`createdAt`, then `id`, both descending). */
  listDeliveries(query: DeliveryQuery): Promise<readonly DeliveryRecord[]>;
  /** How much of a webhook's waits and is given up: see `DeliveryCounts`. Its cost must not grow beyond what `limit` says. */
  countDeliveries(request: { readonly webhookId: string; readonly limit: number }): Promise<DeliveryCounts>;

  /**
   * Removes, longest ended first and in one short step, up to `limit` of each of these; a bound that is absent keeps all of its kind:
   * - deliveries delivered before `deliveredBefore` or given up before `exhaustedBefore` (by `completedAt`), with their attempts, and with the
   *   last delivery of an event the event: its id and its idempotency key are free again;
   * - events that had no delivery from the beginning, published before `deliveredBefore`;
   * - the attempts of deliveries that ended before `attemptsBefore`. The delivery keeps its count of `attempts`.
   * Nothing that waits, is leased or is replaying loses anything. The instants are judged as given, whatever clock the store has.
   */
  prune(request: PruneRequest): Promise<PruneResult>;

  /**
   * Optional wake-up: calls `listener` after something was stored that may be due (append committed, replay marked, a line of an own queue that may
   * go on because of a `cancel`), in this process or another, and returns what ends that. Without it a poll finds the work.
   */
  onWork?(listener: (work: Work) => void): () => void;
}

/** What came in: whether the express queue got something, whether replays wait, and the webhooks whose own queue got something. */
export interface Work {
  readonly express: boolean;
  readonly replays: boolean;
  readonly ownQueues: readonly string[];
}

/** One event and its deliveries, to be stored together. */
export interface AppendEntry {
  readonly event: EventRecord;
  readonly deliveries: readonly DeliveryRecord[];
  /** By the id of a delivery of this entry: the bytes that its webhook gets in place of the event's body, each time. They are kept as long as the delivery. */
  readonly bodies?: ReadonlyMap<string, Uint8Array>;
}

/** Where an append takes place. */
export interface AppendOptions {
  readonly now: number;
  /** The host's own transaction; an adapter without transactions rejects with `TypeError`. */
  readonly tx?: unknown;
}

/** What is stored now for one entry. */
export interface AppendResult {
  readonly event: EventRecord;
  readonly deliveries: readonly DeliveryRecord[];
  /** True when it was stored before this call. */
  readonly duplicate: boolean;
}

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

/** Which waiting deliveries to give up. */
export interface ExhaustRequest {
  readonly webhookId: string;
  readonly reason: ExhaustedReason;
  /** Those with an `orderingKey` keep their place. */
  readonly blocks?: true;
  readonly now: number;
  readonly limit: number;
}

/** What may go: everything that ended before these instants, epoch ms. */
export interface PruneRequest {
  readonly deliveredBefore?: number;
  readonly exhaustedBefore?: number;
  readonly attemptsBefore?: number;
  /**
   * Per call at most this many of each, counted apart: delivered deliveries that go; given-up deliveries that go; delivered deliveries that only
   * lose their attempts; given-up deliveries that only lose their attempts; events without deliveries. What goes with a delivery, its attempts
   * and its event, is not counted.
   */
  readonly limit: number;
}

/** What went. */
export interface PruneResult {
  readonly deliveries: number;
  readonly events: number;
  /** Those of removed deliveries included. */
  readonly attempts: number;
  /** Whether another call with the same bounds may find more. */
  readonly more: boolean;
}

/** Which deliveries to list. All given conditions hold at once. */
export interface DeliveryQuery {
  readonly tenantId?: string;
  readonly webhookId?: string;
  readonly eventType?: string;
  readonly status?: DeliveryStatus;
  /** `createdAt` at or after this instant. */
  readonly since?: number;
  /** `createdAt` before this instant. */
  readonly until?: number;
  readonly after?: PagePosition;
  readonly limit: number;
}

// ---------------------------------------------------------------------------------------------- state

/** One small record per webhook that has a queue of its own. */
export interface QueueRecord {
  readonly webhookId: string;
  /** Consecutive failures of the webhook, as its back-off counts them; 0 while it answers well. */
  readonly failures: number;
  /** The end of its back-off, epoch ms: not served before it, whatever comes in. 0 where there is none. */
  readonly notBefore: number;
  /** When its queue is to be served next, epoch ms; null while it is held (the webhook is disabled). */
  readonly nextAt: number | null;
  /** Rises with every `open`: tells a worker that found the queue empty whether something came since. */
  readonly wakes: number;
  /**
   * Fencing token: rises by one with every acquisition and reset. A new record begins above every token that an earlier
   * record of the same webhook had, and not below the instant of its creation (epoch ms), by which a store that forgets closed records can tell.
   */
  readonly token: number;
  /** When the lease of the worker that serves it runs out; absent while nobody does. */
  readonly leaseUntil?: number;
}

/**
 * The state of the retry queues. The lease on a record makes one process at a time serve that webhook's queue: one probe
 * at a time, caps and order hold across processes by this alone.
 */
export interface StateRepo {
  /**
   * Makes sure that these queues are open. Absent: created with the entry's `failures`, `nextAt` and (for an entry with failures) `notBefore`
   * equal to it, else 0; `wakes` 1, the token as `QueueRecord.token` says. Present: `wakes` rises by one; and where it is neither leased (an expired lease counts as none) nor
   * held: an entry with failures, for a record without, puts its `failures` and `nextAt` (as `notBefore` too) in place; otherwise
   * `nextAt` becomes the earlier of what it was and the entry's, but not earlier than `notBefore`.
   */
  open(entries: readonly QueueOpening[], options: { readonly now: number }): Promise<void>;
  /**
   * Leases queues whose `nextAt` has come and that nobody holds (an expired lease is nobody's), earliest `nextAt` first: up to `healthy` of
   * those with `failures` 0 and up to `failing` of the others. Raises their token by one.
   */
  acquire(request: QueueAcquisition): Promise<AcquireResult>;
  /**
   * Stores what the holder knows, where `token` is the present one. With `leaseUntil` the lease is extended, without it
   * given back; with `close` the record is deleted. A change with `ifWakes` applies only where that still holds.
   * One result per change, in order.
   */
  save(changes: readonly QueueChange[], options: { readonly now: number }): Promise<readonly SaveResult[]>;
  /**
   * From outside (enable, disable, delete): takes the queue from whoever serves it. Creates the record where there is
   * none; `failures` and `notBefore` 0, `nextAt` as given, token and `wakes` one higher, lease gone.
   */
  reset(entries: readonly QueueReset[], options: { readonly now: number }): Promise<void>;
  /** The records of these webhooks; those without one are left out. Any order. */
  get(webhookIds: readonly string[]): Promise<readonly QueueRecord[]>;
  /**
   * Optional: the store's own time, epoch ms, for what all processes are to judge alike. Without it, as where the store has no clock of its own, each goes by its own.
   */
  now?(): Promise<number>;

  /**
   * Takes tokens of buckets, one request after the other, each atomically and by `takeTokens` of domain/rate-limit.ts; a store with a clock of its own goes by that, and
   * answers by it. A bucket that was never seen is full. One grant per request, in order. A repeated call takes again.
   * With `tx`, the transaction of the host's in which the tokens are used: a store that cannot write beside it joins it, others do not look at it.
   */
  takeTokens(
    requests: readonly TokenRequest[],
    options: { readonly now: number; readonly tx?: unknown },
  ): Promise<readonly TokenGrant[]>;
  /** Puts tokens back that were taken and not used, by `returnTokens`; a bucket never holds more than its burst. A repeated call puts them back again. */
  returnTokens(
    entries: readonly TokenReturn[],
    options: { readonly now: number; readonly tx?: unknown },
  ): Promise<void>;

  /** Stores tallies, each in the place of the earlier one of the same webhook, period and writer; no two of one call are of the same. */
  recordOutcomes(tallies: readonly OutcomeTally[]): Promise<void>;
  /** The tallies of a webhook whose period starts at or after `since`, epoch ms. Any order. */
  outcomes(request: { readonly webhookId: string; readonly since: number }): Promise<readonly OutcomeTally[]>;
  /**
   * Removes up to `limit` of each: tallies whose period started before `outcomesBefore`, and buckets that are full again at `now` (by the store's clock where it has one).
   * Resolves whether another call may find more.
   */
  pruneState(request: {
    readonly now: number;
    readonly outcomesBefore: number;
    readonly limit: number;
  }): Promise<boolean>;
}

/** A wish for tokens of one bucket. */
export interface TokenRequest extends RateLimit {
  /** The bucket's name: opaque, 1 to 300 characters. */
  readonly bucket: string;
  /** So many at most: a whole number, 1 or more. */
  readonly wanted: number;
  /** Fewer than that are not taken: 1 to `wanted`. */
  readonly atLeast: number;
}

/** What came of a wish. */
export interface TokenGrant {
  /** 0, or from `atLeast` to `wanted`. */
  readonly granted: number;
  /** When `atLeast` will be there if nobody else takes any, epoch ms; now where they were granted, infinite where they are more than the burst. */
  readonly availableAt: number;
}

/** Tokens that go back. */
export interface TokenReturn extends Pick<RateLimit, 'perMinute'> {
  readonly bucket: string;
  readonly count: number;
}

/** A queue that should be open from `nextAt` on. */
export interface QueueOpening {
  readonly webhookId: string;
  /** Consecutive failures, when an attempt outside the queue failed; else 0. */
  readonly failures: number;
  readonly nextAt: number;
}

/** A queue that is to be served at `nextAt`, or held (null), whatever was. */
export interface QueueReset {
  readonly webhookId: string;
  readonly nextAt: number | null;
}

/** How many queues to lease. */
export interface QueueAcquisition extends LeaseTimes {
  readonly healthy: number;
  readonly failing: number;
}

/** The queues leased, and when the next one that was not can be. */
export interface AcquireResult {
  readonly queues: readonly QueueRecord[];
  /** The earliest instant at which another queue can be acquired (its `nextAt` or the end of its lease); absent when there is none. */
  readonly nextAt?: number;
}

/** What the holder of a queue stores. */
export interface QueueChange {
  readonly webhookId: string;
  readonly token: number;
  readonly failures: number;
  readonly notBefore: number;
  readonly nextAt: number | null;
  /** Absent: the lease is given back. */
  readonly leaseUntil?: number;
  /** Delete the record. */
  readonly close?: true;
  /** Apply only where the record's `wakes` is still this: nothing came since the holder found the queue as it says. */
  readonly ifWakes?: number;
}

/**
 * `saved`; `closed`: the record is gone; `woken`: `ifWakes` did not hold, nothing changed; `lost`: the token is stale or
 * the record gone, nothing changed.
 */
export interface SaveResult {
  readonly result: 'saved' | 'closed' | 'woken' | 'lost';
  /** The record's `wakes` now; absent with `closed` and `lost`. */
  readonly wakes?: number;
}
