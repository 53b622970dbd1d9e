import type { Pool } from 'pg';
import { systemClock } from '../../src/clock.ts';
import { migrate, postgresRepos } from '../../src/postgres/index.ts';
import { openRepos } from '../../src/postgres/open.ts';
import { tablesOf } from '../../src/postgres/tables.ts';
import type { ContractSubject } from '../../src/testing/index.ts';

const EMPTY = 'events, deliveries, folds, listings, attempts, webhooks, queues, buckets, outcomes';
let made = 0;
/** Schemas of laws that are over, by their server's pool. */
const idle = new WeakMap<Pool, string[]>();

/** A schema with empty tables: an old one swept out, or a new one. */
async function emptySchema(pool: Pool): Promise<string> {
  const old = idle.get(pool)?.pop();
  if (old !== undefined) {
    const names = EMPTY.split(', ').map((table) => `${old}.${table}`);
    for (const name of names) await pool.query(`DELETE FROM ${name}`);
    return old;
  }
  made += 1;
  const schema = `law_${made}`;
  await migrate(pool, { schema });
  await pool.query(`CREATE TABLE ${schema}.test_clock (now_ms bigint NOT NULL)`);
  await pool.query(`INSERT INTO ${schema}.test_clock VALUES (1)`);
  return schema;
}

/** Repos whose server has a clock that stands still until a law turns it. */
export async function withTurnedClock(
  pool: Pool,
  { notifications = true }: { readonly notifications?: boolean } = {},
): Promise<ContractSubject> {
  const schema = await emptySchema(pool);
  let now = Date.UTC(2030, 0, 1);
  const set = async (): Promise<void> => {
    await pool.query(`UPDATE ${schema}.test_clock SET now_ms = $1`, [now]);
  };
  await set();
  const tables = tablesOf(schema, `(SELECT now_ms FROM ${schema}.test_clock)`);
  const repos = openRepos(pool, tables, { notifications, clock: systemClock, onError: () => {} });
  const advance = async (ms: number): Promise<void> => {
    now += ms;
    await set();
  };
  return { repos, time: { now: () => now, advance }, dispose: () => end(pool, repos, schema) };
}

/** Repos that go by the server's own clock. */
export async function withServersClock(pool: Pool): Promise<ContractSubject> {
  const schema = await emptySchema(pool);
  const repos = postgresRepos(pool, { schema });
  const now = async (): Promise<number> => {
    const { rows } = await pool.query(
      'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now',
    );
    return rows[0].now;
  };
  const advance = async (ms: number): Promise<void> => {
    await pool.query('SELECT pg_sleep($1::float8 / 1000)', [ms]);
  };
  return { repos, time: { now, advance, flows: true }, dispose: () => end(pool, repos, schema) };
}

async function end(pool: Pool, repos: { close(): Promise<void> }, schema: string): Promise<void> {
  await repos.close();
  idle.set(pool, [...(idle.get(pool) ?? []), schema]);
}
