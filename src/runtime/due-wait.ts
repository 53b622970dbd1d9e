/** The first wait for what should be due already, ms. */
const FIRST_STEP_MS = 1;

/**
 * How long to wait for what the store says is due at an instant. A store that judges by a clock of its own, behind ours, hands nothing out
 * that is due by ours: then the waits grow, so that skew between the clocks costs a few calls, not one after the other.
 */
export class DueWait {
  readonly #longestMs: number;
  #stepMs: number = FIRST_STEP_MS;

  /** @param longestMs a poll looks after that long in any case. */
  constructor(longestMs: number) {
    this.#longestMs = longestMs;
  }

  /** Something was handed out: the clocks agree. */
  reset(): void {
    this.#stepMs = FIRST_STEP_MS;
  }

  /** The wait from `now` on, ms; at least 1. `undefined`: nothing is known to come. */
  until(dueAt: number | undefined, now: number): number {
    if (dueAt === undefined) return this.#longestMs;
    if (dueAt > now) {
      this.reset();
      return Math.min(dueAt - now, this.#longestMs);
    }
    const stepMs = this.#stepMs;
    this.#stepMs = Math.min(stepMs * 2, this.#longestMs);
    return stepMs;
  }
}
