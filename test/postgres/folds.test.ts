import type { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { migrate, type PostgresRepos, postgresRepos } from '../../src/postgres/index.ts';
import type { ClaimResult, Settlement } from '../../src/repos.ts';
import { anAttempt, anEntry, freshId, times } from '../../src/testing/contract/records.ts';
import { startServer, type TestServer } from './server.ts';

const QUEUES = 6;
const BATCH = 5;

let server: TestServer;
let pool: Pool;
let schema = '';
/** Two processes. */
let repos: PostgresRepos;
let others: PostgresRepos;

beforeAll(async () => {
  server = await startServer();
  pool = server.pool({ max: 10 });
}, 60_000);
afterAll(() => server.dispose());

beforeEach(async () => {
  schema = freshId('folds');
  await migrate(pool, { schema });
  repos = postgresRepos(pool, { schema, notifications: false });
  others = postgresRepos(pool, { schema, notifications: false });
});

async function publish(): Promise<void> {
  const entries = times(QUEUES * BATCH, (n) => anEntry({ queue: 'own', webhookId: `whk_${n % QUEUES}` }));
  await repos.events.append(entries, { now: Date.now() });
}

/** One batch of each queue. */
async function claim({ events }: PostgresRepos, leaseMs: number): Promise<readonly ClaimResult[]> {
  const now = Date.now();
  const rule = { maxEvents: BATCH, maxBytes: 100_000, maxWaitMs: 0 };
  const queues = times(QUEUES, (n) => ({
    webhookId: `whk_${n}`,
    limit: 1,
    batch: { id: freshId('bat'), ...rule },
  }));
  return events.claimQueues({ now, leaseUntil: now + leaseMs, queues });
}

function settlementsOf(
  claims: readonly ClaimResult[],
  next: Settlement['next'] = { status: 'delivered' },
): Settlement[] {
  return claims.flatMap(({ deliveries }) => {
    const [first, ...rest] = deliveries.map(({ delivery: { id, token } }) => ({ deliveryId: id, token }));
    return first === undefined
      ? []
      : [{ ...first, others: rest, attempt: anAttempt({ httpStatus: 200 }), next }];
  });
}

async function count(sql: string): Promise<number> {
  const { rows } = await pool.query(`SELECT count(*)::int AS count FROM ${schema}.${sql}`);
  return rows[0].count;
}

it('stores the claim and the delivery of a batch once for all its members', async () => {
  await publish();
  const claims = await claim(repos, 60_000);
  expect(await count('folds WHERE completed_at IS NULL')).toBe(QUEUES);
  expect(await count('deliveries WHERE wake_at IS NOT NULL')).toBe(QUEUES);
  const results = await repos.events.settle(settlementsOf(claims), { now: Date.now() });
  expect(results).toEqual(times(QUEUES, () => 'applied'));
  expect(await count('folds WHERE completed_at IS NOT NULL')).toBe(QUEUES);
  expect(await count('deliveries WHERE wake_at IS NOT NULL')).toBe(0);
  expect(await count('attempts')).toBe(0);
  expect(await count('current_deliveries WHERE status = 3 AND attempts = 1')).toBe(QUEUES * BATCH);
  expect(await count('current_attempts')).toBe(QUEUES * BATCH);
});

it('stores a batch of one as a delivery by itself', async () => {
  await repos.events.append([anEntry({ queue: 'own', webhookId: 'whk_0' })], { now: Date.now() });
  const claims = await claim(repos, 60_000);
  expect(await count('folds')).toBe(0);
  const results = await repos.events.settle(settlementsOf(claims), { now: Date.now() });
  expect(results).toEqual(['applied']);
  expect(await count('attempts')).toBe(1);
});

it('keeps nothing in folds of batches that failed', async () => {
  await publish();
  const next = { status: 'exhausted', reason: 'attempts-used-up' } as const;
  const claims = await claim(repos, 60_000);
  await repos.events.settle(settlementsOf(claims, next), { now: Date.now() });
  expect(await count('folds')).toBe(0);
  expect(await count('attempts')).toBe(QUEUES * BATCH);
});

it.each(times(12, (round) => round))(
  'a batch whose lease has run out is delivered or claimed anew, never both, round %i',
  async (round) => {
    await publish();
    const claims = await claim(repos, 1);
    const settlements = settlementsOf(claims);
    // Each in a call of its own, in front of, amid and behind the other's claim.
    const settling = async (): Promise<unknown[]> => {
      const results = settlements.map(({ ...one }) => repos.events.settle([one], { now: Date.now() }));
      return (await Promise.all(results)).flat();
    };
    const claiming = async (): Promise<readonly ClaimResult[]> => {
      await new Promise((resolve) => setTimeout(resolve, (round * 3) % 10));
      return claim(others, 60_000);
    };
    const [results, again] = await Promise.all([settling(), claiming()]);
    const claimedAgain = new Set(
      again.flatMap(({ deliveries }) => deliveries.map(({ delivery }) => delivery.id)),
    );
    for (const [index, { deliveryId, others: rest = [] }] of settlements.entries()) {
      const ids = [deliveryId, ...rest.map((one) => one.deliveryId)];
      const isAgain = ids.map((id) => claimedAgain.has(id));
      expect(new Set(isAgain)).toEqual(new Set([results[index] === 'late']));
      const now = await repos.events.getDeliveries(ids);
      const status = results[index] === 'late' ? 'delivering' : 'delivered';
      expect(now.map((delivery) => delivery.status)).toEqual(ids.map(() => status));
      for (const id of ids) {
        const attempts = await repos.events.attempts(id);
        expect(attempts.map(({ number, token, late }) => ({ number, token, late }))).toEqual([
          { number: 1, token: 1, late: status === 'delivering' },
        ]);
      }
    }
  },
);

it('prunes the batch that ended longest ago first, among deliveries by themselves', async () => {
  const deliver = async (webhooks: readonly string[]): Promise<readonly string[]> => {
    await repos.events.append(
      webhooks.map((webhookId) => anEntry({ queue: 'own', webhookId })),
      { now: Date.now() },
    );
    const claims = await claim(repos, 60_000);
    await repos.events.settle(settlementsOf(claims), { now: Date.now() });
    await new Promise((resolve) => setTimeout(resolve, 2));
    return claims.flatMap(({ deliveries }) => deliveries.map(({ delivery }) => delivery.id));
  };
  const ended = [
    await deliver(['whk_0', 'whk_0']),
    await deliver(['whk_1']),
    await deliver(['whk_2', 'whk_2']),
    await deliver(['whk_3']),
  ];
  const left: string[] = [];
  for (let more = true; more; ) {
    const result = await repos.events.prune({ deliveredBefore: Date.now() + 1_000, limit: 3 });
    more = result.more;
    const kept = new Set((await repos.events.getDeliveries(ended.flat())).map(({ id }) => id));
    left.push(ended.map((ids) => ids.filter((id) => kept.has(id)).length).join(' '));
  }
  expect(left.slice(0, 2)).toEqual(['0 0 2 1', '0 0 0 0']);
});

it('prunes what another process is just unfolding once', async () => {
  await publish();
  await repos.events.settle(settlementsOf(await claim(repos, 60_000)), { now: Date.now() });
  const bounds = { deliveredBefore: Date.now() + 1_000, limit: BATCH - 1 };
  let pruned = 0;
  for (let more = true; more; ) {
    const results = await Promise.all(
      [repos, others, repos, others].map(({ events }) => events.prune(bounds)),
    );
    pruned += results.reduce((sum, { deliveries }) => sum + deliveries, 0);
    more = results.some((result) => result.more);
  }
  expect(pruned).toBe(QUEUES * BATCH);
  for (const table of ['deliveries', 'folds', 'events', 'listings', 'attempts'])
    expect(await count(table)).toBe(0);
});
