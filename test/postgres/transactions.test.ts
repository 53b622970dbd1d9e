import { Client, type Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConflictError } from '../../src/errors.ts';
import { migrate, type PostgresRepos, postgresRepos, transactionOf } from '../../src/postgres/index.ts';
import type { Work } from '../../src/repos.ts';
import { anEntry } from '../../src/testing/contract/records.ts';
import { startServer, type TestServer } from './server.ts';

let server: TestServer;
let pool: Pool;
let repos: PostgresRepos;

beforeAll(async () => {
  server = await startServer();
  pool = server.pool();
  await migrate(pool);
  repos = postgresRepos(pool);
}, 30_000);
afterAll(async () => {
  await repos.close();
  await server.dispose();
});

const now = Date.now();

async function inTransaction(
  end: 'COMMIT' | 'ROLLBACK',
  run: (client: Client) => Promise<void>,
): Promise<void> {
  const client = new Client(server.config);
  await client.connect();
  await client.query('BEGIN');
  await run(client);
  await client.query(end);
  await client.end();
}

async function isStored(id: string): Promise<boolean> {
  return (await repos.events.getEvents([id])).length > 0;
}

describe('an append in a transaction of the host’s', () => {
  it('is there once it has been committed, and wakes everybody then', async () => {
    const heard: Work[] = [];
    const end = repos.events.onWork?.((work) => heard.push(work));
    await expect
      .poll(
        async () => (await pool.query("SELECT FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")).rowCount,
      )
      .toBe(1);
    const entry = anEntry();
    await inTransaction('COMMIT', async (tx) => {
      const [result] = await repos.events.append([entry], { now, tx });
      expect(result).toEqual({ ...entry, duplicate: false });
      expect(await isStored(entry.event.id)).toBe(false);
      expect(heard).toEqual([]);
    });
    expect(await isStored(entry.event.id)).toBe(true);
    await expect.poll(() => heard).toEqual([{ express: true, replays: false, ownQueues: [] }]);
    end?.();
  });

  it('leaves nothing after a rollback', async () => {
    const entry = anEntry();
    await inTransaction('ROLLBACK', async (tx) => void (await repos.events.append([entry], { now, tx })));
    expect(await isStored(entry.event.id)).toBe(false);
  });

  it('lets the transaction live on after a conflict, without its own part', async () => {
    const [taken, fresh, after] = [anEntry(), anEntry(), anEntry()];
    await repos.events.append([taken], { now });
    const other = { ...taken, event: { ...taken.event, fingerprint: 'other' } };
    await inTransaction('COMMIT', async (tx) => {
      await expect(repos.events.append([fresh, other], { now, tx })).rejects.toThrow(ConflictError);
      await repos.events.append([after], { now, tx });
    });
    expect(await isStored(fresh.event.id)).toBe(false);
    expect(await isStored(after.event.id)).toBe(true);
  });

  it('knows what is stored already, within the transaction too', async () => {
    const entry = anEntry();
    await inTransaction('COMMIT', async (tx) => {
      await repos.events.append([entry], { now, tx });
      const [again] = await repos.events.append([entry], { now, tx });
      expect(again).toMatchObject({ duplicate: true, deliveries: entry.deliveries });
    });
  });

  it('keeps concurrent appends of one transaction apart', async () => {
    const [taken, ...entries] = [anEntry(), anEntry(), anEntry(), anEntry()];
    await repos.events.append([taken], { now });
    const other = { ...taken, event: { ...taken.event, fingerprint: 'other' } };
    await inTransaction('COMMIT', async (tx) => {
      const appends = [[...entries.slice(0, 1)], [other], entries.slice(1)];
      const outcomes = await Promise.allSettled(
        appends.map((batch) => repos.events.append(batch, { now, tx })),
      );
      expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    });
    for (const { event } of entries) expect(await isStored(event.id)).toBe(true);
  });

  it.each(['a client', 'a pool'])('refuses %s that is in no transaction', async (what) => {
    const client = new Client(server.config);
    await client.connect();
    const entry = anEntry();
    const tx = what === 'a pool' ? pool : client;
    await expect(repos.events.append([entry], { now, tx })).rejects.toThrow(/tx is not in a transaction/);
    await expect(repos.events.append([entry], { now, tx })).rejects.toThrow(TypeError);
    expect(await isStored(entry.event.id)).toBe(false);
    await client.end();
  });

  it('refuses what is no transaction at all', async () => {
    for (const tx of [null, 'tx', {}, { query: 1 }]) {
      await expect(repos.events.append([anEntry()], { now, tx })).rejects.toThrow(TypeError);
    }
  });

  it('goes through a handle of another library', async () => {
    const entry = anEntry();
    await inTransaction('COMMIT', async (client) => {
      const tx = transactionOf(async (text, values) => (await client.query(text, values)).rows);
      await repos.events.append([entry], { now, tx });
    });
    expect(await isStored(entry.event.id)).toBe(true);
  });
});
