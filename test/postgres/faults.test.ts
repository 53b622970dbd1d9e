import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { migrate } from '../../src/postgres/index.ts';
import { openRepos } from '../../src/postgres/open.ts';
import { tablesOf } from '../../src/postgres/tables.ts';
import {
  appendedEntries,
  type FaultCase,
  faultCases,
  START_MS,
  type Stage,
} from '../contract/fault-cases.ts';
import { expectWhole, outcomeOf, undisturbed } from '../contract/fault-trial.ts';
import { codeOf, type Fault, FaultyPool } from './faulty-pool.ts';
import { startServer, type TestServer } from './server.ts';

/** Conflicts that running again resolves. */
const PASSING: readonly Fault[] = ['40001', '40P01'].map((code) => ({ kind: 'refused', code }));
const LASTING: Readonly<Record<string, Fault>> = {
  'too many connections': { kind: 'refused', code: '53300' },
  'the connection breaks before it': { kind: 'cut', phase: 'before' },
  'its acknowledgement is lost': { kind: 'cut', phase: 'after' },
};

let server: TestServer;
let pool: Pool;
let faulty: FaultyPool;
let stage: Stage;

const TABLES = ['events', 'deliveries', 'listings', 'attempts', 'webhooks', 'queues', 'buckets', 'outcomes'];
/** As it is whether it stands in folds or not. */
const ROWS: Readonly<Record<string, string>> = {
  deliveries: `SELECT d.stripped, d.claimed_at, c.* FROM surehook.deliveries d JOIN surehook.current_deliveries c ON c.id = d.id WHERE d.fold IS NULL
    UNION ALL SELECT f.stripped, CASE WHEN c.status = 1 THEN d.claimed_at END, c.*
    FROM surehook.deliveries d JOIN surehook.current_deliveries c ON c.id = d.id JOIN surehook.folds f ON f.nr = d.fold`,
  attempts: 'SELECT * FROM surehook.current_attempts',
};
/** Without the numbers of sequences, which count on also where they are rolled back. */
const DUMP = `SELECT ${TABLES.map(
  (table) => `(SELECT json_agg(r ORDER BY r::text) FROM (
    SELECT (to_jsonb(t) - 'seq' - 'marked' - 'fold') || jsonb_build_object('marked', (to_jsonb(t) ->> 'marked') IS NOT NULL)
      || CASE WHEN to_jsonb(t) ->> 'fold' IS NULL THEN '{}' ELSE jsonb_build_object('wake_at', to_jsonb(t) -> 'lease_until') END AS r
    FROM (${ROWS[table] ?? `SELECT * FROM surehook.${table}`}) t) rows) AS ${table}`,
).join(', ')}`;

beforeAll(async () => {
  server = await startServer();
  pool = server.pool({ max: 2 });
  await migrate(pool);
  await pool.query('CREATE TABLE test_clock (now_ms bigint); INSERT INTO test_clock VALUES (0)');
  await pool.query('CREATE TABLE orders (id text)');
  faulty = new FaultyPool(pool);
  const tables = tablesOf('surehook', '(SELECT now_ms FROM test_clock)');
  const options = { notifications: true, clock: systemClock, onError: () => {} };
  let now = START_MS;
  stage = {
    repos: openRepos(faulty, tables, options),
    get now() {
      return now;
    },
    advance: async (ms) => {
      now += ms;
      await pool.query('UPDATE test_clock SET now_ms = $1', [now]);
    },
    dump: async () => (await pool.query(DUMP)).rows[0],
  };
}, 30_000);
afterAll(() => server.dispose());

/** Sweeps everything out and turns the clock back. */
async function clear(): Promise<void> {
  await pool.query(
    [...TABLES, 'folds']
      .map((table) => `DELETE FROM surehook.${table}`)
      .concat('DELETE FROM orders')
      .join(';'),
  );
  await stage.advance(START_MS - stage.now);
}

/** Nobody waits in a transaction, and the pool has all its connections. */
async function expectNothingHeld(): Promise<void> {
  const inTransaction =
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
  // The server learns of the end of a connection a little later.
  await expect.poll(async () => (await pool.query(inTransaction)).rows).toEqual([]);
  expect(pool.idleCount).toBe(pool.totalCount);
}

/** Disturbs the call at one statement after another; resolves with what was stored each time. */
async function disturb(name: string, fault: Fault): Promise<readonly string[]> {
  const one = faultCases[name] as FaultCase;
  await clear();
  const expected = await undisturbed(stage, one);
  const found: string[] = [];
  for (let at = 1; ; at += 1) {
    await clear();
    await one.before?.(stage);
    faulty.arm(at, fault);
    const outcome = await outcomeOf(name, () => one.call(stage));
    const wasHit = faulty.disarm();
    await expectNothingHeld();
    const cause = { code: codeOf(fault) };
    const whole = await expectWhole({
      stage,
      one,
      expected,
      outcome,
      cause,
      mayBePartial: one.byItem ?? false,
    });
    if (!wasHit) return found;
    found.push('error' in outcome ? whole : 'worked');
  }
}

describe.each(Object.keys(faultCases))('%s', (name) => {
  it.each(PASSING)('runs again after $code at any of its statements', async (fault) => {
    const found = await disturb(name, fault);
    expect(new Set(found)).toEqual(new Set(['worked']));
  });

  it.each(Object.keys(LASTING))('is whole after a failure at any of its statements: %s', async (what) => {
    const fault = LASTING[what] as Fault;
    const found = await disturb(name, fault);
    expect(found.length).toBeGreaterThan(0);
    expect(found).not.toContain('worked');
    if (faultCases[name]?.byItem) return;
    expect(found).not.toContain('a part');
    if (fault.kind === 'refused' || fault.phase === 'before') expect(found[0]).toBe('nothing');
  });
});

describe('an append in a transaction of the host’s', () => {
  const refusals = [...PASSING, LASTING['too many connections'] as Fault];

  /** Makes the append at a fault; resolves with whether the statement came, and whether the transaction can go on. */
  async function appendAt(at: number, fault: Fault): Promise<{ wasHit: boolean; isAlive: boolean }> {
    await clear();
    const tx = await faulty.connect();
    await tx.query('BEGIN');
    await tx.query("INSERT INTO orders VALUES ('o1')");
    faulty.arm(at, fault);
    const call = () => stage.repos.events.append(appendedEntries, { now: stage.now, tx });
    const outcome = await outcomeOf('events.append', call);
    const wasHit = faulty.disarm();
    if (wasHit) expect(outcome).toMatchObject({ error: { code: 'storage', cause: { code: codeOf(fault) } } });
    const isAlive = await tx.query('SELECT 1').then(
      () => true,
      () => false,
    );
    if (wasHit && isAlive) await call();
    await tx.query('COMMIT').catch(() => {});
    tx.release(tx.isCut);
    return { wasHit, isAlive };
  }

  async function stored(): Promise<{ orders: number | null; deliveries: number }> {
    const orders = await pool.query('SELECT id FROM orders');
    const deliveries = await stage.repos.events.listDeliveries({ limit: 9 });
    return { orders: orders.rowCount, deliveries: deliveries.length };
  }

  it.each(refusals)('is undone by itself after $code, and the transaction goes on', async (fault) => {
    for (let at = 1; ; at += 1) {
      const { wasHit, isAlive } = await appendAt(at, fault);
      // What fails before the first savepoint is there takes the transaction with it.
      expect(isAlive).toBe(at > 1);
      expect(await stored()).toEqual(isAlive ? { orders: 1, deliveries: 4 } : { orders: 0, deliveries: 0 });
      await expectNothingHeld();
      if (!wasHit) return expect(at).toBeGreaterThan(3);
    }
  });

  it.each(['before', 'after'] as const)(
    'goes with the connection that breaks %s a statement',
    async (phase) => {
      for (let at = 1; ; at += 1) {
        const { wasHit } = await appendAt(at, { kind: 'cut', phase });
        await expectNothingHeld();
        if (!wasHit) return expect(at).toBeGreaterThan(3);
        expect(await stored()).toEqual({ orders: 0, deliveries: 0 });
      }
    },
  );
});

it('gives up on a conflict that does not pass', async () => {
  await clear();
  const lasting = new FaultyPool(pool);
  lasting.next = () => ({ kind: 'refused', code: '40001' });
  const options = { notifications: false, clock: systemClock, onError: () => {} };
  const { events } = openRepos(lasting, tablesOf('surehook'), options);
  await expect(events.append(appendedEntries, { now: stage.now })).rejects.toMatchObject({ code: '40001' });
  expect(lasting.released.good).toBe(5);
});
