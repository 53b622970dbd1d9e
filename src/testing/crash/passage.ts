import { type Clock, sleep, systemClock } from '../../clock.ts';
import type { ContractTime } from '../contract/context.ts';
import { type ManualClock, manualClock } from '../manual-clock.ts';

/** How time passes in a history: by itself, or when the history says so. */
export interface Passage {
  /** The clock of every process in the history. */
  readonly clock: Clock;
  /** Lets `ms` pass. Where time is moved by hand it does not pass while a call of the store is under way. */
  pass(ms: number): Promise<void>;
  /** Counts a call of the store as under way until it ends. */
  track<T>(call: () => Promise<T> | T): Promise<T>;
  /** Resolves when no call of the store is under way. */
  rest(): Promise<void>;
}

/** The passage that fits a subject: real waiting only where its store's time flows. */
export async function passageOf(time: ContractTime | undefined): Promise<Passage> {
  if (time?.flows) return new Flowing((await time.now()) - systemClock.now());
  return new ByHand(manualClock(await time?.now()), time);
}

/** Calls of the store that are under way. */
class Calls {
  readonly #open = new Set<Promise<unknown>>();

  async track<T>(call: () => Promise<T> | T): Promise<T> {
    // A repo may throw where it should reject.
    const result = (async () => await call())();
    const ended = result.then(
      () => void this.#open.delete(ended),
      () => void this.#open.delete(ended),
    );
    this.#open.add(ended);
    return await result;
  }

  get areUnderWay(): boolean {
    return this.#open.size > 0;
  }

  async ended(): Promise<void> {
    while (this.areUnderWay) await Promise.all(this.#open);
  }
}

class ByHand implements Passage {
  readonly clock: Clock;
  readonly #hand: ManualClock;
  readonly #time: ContractTime | undefined;
  readonly #calls = new Calls();

  constructor(hand: ManualClock, time: ContractTime | undefined) {
    this.#hand = hand;
    this.#time = time;
    // Instants are whole milliseconds, as a real clock's are.
    this.clock = {
      now: () => hand.now(),
      schedule: (delayMs, run) => hand.schedule(Math.ceil(delayMs), run),
    };
  }

  track<T>(call: () => Promise<T> | T): Promise<T> {
    return this.#calls.track(call);
  }

  async pass(ms: number): Promise<void> {
    const end = this.#hand.now() + Math.ceil(ms);
    await this.rest();
    // The store's time moves only while nobody works by ours.
    while (this.#hand.now() < end) {
      const next = Math.min(this.#hand.nextAt ?? end, end);
      await this.#time?.advance(next - this.#hand.now());
      await this.#hand.advanceTo(next);
      await this.rest();
    }
  }

  /** What a call brought may lead to the next one. */
  async rest(): Promise<void> {
    for (;;) {
      await this.#hand.advance(0);
      if (!this.#calls.areUnderWay) return;
      await this.#calls.ended();
    }
  }
}

class Flowing implements Passage {
  readonly clock: Clock;
  readonly #calls = new Calls();

  constructor(aheadMs: number) {
    // The store's time and ours are the same but for a constant.
    this.clock = {
      now: () => Math.round(systemClock.now() + aheadMs),
      schedule: (delayMs, run) => systemClock.schedule(delayMs, run),
    };
  }

  track<T>(call: () => Promise<T> | T): Promise<T> {
    return this.#calls.track(call);
  }

  async pass(ms: number): Promise<void> {
    await sleep(systemClock, ms);
  }

  async rest(): Promise<void> {
    await this.#calls.ended();
  }
}
