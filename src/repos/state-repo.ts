/** The port of the retry queues' state, of token buckets and of tallies. */
import type { RateLimit } from '../domain/rate-limit.ts';
import type { OutcomeTally } from '../domain/tally.ts';
import type { LeaseTimes } from './claims.ts';

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
   * Stores what the holder knows, where `token` is the present one. With `leaseUntil` the lease is extended, and never shortened (the
   * call may be older than the one before), without it given back; with `close` the record is deleted. A change with `ifWakes` applies only where that still holds.
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
