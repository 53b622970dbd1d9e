import type { DeliveryRecord } from '../../../src/index.ts';
import type { Plan } from '../plan.ts';
import type { Findings } from './findings.ts';
import { hasEnded, type Ledger } from './ledger.ts';
import { isHeldUp } from './order.ts';
import { rateWaitOf } from './rate-wait.ts';

/** What the law works with. */
export interface OverdueParts {
  readonly plan: Plan;
  readonly ledger: Ledger;
  readonly findings: Findings;
}

/**
 * Once faults have stopped nothing waits for longer than it has to: a claim whose process ended is taken over within lease and poll, and what is due for a
 * webhook that answers well is claimed at the next poll; both behind what stands before them.
 */
export class OverdueLaw {
  readonly #parts: OverdueParts;
  readonly #graceMs: number;
  readonly #told = new Set<string>();

  constructor(parts: OverdueParts) {
    this.#parts = parts;
    this.#graceMs = graceOf(parts.plan);
  }

  /** `since`: when the last of the faults was over, true time. */
  look(now: number, since: number): void {
    const { ledger, findings } = this.#parts;
    for (const { record } of ledger.deliveries.values()) {
      const from = this.#instantOf(record);
      if (from === undefined || now - Math.max(from, since) <= this.#graceMs || this.#told.has(record.id))
        continue;
      this.#told.add(record.id);
      findings.violate('L', `${record.id} is ${record.status} ${Math.round(now - from)} ms after its time`);
    }
  }

  /** From when on somebody has to take it; undefined while nobody has. */
  #instantOf(record: DeliveryRecord): number | undefined {
    const { ledger } = this.#parts;
    const webhook = ledger.webhooks.get(record.webhookId);
    if (hasEnded(record) || webhook === undefined || isHeldUp(record, ledger)) return undefined;
    const { state } = webhook.record.status;
    if (state === 'disabled' && !webhook.isDeleted) return undefined;
    if (record.status === 'delivering') return record.leaseUntil;
    const isHealthy = state === 'enabled' && !webhook.isDeleted;
    return isHealthy && record.queue === 'express' && record.status !== 'replaying'
      ? record.dueAt
      : undefined;
  }
}

/** A poll, a lease on a queue and its back-off, the requests that hold the slots, and everything that may stand before it. */
function graceOf(plan: Plan): number {
  const { settings, webhooks, weather, actions, hasStoreClock } = plan;
  const { pollMs, leaseMs, timeoutMs, storageTimeoutMs, backoff, maxRetryAfterMs } = settings;
  const events = actions.reduce((sum, action) => sum + (action.do === 'publish' ? action.count : 1), 0);
  const before = events * webhooks.length * (50 + weather.latencyMs);
  const skewMs = hasStoreClock ? 2 * weather.skewMs : weather.skewMs;
  const jumps = actions.filter((action) => action.do === 'jump').length * leaseMs;
  const queueMs = leaseMs + backoff.maxMs * (1 + backoff.jitter) + maxRetryAfterMs;
  return (
    8 * pollMs +
    queueMs +
    2 * timeoutMs +
    4 * storageTimeoutMs +
    before +
    2 * skewMs +
    jumps +
    2_000 +
    rateWaitOf(plan)
  );
}
