import { setTimeout as wait } from 'node:timers/promises';
import { Client, type Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrate, postgresRepos } from '../../src/postgres/index.ts';
import type { Work } from '../../src/repos.ts';
import { anEntry, times } from '../../src/testing/contract/records.ts';
import { startServer, type TestServer } from './server.ts';

let server: TestServer;
let pool: Pool;

beforeAll(async () => {
  server = await startServer();
  pool = server.pool({ max: 20 });
  pool.on('error', () => {});
}, 30_000);
afterAll(() => server.dispose());

const lease = (): { now: number; leaseUntil: number } => ({
  now: Date.now(),
  leaseUntil: Date.now() + 60_000,
});

describe('migrate', () => {
  it('runs each migration once, however many start at once', async () => {
    const pools = times(8, () => server.pool({ max: 1 }));
    const results = await Promise.all(pools.map((own) => migrate(own, { schema: 'at_once' })));
    await Promise.all(pools.map((own) => own.end()));
    expect(results.map(({ applied }) => applied).toSorted()).toEqual([0, 0, 0, 0, 0, 0, 0, 1]);
    expect(await migrate(pool, { schema: 'at_once' })).toEqual({ version: 1, applied: 0 });
  });

  it('refuses a schema of a newer release', async () => {
    await migrate(pool, { schema: 'newer' });
    await pool.query('INSERT INTO newer.migrations (number) VALUES (99)');
    await expect(migrate(pool, { schema: 'newer' })).rejects.toThrow(/version 99.*update surehook/);
  });

  it('goes through a single client', async () => {
    const client = new Client(server.config);
    await client.connect();
    expect(await migrate(client, { schema: 'single' })).toEqual({ version: 1, applied: 1 });
    await client.end();
  });

  it.each(['', 'a-b', 'a"b', '1a', 'pg_own', 'x'.repeat(64), 'ä', 'a.b', "a'b"])(
    'refuses the name %j',
    async (schema) => {
      await expect(migrate(pool, { schema })).rejects.toThrow(RangeError);
      expect(() => postgresRepos(pool, { schema })).toThrow(RangeError);
    },
  );

  it.each(['Select', 'x'.repeat(63), '_'])('quotes the name %j', async (schema) => {
    await migrate(pool, { schema });
    const repos = postgresRepos(pool, { schema });
    const end = repos.events.onWork?.(() => {});
    await repos.events.append([anEntry()], { now: 0 });
    expect((await repos.events.claimExpress({ ...lease(), limit: 9 })).deliveries).toHaveLength(1);
    end?.();
    await repos.close();
  });
});

describe('many connections', () => {
  it('share 10 000 deliveries, each to one, and lose none', async () => {
    await migrate(pool, { schema: 'many' });
    const repos = postgresRepos(pool, { schema: 'many' });
    for (let n = 0; n < 10; n += 1)
      await repos.events.append(
        times(1_000, () => anEntry()),
        { now: 0 },
      );
    const claimed: string[] = [];
    const claimAll = async (): Promise<void> => {
      for (;;) {
        const { deliveries } = await repos.events.claimExpress({ ...lease(), limit: 100 });
        if (deliveries.length === 0) return;
        claimed.push(...deliveries.map(({ delivery }) => delivery.id));
      }
    };
    await Promise.all(times(16, claimAll));
    await claimAll();
    expect(claimed).toHaveLength(10_000);
    expect(new Set(claimed).size).toBe(10_000);
  }, 20_000);

  it('work one after another through a single client', async () => {
    const client = new Client(server.config);
    await client.connect();
    await migrate(client, { schema: 'one_client' });
    const repos = postgresRepos(client, { schema: 'one_client' });
    const heard: Work[] = [];
    const end = repos.events.onWork?.((work) => heard.push(work));
    await repos.events.append([anEntry(), anEntry()], { now: 0 });
    const { deliveries } = await repos.events.claimExpress({ ...lease(), limit: 9 });
    const settlements = deliveries.map(({ delivery: { id, token } }) => ({
      deliveryId: id,
      token: token + 1,
      next: { status: 'delivered' } as const,
    }));
    const calls = times(5, () => repos.events.settle(settlements, { now: 0 }));
    expect(await Promise.all(calls)).toEqual(times(5, () => ['late', 'late']));
    expect(heard).toHaveLength(1);
    end?.();
    await repos.close();
    await client.end();
  });
});

describe('a server that fails', () => {
  it('is survived: connections cut, an immediate stop, a restart', async () => {
    await migrate(pool, { schema: 'failing' });
    const errors: unknown[] = [];
    const own = server.pool({ max: 5 });
    const repos = postgresRepos(own, { schema: 'failing', onError: (error) => errors.push(error) });
    const heard: Work[] = [];
    const end = repos.events.onWork?.((work) => heard.push(work));
    const listening = async (): Promise<number | null> =>
      (await pool.query('SELECT FROM pg_stat_activity WHERE query = \'LISTEN "failing"\'')).rowCount;
    await expect.poll(listening).toBe(1);
    await Promise.all(times(3, () => repos.events.listDeliveries({ limit: 1 })));

    await pool.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename IS NOT NULL',
    );
    await expect.poll(() => errors.length).toBeGreaterThan(0);
    await expect.poll(listening, { timeout: 5_000 }).toBe(1);
    await expect.poll(() => heard).toContainEqual({ express: true, replays: true, ownQueues: [] });

    await server.stopImmediately();
    await expect(repos.events.append([anEntry()], { now: 0 })).rejects.toThrow();
    await expect(repos.events.claimExpress({ ...lease(), limit: 1 })).rejects.toThrow();
    await wait(50);
    heard.length = 0;
    await server.start();
    await expect.poll(listening, { timeout: 5_000 }).toBe(1);
    await repos.events.append([anEntry()], { now: 0 });
    expect((await repos.events.claimExpress({ ...lease(), limit: 9 })).deliveries).toHaveLength(1);
    expect(heard).toContainEqual({ express: true, replays: true, ownQueues: [] });
    end?.();
    await repos.close();
  }, 30_000);
});
