import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { ConflictError } from '../../src/errors.ts';
import type { Work } from '../../src/repos.ts';
import { type SqliteRepos, sqliteRepos } from '../../src/sqlite/index.ts';
import { anEntry, LONG_AGO_MS } from '../../src/testing/contract/records.ts';
import { manualClock } from '../../src/testing/index.ts';
import { freshFiles } from './files.ts';

const freshFile = freshFiles();
const NOW = LONG_AGO_MS + 1_000;

interface Subject {
  readonly host: DatabaseSync;
  readonly repos: SqliteRepos;
}

/** A host with a table of its own, and the repos on its database. */
function subject(place: string): Subject {
  const host = new DatabaseSync(place);
  const repos = sqliteRepos(host);
  host.exec('CREATE TABLE orders (id TEXT PRIMARY KEY)');
  return { host, repos };
}

function orders(host: DatabaseSync): number {
  return Number(host.prepare('SELECT count(*) AS n FROM orders').get()?.n);
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

const hear = (repos: SqliteRepos): Work[] => {
  const heard: Work[] = [];
  repos.events.onWork?.((work) => heard.push(work));
  return heard;
};

describe.each([
  ['on a file', freshFile],
  ['in memory', () => ':memory:'],
])('an append in a transaction of the host’s, %s', (_, place) => {
  it('is there when the host commits, and tells of the work then', async () => {
    const { host, repos } = subject(place());
    const heard = hear(repos);
    const entry = anEntry();
    host.exec("BEGIN; INSERT INTO orders VALUES ('o1')");
    expect(await repos.events.append([entry], { now: NOW, tx: host })).toEqual([
      { ...entry, duplicate: false },
    ]);
    await turns(5);
    expect(heard).toEqual([]);
    host.exec('COMMIT');
    await expect.poll(() => heard).toEqual([{ express: true, replays: false, ownQueues: [] }]);
    expect(orders(host)).toBe(1);
    const { deliveries } = await repos.events.claimExpress({ now: NOW, leaseUntil: NOW + 1_000, limit: 9 });
    expect(deliveries.map(({ event }) => event.id)).toEqual([entry.event.id]);
  });

  it('is gone when the host rolls back', async () => {
    const { host, repos } = subject(place());
    const entry = anEntry({ queue: 'own' });
    host.exec("BEGIN; INSERT INTO orders VALUES ('o1')");
    await repos.events.append([entry], { now: NOW, tx: host });
    host.exec('ROLLBACK');
    expect(orders(host)).toBe(0);
    expect(await repos.events.getEvents([entry.event.id])).toEqual([]);
    expect(await repos.events.ownQueues({ limit: 9 })).toEqual([]);
    expect(await repos.events.append([entry], { now: NOW })).toEqual([{ ...entry, duplicate: false }]);
  });

  it('leaves the transaction as it was when it conflicts', async () => {
    const { host, repos } = subject(place());
    const stored = anEntry();
    await repos.events.append([stored], { now: NOW });
    const [good, bad] = [anEntry(), { ...stored, event: { ...stored.event, fingerprint: 'other' } }];
    host.exec("BEGIN; INSERT INTO orders VALUES ('o1')");
    await expect(repos.events.append([good, bad], { now: NOW, tx: host })).rejects.toThrow(ConflictError);
    const kept = anEntry();
    await repos.events.append([kept], { now: NOW, tx: host });
    host.exec('COMMIT');
    expect(orders(host)).toBe(1);
    const found = await repos.events.getEvents([good.event.id, kept.event.id]);
    expect(found.map(({ id }) => id)).toEqual([kept.event.id]);
  });

  it('is refused on a handle that is in no transaction, and leaves it in none', async () => {
    const { host, repos } = subject(place());
    await expect(repos.events.append([anEntry()], { now: NOW, tx: host })).rejects.toThrow(/BEGIN one first/);
    host.exec('BEGIN; COMMIT');
    expect(await repos.events.listDeliveries({ limit: 9 })).toEqual([]);
  });

  it('is refused on a handle of another database, and on one that is closed', async () => {
    const { repos } = subject(place());
    const other = new DatabaseSync(place());
    other.exec('CREATE TABLE t (x); BEGIN; INSERT INTO t VALUES (1)');
    const append = (tx: unknown): Promise<unknown> => repos.events.append([anEntry()], { now: NOW, tx });
    await expect(append(other)).rejects.toThrow(TypeError);
    await expect(append(other)).rejects.toThrow(/another/);
    other.close();
    await expect(append(other)).rejects.toThrow(TypeError);
    for (const wrong of [null, 1, 'BEGIN', {}]) await expect(append(wrong)).rejects.toThrow(TypeError);
  });
});

describe('a transaction of the host’s that stays open over awaits', () => {
  it('takes no claim and no settlement with it when it is rolled back, on a file', async () => {
    const { host, repos } = subject(freshFile());
    const entry = anEntry();
    await repos.events.append([entry], { now: NOW });
    host.exec('BEGIN');
    expect(orders(host)).toBe(0);
    const claim = await repos.events.claimExpress({ now: NOW, leaseUntil: NOW + 1_000, limit: 9 });
    host.exec('ROLLBACK');
    const [delivery] = await repos.events.getDeliveries(claim.deliveries.map((one) => one.delivery.id));
    expect(delivery).toEqual(claim.deliveries[0]?.delivery);
  });

  it.each([
    ['on a file', freshFile],
    ['in memory', () => ':memory:'],
  ])('makes writes wait without blocking, %s', async (_, place) => {
    const { host, repos } = subject(place());
    host.exec("BEGIN IMMEDIATE; INSERT INTO orders VALUES ('o1')");
    let isDone = false;
    const writing = repos.events.append([anEntry()], { now: NOW }).then(() => {
      isDone = true;
    });
    await turns(3);
    expect(isDone).toBe(false);
    expect(await repos.events.listDeliveries({ limit: 9 })).toEqual([]);
    host.exec('ROLLBACK');
    await writing;
    expect(await repos.events.listDeliveries({ limit: 9 })).toHaveLength(1);
  });

  it('makes writes give up in the end with the error of SQLite', async () => {
    const clock = manualClock();
    const host = new DatabaseSync(freshFile());
    using repos = sqliteRepos(host, { clock });
    host.exec('BEGIN IMMEDIATE');
    const writing = expect(repos.events.append([anEntry()], { now: NOW })).rejects.toMatchObject({
      errcode: 5,
    });
    for (let step = 0; step < 200; step += 1) await clock.advance(32);
    await writing;
    host.exec('ROLLBACK');
  });

  it('is joined from any handle on the same file', async () => {
    const file = freshFile();
    using repos = sqliteRepos(file);
    const host = new DatabaseSync(file);
    const entry = anEntry();
    host.exec('BEGIN');
    await repos.events.append([entry], { now: NOW, tx: host });
    expect(await repos.events.getEvents([entry.event.id])).toEqual([]);
    host.exec('COMMIT');
    expect(await repos.events.getEvents([entry.event.id])).toEqual([entry.event]);
    host.close();
  });
});
