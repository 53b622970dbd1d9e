/**
 * Time as the engine sees it. Nothing in the core reads the global clock or sets a global timer: a test or a simulator
 * passes a clock of its own (`manualClock()` of `surehook/testing`).
 */
export interface Clock {
  /** Now, in epoch milliseconds. */
  now(): number;
  /** Calls `run` once, `delayMs` from now (0: as soon as possible, never synchronously). Returns what cancels it. */
  schedule(delayMs: number, run: () => void): () => void;
}

/** Node's timers fire at once when asked for 2^31 ms or more, so longer waits are made of steps of this length. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The real clock: `Date.now` and Node's timers. A scheduled call keeps the process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  schedule(delayMs, run) {
    if (delayMs > LONGEST_TIMER_MS) return scheduleInSteps(delayMs, run);
    if (delayMs <= 0) {
      const immediate = setImmediate(run);
      return () => clearImmediate(immediate);
    }
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};

function scheduleInSteps(delayMs: number, run: () => void): () => void {
  let remainingMs = delayMs;
  let timer: ReturnType<typeof setTimeout>;
  const arm = (): void => {
    const stepMs = Math.min(remainingMs, LONGEST_TIMER_MS);
    remainingMs -= stepMs;
    timer = setTimeout(remainingMs > 0 ? arm : run, stepMs);
  };
  arm();
  return () => clearTimeout(timer);
}

/** Resolves after `delayMs` of the clock's time. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.schedule(delayMs, resolve);
  });
}
