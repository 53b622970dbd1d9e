import { DatabaseSync } from 'node:sqlite';
import { type Clock, memoryRepos, type Repos } from '../../src/index.ts';
import { sqliteRepos } from '../../src/sqlite/index.ts';
import type { Plan } from './plan.ts';
import type { Timeline } from './timeline.ts';

/** An empty store, and how it is thrown away. */
export interface OpenStore {
  readonly repos: Repos;
  close(): void;
}

/** The store that a plan asks for. */
export function openStore({ adapter, hasStoreClock }: Plan, timeline: Timeline): OpenStore {
  const clock: Clock = {
    now: () => Math.floor(timeline.now),
    schedule: (delayMs, run) => cancelling(timeline, delayMs, run),
  };
  switch (adapter) {
    case 'memory':
      return { repos: memoryRepos(hasStoreClock ? { clock } : {}), close: () => {} };
    case 'sqlite': {
      const database = new DatabaseSync(':memory:');
      const repos = sqliteRepos(database, { clock });
      return {
        repos,
        close: () => {
          repos.close();
          database.close();
        },
      };
    }
  }
}

function cancelling(timeline: Timeline, delayMs: number, run: () => void): () => void {
  const event = timeline.after(delayMs, run);
  return () => {
    event.run = undefined;
  };
}
