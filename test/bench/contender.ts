import type { BenchEvent } from './work.ts';

/** Something that delivers events; each lives in a process of its own. */
export interface Contender {
  /** Takes events in one call; before `start` they wait. Resolves with their ids. */
  add(events: readonly BenchEvent[]): Promise<readonly string[]>;
  /** Takes one event, and resolves with its id. */
  addOne(event: BenchEvent): Promise<string>;
  start(): Promise<void>;
  /** Resolves when whatever arrived is recorded. */
  settled(): Promise<void>;
  /** Deliveries recorded as done so far. */
  delivered(): number;
  /** Ends it and lets go of everything; requests under way may finish until the deadline. */
  stop(options?: { readonly deadlineMs: number }): Promise<void>;
}

/** Where endpoint `n` listens; others than `e` answer 500 or never. */
export type PathOf = (endpoint: number) => string;
