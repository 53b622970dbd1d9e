import type { Clock } from '../clock.ts';
import type { Repos, WebhookStore } from '../repos.ts';
import { MemoryEventRepo } from './event-repo.ts';
import { MemoryStateRepo } from './state-repo.ts';
import { StoreTime } from './store-time.ts';
import { MemoryWebhookRepo } from './webhook-repo.ts';

/** How the in-memory repos work. */
export interface MemoryReposOptions {
  /**
   * Judge due times and leases by this clock, as a shared database does by its own: then skew between callers' clocks
   * ends no lease early. Default: by the `now` of each call.
   */
  readonly clock?: Clock;
}

/** The three in-memory repos; webhooks can be managed through surehook. */
export interface MemoryRepos extends Repos {
  readonly webhooks: WebhookStore;
}

/**
 * Repos that keep everything in this process: for unit tests, trials, and work that may end with the process. They keep
 * every law of the ports but one: nothing survives the process. There are no transactions, so `publish({ tx })` rejects
 * with `TypeError`. Several surehooks may share one set of repos, as several processes share a database.
 */
export function memoryRepos(options: MemoryReposOptions = {}): MemoryRepos {
  const time = new StoreTime(options.clock);
  return {
    webhooks: new MemoryWebhookRepo(),
    events: new MemoryEventRepo(time),
    state: new MemoryStateRepo(time),
  };
}
