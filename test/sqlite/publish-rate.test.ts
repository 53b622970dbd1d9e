/** A tenant's rate and a transaction of the host's: SQLite has one writer, so that the tokens are part of the transaction. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createSurehook, memoryRepos, type Surehook } from '../../src/index.ts';
import { type SqliteRepos, sqliteRepos } from '../../src/sqlite/index.ts';

const event = { type: 'a.b', data: 1 };
let folder: string;
let db: DatabaseSync;
let repos: SqliteRepos;
let surehook: Surehook;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'surehook-rate-'));
  const path = join(folder, 'db');
  db = new DatabaseSync(path);
  repos = sqliteRepos(path);
  surehook = createSurehook({ repos, rateLimit: { perMinute: 0.01, burst: 2 } });
});

afterEach(() => {
  repos.close();
  db.close();
  rmSync(folder, { recursive: true });
});

test('what is published in it takes its tokens in it', async () => {
  db.exec('BEGIN IMMEDIATE');
  await surehook.publish(event, { tx: db });
  await surehook.publish(event, { tx: db });
  await expect(surehook.publish(event, { tx: db })).rejects.toMatchObject({ code: 'rate-limited' });
  db.exec('COMMIT');
  await expect(surehook.publish(event)).rejects.toMatchObject({ code: 'rate-limited' });
});

test('what is rolled back has cost nothing', async () => {
  db.exec('BEGIN IMMEDIATE');
  await surehook.publishMany([event, event], { tx: db });
  db.exec('ROLLBACK');
  expect(await surehook.publishMany([event, event])).toHaveLength(2);
});

test('a duplicate gives its token back in it', async () => {
  const keyed = { ...event, idempotencyKey: 'k' };
  await surehook.publish(keyed);
  db.exec('BEGIN IMMEDIATE');
  expect(await surehook.publish(keyed, { tx: db })).toMatchObject({ duplicate: true });
  expect(await surehook.publish(keyed, { tx: db })).toMatchObject({ duplicate: true });
  db.exec('COMMIT');
  await surehook.publish(event);
});

test('a transaction of another store is none of the state’s business', async () => {
  const events = sqliteRepos(join(folder, 'other'));
  const other = new DatabaseSync(join(folder, 'other'));
  const mixed = { ...memoryRepos(), events: events.events, state: repos.state };
  const mixing = createSurehook({ repos: mixed, rateLimit: { perMinute: 0.01, burst: 1 } });
  other.exec('BEGIN IMMEDIATE');
  await mixing.publish(event, { tx: other });
  await expect(mixing.publish(event, { tx: other })).rejects.toMatchObject({ code: 'rate-limited' });
  other.exec('COMMIT');
  events.close();
  other.close();
});

test('what is no transaction is refused, and costs nothing', async () => {
  for (const tx of [db, {}, 7]) await expect(surehook.publish(event, { tx })).rejects.toThrow(TypeError);
  expect(await surehook.publishMany([event, event])).toHaveLength(2);
});
