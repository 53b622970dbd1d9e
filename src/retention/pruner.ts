import { periodOf, TALLIES_KEPT_MS } from '../domain/tally.ts';
import type { Settings } from '../options.ts';
import type { PruneRequest } from '../repos.ts';
import type { Outage, Run } from '../runtime/run.ts';

/** Between two looks for what may go, in ms. */
const LOOK_EVERY_MS = 60_000;
/** Rows of one kind per step: a step takes milliseconds and locks little. */
const STEP_ROWS = 500;
/** The pause after a step, at least, in ms; after one that took longer, as long as it took. */
const PAUSE_MS = 20;

/** What pruning works with. */
export interface PrunerParts {
  readonly run: Run;
  readonly settings: Settings;
}

/** One step: whether it may not have been the last, `undefined` where it failed. */
type Step = (now: number) => Promise<{ readonly value: boolean } | undefined>;

/**
 * Removes, in the background and a little at a time, what ended longer ago than `retention` says, and state that tells nothing any more. Every
 * process does; what one has removed the others do not find.
 */
export class Pruner {
  readonly #parts: PrunerParts;
  readonly #events: Outage;
  readonly #state: Outage;

  constructor(parts: PrunerParts) {
    this.#parts = parts;
    this.#events = parts.run.outage('events.prune');
    this.#state = parts.run.outage('state.pruneState');
  }

  /** Begins at a random instant, so that processes which start together do not look together. */
  start(): void {
    this.#lookIn(this.#parts.settings.random.next() * LOOK_EVERY_MS);
  }

  #lookIn(delayMs: number): void {
    this.#parts.run.schedule(Math.max(1, delayMs), () => void this.#prune());
  }

  async #prune(): Promise<void> {
    const { run, settings } = this.#parts;
    const { deliveredMs, deadLetterMs, attemptsMs } = settings.retention;
    if (Math.min(deliveredMs, deadLetterMs, attemptsMs) < Number.POSITIVE_INFINITY)
      await this.#repeat((now) => this.#pruneEvents(now));
    await this.#repeat((now) => this.#pruneState(now));
    if (run.accepting) this.#lookIn(LOOK_EVERY_MS);
  }

  /** Makes steps until nothing is left, one fails, or the run takes on no more work. */
  async #repeat(step: Step): Promise<void> {
    const { run } = this.#parts;
    while (run.accepting) {
      const startedAt = run.now();
      const done = await step(startedAt);
      if (done?.value !== true) return;
      await run.sleep(Math.max(PAUSE_MS, run.now() - startedAt));
    }
  }

  async #pruneEvents(now: number): ReturnType<Step> {
    const { repos, retention } = this.#parts.settings;
    const request = requestAt(now, retention);
    return await this.#events.attempt(async () => (await repos.events.prune(request)).more);
  }

  /** The period in which the longest window begins is kept whole. */
  async #pruneState(now: number): ReturnType<Step> {
    const { state } = this.#parts.settings.repos;
    const outcomesBefore = periodOf(now - TALLIES_KEPT_MS);
    return await this.#state.attempt(() => state.pruneState({ now, outcomesBefore, limit: STEP_ROWS }));
  }
}

function requestAt(now: number, retention: Settings['retention']): PruneRequest {
  const { deliveredMs, deadLetterMs, attemptsMs } = retention;
  return {
    limit: STEP_ROWS,
    ...(Number.isFinite(deliveredMs) && { deliveredBefore: now - deliveredMs }),
    ...(Number.isFinite(deadLetterMs) && { exhaustedBefore: now - deadLetterMs }),
    ...(Number.isFinite(attemptsMs) && { attemptsBefore: now - attemptsMs }),
  };
}
