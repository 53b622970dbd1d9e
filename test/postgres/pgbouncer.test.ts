import { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { createSurehook } from '../../src/index.ts';
import { migrate, postgresRepos } from '../../src/postgres/index.ts';
import { anEntry, times } from '../../src/testing/contract/records.ts';
import { runContract, scriptedTransport } from '../../src/testing/index.ts';
import { libraries } from './handles.ts';
import { type Bouncer, hasPgBouncer, SERVER_CONNECTIONS, startPgBouncer } from './pgbouncer.ts';
import { startServer, type TestServer } from './server.ts';
import { withTurnedClock } from './subjects.ts';

const MODE = 'behind a PgBouncer in transaction mode';

describe.skipIf(hasPgBouncer)(MODE, () => {
  test.skip('nothing of it was tested, because it is not installed: apt-get install pgbouncer', () => {});
});

describe.runIf(hasPgBouncer)(MODE, () => {
  let server: TestServer;
  let bouncer: Bouncer;
  let pools: Pool[];

  beforeAll(async () => {
    server = await startServer();
    bouncer = await startPgBouncer(server);
    pools = times(2, () => new Pool({ ...bouncer.config, max: 8 }));
  }, 30_000);
  afterAll(async () => {
    await Promise.all(pools.map((pool) => pool.end()));
    await bouncer.dispose();
    await server.dispose();
  });

  describe('the PostgreSQL repos without notifications', () => {
    runContract({ test, create: () => withTurnedClock(pools[0]!, { notifications: false }) });
  });

  it('migrate once, however many start at once', async () => {
    const results = await Promise.all(times(8, (n) => migrate(pools[n % 2]!, { schema: 'at_once' })));
    expect(results.map(({ applied }) => applied).toSorted()).toEqual([0, 0, 0, 0, 0, 0, 0, 1]);
  });

  it('share 2 000 deliveries between two pools, each to one, and lose none', async () => {
    await migrate(pools[0]!, { schema: 'shared' });
    const both = pools.map((pool) => postgresRepos(pool, { schema: 'shared', notifications: false }));
    for (const { events } of both)
      await events.append(
        times(1_000, () => anEntry()),
        { now: 0 },
      );
    const claimed: string[] = [];
    const claimAll = async ({ events }: (typeof both)[number]): Promise<number> => {
      for (let count = 0; ; ) {
        const now = Date.now();
        const { deliveries } = await events.claimExpress({ now, leaseUntil: now + 60_000, limit: 50 });
        if (deliveries.length === 0) return count;
        count += deliveries.length;
        claimed.push(...deliveries.map(({ delivery }) => delivery.id));
      }
    };
    const counts = await Promise.all(times(8, (n) => claimAll(both[n % 2]!)));
    for (const repos of both) await claimAll(repos);
    expect(new Set(claimed).size).toBe(2_000);
    expect(claimed).toHaveLength(2_000);
    expect(counts.filter((count) => count > 0).length).toBeGreaterThan(2);
    const others = 'SELECT FROM pg_stat_activity WHERE datname IS NOT NULL AND pid <> pg_backend_pid()';
    const { rowCount } = await server.pool().query(others);
    expect(rowCount).toBeLessThanOrEqual(SERVER_CONNECTIONS);
    for (const repos of both) await repos.close();
  });

  it.each(libraries)(
    'publish in a transaction of $name, and deliver by the poll',
    async ({ name, connect }) => {
      const schema = `host_${libraries.findIndex((library) => library.name === name)}`;
      await migrate(pools[0]!, { schema });
      const both = pools.map((pool) => postgresRepos(pool, { schema, notifications: false }));
      const transport = scriptedTransport(204);
      const publisher = createSurehook({ repos: both[0]! });
      const worker = createSurehook({ repos: both[1]!, transport, pollMs: 50 });
      await publisher.webhooks.create({ url: 'https://example.com/hooks', events: ['order.*'] });
      await worker.start();
      const host = await connect(bouncer.config);
      await host.transaction(async ({ tx, run }) => {
        await run(`CREATE TABLE ${schema}.orders ()`);
        await publisher.publish({ type: 'order.placed', data: name }, { tx });
      });
      const refused = host.transaction(async ({ tx }) => {
        await publisher.publish({ type: 'order.refused', data: name }, { tx });
        throw new Error('rolled back');
      });
      await expect(refused).rejects.toThrow('rolled back');
      await expect(publisher.publish({ type: 'order.loose', data: 1 }, { tx: host.outside })).rejects.toThrow(
        TypeError,
      );
      await expect.poll(() => transport.requests.length).toBe(1);
      await worker.idle();
      const { items } = await publisher.deliveries.list({});
      expect(items).toMatchObject([{ eventType: 'order.placed', status: 'delivered', attempts: 1 }]);
      await host.close();
      await worker.stop();
      for (const repos of both) await repos.close();
    },
  );
});
