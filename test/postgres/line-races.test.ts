import type { Pool, PoolClient } from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { migrate, type PostgresRepos, postgresRepos } from '../../src/postgres/index.ts';
import type { ClaimedDelivery, QueueClaim } from '../../src/repos.ts';
import { HELD_BACK } from '../../src/sql/codes.ts';
import { anEntry } from '../../src/testing/contract/records.ts';
import { FaultyPool } from './faulty-pool.ts';
import { startServer, type TestServer } from './server.ts';

const LEASE_MS = 60_000;
const DELIVERED = { status: 'delivered' } as const;

let server: TestServer;
let pool: Pool;
let repos: PostgresRepos;
/** Stands for whoever works at the same line or batch at the same moment. */
let other: PoolClient;

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
  return () => other.release();
});

async function append(orderingKey?: string): Promise<string> {
  const entry = anEntry({ queue: 'own', ...(orderingKey !== undefined && { orderingKey }) });
  await repos.events.append([entry], { now: Date.now() });
  return entry.deliveries[0]?.id ?? '';
}

async function claim(queue: Partial<QueueClaim> = {}): Promise<readonly ClaimedDelivery[]> {
  const now = Date.now();
  const queues = [{ webhookId: 'whk_any', limit: 10, ...queue }];
  const [result] = await repos.events.claimQueues({ now, leaseUntil: now + LEASE_MS, queues });
  return result?.deliveries ?? [];
}

async function claimedIds(): Promise<string[]> {
  return (await claim()).map(({ delivery }) => delivery.id);
}

function settle(deliveryId: string): Promise<unknown> {
  return repos.events.settle([{ deliveryId, token: 1, next: DELIVERED }], { now: Date.now() });
}

/** Resolves when somebody waits for what `other` has locked. */
async function untilBlocked(): Promise<void> {
  const waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
  await expect.poll(async () => (await pool.query(waiting)).rowCount, { interval: 2 }).toBe(1);
}

it('opens one that a claim held back while the settling of the one before it waited for that claim', async () => {
  const first = await append('a');
  expect(await claimedIds()).toEqual([first]);
  await other.query('SELECT 1 FROM surehook.deliveries WHERE id = $1 FOR NO KEY UPDATE', [first]);
  const settled = settle(first);
  await untilBlocked();
  const second = await append('a');
  await other.query(`UPDATE surehook.deliveries SET wake_at = ${HELD_BACK} WHERE id = $1`, [second]);
  await other.query('COMMIT');
  expect(await settled).toEqual(['applied']);
  expect(await claimedIds()).toEqual([second]);
});

it('holds nobody back behind one that is just ending', async () => {
  const first = await append('a');
  expect(await claimedIds()).toEqual([first]);
  const second = await append('a');
  await other.query(
    'UPDATE surehook.deliveries SET status = 3, line_place = NULL, wake_at = NULL, lease_until = NULL WHERE id = $1',
    [first],
  );
  expect(await claimedIds()).toEqual([]);
  await other.query('COMMIT');
  expect(await claimedIds()).toEqual([second]);
});

it('claims nothing of a line of which another claim takes another delivery at the same moment', async () => {
  await append('a');
  const second = await append('a');
  await other.query(
    `UPDATE surehook.deliveries SET status = 1, line_place = 0, token = 1, claimed_at = 0, lease_until = ${HELD_BACK - 1},
      wake_at = ${HELD_BACK - 1} WHERE id = $1`,
    [second],
  );
  const claimed = claimedIds();
  await untilBlocked();
  await other.query('COMMIT');
  expect(await claimed).toEqual([]);
});

it('opens one each where two of a line end at once', async () => {
  const [first, second] = [await append('a'), await append('a')];
  const third = await append('a');
  expect(await claimedIds()).toEqual([first]);
  // The second ends as well, after it has looked: it saw the first.
  await other.query(
    'UPDATE surehook.deliveries SET status = 4, reason = 6, completed_at = 1, line_place = NULL, wake_at = NULL WHERE id = $1',
    [second],
  );
  await other.query("SELECT surehook.open_turns(ARRAY['whk_any'], ARRAY['a'], ARRAY[9223372036854775807])");
  const settled = settle(first);
  await untilBlocked();
  await other.query('COMMIT');
  await settled;
  expect(await claimedIds()).toEqual([third]);
});

it('hands out what it has claimed where passing over the others fails', async () => {
  const [first, free] = [await append('a'), await append()];
  await append('a');
  const faulty = new FaultyPool(pool);
  const { events, close } = postgresRepos(faulty, { notifications: false });
  const now = Date.now();
  const queues = [
    { webhookId: 'whk_any', limit: 10 },
    { webhookId: 'whk_any', limit: 10 },
  ];
  faulty.arm(2, { kind: 'refused', code: '53300' });
  const [result, notAsked] = await events.claimQueues({ now, leaseUntil: now + LEASE_MS, queues });
  expect(faulty.disarm()).toBe(true);
  expect(result?.deliveries.map(({ delivery }) => delivery.id)).toEqual([first, free]);
  expect(notAsked).toEqual({ deliveries: [], nextDueAt: now });
  await close();
});

it('neither hands out nor dissolves a batch of which somebody has a member locked', async () => {
  await append();
  await append();
  const limits = { maxEvents: 10, maxBytes: 10_000, maxWaitMs: 0 };
  const claimBatch = (id: string): Promise<readonly ClaimedDelivery[]> =>
    claim({ limit: 1, batch: { id, ...limits } });
  const members = (await claimBatch('bat_1')).map(({ delivery }) => delivery);
  const [one, two] = members;
  if (one?.batch === undefined || two === undefined) throw new Error('no batch of two');
  const next = { status: 'waiting', dueAt: 1, queue: 'own', batch: one.batch } as const;
  const others = [{ deliveryId: two.id, token: 1 }];
  await repos.events.settle([{ deliveryId: one.id, token: 1, others, next }], { now: Date.now() });
  await other.query('SELECT 1 FROM surehook.deliveries WHERE id = $1 FOR UPDATE', [two.id]);
  expect(await claimBatch('bat_2')).toEqual([]);
  await other.query('ROLLBACK');
  const again = await claimBatch('bat_3');
  expect(again.map(({ delivery }) => delivery.batch)).toEqual([one.batch, one.batch]);
});
