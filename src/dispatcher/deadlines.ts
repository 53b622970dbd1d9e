import type { Clock } from '../clock.ts';

/** Calls for the same length of time from the same millisecond on. */
interface Round {
  readonly from: number;
  readonly delayMs: number;
  readonly calls: Set<() => void>;
  readonly cancel: () => void;
}

/**
 * Timers for many calls of which hardly any will be made. Under load many requests begin in one millisecond and nearly all of them end long before their time:
 * they share a timer, because one for each costs more than all else about a deadline. No instants are compared, so that a system clock that is set back
 * holds up nothing.
 */
export class Deadlines {
  readonly #clock: Clock;
  #newest: Round | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `run` once, `delayMs` after `now`, which is the present. Returns what cancels it. */
  schedule(now: number, delayMs: number, run: () => void): () => void {
    if (this.#newest?.from !== now || this.#newest.delayMs !== delayMs)
      this.#newest = this.#open(now, delayMs);
    const round = this.#newest;
    round.calls.add(run);
    return () => {
      // The last one leaves no timer behind that would keep the process alive.
      if (round.calls.delete(run) && round.calls.size === 0) this.#close(round);
    };
  }

  #open(from: number, delayMs: number): Round {
    const cancel = this.#clock.schedule(delayMs, () => {
      this.#close(round);
      for (const run of round.calls) run();
    });
    const round: Round = { from, delayMs, calls: new Set(), cancel };
    return round;
  }

  #close(round: Round): void {
    round.cancel();
    if (round === this.#newest) this.#newest = undefined;
  }
}
