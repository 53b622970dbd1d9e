import { inspect } from 'node:util';
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ConflictError, createSurehook, type Surehook } from '../../src/index.ts';
import { migrate, type PostgresRepos, postgresRepos } from '../../src/postgres/index.ts';
import { type ScriptedTransport, scriptedTransport } from '../../src/testing/index.ts';
import { type Host, libraries } from './handles.ts';
import { startServer, type TestServer } from './server.ts';

/** Long enough for whatever comes in time to be the work of a wake-up. */
const NEVER_MS = 3_600_000;

let server: TestServer;
let pool: Pool;
let publisherRepos: PostgresRepos;
let workerRepos: PostgresRepos;
let publisher: Surehook;
let worker: Surehook;
let transport: ScriptedTransport;

beforeAll(async () => {
  server = await startServer();
  pool = server.pool();
  await migrate(pool);
  await pool.query('CREATE TABLE orders (id text PRIMARY KEY)');
  // Two on one database, as two processes would be: one only publishes, the other only delivers.
  publisherRepos = postgresRepos(pool);
  workerRepos = postgresRepos(pool);
  transport = scriptedTransport(204);
  publisher = createSurehook({ repos: publisherRepos });
  worker = createSurehook({ repos: workerRepos, transport, pollMs: NEVER_MS });
  await publisher.webhooks.create({ url: 'https://example.com/hooks', events: ['order.*'] });
  await worker.start();
  const listening = "SELECT FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
  await vi.waitUntil(async () => (await pool.query(listening)).rowCount === 1, { timeout: 5_000 });
}, 30_000);
afterAll(async () => {
  await worker.stop();
  await publisherRepos.close();
  await workerRepos.close();
  await server.dispose();
});

let made = 0;

/** An order with an id of its own. */
function anOrder(): { id: string; insert: string } {
  made += 1;
  const id = `evt_order-${made}`;
  return { id, insert: `INSERT INTO orders VALUES ('${id}')` };
}

/** What is committed of an order: its row, and its event with how many deliveries. */
async function stored(id: string): Promise<{ orders: number; deliveries: number | undefined }> {
  const { rowCount } = await pool.query('SELECT FROM orders WHERE id = $1', [id]);
  const [event] = await publisherRepos.events.getEvents([id]);
  const { items } = await publisher.deliveries.list({ limit: 1_000 });
  const deliveries = items.filter(({ eventId }) => eventId === id).length;
  return { orders: rowCount ?? 0, deliveries: event === undefined ? undefined : deliveries };
}

const NOTHING = { orders: 0, deliveries: undefined };
const ALL = { orders: 1, deliveries: 1 };

function received(id: string): number {
  return transport.requests.filter(({ headers }) => headers['webhook-id'] === id).length;
}

describe.each(libraries)('a transaction of $name', ({ connect }) => {
  let host: Host;
  beforeAll(async () => {
    host = await connect(server.config);
  });
  afterAll(() => host.close());

  const placed = (id: string): { type: string; id: string; data: unknown } => ({
    type: 'order.placed',
    id,
    data: { id },
  });

  it('shows the event when it commits, not before, and wakes the worker', async () => {
    const order = anOrder();
    await host.transaction(async ({ tx, run }) => {
      await run(order.insert);
      const { deliveries, duplicate } = await publisher.publish(placed(order.id), { tx });
      expect({ deliveries: deliveries.length, duplicate }).toEqual({ deliveries: 1, duplicate: false });
      expect(await stored(order.id)).toEqual(NOTHING);
    });
    expect(await stored(order.id)).toEqual(ALL);
    await expect.poll(() => received(order.id)).toBe(1);
  });

  it('leaves nothing when the host rolls it back', async () => {
    const order = anOrder();
    const refusal = new Error('no such customer');
    const outcome = host.transaction(async ({ tx, run }) => {
      await run(order.insert);
      await publisher.publish(placed(order.id), { tx });
      throw refusal;
    });
    await expect(outcome).rejects.toBe(refusal);
    expect(await stored(order.id)).toEqual(NOTHING);
  });

  it('leaves nothing when a statement of the host’s fails', async () => {
    const order = anOrder();
    const outcome = host.transaction(async ({ tx, run }) => {
      await run(order.insert);
      await publisher.publish(placed(order.id), { tx });
      await run(order.insert);
    });
    await expect(outcome).rejects.toThrow();
    expect(await stored(order.id)).toEqual(NOTHING);
  });

  it('takes no event when a statement of the host’s has failed already', async () => {
    const order = anOrder();
    const outcome = host.transaction(async ({ tx, run }) => {
      await run('SELECT 1 / 0').catch(() => {});
      await publisher.publish(placed(order.id), { tx });
    });
    await expect(outcome).rejects.toThrow();
    expect(await stored(order.id)).toEqual(NOTHING);
  });

  it('tells nothing of an event that could not be stored', async () => {
    const outcome = host.transaction(async ({ tx, run }) => {
      await run('SET TRANSACTION READ ONLY');
      await publisher.publish({ type: 'order.placed', data: 'hunter2', idempotencyKey: 'hunter2' }, { tx });
    });
    await expect(outcome).rejects.toThrow(/read-only transaction/);
    await outcome.catch((error) =>
      expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/hunter2/),
    );
  });

  it('is refused where there is none', async () => {
    const order = anOrder();
    const outcome = publisher.publish(placed(order.id), { tx: host.outside });
    await expect(outcome).rejects.toThrow(TypeError);
    await expect(outcome).rejects.toThrow(/^tx is not in a transaction/);
    expect(await stored(order.id)).toEqual(NOTHING);
  });

  it('finds the event of an earlier one by its key, and goes on', async () => {
    const [first, second] = [anOrder(), anOrder()];
    const event = { type: 'order.placed', data: first.id, idempotencyKey: `key of ${first.id}` };
    const events: { id: string; duplicate: boolean }[] = [];
    for (const { insert } of [first, second]) {
      await host.transaction(async ({ tx, run }) => {
        const published = await publisher.publish(event, { tx });
        events.push({ id: published.event.id, duplicate: published.duplicate });
        await run(insert);
      });
    }
    const id = events[0]?.id ?? '';
    expect(events).toEqual([
      { id, duplicate: false },
      { id, duplicate: true },
    ]);
    expect(await stored(second.id)).toEqual({ orders: 1, deliveries: undefined });
    await expect.poll(() => received(id)).toBe(1);
  });

  it.each(['commits', 'rolls back'])('waits for another with the same key, which %s', async (end) => {
    const order = anOrder();
    const event = { type: 'order.placed', data: order.id, idempotencyKey: `key of ${order.id}` };
    const commits = end === 'commits';
    let second = Promise.resolve();
    const first = host.transaction(async ({ tx }) => {
      await publisher.publish(event, { tx });
      const other = Promise.withResolvers<void>();
      second = host.transaction(async (transaction) => {
        await transaction.run(order.insert);
        const publishing = publisher.publish(event, { tx: transaction.tx });
        other.resolve();
        expect((await publishing).duplicate).toBe(commits);
      });
      await other.promise;
      const waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
      await expect.poll(async () => (await pool.query(waiting)).rowCount).toBe(1);
      if (!commits) throw new Error('rolled back');
    });
    await (commits ? first : expect(first).rejects.toThrow('rolled back'));
    await second;
    expect(await stored(order.id)).toMatchObject({ orders: 1 });
  });

  it('lives on after an event that is refused', async () => {
    const [taken, order] = [anOrder(), anOrder()];
    await publisher.publish(placed(taken.id));
    await host.transaction(async ({ tx, run }) => {
      await run(order.insert);
      const other = { ...placed(taken.id), data: 'other content' };
      await expect(publisher.publish(other, { tx })).rejects.toThrow(ConflictError);
      await publisher.publish(placed(order.id), { tx });
    });
    expect(await stored(order.id)).toEqual(ALL);
  });

  it('carries many events at a time, whatever is in them', async () => {
    const orders = [anOrder(), anOrder(), anOrder()];
    const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    const keys = ['a"b\\c,{NULL}', undefined, "'é $1 — NULL"];
    const events = orders.map(({ id }, n) => ({
      type: 'order.noted',
      id,
      ...(n === 1 ? { body: bytes, contentType: 'application/octet-stream' } : { data: ['ÿ', n, '$2'] }),
      idempotencyKey: keys[n] && `${keys[n]} ${id}`,
      headers: { 'x-note': `"${id}", \\ {} $1` },
    }));
    await host.transaction(async ({ tx }) => {
      const [first, ...others] = events;
      await Promise.all([publisher.publish(first!, { tx }), publisher.publishMany(others, { tx })]);
    });
    for (const { id, headers, idempotencyKey } of events) {
      const [record] = await publisherRepos.events.getEvents([id]);
      expect(record).toMatchObject({ id, headers });
      expect(record?.idempotencyKey).toBe(idempotencyKey);
    }
    for (const { id } of orders) await expect.poll(() => received(id)).toBe(1);
    const [, second] = orders;
    const request = transport.requests.find(({ headers }) => headers['webhook-id'] === second?.id);
    expect(request?.body).toEqual(Buffer.from(bytes));
  });
});
