import type { Clock } from '../clock.ts';
import { systemRandom } from '../random.ts';
import type { Repos, WebhookStore } from '../repos.ts';
import { Database } from './database.ts';
import type { PostgresPool } from './driver.ts';
import { PostgresEventRepo } from './event-repo.ts';
import { Hub } from './hub.ts';
import { PostgresStateRepo } from './state-repo.ts';
import type { Tables } from './tables.ts';
import { PostgresWebhookRepo } from './webhook-repo.ts';

/** The repos on these tables, options read. */
export function openRepos(
  pool: PostgresPool,
  tables: Tables,
  options: {
    readonly notifications: boolean;
    readonly preparedStatements?: boolean;
    readonly clock: Clock;
    readonly onError: (error: unknown) => void;
  },
): Repos & { readonly webhooks: WebhookStore; close(): Promise<void> } {
  const onError = shielded(options.onError);
  const database = new Database(pool, onError, options.preparedStatements);
  const hub = new Hub(database, { ...options, onError, channel: tables.schema, random: systemRandom });
  return {
    webhooks: new PostgresWebhookRepo(database, tables, hub),
    events: new PostgresEventRepo(database, tables, hub),
    state: new PostgresStateRepo(database, tables),
    close: async () => {
      await hub.close();
      database.detach();
    },
  };
}

/** What the host's function throws would end the process: it is called from events of the driver. */
function shielded(onError: (error: unknown) => void): (error: unknown) => void {
  return (error) => {
    try {
      onError(error);
    } catch {
      // Nobody is left to tell.
    }
  };
}
