import type { Pool, PoolClient } from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { migrate, type PostgresRepos, postgresRepos } from '../../src/postgres/index.ts';
import type { Work } from '../../src/repos.ts';
import { anEntry } from '../../src/testing/contract/records.ts';
import { startServer, type TestServer } from './server.ts';

const DELIVERED = { status: 'delivered' } as const;

let server: TestServer;
let pool: Pool;
let repos: PostgresRepos;
let other: PoolClient;
/** What somebody else does at the same moment, in a transaction that is not over yet. */
let others: PostgresRepos;

beforeAll(async () => {
  server = await startServer();
  pool = server.pool({ max: 6 });
  await migrate(pool);
  repos = postgresRepos(pool, { notifications: false });
}, 30_000);
afterAll(async () => {
  await repos.close();
  await server.dispose();
});

beforeEach(async () => {
  await pool.query('DELETE FROM surehook.deliveries; DELETE FROM surehook.events');
  other = await pool.connect();
  await other.query('BEGIN');
  const query = (text: unknown, values?: unknown[]) => other.query(String(text), values);
  others = postgresRepos({ query, connect: () => Promise.reject() }, { notifications: false });
  return () => other.release();
});

async function append(orderingKey?: string): Promise<string> {
  const entry = anEntry({ queue: 'own', ...(orderingKey !== undefined && { orderingKey }) });
  await repos.events.append([entry], { now: Date.now() });
  return entry.deliveries[0]?.id ?? '';
}

async function claimedIds(by: PostgresRepos = repos): Promise<string[]> {
  const now = Date.now();
  const queues = [{ webhookId: 'whk_any', limit: 10 }];
  const [result] = await by.events.claimQueues({ now, leaseUntil: now + 60_000, queues });
  return (result?.deliveries ?? []).map(({ delivery }) => delivery.id);
}

async function cancelledIds(id: string, by: PostgresRepos = repos): Promise<string[]> {
  return (await by.events.cancel([id], { now: Date.now() })).map((delivery) => delivery.id);
}

/** Resolves when somebody waits for what `other` has locked. */
async function untilBlocked(): Promise<void> {
  const waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
  await expect.poll(async () => (await pool.query(waiting)).rowCount, { interval: 2 }).toBe(1);
}

it('leaves alone what a claim is just taking', async () => {
  const id = await append();
  expect(await claimedIds(others)).toEqual([id]);
  const cancelled = cancelledIds(id);
  await untilBlocked();
  await other.query('COMMIT');
  expect(await cancelled).toEqual([]);
  expect(await repos.events.settle([{ deliveryId: id, token: 1, next: DELIVERED }], { now: 0 })).toEqual([
    'applied',
  ]);
});

it('cancels what somebody had locked, and waits for nobody’s lease', async () => {
  const [leased, waiting] = [await append(), await append()];
  await pool.query('UPDATE surehook.deliveries SET wake_at = wake_at + 9e12 WHERE id = $1', [waiting]);
  expect(await claimedIds()).toEqual([leased]);
  await other.query('SELECT 1 FROM surehook.deliveries WHERE id = $1 FOR UPDATE', [leased]);
  expect(await cancelledIds(leased)).toEqual([]);
  await other.query('SELECT 1 FROM surehook.deliveries WHERE id = $1 FOR UPDATE', [waiting]);
  const cancelled = cancelledIds(waiting);
  await untilBlocked();
  await other.query('COMMIT');
  expect(await cancelled).toEqual([waiting]);
});

it('lets the third of a line go when the second is cancelled while the first ends', async () => {
  const [first, second, third] = [await append('a'), await append('a'), await append('a')];
  expect(await claimedIds()).toEqual([first]);
  expect(await cancelledIds(second, others)).toEqual([second]);
  // Whose turn it is by what this sees is the one that is just being cancelled.
  const settled = repos.events.settle([{ deliveryId: first, token: 1, next: DELIVERED }], { now: 0 });
  await untilBlocked();
  await other.query('COMMIT');
  expect(await settled).toEqual(['applied']);
  expect(await claimedIds()).toEqual([third]);
});

it('lets the third of a line go when the first ends while the second is cancelled', async () => {
  const [first, second, third] = [await append('a'), await append('a'), await append('a')];
  expect(await claimedIds()).toEqual([first]);
  await others.events.settle([{ deliveryId: first, token: 1, next: DELIVERED }], { now: 0 });
  const cancelled = cancelledIds(second);
  await untilBlocked();
  await other.query('COMMIT');
  expect(await cancelled).toEqual([second]);
  expect(await claimedIds()).toEqual([third]);
});

it('tells other processes whose line goes on, and not of deliveries in no line', async () => {
  await other.query('COMMIT');
  const [told, telling] = [postgresRepos(pool), postgresRepos(pool)];
  const heard: Work[] = [];
  const end = told.events.onWork?.((work) => heard.push(work));
  await expect
    .poll(async () => (await pool.query("SELECT FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")).rowCount)
    .toBe(1);
  heard.length = 0;
  const [plain, ofLine] = [await append(), await append('a')];
  expect(await cancelledIds(plain, telling)).toEqual([plain]);
  expect(await cancelledIds(ofLine, telling)).toEqual([ofLine]);
  await expect.poll(() => heard).toEqual([{ express: false, replays: false, ownQueues: ['whk_any'] }]);
  end?.();
  await told.close();
  await telling.close();
});
