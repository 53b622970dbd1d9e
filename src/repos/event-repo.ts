/** The port of events, deliveries and attempts. */
import type { AttemptRecord, DeliveryRecord, DeliveryStatus, ExhaustedReason } from '../domain/delivery.ts';
import type { EventRecord } from '../domain/event.ts';
import type {
  ClaimResult,
  DeliveryContent,
  DeliveryCounts,
  ExpressClaim,
  QueuesClaim,
  Settlement,
  SettleResult,
} from './claims.ts';
import type { PagePosition } from './webhook-repo.ts';

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
   * Marks exhausted deliveries as replaying: `tries` and `lost` restart at 0, `reason` and `completedAt` go, `token` rises by one. Others are left alone.
   * Returns those that were marked.
   */
  markReplay(ids: readonly string[], options: ReplayOptions): Promise<readonly DeliveryRecord[]>;

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
  /** By `createdAt`, then `id`: both descending or, oldest first, both ascending. */
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

/** When deliveries are marked for replay, and as what they were read. */
export interface ReplayOptions {
  readonly now: number;
  /** One for each id: it is left alone unless that is its token still. What was marked since, by an earlier call whose answer was lost, and has ended anew is not marked again. */
  readonly tokens?: readonly number[];
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
  /** Which end comes first. @default 'newest' */
  readonly order?: 'newest' | 'oldest';
  /** Strictly behind this place of that order. */
  readonly after?: PagePosition;
  readonly limit: number;
}
