import type { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ConflictError } from '../../src/errors.ts';
import { migrate, type PostgresRepos, postgresRepos } from '../../src/postgres/index.ts';
import type { AppendEntry, Work } from '../../src/repos.ts';
import { aDelivery, anEntry, anEvent, times } from '../../src/testing/contract/records.ts';
import { startServer, type TestServer } from './server.ts';

let server: TestServer;
let pool: Pool;
let repos: PostgresRepos;
/** How many statements the server has refused: each is a line in its log. */
let refused = 0;

beforeAll(async () => {
  server = await startServer();
  pool = server.pool();
  await migrate(pool);
  const counting = {
    connect: () => pool.connect(),
    query: (text: string, values: unknown[] = []) =>
      pool.query(text, values).catch((error: unknown) => {
        refused += 1;
        throw error;
      }),
  };
  repos = postgresRepos(counting);
}, 30_000);
afterAll(async () => {
  await repos.close();
  await server.dispose();
});
beforeEach(() => {
  refused = 0;
});

const now = Date.now();
const keyed = (idempotencyKey: string, fingerprint = 'same'): AppendEntry => {
  const event = anEvent({ idempotencyKey, fingerprint });
  return { event, deliveries: [aDelivery(event), aDelivery(event)] };
};

describe('a publish that is repeated', () => {
  it('is no error to the server, and wakes nobody', async () => {
    const first = keyed('one');
    await repos.events.append([first], { now });
    const heard: Work[] = [];
    const end = repos.events.onWork?.((work) => heard.push(work));
    for (const again of [first, keyed('one')]) {
      const [result] = await repos.events.append([again], { now });
      expect(result).toMatchObject({ duplicate: true, event: { id: first.event.id } });
      expect(result?.deliveries.map(({ id }) => id)).toEqual(first.deliveries.map(({ id }) => id));
    }
    expect(heard).toEqual([]);
    expect(refused).toBe(0);
    end?.();
  });

  it('is none either when many repeat it at the same time', async () => {
    const results = await Promise.all(times(20, () => repos.events.append([keyed('at once')], { now })));
    const ids = results.map(([result]) => result?.event.id);
    expect(new Set(ids).size).toBe(1);
    expect(results.filter(([result]) => result?.duplicate === false)).toHaveLength(1);
    expect(refused).toBe(0);
  });

  it('is refused for other content, and nothing is stored', async () => {
    await repos.events.append([keyed('other')], { now });
    const other = keyed('other', 'different');
    await expect(repos.events.append([other], { now })).rejects.toThrow(ConflictError);
    expect(await repos.events.getEvents([other.event.id])).toEqual([]);
    expect(await repos.events.getDeliveries(other.deliveries.map(({ id }) => id))).toEqual([]);
    expect(refused).toBe(0);
  });

  it('is told from the others of its batch', async () => {
    await repos.events.append([keyed('in a batch')], { now });
    const results = await repos.events.append([anEntry(), keyed('in a batch'), anEntry()], { now });
    expect(results.map(({ duplicate }) => duplicate)).toEqual([false, true, false]);
  });

  it('cannot take the id of a delivery', async () => {
    const stored = keyed('with deliveries');
    await repos.events.append([stored], { now });
    const event = anEvent({ idempotencyKey: 'another key' });
    const entry = { event, deliveries: [{ ...aDelivery(event), id: stored.deliveries[0]?.id ?? '' }] };
    await expect(repos.events.append([entry], { now })).rejects.toThrow(/delivery id .* is in use/);
    expect(await repos.events.getEvents([event.id])).toEqual([]);
  });
});
