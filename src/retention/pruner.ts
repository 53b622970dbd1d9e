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

/**
 * Removes, in the background and a little at a time, what ended longer ago than `retention` says. Every process does; what one has
 * removed the others do not find.
 */
export class Pruner {
  readonly #parts: PrunerParts;
  readonly #outage: Outage;

  constructor(parts: PrunerParts) {
    this.#parts = parts;
    this.#outage = parts.run.outage('events.prune');
  }

  /** Begins at a random instant, so that processes which start together do not look together. */
  start(): void {
    const { deliveredMs, deadLetterMs, attemptsMs } = this.#parts.settings.retention;
    if (Math.min(deliveredMs, deadLetterMs, attemptsMs) === Number.POSITIVE_INFINITY) return;
    this.#lookIn(this.#parts.settings.random.next() * LOOK_EVERY_MS);
  }

  #lookIn(delayMs: number): void {
    this.#parts.run.schedule(Math.max(1, delayMs), () => void this.#prune());
  }

  async #prune(): Promise<void> {
    const { run, settings } = this.#parts;
    while (run.accepting) {
      const startedAt = run.now();
      const request = requestAt(startedAt, settings.retention);
      const done = await this.#outage.attempt(() => settings.repos.events.prune(request));
      if (done?.value.more !== true) break;
      await run.sleep(Math.max(PAUSE_MS, run.now() - startedAt));
    }
    if (run.accepting) this.#lookIn(LOOK_EVERY_MS);
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
