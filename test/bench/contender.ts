import type { BenchEvent } from './work.ts';

/** Something that delivers events; each lives in a process of its own. */
export interface Contender {
  /** Takes events; before `start` they wait. Resolves with their ids. */
  add(events: readonly BenchEvent[]): Promise<readonly string[]>;
  start(): Promise<void>;
  /** Deliveries recorded as done so far. */
  delivered(): number;
  /** Ends it and lets go of everything. */
  stop(): Promise<void>;
}

/** Where endpoint `n` listens; others than `e` answer 500 or never. */
export type PathOf = (endpoint: number) => string;
