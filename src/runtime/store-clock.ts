import type { StateRepo } from '../repos.ts';
import type { Outage, Run } from './run.ts';

/** Between two looks at the store's clock, ms: clocks drift by less than a tenth of a millisecond in a second. */
const LOOK_EVERY_MS = 60_000;

/** What the store's time is told from. */
export interface StoreClockParts {
  readonly run: Run;
  readonly state: StateRepo;
}

/**
 * The store's time, as this process reckons it: what it shares with the processes that set an instant. Until the store has told, and where it has no clock of
 * its own, it is this process's.
 */
export class StoreClock {
  readonly #parts: StoreClockParts;
  readonly #outage: Outage;
  #aheadMs = 0;

  constructor(parts: StoreClockParts) {
    this.#parts = parts;
    this.#outage = parts.run.outage('state.now');
  }

  start(): void {
    if (this.#parts.state.now !== undefined) void this.#look();
  }

  /** The store's time at an instant of this process. */
  at(instant: number): number {
    return instant + this.#aheadMs;
  }

  /** The store answers somewhere between the question and the arrival of the answer. */
  async #look(): Promise<void> {
    const { run, state } = this.#parts;
    const askedAt = run.now();
    const told = await this.#outage.attempt(async () => state.now?.());
    if (typeof told?.value === 'number' && Number.isFinite(told.value))
      this.#aheadMs = Math.round(told.value - (askedAt + run.now()) / 2);
    run.schedule(LOOK_EVERY_MS, () => void this.#look());
  }
}
