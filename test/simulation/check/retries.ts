import type { DeliveryRecord, RetryPolicyData, Settlement } from '../../../src/index.ts';
import type { PlanSettings } from '../plan.ts';
import type { PortCall } from '../ports.ts';
import type { Findings } from './findings.ts';
import type { DeliveryNotes, Ledger } from './ledger.ts';
import { attemptsOf } from './requests.ts';

/** What the checks of retries work with. */
export interface RetryLawParts {
  readonly ledger: Ledger;
  readonly findings: Findings;
  readonly settings: PlanSettings;
}

/** I11: a failed delivery is tried again when its policy says, within the jitter, or when the endpoint asked for, clamped. I3: and it ends only for a reason. */
export class RetryLaws {
  readonly #parts: RetryLawParts;

  constructor(parts: RetryLawParts) {
    this.#parts = parts;
  }

  /** Looks at a settlement that was applied; the notes hold the record after it. */
  settled({ record }: DeliveryNotes, { next, attempt }: Settlement, { life }: PortCall): void {
    const { ledger, findings, settings } = this.#parts;
    const webhook = ledger.webhooks.get(record.webhookId)?.record;
    if (webhook === undefined) return;
    const policy = webhook.retry ?? settings.retry;
    if (attempt?.counted && attempt.error?.kind === 'aborted')
      findings.violate('I6', `${record.id}: an aborted attempt counts against its policy`);
    if (next.status === 'exhausted') this.#judgeReason(record, next.reason, { policy, attempt });
    if (
      attempt !== undefined &&
      !attempt.counted &&
      attempt.error?.kind !== 'aborted' &&
      !splits(next, attempt)
    )
      findings.violate('I6', `${record.id}: an attempt that ended does not count against its policy`);
    if (next.status !== 'waiting' || attempt === undefined || !attempt.counted) return;
    if (webhook.delivery.semantics === 'at-most-once')
      findings.violate('I8', `${record.id} is at-most-once, was sent, and waits for another attempt`);
    // A clock that was set meanwhile says nothing of how long the attempt took.
    if (life.disturbedAt > 0) return;
    const landedAt = attempt.startedAt + attempt.durationMs;
    const waitMs = next.dueAt - landedAt;
    const { low, high } = boundsOf(policy, record.tries + 1);
    const longest = asksToWait(attempt.httpStatus) ? Math.max(high, settings.maxRetryAfterMs) : high;
    if (waitMs < low || waitMs > longest)
      findings.violate(
        'I11',
        `${record.id} waits ${waitMs} ms for attempt ${record.tries + 1}, not ${low} to ${longest}`,
      );
    if (waitMs > high) findings.mark('a wait by Retry-After');
  }

  #judgeReason(
    { id, tries, lost }: DeliveryRecord,
    reason: string,
    { policy, attempt }: { policy: RetryPolicyData; attempt: Settlement['attempt'] },
  ): void {
    const { findings } = this.#parts;
    findings.mark(`exhausted: ${reason}`);
    if (reason === 'attempts-used-up' && tries !== attemptsOf(policy))
      findings.violate('I6', `${id} is given up after ${tries} of ${attemptsOf(policy)} attempts`);
    if (reason === 'webhook-gone' && attempt?.httpStatus !== 410)
      findings.violate('I3', `${id} is given up as gone after ${attempt?.httpStatus}`);
    if (reason === 'outcome-unknown' && attempt === undefined && lost === 0)
      findings.violate('I6', `${id} is given up for lost claims and has none`);
  }
}

/** A batch that is split has used up no try by it. */
function splits(next: Settlement['next'], attempt: Settlement['attempt'] & object): boolean {
  return (
    next.status === 'waiting' &&
    next.batch !== undefined &&
    attempt.httpStatus >= 400 &&
    attempt.httpStatus < 500
  );
}

function asksToWait(status: number): boolean {
  return status === 429 || status === 503;
}

/** The least and the most that the policy makes of the wait before an attempt. */
function boundsOf(policy: RetryPolicyData, attempt: number): { readonly low: number; readonly high: number } {
  const plain =
    policy.kind === 'schedule'
      ? (policy.delaysMs[attempt - 1] ?? 0)
      : Math.min(policy.maxMs, policy.baseMs * policy.factor ** (attempt - 2));
  return { low: Math.round(plain * (1 - policy.jitter)), high: Math.round(plain * (1 + policy.jitter)) };
}
