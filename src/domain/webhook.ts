import type { BatchLimits } from './batch.ts';
import type { Filter } from './filter.ts';
import type { RateLimit } from './rate-limit.ts';
import type { RetryPolicyData } from './retry-policy.ts';

/** How a webhook wants its deliveries. */
export interface DeliveryMode {
  /** `at-most-once` never sends a delivery twice, at the price of giving it up when its outcome is unknown. */
  readonly semantics: 'at-least-once' | 'at-most-once';
  /** `single`: one event per request; `batched`: what waits for it, in one request, up to the limits of `batch`. */
  readonly mode: 'single' | 'batched';
  /** Of a batched webhook; absent otherwise. */
  readonly batch?: BatchLimits;
  /** Its events go one at a time for each ordering key (those without one are of one key), in the order of publishing. */
  readonly ordered: boolean;
  /**
   * Of an ordered webhook: what an event that is given up means for those behind it in its key. `block`: they wait until it is replayed, cancelled
   * or pruned; `skip`: they go on without it. Absent otherwise.
   */
  readonly onExhausted?: 'block' | 'skip';
}

/** Whether its deliveries always wait in its own queue, where turns are kept, batches are formed and rates are held. */
export function hasOwnQueue({ delivery, rateLimit }: WebhookRecord): boolean {
  return delivery.ordered || delivery.mode === 'batched' || rateLimit !== undefined;
}

/** Whether a delivery of this webhook that is given up keeps its place in the order. */
export function blocksWhenExhausted({ delivery }: WebhookRecord): boolean {
  return delivery.ordered && delivery.onExhausted !== 'skip';
}

/** How requests are signed (Standard Webhooks): with a secret that both sides share, or with a key pair of which the receiver knows the public half. */
export type Signing = 'hmac-sha256' | 'ed25519';

/** A signing secret as it is stored. Its prefix says of which kind it is. */
export interface WebhookSecret {
  /** `whsec_` and base64 of 24 to 64 bytes; or, for ed25519, `whsk_` and base64 of the 32 bytes of the seed and the 32 of the public key. */
  readonly secret: string;
  /** When it stops signing, epoch ms of the store's time; absent for the current one. */
  readonly expiresAt?: number;
}

/** One subscriber endpoint of one tenant, as it is stored. */
export interface WebhookRecord {
  /** `whk_…` */
  readonly id: string;
  readonly tenantId: string;
  readonly ownerId?: string;
  readonly name?: string;
  /** Canonical (WHATWG) form. */
  readonly url: string;
  readonly description?: string;
  /** Subscribed types: `invoice.paid`, `invoice.*`, `*`. */
  readonly events: readonly string[];
  readonly filter?: Filter;
  /** Static headers of every request, names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly status: WebhookStatus;
  readonly delivery: DeliveryMode;
  readonly retry?: RetryPolicyData;
  readonly timeoutMs?: number;
  readonly maxInFlight?: number;
  /** Requests in a time, by all processes together. */
  readonly rateLimit?: RateLimit;
  /** Newest first, of either kind; the first is current. */
  readonly secrets: readonly WebhookSecret[];
  /** Epoch ms. */
  readonly createdAt: number;
  /** Epoch ms of the last change from outside; status changes of the engine do not count. */
  readonly updatedAt: number;
  /** Rises with every change from outside: the compare-and-set of management. */
  readonly revision: number;
}

/**
 * The webhook's machine.
 *
 * - **enabled**: served from the express queue. Left on a failed attempt (retrying), or from outside (disabled).
 *   `since` is when it became so again: no two episodes are the same value, so that a change that is applied long after its caller gave up finds none.
 *   `failingSince` is kept while no attempt has succeeded since that failure: a queue that was emptied by giving up proves nothing.
 * - **retrying**: its deliveries wait in its own queue. `since` is the first failure after the last success, the clock of
 *   D (`unavailableAfterMs`); the clock runs while `failing`, and a success stops it. Left when its queue is empty (enabled),
 *   after D without a success (unavailable), from outside or by a 410 (disabled).
 * - **unavailable**: what waits and what is published is stored as exhausted. Left from outside only (enabled, disabled).
 * - **disabled**: nothing is fanned out to it, what waits is held. Left from outside only (enabled).
 */
export type WebhookStatus =
  | { readonly state: 'enabled'; readonly since?: number; readonly failingSince?: number }
  | { readonly state: 'retrying'; readonly since: number; readonly failing: boolean }
  | { readonly state: 'unavailable'; readonly since: number }
  | { readonly state: 'disabled'; readonly reason?: string };

/** What can happen to a webhook. */
export type WebhookInput =
  | { readonly kind: 'attempt-succeeded' }
  | { readonly kind: 'attempt-failed'; readonly unavailableAfterMs: number }
  /** D has passed and nothing is due that could be tried. */
  | { readonly kind: 'time-is-up'; readonly unavailableAfterMs: number }
  | { readonly kind: 'queue-emptied' }
  | { readonly kind: 'gone' }
  | { readonly kind: 'enable' }
  | { readonly kind: 'disable'; readonly reason?: string };

/**
 * The one function that moves a webhook. Returns the very status it was given when nothing changes, and
 * `undefined` for a request from outside that the machine does not have.
 */
export function nextWebhookStatus(
  status: WebhookStatus,
  input: WebhookInput,
  now: number,
): WebhookStatus | undefined {
  switch (input.kind) {
    case 'attempt-succeeded':
      return afterSuccess(status);
    case 'attempt-failed':
      return afterFailure(status, input.unavailableAfterMs, now);
    case 'time-is-up':
      return isTimeUp(status, input.unavailableAfterMs, now) ? { state: 'unavailable', since: now } : status;
    case 'queue-emptied':
      return status.state === 'retrying' ? enabledAfter(status, now) : status;
    case 'gone':
      return status.state === 'disabled' ? status : { state: 'disabled', reason: 'gone' };
    case 'enable':
      return afterEnable(status, now);
    case 'disable':
      if (status.state === 'disabled') return status;
      return input.reason === undefined ? { state: 'disabled' } : { state: 'disabled', reason: input.reason };
  }
}

function afterSuccess(status: WebhookStatus): WebhookStatus {
  switch (status.state) {
    case 'enabled':
      return status.failingSince === undefined ? status : enabled(status.since);
    case 'retrying':
      return status.failing ? { ...status, failing: false } : status;
    case 'unavailable':
    case 'disabled':
      return status;
  }
}

function afterFailure(status: WebhookStatus, unavailableAfterMs: number, now: number): WebhookStatus {
  switch (status.state) {
    case 'enabled':
      return { state: 'retrying', since: status.failingSince ?? now, failing: true };
    case 'retrying':
      if (!status.failing) return { state: 'retrying', since: now, failing: true };
      return isTimeUp(status, unavailableAfterMs, now) ? { state: 'unavailable', since: now } : status;
    case 'unavailable':
    case 'disabled':
      return status;
  }
}

function isTimeUp(status: WebhookStatus, unavailableAfterMs: number, now: number): boolean {
  return status.state === 'retrying' && status.failing && now - status.since >= unavailableAfterMs;
}

function enabled(since: number | undefined): WebhookStatus {
  return since === undefined ? { state: 'enabled' } : { state: 'enabled', since };
}

function enabledAfter(
  status: { readonly since: number; readonly failing: boolean },
  now: number,
): WebhookStatus {
  return status.failing
    ? { state: 'enabled', since: now, failingSince: status.since }
    : { state: 'enabled', since: now };
}

function afterEnable(status: WebhookStatus, now: number): WebhookStatus | undefined {
  switch (status.state) {
    case 'enabled':
      return status;
    case 'retrying':
      return undefined;
    case 'unavailable':
    case 'disabled':
      return { state: 'enabled', since: now };
  }
}

/** Whether two statuses are the same in every field: what a compare-and-set compares. */
export function sameStatus(a: WebhookStatus, b: WebhookStatus): boolean {
  switch (a.state) {
    case 'enabled':
      return b.state === 'enabled' && a.since === b.since && a.failingSince === b.failingSince;
    case 'retrying':
      return b.state === 'retrying' && a.since === b.since && a.failing === b.failing;
    case 'unavailable':
      return b.state === 'unavailable' && a.since === b.since;
    case 'disabled':
      return b.state === 'disabled' && a.reason === b.reason;
  }
}
