import TinyQueue from 'tinyqueue';

/** 2026-01-01T00:00:00Z: when every history begins, epoch ms. */
export const BEGINNING = 1_767_225_600_000;

/** Whose an event is. The events of the dead are dropped, those of the paused wait. */
export interface Owner {
  readonly isAlive: boolean;
  readonly isPaused: boolean;
  /** Keeps what came due while it was paused, in order. */
  readonly missed: TimelineEvent[];
}

/** Something that will happen. */
export interface TimelineEvent {
  readonly at: number;
  readonly order: number;
  /** `undefined`: the world's; nothing stops it. */
  readonly owner: Owner | undefined;
  /** Undefined once it has happened or was cancelled. */
  run: (() => void) | undefined;
}

/**
 * Virtual time: a heap of events, which happen one after the other, each at its own instant and in the order of their making where
 * instants are equal. Between two of them every promise that can settle has settled.
 */
export class Timeline {
  /** True time, epoch ms with fractions; nobody's clock shows it. */
  now: number = BEGINNING;
  /** How many events have happened. */
  happened = 0;
  readonly #heap = new TinyQueue<TimelineEvent>([], byInstant);
  #made = 0;
  #held = 0;

  /** `run` happens `delayMs` from now. */
  after(delayMs: number, run: () => void, owner?: Owner): TimelineEvent {
    const event: TimelineEvent = { at: this.now + Math.max(0, delayMs), order: this.#made, owner, run };
    this.#made += 1;
    this.#heap.push(event);
    return event;
  }

  /** What a paused owner missed happens now. */
  resume(owner: Owner): void {
    for (const { run } of owner.missed.splice(0)) if (run !== undefined) this.after(0, run, owner);
  }

  /** Time stands still until that promise has settled: for stores that answer by real means. It must not reject. */
  hold(promise: Promise<unknown>): void {
    this.#held += 1;
    void promise.then(() => {
      this.#held -= 1;
    });
  }

  /** Lets events happen until `isOver` says so or nothing is left to happen. */
  async run(isOver: () => boolean): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const step = (): void => {
        try {
          if (this.#held > 0) setImmediate(step);
          else if (isOver() || !this.#next()) resolve();
          // A tick that is asked for by a microtask comes after the last microtask: that is what makes all promises settle first, for
          // a quarter of what a turn of the event loop costs.
          else queueMicrotask(() => process.nextTick(step));
        } catch (error) {
          reject(error);
        }
      };
      process.nextTick(step);
    });
  }

  /** Lets the next event happen. Returns whether there was one. */
  #next(): boolean {
    for (let event = this.#heap.pop(); event !== undefined; event = this.#heap.pop()) {
      const { owner, run } = event;
      if (run === undefined || owner?.isAlive === false) continue;
      if (owner?.isPaused) {
        owner.missed.push(event);
        continue;
      }
      this.now = Math.max(this.now, event.at);
      this.happened += 1;
      event.run = undefined;
      run();
      return true;
    }
    return false;
  }
}

function byInstant(a: TimelineEvent, b: TimelineEvent): number {
  return a.at - b.at || a.order - b.order;
}
