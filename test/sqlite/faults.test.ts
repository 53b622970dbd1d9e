import { DatabaseSync, StatementSync } from 'node:sqlite';
import { afterEach, describe, expect, it } from 'vitest';
import type { AppendEntry } from '../../src/repos.ts';
import { isInTransaction } from '../../src/sqlite/handle.ts';
import { type SqliteRepos, sqliteRepos } from '../../src/sqlite/index.ts';
import { anEntry, anEvent, LONG_AGO_MS } from '../../src/testing/contract/records.ts';
import {
  appendedEntries,
  type FaultCase,
  faultCases,
  START_MS,
  type Stage,
} from '../contract/fault-cases.ts';
import { expectWhole, outcomeOf, undisturbed } from '../contract/fault-trial.ts';

const FULL = 13;
const BUSY = 5;
const IOERR = 10;
const NOW = LONG_AGO_MS + 1_000_000;

/**
 * Which statement fails, counted from 1 since it was armed (0: none), before it has run, or after: its acknowledgement is lost then.
 */
const fault = { at: 0, seen: 0, errcode: FULL, isAfter: false, alsoRollback: false, fired: false };
const real = {
  run: StatementSync.prototype.run,
  get: StatementSync.prototype.get,
  all: StatementSync.prototype.all,
  exec: DatabaseSync.prototype.exec,
};

function disturbed<T>(text: string, statement: () => T): T {
  // A BEGIN that failed has begun nothing.
  if (fault.at === 0 || (fault.isAfter && text.startsWith('BEGIN'))) return statement();
  if (fault.fired) {
    if (fault.alsoRollback && text === 'ROLLBACK') throw sqliteError();
    return statement();
  }
  fault.seen += 1;
  if (fault.seen !== fault.at) return statement();
  fault.fired = true;
  if (fault.isAfter) statement();
  throw sqliteError();
}

function sqliteError(): Error {
  return Object.assign(new Error('planted'), { code: 'ERR_SQLITE_ERROR', errcode: fault.errcode });
}

function plant(): void {
  for (const name of ['run', 'get', 'all'] as const) {
    const original: (...values: never[]) => unknown = real[name];
    Object.assign(StatementSync.prototype, {
      [name](this: StatementSync, ...values: never[]) {
        return disturbed('', () => original.apply(this, values));
      },
    });
  }
  DatabaseSync.prototype.exec = function (sql) {
    disturbed(sql, () => real.exec.call(this, sql));
  };
}

afterEach(() => {
  Object.assign(StatementSync.prototype, { run: real.run, get: real.get, all: real.all });
  DatabaseSync.prototype.exec = real.exec;
  fault.at = 0;
});

function arm(at: number, options: Partial<typeof fault> = {}): void {
  Object.assign(fault, { errcode: FULL, isAfter: false, alsoRollback: false }, options, {
    at,
    seen: 0,
    fired: false,
  });
}

/** Everything that is stored. */
function dump(db: DatabaseSync): unknown {
  const tables = db
    .prepare(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'surehook%' AND name <> 'surehook_migrations'",
    )
    .all();
  return tables.map(({ name }) => [name, db.prepare(`SELECT * FROM ${String(name)}`).all()]);
}

interface SqliteStage extends Stage {
  readonly db: DatabaseSync;
}

function newStage(): SqliteStage {
  const db = new DatabaseSync(':memory:');
  let now = START_MS;
  return {
    db,
    repos: sqliteRepos(db),
    get now() {
      return now;
    },
    advance: async (ms) => {
      now += ms;
    },
    dump: async () => dump(db),
  };
}

/** Disturbs the call at one statement after another; resolves with what was stored each time. */
async function disturb(name: string, options: Partial<typeof fault>): Promise<readonly string[]> {
  const one = faultCases[name] as FaultCase;
  const expected = await undisturbed(newStage(), one);
  const found: string[] = [];
  plant();
  for (let at = 1; ; at += 1) {
    const stage = newStage();
    await one.before?.(stage);
    arm(at, options);
    const outcome = await outcomeOf(name, () => one.call(stage));
    const { fired } = fault;
    arm(0);
    expect(isInTransaction(stage.db)).toBe(false);
    const cause = { errcode: options.errcode };
    const whole = await expectWhole({ stage, one, expected, outcome, cause, mayBePartial: false });
    stage.db.close();
    if (!fired) return found;
    found.push('error' in outcome ? whole : 'worked');
  }
}

describe.each(Object.keys(faultCases))('%s', (name) => {
  it('stores nothing when the disk is full, whichever statement finds it so', async () => {
    const found = await disturb(name, { errcode: FULL });
    expect(new Set(found)).toEqual(new Set(['nothing']));
  });

  it('waits where somebody else has the lock, whichever statement meets it', async () => {
    const found = await disturb(name, { errcode: BUSY });
    expect(new Set(found)).toEqual(new Set(['worked']));
  });

  it('stores nothing when an answer is lost, but everything when it is that of the commit', async () => {
    const found = await disturb(name, { errcode: IOERR, isAfter: true });
    expect(found.slice(0, -1)).toEqual(found.slice(1).map(() => 'nothing'));
    const { before, stored } = await undisturbed(newStage(), faultCases[name] as FaultCase);
    const isRead = JSON.stringify(before) === JSON.stringify(stored);
    expect(found.at(-1)).toBe(isRead ? 'nothing' : 'everything');
  });
});

describe('an append in a transaction of the host’s', () => {
  it('is undone by itself, whichever statement fails, and the transaction goes on', async () => {
    plant();
    for (let at = 1; ; at += 1) {
      const { db, repos } = newStage();
      db.exec("CREATE TABLE orders (id TEXT); BEGIN; INSERT INTO orders VALUES ('o1')");
      const before = dump(db);
      arm(at);
      const call = () => repos.events.append(appendedEntries, { now: NOW, tx: db });
      const outcome = await outcomeOf('events.append', call);
      const { fired } = fault;
      arm(0);
      expect(isInTransaction(db)).toBe(true);
      if (!fired) return expect(at).toBeGreaterThan(3);
      expect(outcome).toMatchObject({ error: { cause: { errcode: FULL } } });
      expect(dump(db)).toEqual(before);
      expect(await call()).toEqual(appendedEntries.map((one) => ({ ...one, duplicate: false })));
      db.exec('COMMIT');
      expect(db.prepare('SELECT id FROM orders').all()).toEqual([{ id: 'o1' }]);
      expect(await repos.events.getDeliveries(['dlv_new', 'dlv_a', 'dlv_b', 'dlv_c'])).toHaveLength(4);
      db.close();
    }
  });
});

const entry = anEntry({ id: 'dlv_one' });
const append = (repos: SqliteRepos, ...entries: readonly AppendEntry[]) =>
  repos.events.append(entries, { now: NOW });

describe('a connection of our own', () => {
  it('is usable after a failure that could not even be rolled back', async () => {
    using repos = sqliteRepos(':memory:');
    plant();
    arm(3, { alsoRollback: true });
    await expect(append(repos, entry)).rejects.toMatchObject({ errcode: FULL });
    expect(fault.fired).toBe(true);
    arm(0);
    expect(await append(repos, entry)).toEqual([{ ...entry, duplicate: false }]);
    expect(await repos.events.getDeliveries(['dlv_one'])).toEqual(entry.deliveries);
  });

  it('reports a disk that is really full, and goes on once there is room', async () => {
    const db = new DatabaseSync(':memory:');
    const repos = sqliteRepos(db);
    const pages = Number(db.prepare('PRAGMA page_count').get()?.page_count);
    db.exec(`PRAGMA max_page_count = ${pages + 10}`);
    const big = { event: anEvent({ body: new Uint8Array(100_000) }), deliveries: [] };
    await expect(append(repos, anEntry(), big)).rejects.toMatchObject({ errcode: FULL });
    expect(await repos.events.listDeliveries({ limit: 9 })).toEqual([]);
    db.exec('PRAGMA max_page_count = 100000');
    expect(await append(repos, big)).toEqual([{ ...big, duplicate: false }]);
  });
});
