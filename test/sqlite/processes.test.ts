import { execFile } from 'node:child_process';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { sqliteRepos } from '../../src/sqlite/index.ts';
import { anEntry, LONG_AGO_MS, times } from '../../src/testing/contract/records.ts';
import { freshFiles } from './files.ts';

const freshFile = freshFiles();
const CLAIMER = fileURLToPath(new URL('claimer.ts', import.meta.url));
const OPENER = fileURLToPath(new URL('opener.ts', import.meta.url));

async function run(script: string, ...args: string[]): Promise<string> {
  const flags = ['--experimental-strip-types', '--no-warnings', script, ...args];
  return (await promisify(execFile)(process.execPath, flags, { maxBuffer: 2 ** 24 })).stdout;
}

it('shares the work of one file among processes: each delivery once, none left', async () => {
  const file = freshFile();
  using repos = sqliteRepos(file);
  const entries = times(2_000, () => anEntry());
  await repos.events.append(entries, { now: LONG_AGO_MS });
  const outputs = await Promise.all(times(3, (n) => run(CLAIMER, file, `process ${n}`)));
  const got = outputs.flatMap((output): string[] => JSON.parse(output));
  expect(got).toHaveLength(2_000);
  expect(new Set(got).size).toBe(2_000);
  expect(await repos.events.listDeliveries({ status: 'delivered', limit: 3_000 })).toHaveLength(2_000);
  const db = new DatabaseSync(file);
  expect(db.prepare('SELECT count(*) AS n FROM surehook_attempts').get()?.n).toBe(2_000);
  db.close();
}, 30_000);

it('creates the tables once, however many processes open a new file at the same time', async () => {
  const file = freshFile();
  const outputs = await Promise.all(times(4, () => run(OPENER, file)));
  expect(outputs).toEqual(times(4, () => 'ready'));
  using repos = sqliteRepos(file);
  expect(await repos.events.listDeliveries({ limit: 9 })).toHaveLength(4);
}, 30_000);
