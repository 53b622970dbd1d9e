import type { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { DeliveryRecord } from '../../src/domain/delivery.ts';
import { migrate, type PostgresRepos, postgresRepos } from '../../src/postgres/index.ts';
import type { ClaimResult, QueueClaim } from '../../src/repos.ts';
import { aDelivery, anEvent, freshId, times } from '../../src/testing/contract/records.ts';
import { startServer, type TestServer } from './server.ts';

let server: TestServer;
let pool: Pool;
let repos: PostgresRepos;
/** How many statements were run. */
let statements = 0;
let schema = '';

beforeAll(async () => {
  server = await startServer();
  pool = server.pool({ max: 10 });
}, 60_000);
afterAll(() => server.dispose());

beforeEach(async () => {
  schema = freshId('forming');
  await migrate(pool, { schema });
  const counting = (on: Pick<Pool, 'query'>) => ({
    query: (text: string, values: unknown[] = []) => {
      statements += 1;
      return on.query(text, values);
    },
  });
  const connect = async () => {
    const client = await pool.connect();
    return { ...counting(client), release: () => client.release() };
  };
  repos = postgresRepos({ ...counting(pool), connect }, { schema, notifications: false });
});

async function publish(count: number, fields: Partial<DeliveryRecord>): Promise<DeliveryRecord[]> {
  const entries = times(count, () => {
    const event = anEvent();
    return { event, deliveries: [aDelivery(event, { queue: 'own', ...fields })] };
  });
  await repos.events.append(entries, { now: Date.now() });
  return entries.flatMap(({ deliveries }) => deliveries);
}

function batchOf(webhookId: string, limit: number = 1): QueueClaim {
  const batch = { id: freshId('bat'), maxEvents: 10, maxBytes: 100_000, maxWaitMs: 0 };
  return { webhookId, limit, batch };
}

async function claim(...queues: QueueClaim[]): Promise<readonly ClaimResult[]> {
  const now = Date.now();
  statements = 0;
  return repos.events.claimQueues({ now, leaseUntil: now + 60_000, queues });
}

const idsOf = ({ deliveries }: ClaimResult): string[] => deliveries.map(({ delivery }) => delivery.id);

it('forms the batches of several queues with one statement', async () => {
  const a = await publish(25, { webhookId: 'whk_a' });
  const b = await publish(3, { webhookId: 'whk_b' });
  const results = await claim(...['a', 'b', 'a', 'c', 'a', 'a'].map((name) => batchOf(`whk_${name}`)));
  expect(statements).toBe(1);
  const [of0, of10, of20] = [0, 10, 20].map((from) => a.slice(from, from + 10).map(({ id }) => id));
  expect(results.map(idsOf)).toEqual([of0, b.map(({ id }) => id), of10, [], of20, []]);
  expect(results[3]?.nextDueAt).toBeUndefined();
  for (const { deliveries } of results)
    for (const { delivery } of deliveries)
      expect(await repos.events.getDeliveries([delivery.id])).toEqual([delivery]);
});

it('leaves a queue alone that may have to be put together otherwise, and does not try it again at once', async () => {
  const plain = await publish(2, { webhookId: 'whk_plain' });
  const mixed = await publish(1, { webhookId: 'whk_mixed' });
  const keyed = await publish(2, { webhookId: 'whk_mixed', orderingKey: 'key' });
  const results = await claim(batchOf('whk_mixed'), batchOf('whk_plain'));
  expect(results.map(idsOf)).toEqual([[mixed[0]?.id, keyed[0]?.id], plain.map(({ id }) => id)]);
  await claim(batchOf('whk_mixed', 0));
  const untried = statements;
  for (let n = 0; n < 15; n += 1) await claim(batchOf('whk_mixed', 0));
  expect(statements).toBe(untried);
  await claim(batchOf('whk_mixed', 0));
  expect(statements).not.toBe(untried);
});

it('hands each delivery out once where many claim at the same time, in batches that are whole', async () => {
  const published = await publish(80, { webhookId: 'whk_a' });
  const results = (await Promise.all(times(8, () => claim(batchOf('whk_a'), batchOf('whk_a'))))).flat();
  const rest = await claim(...times(8, () => batchOf('whk_a')));
  const batches = [...results, ...rest].filter(({ deliveries }) => deliveries.length > 0);
  expect(batches.flatMap(idsOf).toSorted()).toEqual(published.map(({ id }) => id));
  for (const { deliveries } of batches)
    for (const { delivery } of deliveries) expect(delivery.batch?.size).toBe(deliveries.length);
});

it('claims nothing where not all that it chose can be claimed, and claims it otherwise', async () => {
  const published = await publish(5, { webhookId: 'whk_a' });
  await pool.query(`
    CREATE SEQUENCE ${schema}.changes;
    CREATE FUNCTION ${schema}.drop_third() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN IF nextval(''${schema}.changes'') = 3 THEN RETURN NULL; END IF; RETURN NEW; END';
    CREATE TRIGGER drop_third BEFORE UPDATE ON ${schema}.deliveries FOR EACH ROW EXECUTE FUNCTION ${schema}.drop_third()`);
  let result: ClaimResult | undefined;
  // The server tells of an error before it lets go of the rows.
  await expect
    .poll(async () => {
      [result] = await claim(batchOf('whk_a'));
      return result && idsOf(result);
    })
    .toEqual(published.map(({ id }) => id));
  expect(statements).toBeGreaterThan(1);
  expect(result?.deliveries.map(({ delivery }) => delivery.token)).toEqual([1, 1, 1, 1, 1]);
});
