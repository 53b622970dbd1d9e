import { DatabaseSync, StatementSync } from 'node:sqlite';
import { afterEach, describe, expect, it } from 'vitest';
import { type SqliteRepos, sqliteRepos } from '../../src/sqlite/index.ts';
import {
  aDelivery,
  anAttempt,
  anEntry,
  anEvent,
  aWebhook,
  LONG_AGO_MS,
} from '../../src/testing/contract/records.ts';

const FULL = 13;
const BUSY = 5;
const NOW = LONG_AGO_MS + 1_000_000;
const LEASE = { now: NOW, leaseUntil: NOW + 60_000 };

/** Which statement throws, counted from 1 since it was armed; 0: none. */
const fault = { at: 0, seen: 0, errcode: FULL, alsoRollback: false, fired: false };
const real = {
  run: StatementSync.prototype.run,
  get: StatementSync.prototype.get,
  all: StatementSync.prototype.all,
  exec: DatabaseSync.prototype.exec,
};

function breakHere(text = ''): void {
  if (fault.at === 0) return;
  if (fault.fired) {
    if (fault.alsoRollback && text === 'ROLLBACK') throw sqliteError();
    return;
  }
  fault.seen += 1;
  if (fault.seen !== fault.at) return;
  fault.fired = true;
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
        breakHere();
        return original.apply(this, values);
      },
    });
  }
  DatabaseSync.prototype.exec = function (sql) {
    breakHere(sql);
    real.exec.call(this, sql);
  };
}

afterEach(() => {
  Object.assign(StatementSync.prototype, { run: real.run, get: real.get, all: real.all });
  DatabaseSync.prototype.exec = real.exec;
  fault.at = 0;
});

function arm(at: number, options: Partial<typeof fault> = {}): void {
  Object.assign(fault, { errcode: FULL, alsoRollback: false }, options, { at, seen: 0, fired: false });
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

const entry = anEntry({ id: 'dlv_one' });
const fanOut = anEvent();
const newEntries = [
  anEntry({ id: 'dlv_new' }),
  { event: fanOut, deliveries: ['a', 'b', 'c'].map((id) => aDelivery(fanOut, { id: `dlv_${id}` })) },
];
const ownEntry = anEntry({ id: 'dlv_own', queue: 'own', webhookId: 'whk_own' });
const deadEntry = anEntry({
  id: 'dlv_dead',
  status: 'exhausted',
  reason: 'attempts-used-up',
  completedAt: LONG_AGO_MS,
});
const webhook = aWebhook({ events: ['a.b', 'a.*'] });
const disabled = { state: 'disabled' } as const;
const held = {
  deliveryId: 'dlv_one',
  token: 1,
  attempt: anAttempt(),
  next: { status: 'delivered' },
} as const;

interface Case {
  readonly before: (repos: SqliteRepos) => Promise<unknown>;
  readonly call: (repos: SqliteRepos) => Promise<unknown>;
}

const append =
  (...entries: (typeof entry)[]) =>
  (repos: SqliteRepos) =>
    repos.events.append(entries, { now: NOW });
const claimed = async (repos: SqliteRepos): Promise<void> => {
  await append(entry)(repos);
  await repos.events.claimExpress({ ...LEASE, limit: 9 });
};
const queued = (repos: SqliteRepos): Promise<void> =>
  repos.state.open([{ webhookId: 'whk_a', failures: 1, nextAt: 1 }], { now: 5 });
const change = { webhookId: 'whk_a', token: 6, failures: 2, notBefore: 1, nextAt: 3 };

const CASES: Readonly<Record<string, Case>> = {
  append: { before: append(entry), call: append(...newEntries) },
  claimExpress: { before: append(entry), call: (repos) => repos.events.claimExpress({ ...LEASE, limit: 9 }) },
  'claimExpress after a lost lease': {
    before: claimed,
    call: (repos) => repos.events.claimExpress({ now: NOW + 99_000, leaseUntil: NOW + 100_000, limit: 9 }),
  },
  claimQueues: {
    before: append(ownEntry),
    call: (repos) => repos.events.claimQueues({ ...LEASE, queues: [{ webhookId: 'whk_own', limit: 3 }] }),
  },
  settle: { before: claimed, call: (repos) => repos.events.settle([held], { now: NOW }) },
  'settle, too late': {
    before: async (repos) => {
      await claimed(repos);
      await repos.events.claimExpress({ now: NOW + 99_000, leaseUntil: NOW + 100_000, limit: 9 });
    },
    call: (repos) => repos.events.settle([held], { now: NOW }),
  },
  exhaustQueue: {
    before: append(ownEntry),
    call: (repos) =>
      repos.events.exhaustQueue({ webhookId: 'whk_own', reason: 'cancelled', now: NOW, limit: 9 }),
  },
  markReplay: {
    before: append(deadEntry),
    call: (repos) => repos.events.markReplay(['dlv_dead'], { now: NOW }),
  },
  promoteReplays: {
    before: async (repos) => {
      await append(deadEntry)(repos);
      await repos.events.markReplay(['dlv_dead'], { now: NOW });
    },
    call: (repos) => repos.events.promoteReplays({ now: NOW, limit: 9 }),
  },
  prune: {
    before: async (repos) => {
      await claimed(repos);
      await append(deadEntry, { event: anEvent({ id: 'evt_unheard' }), deliveries: [] })(repos);
      await repos.events.settle([held], { now: LONG_AGO_MS });
    },
    call: (repos) =>
      repos.events.prune({
        deliveredBefore: NOW,
        exhaustedBefore: LONG_AGO_MS,
        attemptsBefore: NOW,
        limit: 9,
      }),
  },
  'prune of attempts': {
    before: async (repos) => {
      await claimed(repos);
      await repos.events.settle([held], { now: LONG_AGO_MS });
    },
    call: (repos) => repos.events.prune({ attemptsBefore: NOW, limit: 9 }),
  },
  'insert of a webhook': { before: async () => {}, call: (repos) => repos.webhooks.insert(webhook) },
  'update of a webhook': {
    before: (repos) => repos.webhooks.insert(webhook),
    call: (repos) => repos.webhooks.update({ ...webhook, events: ['c'], revision: 2 }, 1),
  },
  setStatus: {
    before: (repos) => repos.webhooks.insert(webhook),
    call: (repos) =>
      repos.webhooks.setStatus([{ webhookId: webhook.id, from: webhook.status, to: disabled }]),
  },
  'delete of a webhook': {
    before: (repos) => repos.webhooks.insert(webhook),
    call: (repos) => repos.webhooks.delete(webhook.id),
  },
  'open of a queue': { before: async () => {}, call: async (repos) => queued(repos) },
  'acquire of a queue': {
    before: queued,
    call: (repos) => repos.state.acquire({ ...LEASE, healthy: 3, failing: 3 }),
  },
  'save of a queue': {
    before: async (repos) => {
      await queued(repos);
      await repos.state.acquire({ ...LEASE, healthy: 3, failing: 3 });
    },
    call: (repos) => repos.state.save([change, { ...change, close: true }], { now: NOW }),
  },
  'reset of a queue': {
    before: queued,
    call: (repos) => repos.state.reset([{ webhookId: 'whk_a', nextAt: null }], { now: NOW }),
  },
  'reading back': {
    before: claimed,
    call: async (repos) => [
      await repos.events.getDeliveries(['dlv_one']),
      await repos.events.listDeliveries({ limit: 9 }),
      await repos.events.ownQueues({ limit: 9 }),
      await repos.webhooks.list({ limit: 9 }),
    ],
  },
};

interface Subject {
  readonly db: DatabaseSync;
  readonly repos: SqliteRepos;
}

async function subject({ before }: Case): Promise<Subject> {
  const db = new DatabaseSync(':memory:');
  const repos = sqliteRepos(db);
  await before(repos);
  return { db, repos };
}

describe.each(Object.entries(CASES))('%s', (_, one) => {
  it('stores nothing by halves, whichever statement finds the disk full, and works when it is called again', async () => {
    const twin = await subject(one);
    const expected = { result: await one.call(twin.repos), stored: dump(twin.db) };
    plant();
    let statements = 0;
    for (;;) {
      const { db, repos } = await subject(one);
      const before = dump(db);
      arm(statements + 1);
      const outcome = await one.call(repos).catch((error: unknown) => ({ error }));
      const { fired } = fault;
      arm(0);
      if (!fired) break;
      statements += 1;
      expect(outcome).toMatchObject({ error: { errcode: FULL } });
      expect(dump(db)).toEqual(before);
      expect(await one.call(repos)).toEqual(expected.result);
      expect(dump(db)).toEqual(expected.stored);
      db.close();
    }
    expect(statements).toBeGreaterThan(1);
  });

  it('waits where somebody else has the lock, whichever statement meets it', async () => {
    const twin = await subject(one);
    const expected = { result: await one.call(twin.repos), stored: dump(twin.db) };
    plant();
    for (let at = 1; ; at += 1) {
      const { db, repos } = await subject(one);
      arm(at, { errcode: BUSY });
      const result = await one.call(repos);
      const { fired } = fault;
      arm(0);
      expect(result).toEqual(expected.result);
      expect(dump(db)).toEqual(expected.stored);
      db.close();
      if (!fired) break;
    }
  });
});

describe('a connection of our own', () => {
  it('is usable after a failure that could not even be rolled back', async () => {
    using repos = sqliteRepos(':memory:');
    plant();
    arm(3, { alsoRollback: true });
    await expect(append(entry)(repos)).rejects.toMatchObject({ errcode: FULL });
    expect(fault.fired).toBe(true);
    arm(0);
    expect(await append(entry)(repos)).toEqual([{ ...entry, duplicate: false }]);
    expect(await repos.events.getDeliveries(['dlv_one'])).toEqual(entry.deliveries);
  });

  it('reports a disk that is really full, and goes on once there is room', async () => {
    const db = new DatabaseSync(':memory:');
    const repos = sqliteRepos(db);
    const pages = Number(db.prepare('PRAGMA page_count').get()?.page_count);
    db.exec(`PRAGMA max_page_count = ${pages + 10}`);
    const big = { event: anEvent({ body: new Uint8Array(100_000) }), deliveries: [] };
    await expect(append(anEntry(), big)(repos)).rejects.toMatchObject({ errcode: FULL });
    expect(await repos.events.listDeliveries({ limit: 9 })).toEqual([]);
    db.exec('PRAGMA max_page_count = 100000');
    expect(await append(big)(repos)).toEqual([{ ...big, duplicate: false }]);
  });
});
