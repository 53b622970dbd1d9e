import type { AttemptErrorKind } from '../domain/delivery.ts';
import type { Answer } from '../domain/outcome.ts';
import { defaultRetry, delayBefore, maxRetryDelayMs, type RetryPolicy } from '../domain/retry-policy.ts';
import { HostCodeError, quote } from '../errors.ts';
import type { Random } from '../random.ts';
import type { Run } from '../runtime/run.ts';
import type { Claim } from './lane.ts';

/** What the wait depends on. */
export interface FailedAttempt {
  readonly claim: Claim;
  readonly answer: Answer;
  readonly policy: RetryPolicy;
}

/**
 * The wait before the attempt after this one, ms; `undefined` when there is to be none. A policy of the host's that throws or returns no
 * delay is reported, and the default policy decides.
 */
export function nextDelay(failed: FailedAttempt, run: Run, random: Random): number | undefined {
  const attempt = failed.claim.delivery.tries + 2;
  if (typeof failed.policy !== 'function') return delayBefore(failed.policy, attempt, random);
  try {
    const delayMs: unknown = failed.policy(attempt, contextOf(failed, run.now()));
    // An async function is a mistake; its rejection must not end the process as one that nobody handles.
    if (delayMs instanceof Promise) delayMs.catch(() => {});
    if (delayMs === undefined) return undefined;
    if (typeof delayMs === 'number' && delayMs >= 0) return Math.min(Math.round(delayMs), maxRetryDelayMs);
    throw new RangeError(`a retry policy must return a delay in ms or undefined, not ${quote(delayMs)}`);
  } catch (cause) {
    run.reporter.emit('error', new HostCodeError('retry policy', { cause }));
    return delayBefore(defaultRetry, attempt, random);
  }
}

function contextOf(
  { claim, answer }: FailedAttempt,
  now: number,
): {
  eventType: string;
  httpStatus: number;
  elapsedMs: number;
  errorKind?: AttemptErrorKind;
} {
  const { eventType, createdAt } = claim.delivery;
  const base = { eventType, elapsedMs: Math.max(0, now - createdAt) };
  return answer.kind === 'response'
    ? { ...base, httpStatus: answer.status }
    : { ...base, httpStatus: 0, errorKind: answer.errorKind };
}
