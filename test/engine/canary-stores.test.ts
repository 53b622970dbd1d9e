/** The canary at rest: with a `secretKey`, no secret and no credential of a webhook is in what a store keeps. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSurehook, type Repos, retrySchedule, type SurehookOptions } from '../../src/index.ts';
import { migrate, postgresRepos } from '../../src/postgres/index.ts';
import { sqliteRepos } from '../../src/sqlite/index.ts';
import { scriptedTransport } from '../../src/testing/index.ts';
import { startServer, type TestServer } from '../postgres/server.ts';
import { freshFiles } from '../sqlite/files.ts';
import { found, HEADERS, PAIR, QUERY, SECRET, SECRET_KEY, TOKEN } from './canary.ts';

const file = freshFiles();
let server: TestServer;

beforeAll(async () => {
  server = await startServer();
}, 30_000);
afterAll(() => server.dispose());

/** Lets two webhooks full of secrets fail, rotate, be tested and replayed on a store. Returns the secrets that were made. */
async function lifeOn(repos: Repos, sealing: Pick<SurehookOptions, 'secretKey'>): Promise<string[]> {
  const surehook = createSurehook({
    repos,
    ...sealing,
    transport: scriptedTransport((request, n) => ({
      status: n % 2 === 0 ? 500 : 200,
      body: JSON.stringify(request.headers),
      headers: { 'x-echo': encodeURIComponent(JSON.stringify(request)) },
    })),
    retry: retrySchedule([0, 1], { jitter: 0 }),
    backoff: { baseMs: 0 },
  });
  const common = { url: `https://hook.example.com/?token=${QUERY}`, events: ['*'], headers: HEADERS };
  const { webhook } = await surehook.webhooks.create({ ...common, secret: SECRET });
  await surehook.webhooks.create({ ...common, secret: PAIR, signing: 'ed25519' });
  await surehook.start();
  const rotations = [];
  for (const overlapMs of [0, 60_000]) {
    await surehook.publish({ type: 'a.b', data: overlapMs });
    await surehook.idle();
    rotations.push(await surehook.webhooks.rotateSecret(webhook.id, { overlapMs }));
    await surehook.webhooks.update(webhook.id, { name: `after ${overlapMs}` });
    await surehook.webhooks.sendTest(webhook.id);
    await surehook.idle();
  }
  for (const { id } of (await surehook.deliveries.list({ status: 'exhausted' })).items)
    await surehook.deliveries.replay(id);
  await surehook.idle();
  await surehook.stop();
  expect(surehook.stats().delivered).toBeGreaterThan(0);
  return rotations.map(({ secret }) => secret?.slice('whsec_'.length) ?? '');
}

/** Where something is found but the query of the URL, which is stored with its webhook as it is. */
function foundSecrets(text: string, more: readonly string[]): string[] {
  const ofUrl = found(QUERY);
  return found(text, more).filter((form) => !ofUrl.includes(form));
}

test.each([
  ['sealed', { secretKey: SECRET_KEY }],
  ['readable without a key', {}],
])('in the files of SQLite, those of its log too: %s', async (kept, sealing) => {
  const path = file();
  using repos = sqliteRepos(path);
  const made = await lifeOn(repos, sealing);
  const folder = dirname(path);
  const names = readdirSync(folder).filter((name) => join(folder, name).startsWith(path));
  expect(names.some((name) => name.endsWith('-wal'))).toBe(true);
  const bytes = names.map((name) => readFileSync(join(folder, name), 'latin1')).join('\n');
  expect(bytes).toContain(kept === 'sealed' ? 'sealed1.' : TOKEN);
  if (kept === 'sealed') expect(foundSecrets(bytes, made)).toEqual([]);
});

test.each([
  ['sealed', { secretKey: SECRET_KEY }],
  ['readable without a key', {}],
])('in the tables of PostgreSQL: %s', async (kept, sealing) => {
  const pool = server.pool();
  const schema = kept === 'sealed' ? 'sealed' : 'readable';
  await migrate(pool, { schema });
  const made = await lifeOn(postgresRepos(pool, { schema, notifications: false }), sealing);
  const tables = await pool.query<{ name: string }>(
    'SELECT quote_ident(schemaname) || $2 || quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = $1',
    [schema, '.'],
  );
  expect(tables.rows.length).toBeGreaterThan(4);
  const rows: Record<string, string> = {};
  for (const { name } of tables.rows) {
    const { rows: dumped } = await pool.query<{ row: string }>(`SELECT t::text AS row FROM ${name} t`);
    rows[name] = dumped.map(({ row }) => row).join('\n');
  }
  const all = Object.values(rows).join('\n');
  expect(all).toContain(kept === 'sealed' ? 'sealed1.' : TOKEN);
  if (kept === 'sealed') expect(foundSecrets(all, made)).toEqual([]);
  // The token in a URL is nowhere but in its webhook.
  const elsewhere = Object.keys(rows).filter((name) =>
    found(rows[name] ?? '').some((form) => QUERY.includes(form)),
  );
  expect(elsewhere).toEqual([`${schema}.webhooks`]);
});
