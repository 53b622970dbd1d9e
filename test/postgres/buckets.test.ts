import type { Pool } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { migrate, type PostgresRepos, postgresRepos } from '../../src/postgres/index.ts';
import type { TokenRequest } from '../../src/repos.ts';
import { times } from '../../src/testing/contract/records.ts';
import { startServer, type TestServer } from './server.ts';

const PROCESSES = 16;
const BUCKETS = ['a', 'b', 'c'];
const LIMIT = { perMinute: 12_000, burst: 40 };

let server: TestServer;
let pool: Pool;
let processes: readonly PostgresRepos[];

beforeAll(async () => {
  server = await startServer();
  pool = server.pool({ max: 1 });
  await migrate(pool);
  processes = times(PROCESSES, () => postgresRepos(server.pool({ max: 1 }), { notifications: false }));
}, 30_000);
afterAll(async () => {
  await Promise.all(processes.map((repos) => repos.close()));
  await server.dispose();
});

async function serversNow(): Promise<number> {
  const { rows } = await pool.query(
    'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now',
  );
  return rows[0].now;
}

it('never grants more than the burst and the rate allow, whatever clocks 16 processes have, and however they lock', async () => {
  const wishes: readonly TokenRequest[] = BUCKETS.map((bucket) => ({
    bucket,
    ...LIMIT,
    wanted: 5,
    atLeast: 1,
  }));
  const granted = new Map(BUCKETS.map((bucket) => [bucket, 0]));
  const before = await serversNow();
  const takeAll = async ({ state }: PostgresRepos, n: number): Promise<void> => {
    for (let rounds = 0; rounds < 20; rounds += 1) {
      // Some name the buckets the other way round, and some prune what is full meanwhile.
      const asked = n % 2 === 0 ? wishes : wishes.toReversed();
      const grants = await state.takeTokens(asked, { now: n * 1_000_000 });
      for (const [index, grant] of grants.entries()) {
        const bucket = asked[index]?.bucket ?? '';
        granted.set(bucket, (granted.get(bucket) ?? 0) + grant.granted);
      }
      if (n === 0) await state.pruneState({ now: 0, outcomesBefore: 0, limit: 9 });
    }
  };
  await Promise.all(processes.map(takeAll));
  const elapsedMs = (await serversNow()) - before + 1;
  for (const bucket of BUCKETS) {
    expect(granted.get(bucket)).toBeGreaterThanOrEqual(LIMIT.burst);
    expect(granted.get(bucket)).toBeLessThanOrEqual(LIMIT.burst + (elapsedMs * LIMIT.perMinute) / 60_000);
  }
}, 20_000);

it('changes no index when it takes again in the same minute: the row stays on its page', async () => {
  const own = server.pool({ max: 1 });
  const { state } = postgresRepos(own, { notifications: false });
  const wish = { bucket: 'd', perMinute: 60_000, burst: 100_000, wanted: 1, atLeast: 1 };
  for (let takes = 0; takes < 200; takes += 1) await state.takeTokens([wish], { now: 0 });
  // The server counts what a connection did at its end.
  await own.end();
  const changed = async (): Promise<{ all: number; inPlace: number }> => {
    const { rows } = await pool.query(
      `SELECT n_tup_upd::int AS all, n_tup_hot_upd::int AS "inPlace" FROM pg_stat_user_tables WHERE relname = 'buckets'`,
    );
    return rows[0];
  };
  await expect.poll(async () => (await changed()).all, { timeout: 5_000 }).toBeGreaterThanOrEqual(199);
  const { all, inPlace } = await changed();
  expect(inPlace / all).toBeGreaterThan(0.9);
});
