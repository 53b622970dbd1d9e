import type { Clock } from '../clock.ts';
import type { LeaseTimes } from '../repos.ts';

/**
 * Which clock judges due times and leases: the store's own where it has one, else each caller's `now`. With a clock of
 * the store's, the caller's two instants give only the length of the lease.
 */
export class StoreTime {
  readonly #clock: Clock | undefined;

  constructor(clock: Clock | undefined) {
    this.#clock = clock;
  }

  /** Tells the store's own time, where it has one. */
  get telling(): (() => Promise<number>) | undefined {
    const clock = this.#clock;
    return clock && (async () => clock.now());
  }

  /** The instant to judge by. */
  now(callersNow: number): number {
    return this.#clock === undefined ? callersNow : this.#clock.now();
  }

  /** When a lease that starts now runs out. */
  leaseEnd(times: LeaseTimes): number {
    return this.now(times.now) + (times.leaseUntil - times.now);
  }
}
