import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import type { Work } from '../../src/repos.ts';
import { sqliteRepos } from '../../src/sqlite/index.ts';
import {
  aDelivery,
  anAttempt,
  anEntry,
  anEvent,
  aWebhook,
  LONG_AGO_MS,
  times,
} from '../../src/testing/contract/records.ts';
import { freshFiles } from './files.ts';

const freshFile = freshFiles();
const NOW = LONG_AGO_MS + 1_000_000;

describe('opening', () => {
  it('creates the tables under our prefix, and leaves user_version and the tables of the host alone', async () => {
    const host = new DatabaseSync(freshFile());
    host.exec('PRAGMA user_version = 7; CREATE TABLE orders (id)');
    sqliteRepos(host).close();
    expect(host.prepare('PRAGMA user_version').get()?.user_version).toBe(7);
    const names = host.prepare("SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'").all();
    for (const { name } of names) expect(name).toMatch(/^(surehook_|orders$)/);
    host.close();
  });

  it('changes nothing the second time, and finds what is stored', async () => {
    const file = freshFile();
    const entry = anEntry();
    {
      using repos = sqliteRepos(file);
      await repos.events.append([entry], { now: NOW });
    }
    const db = new DatabaseSync(file);
    const schema = (): unknown => db.prepare('SELECT * FROM sqlite_schema').all();
    const migrations = (): unknown => db.prepare('SELECT * FROM surehook_migrations').all();
    const before = [schema(), migrations()];
    using repos = sqliteRepos(file);
    expect([schema(), migrations()]).toEqual(before);
    expect(await repos.events.getEvents([entry.event.id])).toEqual([entry.event]);
    db.close();
  });

  it('refuses tables of a newer version', () => {
    const db = new DatabaseSync(':memory:');
    sqliteRepos(db).close();
    db.exec('INSERT INTO surehook_migrations VALUES (999, 0)');
    expect(() => sqliteRepos(db)).toThrow(/step 999, made by a newer version/);
  });

  it('leaves nothing behind when a step fails', () => {
    const db = new DatabaseSync(':memory:');
    db.exec('CREATE TABLE surehook_queues (of_the_host)');
    expect(() => sqliteRepos(db)).toThrow(/surehook_queues/);
    const names = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
    expect(names.map(({ name }) => name)).toEqual(['surehook_queues']);
  });

  it('puts the file into WAL mode', () => {
    const file = freshFile();
    sqliteRepos(file).close();
    const db = new DatabaseSync(file);
    expect(db.prepare('PRAGMA journal_mode').get()?.journal_mode).toBe('wal');
    db.close();
  });

  it.each([
    [undefined, {}, TypeError, /database must be a path or a DatabaseSync/],
    ['', {}, TypeError, /database/],
    [{}, {}, TypeError, /database/],
    [':memory:', null, TypeError, /options/],
    [':memory:', { synchronous: 'OFF' }, RangeError, /synchronous must be .*"OFF"/],
    [':memory:', { synchronous: 1 }, TypeError, /synchronous/],
    [':memory:', { clock: {} }, TypeError, /clock/],
  ] as const)('refuses sqliteRepos(%j, %j)', (database, options, error, message) => {
    const open = (): unknown => sqliteRepos(database as never, options as never);
    expect(open).toThrow(error);
    expect(open).toThrow(message);
  });

  it('refuses a handle that is closed', () => {
    const db = new DatabaseSync(':memory:');
    db.close();
    expect(() => sqliteRepos(db)).toThrow(/not open/);
  });
});

describe('closing', () => {
  it('may be done again, and rejects what comes after', async () => {
    const repos = sqliteRepos(freshFile());
    repos.close();
    repos.close();
    repos[Symbol.dispose]();
    await expect(repos.events.listDeliveries({ limit: 1 })).rejects.toThrow(/closed/);
    await expect(repos.webhooks.insert(aWebhook())).rejects.toThrow(/closed/);
    await expect(repos.state.get(['a'])).rejects.toThrow(/closed/);
  });

  it.each([
    ['on a file', freshFile],
    ['in memory', () => ':memory:'],
  ])('leaves a handle of the host’s open, %s', (_, place) => {
    const db = new DatabaseSync(place());
    sqliteRepos(db).close();
    expect(db.prepare('SELECT 1 AS one').get()?.one).toBe(1);
    db.close();
  });

  it('rejects a call on a handle that the host has closed', async () => {
    const db = new DatabaseSync(':memory:');
    const repos = sqliteRepos(db);
    db.close();
    await expect(repos.events.append([anEntry()], { now: NOW })).rejects.toThrow(/not open/);
  });
});

describe('several repos on one file', () => {
  it('tell each other of work and of changes', async () => {
    const file = freshFile();
    using one = sqliteRepos(file);
    using other = sqliteRepos(file);
    const [work, changes]: [Work[], string[]] = [[], []];
    other.events.onWork?.((news) => work.push(news));
    other.webhooks.onChange?.((ids) => changes.push(...ids));
    await one.events.append([anEntry()], { now: NOW });
    const webhook = aWebhook();
    await one.webhooks.insert(webhook);
    expect(work).toEqual([{ express: true, replays: false, ownQueues: [] }]);
    expect(changes).toEqual([webhook.id]);
  });
});

describe('a handle that reads integers as BigInt', () => {
  it('makes no difference', async () => {
    const options: object = { readBigInts: true, returnArrays: true };
    const repos = sqliteRepos(new DatabaseSync(':memory:', options));
    const entry = anEntry();
    await repos.events.append([entry], { now: NOW });
    expect(await repos.events.getDeliveries(entry.deliveries.map(({ id }) => id))).toEqual(entry.deliveries);
  });
});

describe('bodies', () => {
  it('are stored as the view that was given, not as the buffer behind it', async () => {
    using repos = sqliteRepos(':memory:');
    const event = anEvent({ body: new Uint8Array([1, 2, 3, 4, 5]).subarray(1, 3) });
    await repos.events.append([{ event, deliveries: [] }], { now: NOW });
    const [stored] = await repos.events.getEvents([event.id]);
    expect([...(stored?.body ?? [])]).toEqual([2, 3]);
  });

  it('are read once for all deliveries of an event that are claimed together', async () => {
    using repos = sqliteRepos(':memory:');
    const event = anEvent();
    await repos.events.append([{ event, deliveries: times(5, () => aDelivery(event)) }], { now: NOW });
    const { deliveries } = await repos.events.claimExpress({ now: NOW, leaseUntil: NOW + 1, limit: 9 });
    expect(new Set(deliveries.map((claimed) => claimed.event)).size).toBe(1);
  });
});

describe('pruning', () => {
  it('takes the longest ended first in small steps, and leaves what lives', async () => {
    using repos = sqliteRepos(':memory:');
    const { events } = repos;
    const ended = times(10, (n) =>
      anEntry({ status: 'exhausted', reason: 'cancelled', completedAt: LONG_AGO_MS + n }),
    );
    const living = [anEntry(), anEntry({ queue: 'own' }), anEntry({ dueAt: NOW + 9 })];
    await events.append([...ended.toReversed(), ...living], { now: NOW });
    const step = (): Promise<unknown> => events.prune({ exhaustedBefore: LONG_AGO_MS + 8, limit: 3 });
    expect(await step()).toEqual({ deliveries: 3, events: 3, attempts: 0, more: true });
    const left = await events.listDeliveries({ status: 'exhausted', limit: 99 });
    expect(left.map(({ completedAt = 0 }) => completedAt - LONG_AGO_MS).toSorted()).toEqual([
      3, 4, 5, 6, 7, 8, 9,
    ]);
    expect(await step()).toMatchObject({ deliveries: 3, more: true });
    expect(await step()).toMatchObject({ deliveries: 2, more: false });
    expect(await step()).toEqual({ deliveries: 0, events: 0, attempts: 0, more: false });
    expect(await events.listDeliveries({ limit: 99 })).toHaveLength(5);
    expect((await events.claimExpress({ now: NOW, leaseUntil: NOW + 1, limit: 9 })).deliveries).toHaveLength(
      1,
    );
  });

  it('takes attempts alone, going on where the last step ended, and never those of a later end', async () => {
    using repos = sqliteRepos(':memory:');
    const { events } = repos;
    await events.append(
      times(5, () => anEntry()),
      { now: NOW },
    );
    const { deliveries } = await events.claimExpress({ now: NOW, leaseUntil: NOW + 1_000, limit: 9 });
    for (const [n, { delivery }] of deliveries.entries()) {
      const { id, token } = delivery;
      const settlement = {
        deliveryId: id,
        token,
        attempt: anAttempt(),
        next: { status: 'delivered' },
      } as const;
      await events.settle([settlement], { now: NOW + n });
    }
    const step = (): Promise<unknown> => events.prune({ attemptsBefore: NOW + 4, limit: 3 });
    expect(await step()).toEqual({ deliveries: 0, events: 0, attempts: 3, more: true });
    expect(await step()).toEqual({ deliveries: 0, events: 0, attempts: 1, more: false });
    expect(await step()).toEqual({ deliveries: 0, events: 0, attempts: 0, more: false });
    const left = await Promise.all(deliveries.map(({ delivery }) => events.attempts(delivery.id)));
    expect(left.map((attempts) => attempts.length)).toEqual([0, 0, 0, 0, 1]);
    const stored = await events.getDeliveries(deliveries.map(({ delivery }) => delivery.id));
    expect(stored.map(({ attempts }) => attempts)).toEqual([1, 1, 1, 1, 1]);
  });
});
