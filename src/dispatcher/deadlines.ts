import type { Clock } from '../clock.ts';

/** Calls for the same length of time from the same millisecond on. */
interface Round {
  readonly startedAt: number;
  readonly timeoutMs: number;
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

  /** Calls `run` once, `timeoutMs` after `startedAt`, which is the present. Returns what cancels it. */
  schedule(startedAt: number, timeoutMs: number, run: () => void): () => void {
    const { calls, cancel } = this.#roundOf(startedAt, timeoutMs);
    calls.add(run);
    return () => {
      // The last one leaves no timer behind that would keep the process alive.
      if (calls.delete(run) && calls.size === 0) cancel();
    };
  }

  /** One of which nothing is left has no timer any more. */
  #roundOf(startedAt: number, timeoutMs: number): Round {
    const newest = this.#newest;
    if (newest?.startedAt === startedAt && newest.timeoutMs === timeoutMs && newest.calls.size > 0)
      return newest;
    const calls = new Set<() => void>();
    const cancel = this.#clock.schedule(timeoutMs, () => {
      this.#newest = undefined;
      for (const run of calls) run();
    });
    const round = { startedAt, timeoutMs, calls, cancel };
    this.#newest = round;
    return round;
  }
}
