import TinyQueue from 'tinyqueue';
import type { Clock } from '../clock.ts';
import { quote } from '../errors.ts';

/** A clock that stands still until it is told to move. */
export interface ManualClock extends Clock {
  /**
   * Moves time forward by `ms` and resolves when everything that became due has run: timers in order of their instant
   * (then of their making), each at its own `now()`, with promises and pending I/O settled in between. Overlapping calls
   * run one after the other. Throws RangeError for a negative `ms`.
   */
  advance(ms: number): Promise<void>;
  /** `advance` to an instant, epoch ms; one that has passed only lets promises settle. */
  advanceTo(instant: number): Promise<void>;
  /** How many timers wait for `advance`. */
  readonly pending: number;
  /** The instant of the earliest of them, epoch ms; undefined when none waits. */
  readonly nextAt: number | undefined;
}

/** 2026-01-01T00:00:00Z. */
const DEFAULT_START_MS = 1_767_225_600_000;

/** Turns of the event loop given to promises and I/O between two timers. */
const SETTLING_TURNS = 4;

/** No more turns than this for calls with delay 0 that keep making new ones. */
const MAX_TURNS = 1_000;

/** How many cancelled timers are kept beyond the waiting ones. */
const SLACK = 1_000;

/**
 * A clock for tests that starts at `startMs` (epoch ms; default 2026-01-01T00:00:00Z). A call scheduled with delay 0
 * runs by itself in the next turn of the event loop; all others wait for `advance`.
 */
export function manualClock(startMs: number = DEFAULT_START_MS): ManualClock {
  return new HeapClock(startMs);
}

interface Timer {
  readonly at: number;
  readonly order: number;
  /** Undefined once it has run or was cancelled. */
  run: (() => void) | undefined;
}

class HeapClock implements ManualClock {
  #now: number;
  #timers = new TinyQueue<Timer>([], byInstant);
  #made = 0;
  #pending = 0;
  #immediates = 0;
  #lastAdvance: Promise<void> = Promise.resolve();

  constructor(startMs: number) {
    this.#now = startMs;
  }

  get pending(): number {
    return this.#pending;
  }

  get nextAt(): number | undefined {
    return this.#earliest()?.at;
  }

  now(): number {
    return this.#now;
  }

  schedule(delayMs: number, run: () => void): () => void {
    return delayMs > 0 ? this.#wait(this.#now + delayMs, run) : this.#runSoon(run);
  }

  advance(ms: number): Promise<void> {
    if (!(ms >= 0)) throw new RangeError(`A clock advances by 0 ms or more, not by ${quote(ms)}`);
    return this.#afterOthers(() => this.#advanceTo(this.#now + ms));
  }

  advanceTo(instant: number): Promise<void> {
    if (Number.isNaN(instant)) throw new RangeError('NaN is no instant to advance to');
    return this.#afterOthers(() => this.#advanceTo(instant));
  }

  #afterOthers(advance: () => Promise<void>): Promise<void> {
    const done = this.#lastAdvance.then(advance);
    this.#lastAdvance = done.catch(() => {});
    return done;
  }

  async #advanceTo(instant: number): Promise<void> {
    await this.#settle();
    for (let timer = this.#earliest(); timer && timer.at <= instant; timer = this.#earliest()) {
      this.#timers.pop();
      this.#pending -= 1;
      this.#now = Math.max(this.#now, timer.at);
      const { run } = timer;
      timer.run = undefined;
      run?.();
      await this.#settle();
    }
    if (instant <= this.#now) return;
    this.#now = instant;
    await this.#settle();
  }

  /** Gives promises, I/O and calls with delay 0 their turns. */
  async #settle(): Promise<void> {
    for (let turn = 0; turn < SETTLING_TURNS || (this.#immediates > 0 && turn < MAX_TURNS); turn += 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #runSoon(run: () => void): () => void {
    let isOver = false;
    const finish = (): void => {
      if (!isOver) this.#immediates -= 1;
      isOver = true;
    };
    const immediate = setImmediate(() => {
      finish();
      run();
    });
    this.#immediates += 1;
    return () => {
      clearImmediate(immediate);
      finish();
    };
  }

  #wait(at: number, run: () => void): () => void {
    const timer: Timer = { at, order: this.#made, run };
    this.#made += 1;
    this.#pending += 1;
    this.#timers.push(timer);
    return () => this.#cancel(timer);
  }

  #cancel(timer: Timer): void {
    if (timer.run === undefined) return;
    timer.run = undefined;
    this.#pending -= 1;
    if (this.#timers.length <= 2 * this.#pending + SLACK) return;
    const waiting = this.#timers.data.filter(({ run }) => run !== undefined);
    this.#timers = new TinyQueue<Timer>(waiting, byInstant);
  }

  #earliest(): Timer | undefined {
    while (this.#timers.length > 0 && this.#timers.peek()?.run === undefined) this.#timers.pop();
    return this.#timers.peek();
  }
}

function byInstant(a: Timer, b: Timer): number {
  return a.at - b.at || a.order - b.order;
}
