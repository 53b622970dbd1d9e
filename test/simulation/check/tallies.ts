import type { AttemptData, OutcomeTally, Settlement, StateRepo } from '../../../src/index.ts';
import { hookNumber } from '../endpoint.ts';
import type { Life } from '../life.ts';
import type { Sending } from '../network.ts';
import type { Outcome, PortCall } from '../ports.ts';
import type { Timeline } from '../timeline.ts';
import type { Findings } from './findings.ts';
import { isOk } from './requests.ts';

/** What the checks of tallies work with. */
export interface TallyLawParts {
  readonly findings: Findings;
  readonly timeline: Timeline;
  readonly state: StateRepo;
  readonly storageTimeoutMs: number;
  readonly webhookIds: () => readonly string[];
  readonly isTroubled: (life: Life) => boolean;
}

/** One request that ended, as its process told of it. */
interface Counted {
  readonly hook: number;
  readonly isSuccess: boolean;
  readonly at: number;
}

/** What one process did. */
interface Work {
  /** By webhook: requests that were started. */
  readonly sent: Map<number, number>;
  /** One for each request, however many deliveries were in it. */
  readonly counted: Map<object, Counted>;
  /** When it ended, true time; undefined while it runs. */
  ended?: { readonly at: number; readonly how: 'killed' | 'stopped' };
}

/** How long what was counted waits to be stored, ms, and how long another try may take that follows a failure. */
const STORE_EVERY_MS = 10_000;
const LONGEST_STEP_MS = 10_000;

/** I27: in the end the tallies of a webhook add up to the requests that ended, but for what processes had not stored when they ended. */
export class TallyLaws {
  readonly #parts: TallyLawParts;
  readonly #works = new Map<Life, Work>();
  readonly #writers = new Map<string, Life>();
  #calmAt = 0;

  constructor(parts: TallyLawParts) {
    this.#parts = parts;
  }

  #workOf(life: Life): Work {
    const work = this.#works.get(life) ?? { sent: new Map(), counted: new Map() };
    this.#works.set(life, work);
    return work;
  }

  sent({ life, request }: Sending): void {
    const { sent } = this.#workOf(life);
    const hook = hookNumber(request.url);
    sent.set(hook, (sent.get(hook) ?? 0) + 1);
  }

  called({ life, name, args, at }: PortCall): void {
    if (name !== 'events.settle') return;
    const { counted } = this.#workOf(life);
    for (const { attempt } of args[0] as readonly Settlement[]) {
      if (attempt === undefined || isAborted(attempt) || counted.has(attempt.request)) continue;
      // The halves of a batch share the request that they were refused in.
      const hook = hookNumber(attempt.request.url);
      counted.set(attempt.request, { hook, isSuccess: isOk(attempt.httpStatus), at });
    }
  }

  applied({ life, name, args }: PortCall, outcome: Outcome): void {
    if (name !== 'state.recordOutcomes' || 'error' in outcome) return;
    for (const { writer } of args[0] as readonly OutcomeTally[]) {
      this.#parts.findings.mark(this.#writers.has(writer) ? 'tally: stored anew' : 'tally: stored');
      this.#writers.set(writer, life);
    }
  }

  ended(life: Life, how: 'killed' | 'stopped'): void {
    this.#workOf(life).ended = { at: this.#parts.timeline.now, how };
  }

  calmed(): void {
    this.#calmAt = this.#parts.timeline.now;
  }

  /** At the end. */
  async audit(): Promise<void> {
    const { state, findings, webhookIds } = this.#parts;
    for (const [hook, webhookId] of webhookIds().entries()) {
      const tallies = await state.outcomes({ webhookId, since: 0 });
      for (const [life, work] of this.#works) {
        const own = tallies.filter(({ writer }) => this.#writers.get(writer) === life);
        this.#judge(life, work, { hook, own });
      }
      if (tallies.some(({ writer }) => !this.#writers.has(writer)))
        findings.violate('I27', `a tally of ${webhookId} is of nobody`);
    }
  }

  #judge(
    life: Life,
    { sent, counted, ended }: Work,
    { hook, own }: { readonly hook: number; readonly own: readonly OutcomeTally[] },
  ): void {
    const { findings } = this.#parts;
    const all = [...counted.values()].filter((one) => one.hook === hook);
    const dueBefore = this.#dueBefore(life, ended);
    const isWhole = ended === undefined || (ended.how === 'stopped' && !this.#parts.isTroubled(life));
    for (const kind of ['succeeded', 'failed'] as const) {
      const stored = own.reduce((sum, tally) => sum + tally[kind], 0);
      const known = all.filter(({ isSuccess }) => isSuccess === (kind === 'succeeded'));
      // Who was killed, or stopped while the store was away, may have counted what it could tell nobody of.
      const most = isWhole ? known.length : (sent.get(hook) ?? 0);
      const least = known.filter(({ at }) => at < dueBefore).length;
      if (stored < known.length) findings.mark('tally: not stored in time');
      if (stored > most || stored < least)
        findings.violate(
          'I27',
          `${life.name} has stored that ${stored} requests to hook${hook} ${kind}; ${least} to ${most} did`,
        );
    }
  }

  /** What was counted before that instant must be stored by now. */
  #dueBefore(life: Life, ended: Work['ended']): number {
    const { timeline, storageTimeoutMs, isTroubled } = this.#parts;
    const isSmooth = !isTroubled(life) && life.disturbedAt === 0;
    if (ended?.how === 'stopped') return isSmooth ? Number.POSITIVE_INFINITY : 0;
    if (ended !== undefined) return isSmooth ? ended.at - STORE_EVERY_MS - SLACK_MS : 0;
    if (isSmooth) return timeline.now - STORE_EVERY_MS - SLACK_MS;
    const graceMs = STORE_EVERY_MS + LONGEST_STEP_MS + 4 * storageTimeoutMs + SLACK_MS;
    return timeline.now - graceMs > this.#calmAt ? timeline.now - graceMs : 0;
  }
}

/** A few round trips, ms. */
const SLACK_MS = 300;

function isAborted({ error }: AttemptData): boolean {
  return error?.kind === 'aborted';
}
