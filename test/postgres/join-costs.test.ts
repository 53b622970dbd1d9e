import type { Pool, PoolClient } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { migrate, type PostgresRepos, postgresRepos } from '../../src/postgres/index.ts';
import type { ClaimedDelivery, Settlement } from '../../src/repos.ts';
import { anAttempt, anEntry, times } from '../../src/testing/contract/records.ts';
import { startServer, type TestServer } from './server.ts';

/** As many as the engine hands over at once when it is busy. */
const MANY = 400;
const BATCH = 50;

let server: TestServer;
let pool: Pool;
let repos: PostgresRepos;
/** What the server tells of how it ran its statements. */
let told: string[] = [];

beforeAll(async () => {
  server = await startServer();
  pool = server.pool({ max: 1 });
  pool.on('connect', (client: PoolClient) => {
    client.on('notice', ({ message }) => told.push(message ?? ''));
  });
  await migrate(pool);
  await pool.query(
    "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_analyze = on; SET client_min_messages = log",
  );
  repos = postgresRepos(pool, { notifications: false, preparedStatements: true });
}, 60_000);
afterAll(() => server.dispose());

/** Pairs of rows that joins compared in vain. */
function comparedInVain(): number {
  const found = told.join('\n').matchAll(/Rows Removed by Join Filter: (\d+)/g);
  return Array.from(found, ([, rows]) => Number(rows)).reduce((sum, rows) => sum + rows, 0);
}

function settlementsOf(claimed: readonly ClaimedDelivery[]): Settlement[] {
  const attempt = anAttempt({});
  return claimed.map(({ delivery: { id, token } }) => ({
    deliveryId: id,
    token,
    attempt,
    next: { status: 'delivered' },
  }));
}

function leased(): { now: number; leaseUntil: number } {
  const now = Date.now();
  return { now, leaseUntil: now + 60_000 };
}

// A plan is kept from the sixth run on: then it must be good for any values.
it.each(times(8, (run) => run + 1))(
  'compares no delivery with each of those it claims and settles together, run %i',
  async () => {
    await repos.events.append(
      times(MANY, () => anEntry()),
      { now: Date.now() },
    );
    told = [];
    const { deliveries } = await repos.events.claimExpress({ ...leased(), limit: MANY });
    expect(deliveries).toHaveLength(MANY);
    const results = await repos.events.settle(settlementsOf(deliveries), { now: Date.now() });
    expect(results.every((result) => result === 'applied')).toBe(true);
    expect(told.length).toBeGreaterThan(1);
    expect(comparedInVain()).toBeLessThan(MANY);
  },
);

it.each(times(8, (run) => run + 1))('nor in batches, run %i', async (run) => {
  await repos.events.append(
    times(MANY, (n) => anEntry({ webhookId: `whk_${n % 4}`, queue: 'own' })),
    { now: Date.now() },
  );
  told = [];
  const rule = { maxEvents: BATCH, maxBytes: 1_000_000, maxWaitMs: 0 };
  const claims = await repos.events.claimQueues({
    ...leased(),
    queues: times(8, (n) => ({
      webhookId: `whk_${n % 4}`,
      limit: 1,
      batch: { ...rule, id: `bat_${run}_${n}` },
    })),
  });
  expect(claims.map(({ deliveries }) => deliveries.length)).toEqual(times(8, () => BATCH));
  const settlements = claims.flatMap(({ deliveries }) => {
    const [first, ...others] = settlementsOf(deliveries);
    return first === undefined ? [] : [{ ...first, others }];
  });
  const results = await repos.events.settle(settlements, { now: Date.now() });
  expect(results).toEqual(times(8, () => 'applied'));
  expect(comparedInVain()).toBeLessThan(MANY * 3);
});
