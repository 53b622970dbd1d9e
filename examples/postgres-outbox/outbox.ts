import type { Pool } from 'pg';
import { createSurehook, retryExponential, type Surehook } from 'surehook';
import { postgresRepos } from 'surehook/postgres';

/** The schema of Surehook's tables. They are in the shop's database, which is what makes one transaction of it all. */
export const surehookSchema = 'outbox_surehook';

/** Surehook as every process of the shop opens it. Which of them deliver is decided by `start()`. */
export function openSurehook(pool: Pool): Surehook {
  return createSurehook({
    repos: postgresRepos(pool, { schema: surehookSchema }),
    // So that you need not wait: the defaults suit production.
    retry: retryExponential({ baseMs: 100, maxMs: 1_000, attempts: 20 }),
    // For local development only.
    endpoints: { allowHttp: true, allowPrivateAddresses: true },
  });
}
