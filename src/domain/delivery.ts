import type { BatchMembership } from './batch.ts';

/**
 * One event for one webhook: the unit that has a status.
 *
 *     pending → delivering → delivered
 *                   ↓   ↑
 *                 failed ┘            waits for its next attempt, then delivering again
 *                   ↓
 *               exhausted → replaying → pending
 *
 * - **pending**: never attempted (or given back unsent); entered at publish, by a release and by a replay's turn.
 * - **delivering**: leased to one worker under a token that rises with every claim (and mark for replay). Left by settling with that token,
 *   or, once the lease has run out, by the next claim, which records the lost attempt.
 * - **failed**: at least one counted attempt failed and the policy allows another at `dueAt`.
 * - **delivered**: the endpoint answered 2xx. Final.
 * - **exhausted**: given up, with a reason: the dead-letter queue. Left only by an explicit replay.
 * - **replaying**: marked for replay, waiting for its slot; pacing turns it into pending.
 */
export type DeliveryStatus = 'pending' | 'delivering' | 'delivered' | 'failed' | 'exhausted' | 'replaying';

/** Every status, for validation and listings. */
export const deliveryStatuses: readonly DeliveryStatus[] = [
  'pending',
  'delivering',
  'delivered',
  'failed',
  'exhausted',
  'replaying',
];

/**
 * Why a delivery was given up.
 * - `attempts-used-up`: the retry policy allows no further attempt.
 * - `webhook-unavailable`: the webhook is Unavailable.
 * - `webhook-gone`: the endpoint answered 410.
 * - `webhook-deleted`: the webhook no longer exists.
 * - `at-most-once-failed`: an at-most-once attempt failed.
 * - `outcome-unknown`: an at-most-once attempt whose worker vanished or was aborted; or more than `maxLost` claims of an
 *   at-least-once delivery ended that way.
 * - `cancelled`: cancelled from outside.
 * - `not-sendable`: no request can be made of it (a signer or a policy of the host that keeps failing).
 */
export type ExhaustedReason =
  | 'attempts-used-up'
  | 'webhook-unavailable'
  | 'webhook-gone'
  | 'webhook-deleted'
  | 'at-most-once-failed'
  | 'outcome-unknown'
  | 'cancelled'
  | 'not-sendable';

/**
 * Where a waiting delivery waits: in the express queue that all healthy webhooks share, or in the queue of its own
 * webhook (named by the delivery's `webhookId`).
 */
export type Queue = 'express' | 'own';

/** A delivery as it is stored. */
export interface DeliveryRecord {
  /** `dlv_…` */
  readonly id: string;
  readonly eventId: string;
  readonly webhookId: string;
  readonly tenantId: string;
  readonly eventType: string;
  readonly status: DeliveryStatus;
  /** Set exactly when `status` is `exhausted`. */
  readonly reason?: ExhaustedReason;
  readonly queue: Queue;
  /**
   * Deliveries of one webhook with the same key, which may be empty, are attempted one at a time, in the order of their append. Absent where
   * order does not matter. In the express queue one with a key waits only to be put into its webhook's own.
   */
  readonly orderingKey?: string;
  /** The batch that it was last in: kept when it ends, gone when it is replayed or given back without it. */
  readonly batch?: BatchMembership;
  /** Set on an `exhausted` delivery that those behind it in its ordering key wait for: until it is replayed, cancelled or pruned. */
  readonly blocks?: true;
  /** Not to be attempted before this instant, epoch ms. While `delivering` it is what it was at the claim. */
  readonly dueAt: number;
  /** Fencing token: rises by one with every claim and every mark for replay, never falls. */
  readonly token: number;
  /** Set exactly while `delivering`: when the lease runs out, epoch ms of the store's clock. */
  readonly leaseUntil?: number;
  /** Attempts recorded, lost and aborted ones included: the number of the newest. */
  readonly attempts: number;
  /** Attempts that count against the retry policy, since publish or since the last replay. */
  readonly tries: number;
  /** Claims whose outcome was never recorded, since publish or since the last replay. */
  readonly lost: number;
  /** When it was published, epoch ms. */
  readonly createdAt: number;
  /** Set exactly when `delivered` or `exhausted`: since when, epoch ms. */
  readonly completedAt?: number;
}

/**
 * Why an attempt got no usable answer.
 * `blocked`: the address may not be called; `dns`: the name did not resolve; `refused`, `reset`: TCP; `tls`: handshake or
 * certificate; `timeout`: the deadline passed before the status line; `invalid-response`: not HTTP, or too strange to
 * read; `aborted`: `stop()` ended it; `lost`: its worker vanished; `signing`: no signature could be made; `request`: anything else
 * (a transport of the host's that failed).
 */
export type AttemptErrorKind =
  | 'blocked'
  | 'dns'
  | 'refused'
  | 'reset'
  | 'tls'
  | 'timeout'
  | 'invalid-response'
  | 'aborted'
  | 'lost'
  | 'signing'
  | 'request';

/** One HTTP request for a delivery, before the store has numbered it. */
export interface AttemptData {
  /** Epoch ms. */
  readonly startedAt: number;
  readonly durationMs: number;
  /** 0 when there was no response. */
  readonly httpStatus: number;
  /** Truncated; valid text whatever the endpoint sent. */
  readonly responseBody: string;
  readonly responseHeaders?: Readonly<Record<string, string>>;
  /** What was sent, secrets masked. */
  readonly request: { readonly url: string; readonly headers: Readonly<Record<string, string>> };
  readonly error?: { readonly kind: AttemptErrorKind; readonly message: string };
  /** Whether it counts against the retry policy: aborted and lost attempts do not. */
  readonly counted: boolean;
}

/** An attempt as it is stored. */
export interface AttemptRecord extends AttemptData {
  /** 1 for the first of a delivery, without gaps. */
  readonly number: number;
  /** Token of the claim it was made under. */
  readonly token: number;
  /** True when its worker reported after it had lost its claim: recorded, without effect on the delivery. */
  readonly late: boolean;
}

/**
 * What becomes of a delivery when a claim ends. `waiting` is `failed` where it has counted tries, else `pending`; its
 * place among those of equal `dueAt` is by append.
 */
export type SettledState =
  | { readonly status: 'delivered' }
  | { readonly status: 'exhausted'; readonly reason: ExhaustedReason; readonly blocks?: true }
  | {
      readonly status: 'waiting';
      readonly dueAt: number;
      readonly queue: Queue;
      /** The batch that it waits in; absent: it waits by itself. */
      readonly batch?: BatchMembership;
    };
