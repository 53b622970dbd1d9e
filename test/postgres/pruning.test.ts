import type { Pool } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { migrate, type PostgresRepos, postgresRepos } from '../../src/postgres/index.ts';
import type { PruneResult } from '../../src/repos.ts';
import { aDelivery, anAttempt, anEntry, anEvent, times } from '../../src/testing/contract/records.ts';
import { startServer, type TestServer } from './server.ts';

let server: TestServer;
let pool: Pool;
let processes: readonly PostgresRepos[];

beforeAll(async () => {
  server = await startServer();
  pool = server.pool({ max: 20 });
  await migrate(pool);
  processes = times(4, () => postgresRepos(server.pool({ max: 4 }), { notifications: false }));
}, 30_000);
afterAll(() => server.dispose());

const now = Date.now();
const lease = { now, leaseUntil: now + 60_000 };

/** The repos would run again what met a deadlock. */
afterEach(async () => {
  const { rows } = await pool.query(
    'SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()',
  );
  expect(rows).toEqual([{ deadlocks: 0 }]);
});

async function countOf(table: string): Promise<number> {
  const { rows } = await pool.query(`SELECT count(*)::int AS n FROM surehook.${table}`);
  return rows[0].n;
}

/** What has ended, its events with two deliveries each, so that two that prune meet at an event. */
async function endedDeliveries(events: number): Promise<void> {
  const [first] = processes;
  const entries = times(events, () => {
    const event = anEvent();
    const fields = { status: 'exhausted', reason: 'cancelled', completedAt: 1_000 } as const;
    return { event, deliveries: [aDelivery(event, fields), aDelivery(event, fields)] };
  });
  await first?.events.append(entries, { now });
}

async function pruneAll({ events }: PostgresRepos): Promise<readonly PruneResult[]> {
  const results: PruneResult[] = [];
  for (;;) {
    const result = await events.prune({
      deliveredBefore: now,
      exhaustedBefore: now,
      attemptsBefore: now,
      limit: 37,
    });
    results.push(result);
    if (!result.more) return results;
  }
}

describe('several processes that prune at once', () => {
  it('remove each thing once, and all of it, without an error', async () => {
    await endedDeliveries(400);
    const results = (await Promise.all(processes.map(pruneAll))).flat();
    // What one process held was passed over by the others, whose last call may have come before.
    results.push(...(await pruneAll(processes[0] as PostgresRepos)));
    const total = (kind: 'deliveries' | 'events'): number =>
      results.reduce((sum, result) => sum + result[kind], 0);
    expect([total('deliveries'), total('events')]).toEqual([800, 400]);
    for (const table of ['events', 'deliveries', 'listings', 'attempts'])
      expect(await countOf(table)).toBe(0);
  }, 20_000);

  it('disturb nobody who appends, claims and settles', async () => {
    await endedDeliveries(300);
    const serve = async ({ events }: PostgresRepos): Promise<number> => {
      const { deliveries } = await events.claimExpress({ ...lease, limit: 20 });
      const settlements = deliveries.map(({ delivery: { id, token } }) => ({
        deliveryId: id,
        token,
        attempt: anAttempt(),
        next: { status: 'delivered' } as const,
      }));
      // It ended long ago, so that the others prune it at once.
      const results = await events.settle(settlements, { now: 1_000 });
      expect(results).toEqual(results.map(() => 'applied'));
      return results.length;
    };
    const work = async (repos: PostgresRepos): Promise<number> => {
      let delivered = 0;
      for (let n = 0; n < 15; n += 1) {
        const entries = times(20, () => anEntry());
        await repos.events.append(entries, { now });
        delivered += await serve(repos);
      }
      return delivered;
    };
    const [a, b, c, d] = processes as [PostgresRepos, PostgresRepos, PostgresRepos, PostgresRepos];
    const [first, second] = await Promise.all([work(a), work(b), pruneAll(c), pruneAll(d)]);
    const [third] = await Promise.all([work(a), pruneAll(b), pruneAll(c)]);
    let delivered = first + second + third;
    for (let more = await serve(a); more > 0; more = await serve(a)) delivered += more;
    expect(delivered).toBe(900);
    await pruneAll(d);
    for (const table of ['events', 'deliveries', 'listings', 'attempts'])
      expect(await countOf(table)).toBe(0);
  }, 30_000);
});
