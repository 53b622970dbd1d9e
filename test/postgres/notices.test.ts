import type { Pool } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { migrate, type PostgresRepos, postgresRepos } from '../../src/postgres/index.ts';
import type { Work } from '../../src/repos.ts';
import { startServer, type TestServer } from './server.ts';

let server: TestServer;
let pool: Pool;
let repos: PostgresRepos;
const errors: unknown[] = [];

beforeAll(async () => {
  server = await startServer();
  pool = server.pool();
  await migrate(pool);
  repos = postgresRepos(pool, { onError: (error) => errors.push(error) });
}, 30_000);
afterAll(async () => {
  await repos.close();
  await server.dispose();
});

/** What anybody may send on our channel. */
const GARBAGE: readonly string[] = [
  '',
  'hello',
  '{',
  'null',
  '7',
  '"text"',
  '[]',
  '{}',
  '{"s":7,"q":[]}',
  '{"s":"x"}',
  '{"s":"x","q":"whk"}',
  '{"s":"x","q":[7]}',
  '{"s":"x","q":[null],"x":true}',
  '{"s":"x","w":{"0":"a"}}',
  '{"s":"x","w":[{}]}',
  '{"s":null,"x":true,"r":true,"q":["whk"]}',
  '{"__proto__":{"s":"x"},"x":true,"q":["whk"]}',
  `{"s":"x","q":["${'y'.repeat(7_900)}]`,
  '\u{1f600}',
];

it('ignores what somebody else notifies on its channel, and goes on listening', async () => {
  const work: Work[] = [];
  const changes: (readonly string[])[] = [];
  const ends = [
    repos.events.onWork?.((news) => work.push(news)),
    repos.webhooks.onChange?.((ids) => changes.push(ids)),
  ];
  const listening = "SELECT FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
  await expect.poll(async () => (await pool.query(listening)).rowCount).toBe(1);
  for (const payload of GARBAGE) await pool.query('SELECT pg_notify($1, $2)', ['surehook', payload]);
  await pool.query('SELECT pg_notify($1, $2)', ['surehook_other', '{"s":"x","x":true,"r":true,"q":[]}']);
  await pool.query('SELECT pg_notify($1, $2)', ['surehook', '{"s":"x","x":1,"r":true,"q":["whk_last"]}']);
  await pool.query('SELECT pg_notify($1, $2)', ['surehook', '{"s":"x","w":["whk_last"]}']);
  await expect.poll(() => changes).toEqual([['whk_last']]);
  expect(work).toEqual([{ express: false, replays: true, ownQueues: ['whk_last'] }]);
  expect(errors).toEqual([]);
  for (const end of ends) end?.();
});
