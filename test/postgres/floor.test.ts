import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { Floor } from '../../src/postgres/floor.ts';
import { migrate } from '../../src/postgres/index.ts';
import { openRepos } from '../../src/postgres/open.ts';
import { tablesOf } from '../../src/postgres/tables.ts';
import { anEntry, times } from '../../src/testing/contract/records.ts';
import { startServer, type TestServer } from './server.ts';

const NOW = 1_000_000;

describe('the floor of a queue', () => {
  it('is the bottom as long as few entries are read for nothing', () => {
    const floor = new Floor();
    const bottom = floor.place;
    floor.note(bottom, { now: NOW, head: { wakeAt: 7, seq: 1 }, wasted: 9_999 });
    expect(floor.place).toBe(bottom);
    expect(floor.restMs).toBe(null);
  });

  it('is the first delivery found, but for what others may publish at this moment', () => {
    const floor = new Floor();
    const old = { wakeAt: NOW - 5_000, seq: 3 };
    floor.note(floor.place, { now: NOW, head: old, wasted: 10_000 });
    expect(floor.place).toEqual(old);
    expect(floor.restMs).toBe(250);
    floor.note(floor.place, { now: NOW + 10, head: { wakeAt: NOW, seq: 9 }, wasted: 0 });
    expect(floor.place).toEqual({ wakeAt: NOW - 990, seq: 0 });
    floor.note(floor.place, { now: NOW + 20, head: undefined, wasted: 0 });
    expect(floor.place).toEqual({ wakeAt: NOW - 980, seq: 0 });
  });

  it.each([
    [10_000, 1_000],
    [2_000_000, 10_000],
  ])('is left after %i useless reads for %i ms', (wasted, afterMs) => {
    const floor = new Floor();
    const bottom = floor.place;
    floor.note(bottom, { now: NOW, head: undefined, wasted });
    floor.note(floor.place, { now: NOW + afterMs - 1, head: undefined, wasted: 0 });
    expect(floor.place).not.toBe(bottom);
    floor.note(floor.place, { now: NOW + afterMs, head: undefined, wasted: 0 });
    expect(floor.place).toBe(bottom);
  });

  it('takes no notice of a claim that began above a floor that is left by now', () => {
    const floor = new Floor();
    const bottom = floor.place;
    floor.note(bottom, { now: NOW, head: undefined, wasted: 10_000 });
    const above = floor.place;
    floor.note(above, { now: NOW + 1_000, head: undefined, wasted: 0 });
    floor.note(above, { now: NOW + 1_001, head: undefined, wasted: 0 });
    expect(floor.place).toBe(bottom);
  });
});

describe('while a transaction of the host’s stays open', () => {
  let server: TestServer;
  let pool: Pool;
  let holding: Pool;

  beforeAll(async () => {
    server = await startServer();
    pool = server.pool({ max: 1 });
    holding = server.pool({ max: 1 });
    await migrate(pool);
    await pool.query(`CREATE TABLE test_clock AS SELECT ${NOW}::bigint AS now_ms`);
  }, 30_000);
  afterAll(() => server.dispose());

  async function entriesRead(): Promise<number> {
    await pool.query('SELECT pg_stat_force_next_flush()');
    const { rows } = await pool.query(
      "SELECT idx_tup_read::int AS read FROM pg_stat_user_indexes WHERE indexrelname = 'deliveries_express'",
    );
    return rows[0].read;
  }

  it('claims do not read all that went through the queue since, and find what comes in', async () => {
    const tables = tablesOf('surehook', '(SELECT now_ms FROM test_clock)');
    const options = { notifications: false, clock: systemClock, onError: () => {} };
    const { events } = openRepos(pool, tables, options);
    const limit = 3_000;
    const claim = async (): Promise<readonly string[]> => {
      const { deliveries } = await events.claimExpress({ now: NOW, leaseUntil: NOW + 60_000, limit });
      const settlements = deliveries.map(({ delivery: { id, token } }) => ({
        deliveryId: id,
        token,
        next: { status: 'delivered' } as const,
      }));
      await events.settle(settlements, { now: NOW });
      return settlements.map(({ deliveryId }) => deliveryId);
    };
    const append = async (dueAt: number): Promise<readonly string[]> => {
      const entry = anEntry({ dueAt });
      await events.append([entry], { now: NOW });
      return entry.deliveries.map(({ id }) => id);
    };
    const host = await holding.connect();
    await host.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await host.query('SELECT 1');
    for (let n = 0; n < 4; n += 1) {
      const entries = times(limit, () => anEntry({ dueAt: 1 }));
      await events.append(entries, { now: NOW });
      expect(await claim()).toHaveLength(limit);
    }
    expect(await claim()).toEqual([]);
    const before = await entriesRead();
    for (let n = 0; n < 5; n += 1) expect(await append(NOW - 999)).toEqual(await claim());
    expect((await entriesRead()) - before).toBeLessThan(100);
    const late = await append(1);
    expect(await claim()).toEqual([]);
    await pool.query('UPDATE test_clock SET now_ms = now_ms + 1000');
    expect(await claim()).toEqual([]);
    expect(await claim()).toEqual(late);
    await host.query('ROLLBACK');
    host.release();
  }, 30_000);
});
