import type { Clock } from '../clock.ts';
import { SurehookError } from '../errors.ts';
import type { AppendEntry, AppendResult, EventRepo } from '../repos.ts';

/** Events in one append of several calls. */
const MOST_EVENTS = 500;
/** How long calls wait for the one before them, ms. A repo that hangs holds up nobody for longer. */
const LONGEST_WAIT_MS = 20;

interface Call {
  readonly entries: readonly AppendEntry[];
  readonly now: number;
  readonly resolve: (results: readonly AppendResult[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Shares round trips between publishes that come at the same time: what comes while an append is under way is stored by the next one, in the order of the calls.
 * A call that comes alone goes at once. Where an entry is refused, each call is made by itself: nobody's events depend on another's.
 */
export class Appender {
  readonly #events: EventRepo;
  readonly #clock: Clock;
  #waiting: Call[] = [];
  #underWay = 0;
  #cancelTimer: () => void = () => {};

  constructor(events: EventRepo, clock: Clock) {
    this.#events = events;
    this.#clock = clock;
  }

  /** Stores all of the entries or none, as `EventRepo.append` without a transaction of the host's. */
  append(entries: readonly AppendEntry[], now: number): Promise<readonly AppendResult[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entries, now, resolve, reject });
      if (this.#underWay === 0) this.#next();
      else if (this.#waiting.length === 1) {
        this.#cancelTimer = this.#clock.schedule(LONGEST_WAIT_MS, () => this.#next());
      }
    });
  }

  #next(): void {
    this.#cancelTimer();
    const calls = this.#take();
    if (calls.length === 0) return;
    this.#underWay += 1;
    void this.#make(calls).finally(() => {
      this.#underWay -= 1;
      this.#next();
    });
  }

  #take(): readonly Call[] {
    let events = 0;
    let count = 0;
    for (const { entries } of this.#waiting) {
      events += entries.length;
      if (count > 0 && events > MOST_EVENTS) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #make(calls: readonly Call[]): Promise<void> {
    const [only] = calls;
    if (calls.length === 1 && only !== undefined) return await this.#makeOne(only);
    const now = Math.max(...calls.map((call) => call.now));
    try {
      const results = await this.#events.append(
        calls.flatMap(({ entries }) => entries),
        { now },
      );
      let at = 0;
      for (const { entries, resolve } of calls) {
        resolve(results.slice(at, at + entries.length));
        at += entries.length;
      }
    } catch (error) {
      if (isRefusal(error)) await Promise.all(calls.map((call) => this.#makeOne(call)));
      else for (const { reject } of calls) reject(error);
    }
  }

  async #makeOne({ entries, now, resolve, reject }: Call): Promise<void> {
    try {
      resolve(await this.#events.append(entries, { now }));
    } catch (error) {
      reject(error);
    }
  }
}

/** What a repo says of the entries, rather than of itself. */
function isRefusal(error: unknown): boolean {
  return error instanceof SurehookError || error instanceof TypeError;
}
