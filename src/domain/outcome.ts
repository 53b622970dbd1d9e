/**
 * From an answer to what it means, and from that to what becomes of the delivery. Only the status line counts: a 2xx is
 * final whatever its body does afterwards, and redirects are failures, because they are never followed.
 */
import type { AttemptErrorKind, DeliveryRecord, SettledState } from './delivery.ts';
import type { DeliveryMode, WebhookStatus } from './webhook.ts';

/** What came back of one request. */
export type Answer =
  | {
      readonly kind: 'response';
      readonly status: number;
      /** Parsed from the Retry-After header, ms from now. */
      readonly retryAfterMs?: number | undefined;
    }
  | { readonly kind: 'error'; readonly errorKind: AttemptErrorKind };

/**
 * What an answer means.
 * - `delivered`: 2xx.
 * - `gone`: 410. The endpoint wants nothing more, ever.
 * - `failed`: everything else. `retryAfterMs` is what a 429 or 503 asked for, bounded.
 * - `aborted`: ended by us, or lost with its worker; says nothing about the endpoint and counts as no try.
 */
export type Outcome =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'gone' }
  | { readonly kind: 'failed'; readonly retryAfterMs?: number }
  | { readonly kind: 'aborted' };

/** The longest Retry-After that is honoured unless told otherwise: 1 h in ms. */
export const defaultMaxRetryAfterMs: number = 3_600_000;

/** Classifies an answer. A Retry-After beyond `maxRetryAfterMs` (default 1 h) becomes that; a negative one or NaN is ignored. */
export function outcomeOf(answer: Answer, options: { readonly maxRetryAfterMs?: number } = {}): Outcome {
  switch (answer.kind) {
    case 'response':
      return ofResponse(answer, options.maxRetryAfterMs ?? defaultMaxRetryAfterMs);
    case 'error':
      return ofError(answer.errorKind);
  }
}

function ofResponse(answer: Extract<Answer, { kind: 'response' }>, maxRetryAfterMs: number): Outcome {
  const { status, retryAfterMs } = answer;
  if (status >= 200 && status <= 299) return { kind: 'delivered' };
  if (status === 410) return { kind: 'gone' };
  const asksToWait = (status === 429 || status === 503) && retryAfterMs !== undefined && retryAfterMs >= 0;
  return asksToWait
    ? { kind: 'failed', retryAfterMs: Math.min(retryAfterMs, maxRetryAfterMs) }
    : { kind: 'failed' };
}

function ofError(errorKind: AttemptErrorKind): Outcome {
  switch (errorKind) {
    case 'aborted':
    case 'lost':
      return { kind: 'aborted' };
    case 'blocked':
    case 'dns':
    case 'refused':
    case 'reset':
    case 'tls':
    case 'timeout':
    case 'invalid-response':
    case 'signing':
    case 'request':
      return { kind: 'failed' };
  }
}

/** What, beside the outcome, decides what becomes of a delivery. */
export interface Circumstances {
  readonly semantics: DeliveryMode['semantics'];
  /** The retry policy's wait before the next attempt, ms; `undefined` when it allows none. Asked for after a failure only. */
  readonly nextDelayMs?: number | undefined;
  /** The webhook's status after this outcome. */
  readonly webhookStatus: WebhookStatus;
  /** Epoch ms. */
  readonly now: number;
}

/**
 * What becomes of a delivery when its attempt has ended. At-most-once never waits again. At-least-once waits again unless
 * nothing more may come: no further attempt by its policy, or a webhook that is Unavailable. Behind a webhook that is
 * disabled it waits too: held, not lost.
 */
export function settleAfter(
  delivery: Pick<DeliveryRecord, 'dueAt' | 'queue'>,
  outcome: Outcome,
  circumstances: Circumstances,
): SettledState {
  switch (outcome.kind) {
    case 'delivered':
      return { status: 'delivered' };
    case 'gone':
      return { status: 'exhausted', reason: 'webhook-gone' };
    case 'aborted':
      return afterAbort(delivery, circumstances);
    case 'failed':
      return afterFailure(outcome.retryAfterMs ?? 0, circumstances);
  }
}

function afterAbort(
  delivery: Pick<DeliveryRecord, 'dueAt' | 'queue'>,
  { semantics, webhookStatus }: Circumstances,
): SettledState {
  if (semantics === 'at-most-once') return { status: 'exhausted', reason: 'outcome-unknown' };
  if (webhookStatus.state === 'unavailable') return { status: 'exhausted', reason: 'webhook-unavailable' };
  const queue = webhookStatus.state === 'enabled' ? delivery.queue : 'own';
  return { status: 'waiting', dueAt: delivery.dueAt, queue };
}

/** The wait is the policy's, or what the endpoint asked for where that is longer. */
function afterFailure(retryAfterMs: number, circumstances: Circumstances): SettledState {
  const { semantics, nextDelayMs, webhookStatus, now } = circumstances;
  if (semantics === 'at-most-once') return { status: 'exhausted', reason: 'at-most-once-failed' };
  if (nextDelayMs === undefined) return { status: 'exhausted', reason: 'attempts-used-up' };
  if (webhookStatus.state === 'unavailable') return { status: 'exhausted', reason: 'webhook-unavailable' };
  return { status: 'waiting', dueAt: now + Math.max(nextDelayMs, retryAfterMs), queue: 'own' };
}
