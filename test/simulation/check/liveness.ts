import { moodAt } from '../endpoint.ts';
import type { Plan } from '../plan.ts';
import { BEGINNING, type Timeline } from '../timeline.ts';
import type { Findings } from './findings.ts';
import { hasEnded, type Ledger } from './ledger.ts';
import { isHeldUp, standing } from './order.ts';
import { OverdueLaw } from './overdue.ts';
import { rateWaitOf } from './rate-wait.ts';
import { attemptsOf } from './requests.ts';

/** What the checks of liveness work with. */
export interface LivenessParts {
  readonly plan: Plan;
  readonly ledger: Ledger;
  readonly findings: Findings;
  readonly timeline: Timeline;
}

/** The polls that an idle time is watched for. */
const IDLE_POLLS = 6;

/** What must happen once faults have stopped: all work ends in bounded time, and then hardly anything is done. */
export class Liveness {
  readonly #parts: LivenessParts;
  readonly #boundMs: number;
  /** Until the last call that was made before is applied: a host's, too, which its host has given up on. */
  readonly #slowestMs: number;
  readonly #overdue: OverdueLaw;
  #calmAt = Number.POSITIVE_INFINITY;
  #looks = 0;
  /** When retention last took something that may have held others up, true time. */
  #freedAt = Number.NEGATIVE_INFINITY;

  constructor(parts: LivenessParts) {
    this.#parts = parts;
    this.#overdue = new OverdueLaw(parts);
    const { weather, settings } = parts.plan;
    this.#slowestMs = weather.slow > 0 ? 6 * settings.storageTimeoutMs : 0;
    this.#boundMs = boundOf(parts.plan) + this.#slowestMs;
  }

  calmed(): void {
    this.#calmAt = this.#parts.timeline.now;
  }

  /** Retention took something: what waited behind it can go on, and has its time from now on. */
  freed(): void {
    this.#freedAt = this.#parts.timeline.now;
  }

  /** Whether retention may have made work since that instant. */
  wasFreedSince(at: number): boolean {
    return this.#freedAt >= at;
  }

  /** Whether all work has ended, or has had its time. Looks only now and then: it is asked at every event. */
  isOver(): boolean {
    const { timeline } = this.#parts;
    if (timeline.now < this.#calmAt + this.#slowestMs) return false;
    this.#looks += 1;
    if (timeline.now > this.#calmAt + this.#boundMs) return true;
    if (this.#looks % 16 !== 0) return false;
    this.#overdue.look(timeline.now, Math.max(this.#calmAt + this.#slowestMs, this.#freedAt));
    return this.#open().length === 0;
  }

  /** What has not ended by now never will. */
  audit(): void {
    const { findings, timeline } = this.#parts;
    if (this.wasFreedSince(timeline.now - this.#boundMs)) return;
    for (const what of this.#open())
      findings.violate('L', `${what} ${Math.round(timeline.now - this.#calmAt)} ms after faults stopped`);
  }

  /** When an idle time begins, how long to watch it, ms, and how many port calls it may see. */
  get idle(): { readonly afterMs: number; readonly forMs: number; readonly calls: number } {
    const { nodes, settings, webhooks } = this.#parts.plan;
    const { pollMs, backoff, webhookCacheMs } = settings;
    // A claim and an acquisition per poll; the sweep, its look at queues and the pacer at every eighth; retention, of events and of
    // state, once a minute; tallies ten seconds after the last attempt.
    return {
      afterMs: 2 * pollMs + webhookCacheMs + 2 * backoff.maxMs,
      forMs: IDLE_POLLS * pollMs,
      calls: nodes * (2 * (IDLE_POLLS + 1) + 8 + webhooks.length),
    };
  }

  /** Everything that waits for something, save what is held for a disabled webhook. */
  #open(): string[] {
    const { ledger } = this.#parts;
    const open: string[] = [];
    for (const { record } of ledger.deliveries.values()) {
      if (hasEnded(record)) continue;
      const webhook = ledger.webhooks.get(record.webhookId);
      const isHeld =
        webhook?.record.status.state === 'disabled' && !webhook.isDeleted && record.status !== 'replaying';
      if (!isHeld && !isHeldUp(record, ledger))
        open.push(
          `${record.id} is ${record.status} in the ${record.queue} queue of a webhook that is ${webhook?.isDeleted ? 'deleted' : webhook?.record.status.state}${standing(record, ledger)}`,
        );
    }
    for (const { record, isDeleted, queue } of ledger.webhooks.values()) {
      if (queue !== undefined && queue.nextAt !== null)
        open.push(`the queue of ${record.id} is open: ${JSON.stringify(queue)}`);
      if (!isDeleted && record.status.state === 'retrying')
        open.push(`${record.id} is ${JSON.stringify(record.status)}`);
    }
    return open;
  }
}

/** How long all work may take: D for the dead, the longest waits for those that recover, and then one after the other through the slots. */
function boundOf(plan: Plan): number {
  const { settings, webhooks, weather, actions, faultsEndMs } = plan;
  const {
    unavailableAfterMs,
    backoff,
    maxRetryAfterMs,
    leaseMs,
    pollMs,
    timeoutMs,
    storageTimeoutMs,
    retry,
    replaysPerSecond,
  } = settings;
  const attempts = Math.max(
    ...[retry, ...webhooks.flatMap((webhook) => webhook.retry ?? [])].map(attemptsOf),
  );
  const waitMs = backoff.maxMs * (1 + backoff.jitter) + maxRetryAfterMs + 6_000 + 2 * timeoutMs;
  const published =
    actions.reduce((sum, action) => sum + (action.do === 'publish' ? action.count : 1), 0) * webhooks.length;
  const isSlow = webhooks.some(
    (webhook) => moodAt({ plan: webhook, beginning: BEGINNING }, BEGINNING + faultsEndMs) !== 'well',
  );
  const eachMs = (isSlow ? 500 : 50) + 8 * weather.latencyMs;
  const recoveryMs = 3 * leaseMs + 20 * pollMs + 4 * storageTimeoutMs + 10_000;
  const skewMs = 2 * weather.skewMs + 4 * leaseMs;
  return (
    unavailableAfterMs +
    attempts * waitMs +
    published * eachMs +
    (published / replaysPerSecond) * 1_000 +
    recoveryMs +
    skewMs +
    rateWaitOf(plan)
  );
}
