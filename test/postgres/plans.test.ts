import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrate, type PostgresRepos, postgresRepos } from '../../src/postgres/index.ts';
import { anAttempt, aWebhook, times } from '../../src/testing/contract/records.ts';
import { startServer, type TestServer } from './server.ts';

let server: TestServer;
let pool: Pool;
let repos: PostgresRepos;
/** What the repos last asked of the server. */
let last: { text: string; values: unknown[] };

const now = Date.now();
const lease = { now, leaseUntil: now + 60_000 };

/** 60 000 deliveries: a third waits, a third waits in own queues, the rest was delivered. */
const FILL = `
INSERT INTO surehook.deliveries (id, event_id, webhook_id, tenant_id, event_type, created_at, due_at, wake_at, completed_at,
  token, attempts, tries, lost, status, queue)
SELECT 'dlv_' || n, 'evt_' || n, 'whk_' || n % 500, 'tenant_' || n % 50, 'a.b', n, n, CASE WHEN n % 3 < 2 THEN n END,
  CASE WHEN n % 3 = 2 THEN n END, 0, 0, 0, 0, CASE WHEN n % 3 = 2 THEN 3 + n / 3 % 20 / 19 ELSE 0 END, (n % 3 = 1)::int
FROM generate_series(1, 60000) n;
INSERT INTO surehook.events (id, tenant_id, type, body, created_at, fingerprint, delivery_ids)
SELECT event_id, tenant_id, event_type, '', created_at, '', '["' || id || '"]' FROM surehook.deliveries;
INSERT INTO surehook.listings SELECT id, webhook_id, tenant_id, event_type, created_at FROM surehook.deliveries;
INSERT INTO surehook.attempts SELECT id, 1, 1, 0, '{}' FROM surehook.deliveries WHERE status > 2;
INSERT INTO surehook.queues (webhook_id, failures, not_before, next_at, wakes, token)
SELECT 'whk_' || n, n % 2, 0, n, 1, 1 FROM generate_series(1, 20000) n;
INSERT INTO surehook.webhooks
SELECT 'whk_' || n, 'tenant_' || n % 5000, n, 1, '{"state":"enabled"}', '{"events":[]}', ARRAY['a.b tenant_' || n % 5000]
FROM generate_series(1, 20000) n`;

beforeAll(async () => {
  server = await startServer();
  pool = server.pool();
  await migrate(pool);
  await pool.query(FILL);
  const spy = {
    connect: () => pool.connect(),
    query: (text: string, values: unknown[] = []) => {
      last = { text, values };
      return pool.query(text, values);
    },
  };
  repos = postgresRepos(spy, { notifications: false });
}, 60_000);
afterAll(() => server.dispose());

/** The indexes and whole tables that the last statement reads; it is not run again. */
async function reads(): Promise<{ indexes: string[]; tables: string[] }> {
  const { rows } = await pool.query(`EXPLAIN ${last.text}`, last.values);
  const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
  const names = (pattern: RegExp): string[] =>
    [...new Set(Array.from(plan.matchAll(pattern), (found) => found[1] ?? ''))].sort();
  const whole = /Seq Scan on (\w+)/g;
  return {
    indexes: names(/(?:Index Scan|Index Only Scan|Index Scan Backward) (?:Backward )?(?:using|on) (\w+)/g),
    tables: names(whole),
  };
}

describe.each(['without statistics', 'with statistics'])('%s', (state) => {
  beforeAll(async () => {
    if (state === 'with statistics') await pool.query('ANALYZE');
  });

  const cases: Record<string, { call(): Promise<unknown>; indexes: string[] }> = {
    claimExpress: {
      call: () => repos.events.claimExpress({ ...lease, limit: 100 }),
      indexes: ['deliveries_express', 'deliveries_pkey', 'events_pkey'],
    },
    claimQueues: {
      call: () =>
        repos.events.claimQueues({
          ...lease,
          queues: times(5, (n) => ({ webhookId: `whk_${n}`, limit: 10 })),
        }),
      indexes: ['deliveries_own', 'deliveries_pkey', 'events_pkey'],
    },
    settle: {
      call: () =>
        repos.events.settle(
          times(100, (n) => ({
            deliveryId: `dlv_${n * 3 + 3}`,
            token: 1,
            attempt: anAttempt(),
            next: { status: 'delivered' } as const,
          })),
          { now },
        ),
      indexes: ['deliveries_pkey'],
    },
    exhaustQueue: {
      call: () => repos.events.exhaustQueue({ webhookId: 'whk_7', reason: 'cancelled', now, limit: 10 }),
      indexes: ['deliveries_own', 'deliveries_pkey'],
    },
    ownQueues: { call: () => repos.events.ownQueues({ limit: 10 }), indexes: ['deliveries_own'] },
    getDeliveries: {
      call: () => repos.events.getDeliveries(['dlv_1', 'dlv_2']),
      indexes: ['deliveries_pkey'],
    },
    attempts: { call: () => repos.events.attempts('dlv_2'), indexes: ['attempts_pkey'] },
    'listDeliveries of all': {
      call: () => repos.events.listDeliveries({ limit: 50, after: { createdAt: 30_000, id: 'x' } }),
      indexes: ['deliveries_pkey', 'listings_all'],
    },
    'listDeliveries of a tenant': {
      call: () => repos.events.listDeliveries({ tenantId: 'tenant_3', since: 10, until: 50_000, limit: 50 }),
      indexes: ['deliveries_pkey', 'listings_tenant'],
    },
    'listDeliveries of a webhook': {
      call: () => repos.events.listDeliveries({ webhookId: 'whk_3', limit: 50 }),
      indexes: ['deliveries_pkey', 'listings_webhook'],
    },
    'listDeliveries of dead letters': {
      call: () => repos.events.listDeliveries({ status: 'exhausted', limit: 50 }),
      indexes: ['deliveries_dead'],
    },
    acquire: {
      call: () => repos.state.acquire({ ...lease, healthy: 10, failing: 10 }),
      indexes: ['queues_failing', 'queues_healthy', 'queues_leased', 'queues_pkey'],
    },
    subscribers: {
      call: () => repos.webhooks.subscribers('tenant_7', 'a.b'),
      indexes: ['webhooks_patterns'],
    },
    'list of webhooks': {
      call: () => repos.webhooks.list({ limit: 10 }),
      indexes: ['webhooks_all'],
    },
  };

  it.each(Object.keys(cases))('%s reads by its index, and no whole table', async (name) => {
    const { call, indexes } = cases[name] as (typeof cases)[string];
    await call();
    expect(await reads()).toEqual({ indexes, tables: [] });
  });
});

it('stores a webhook that its subscribers query finds', async () => {
  await repos.webhooks.insert(aWebhook({ tenantId: 'tenant_x' }));
  expect(await repos.webhooks.subscribers('tenant_x', 'any')).toHaveLength(1);
});
