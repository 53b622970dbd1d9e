import type { Clock, Random } from '../../src/index.ts';
import { seededRandom } from '../../src/testing/index.ts';
import type { Owner, Timeline, TimelineEvent } from './timeline.ts';

/** What a life is made of. */
export interface LifeParts {
  readonly timeline: Timeline;
  /** Such as `A2`: the second life of node A. */
  readonly name: string;
  readonly node: Machine;
  readonly seed: number;
}

/** What outlives a process: its machine, whose clock is as wrong as it is. */
export interface Machine {
  /** What its clock shows beyond true time, ms. */
  skewMs: number;
}

/** One life of a process. After its end nothing of it happens any more, and nothing is ever answered to it. */
export class Life implements Owner {
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly missed: TimelineEvent[] = [];
  isAlive = true;
  isPaused = false;
  /** When it was last paused or resumed or its clock was set, true time; 0: never. */
  disturbedAt = 0;
  /** Timers that it has set and that have neither run nor been cancelled. */
  timers = 0;
  /** Calls of its host that have not ended. */
  hostCalls = 0;
  readonly #endings: (() => void)[] = [];

  constructor({ timeline, name, node, seed }: LifeParts) {
    this.name = name;
    this.random = seededRandom(seed);
    this.clock = {
      now: () => Math.floor(timeline.now + node.skewMs),
      schedule: (delayMs, run) => this.#schedule(timeline, delayMs, run),
    };
  }

  /** Calls `cleanUp` when it ends. */
  onEnd(cleanUp: () => void): void {
    this.#endings.push(cleanUp);
  }

  /** As by SIGKILL. */
  end(): void {
    this.isAlive = false;
    this.missed.length = 0;
    for (const cleanUp of this.#endings.splice(0)) cleanUp();
  }

  #schedule(timeline: Timeline, delayMs: number, run: () => void): () => void {
    this.timers += 1;
    const fire = (): void => {
      this.timers -= 1;
      run();
    };
    const event = timeline.after(delayMs, fire, this);
    // A paused process has the event among those it missed: it is taken back there too.
    return () => {
      if (event.run === undefined) return;
      event.run = undefined;
      this.timers -= 1;
    };
  }
}
