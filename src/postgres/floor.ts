/** A place in the order of a queue. */
export interface Place {
  readonly wakeAt: number;
  readonly seq: number;
}

/** What a claim found out. */
export interface Found {
  /** The store's time, epoch ms. */
  readonly now: number;
  /** The first delivery that it claimed. */
  readonly head: Place | undefined;
  /** How many entries of the queue's index were read for nothing. */
  readonly wasted: number;
}

/** Before all deliveries. */
const BOTTOM: Place = { wakeAt: Number.MIN_SAFE_INTEGER, seq: 0 };
/** So many take a few milliseconds. */
const MANY = 10_000;
/** What others publish at this moment, by their own clocks, lies above the floor. */
const MARGIN_MS = 1_000;
/** Looking below the floor then takes about a tenth of the time at most. */
const WASTED_PER_MS = 200;
const LEAST_WAIT_MS = 1_000;
const REST_MS = 250;

/**
 * Where claims of the express queue begin to read. Every claim leaves dead entries in the index, which the server removes before long, but not
 * while a transaction is open that began before: claims then read all of them again, more each time. When they are many, claims begin at the
 * first delivery that the last one found, and only now and then at the bottom. What comes in below the floor (by a transaction that took more than
 * a second to commit) waits for that: for a second, or for ten where two million entries are dead.
 */
export class Floor {
  #place: Place = BOTTOM;
  #leaveAt = 0;

  /** Where the next claim is to begin. */
  get place(): Place {
    return this.#place;
  }

  /** After how long to look again; null where the first delivery that is not due may tell: above a floor it lies behind more dead entries. */
  get restMs(): number | null {
    return this.#place === BOTTOM ? null : REST_MS;
  }

  /** Takes note of what a claim that began at `from` found. */
  note(from: Place, { now, head, wasted }: Found): void {
    if (from === BOTTOM) {
      if (wasted < MANY) return;
      this.#leaveAt = now + Math.max(LEAST_WAIT_MS, wasted / WASTED_PER_MS);
    } else if (now >= this.#leaveAt) {
      this.#place = BOTTOM;
      return;
    }
    const recent = now - MARGIN_MS;
    this.#place = head !== undefined && head.wakeAt < recent ? head : { wakeAt: recent, seq: 0 };
  }
}
