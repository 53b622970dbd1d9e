import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrate, type PostgresPool, type PostgresRepos, postgresRepos } from '../../src/postgres/index.ts';
import { openTurns } from '../../src/postgres/line.ts';
import type { Settlement } from '../../src/repos.ts';
import { HELD_BACK } from '../../src/sql/codes.ts';
import { anAttempt, anEntry, aWebhook, times } from '../../src/testing/contract/records.ts';
import { startServer, type TestServer } from './server.ts';

let server: TestServer;
let pool: Pool;
let repos: PostgresRepos;
/** What the repos asked of the server in the last call. */
let statements: { text: string; values: unknown[] }[] = [];

const now = Date.now();
const lease = { now, leaseUntil: now + 60_000 };

/** Into a schema, 60 000 deliveries: a third waits, a third waits in own queues, the rest was delivered. */
const fill = (schema: string): string =>
  `
INSERT INTO surehook.deliveries (id, event_id, webhook_id, tenant_id, event_type, created_at, due_at, wake_at, completed_at,
  token, attempts, tries, lost, status, queue)
SELECT 'dlv_' || n, 'evt_' || n, 'whk_' || n % 500, 'tenant_' || n % 50, 'a.b', n, n, CASE WHEN n % 3 < 2 THEN n END,
  CASE WHEN n % 3 = 2 THEN n END, 0, 0, 0, 0, CASE WHEN n % 3 = 2 THEN 3 + n / 3 % 20 / 19 ELSE 0 END, (n % 3 = 1)::int
FROM generate_series(1, 60000) n;
UPDATE surehook.deliveries SET webhook_id = 'whk_line', ordering_key = 'key ' || seq % 100, line_place = 1,
  wake_at = CASE WHEN seq % 3 = 1 AND seq > 30000 THEN ${HELD_BACK} ELSE wake_at END
WHERE queue = 1 AND seq % 5 = 1;
UPDATE surehook.deliveries SET webhook_id = 'whk_batch', batch_id = 'bat_' || seq / 300, batch_size = 100, refusals = 0
WHERE queue = 1 AND seq % 5 = 2;
INSERT INTO surehook.events (id, tenant_id, type, body, is_text, created_at, fingerprint, delivery_ids)
SELECT event_id, tenant_id, event_type, '', true, created_at, '', '["' || id || '"]' FROM surehook.deliveries;
INSERT INTO surehook.listings SELECT id, webhook_id, tenant_id, event_type, created_at FROM surehook.deliveries;
INSERT INTO surehook.buckets SELECT 'bucket ' || n, n, 0, 1, 1, 1, 1, 1 FROM generate_series(1, 20000) n;
INSERT INTO surehook.outcomes SELECT 'whk_' || n % 200, n / 200, 'writer ' || n % 5, '{}' FROM generate_series(1, 60000) n;
INSERT INTO surehook.attempts SELECT id, 1, 1, 0, '{}' FROM surehook.deliveries WHERE status > 2;
INSERT INTO surehook.folds
SELECT n, ARRAY['dlv_' || n], ARRAY[1], CASE WHEN n < 50 THEN n END, CASE WHEN n >= 50 THEN 60000 + n END, 1, 1, n % 3 = 0, '{}' FROM generate_series(1, 20000) n;
INSERT INTO surehook.queues (webhook_id, failures, not_before, next_at, wakes, token)
SELECT 'whk_' || n, n % 2, 0, n, 1, 1 FROM generate_series(1, 20000) n;
INSERT INTO surehook.webhooks
SELECT 'whk_' || n, 'tenant_' || n % 5000, n, 1, '{"state":"enabled"}', '{"events":[]}', ARRAY['a.b tenant_' || n % 5000]
FROM generate_series(1, 20000) n`.replaceAll('surehook.', `${schema}.`);

beforeAll(async () => {
  server = await startServer();
  pool = server.pool();
  // Statistics come when the test says so.
  await pool.query('ALTER SYSTEM SET autovacuum = off');
  await pool.query('SELECT pg_reload_conf()');
}, 60_000);
afterAll(() => server.dispose());

function spyOn(on: Pick<Pool, 'query'>): Pick<PostgresPool, 'query'> {
  return {
    query: (statement, values = []) => {
      const text = typeof statement === 'string' ? statement : statement.text;
      if (!/^(BEGIN|COMMIT)/.test(text)) statements.push({ text, values });
      return on.query(text, values);
    },
  };
}

async function open(schema: string, analyze: 'never' | 'empty' | 'full'): Promise<void> {
  await migrate(pool, { schema });
  if (analyze === 'empty') await pool.query('VACUUM ANALYZE');
  await pool.query(fill(schema));
  if (analyze === 'full') await pool.query('VACUUM ANALYZE');
  const connect = async (): Promise<unknown> => {
    const client = await pool.connect();
    return { ...spyOn(client), release: () => client.release() };
  };
  repos = postgresRepos({ ...spyOn(pool), connect }, { schema, notifications: false });
}

/** Ends five batches of a hundred. */
function settleBatches(next: Settlement['next']): Promise<unknown> {
  const settlements = times(5, (n) => ({
    deliveryId: `dlv_${n * 300 + 1503}`,
    token: 1,
    others: times(99, (m) => ({ deliveryId: `dlv_${n * 300 + m * 3 + 1506}`, token: 1 })),
    attempt: anAttempt(),
    next,
  }));
  return repos.events.settle(settlements, { now });
}

/** The indexes and whole tables that the last call's statements read; they are not run again. */
async function reads(): Promise<{ indexes: string[]; tables: string[] }> {
  const plans: string[] = [];
  for (const { text, values } of statements) {
    // As it is planned for these values; and as a prepared statement is planned, for any.
    const [own, any] = [
      await pool.query(`EXPLAIN ${text}`, values),
      await pool.query(`EXPLAIN (GENERIC_PLAN) ${text}`),
    ];
    plans.push(...own.rows.concat(any.rows).map((row) => row['QUERY PLAN']));
  }
  const names = (pattern: RegExp): string[] =>
    [...new Set(Array.from(plans.join('\n').matchAll(pattern), (found) => found[1] ?? ''))].sort();
  return {
    indexes: names(/(?:Index Scan|Index Only Scan|Index Scan Backward) (?:Backward )?(?:using|on) (\w+)/g),
    tables: names(/Seq Scan on (\w+)/g),
  };
}

describe.each([
  ['without statistics', 'fresh', 'never'],
  ['with the statistics of empty tables', 'stale', 'empty'],
  ['with statistics', 'known', 'full'],
] as const)('%s', (_, schema, analyze) => {
  beforeAll(() => open(schema, analyze), 60_000);

  const cases: Record<string, { call(): Promise<unknown>; indexes: string[] }> = {
    claimExpress: {
      call: () => repos.events.claimExpress({ ...lease, limit: 1_000 }),
      indexes: ['deliveries_express', 'deliveries_pkey', 'events_pkey', 'listings_webhook'],
    },
    claimQueues: {
      call: () =>
        repos.events.claimQueues({
          ...lease,
          queues: times(50, (n) => ({ webhookId: `whk_${n}`, limit: 10 })),
        }),
      indexes: ['deliveries_line', 'deliveries_own', 'deliveries_pkey', 'events_pkey', 'listings_webhook'],
    },
    'claimQueues past a line': {
      call: () => repos.events.claimQueues({ ...lease, queues: [{ webhookId: 'whk_line', limit: 10 }] }),
      indexes: ['deliveries_line', 'deliveries_own', 'deliveries_pkey', 'events_pkey', 'listings_webhook'],
    },
    'settle of lines': {
      call: () =>
        repos.events.settle(
          times(5, (n) => ({
            deliveryId: `dlv_${n * 15 + 1}`,
            token: 1,
            next: { status: 'delivered' } as const,
          })),
          { now },
        ),
      indexes: ['deliveries_pkey'],
    },
    'claimQueues of batches': {
      call: () =>
        repos.events.claimQueues({
          ...lease,
          queues: times(3, (n) => ({
            webhookId: 'whk_batch',
            limit: 1,
            batch: { id: `bat_new_${n}`, maxEvents: 50, maxBytes: 100_000, maxWaitMs: 0 },
          })),
        }),
      indexes: [
        'deliveries_batch',
        'deliveries_line',
        'deliveries_own',
        'deliveries_pkey',
        'events_pkey',
        'listings_webhook',
      ],
    },
    'settle of batches': {
      call: () => settleBatches({ status: 'delivered' }),
      indexes: ['deliveries_pkey', 'folds_open'],
    },
    'settle of batches that failed': {
      call: () => settleBatches({ status: 'waiting', dueAt: now, queue: 'own' }),
      indexes: ['attempts_pkey', 'deliveries_pkey', 'folds_pkey'],
    },
    'opening of turns': {
      call: async () => {
        // The function's own statement: EXPLAIN does not look into it.
        const lines = times(100, (n) => `key ${n}`);
        const values = [lines.map(() => 'whk_line'), lines, lines.map(() => 9_000_000)];
        const body = openTurns(`${schema}.deliveries`).replace(
          'unnest($1, $2, $3)',
          'unnest($1::text[], $2::text[], $3::bigint[])',
        );
        statements.push({ text: body, values });
      },
      indexes: ['deliveries_held', 'deliveries_pkey'],
    },
    settle: {
      call: () =>
        repos.events.settle(
          times(500, (n) => ({
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
      indexes: ['deliveries_pkey', 'folds_pkey'],
    },
    deliveriesOf: {
      call: () => repos.events.deliveriesOf('evt_1'),
      indexes: ['deliveries_pkey', 'events_pkey', 'folds_pkey'],
    },
    getContents: {
      call: () => repos.events.getContents(times(500, (n) => `dlv_${n}`)),
      indexes: ['deliveries_pkey', 'events_pkey', 'folds_pkey', 'listings_webhook'],
    },
    countDeliveries: {
      call: () => repos.events.countDeliveries({ webhookId: 'whk_line', limit: 10_000 }),
      indexes: ['deliveries_dead_webhook', 'deliveries_express', 'deliveries_own'],
    },
    cancel: {
      call: () =>
        repos.events.cancel(
          times(500, (n) => `dlv_${n * 15 + 1}`),
          { now },
        ),
      indexes: ['deliveries_pkey'],
    },
    takeTokens: {
      call: () =>
        repos.state.takeTokens(
          times(500, (n) => ({ bucket: `bucket ${n}`, perMinute: 1, burst: 5, wanted: 1, atLeast: 1 })),
          { now },
        ),
      indexes: [],
    },
    returnTokens: {
      call: () =>
        repos.state.returnTokens(
          times(500, (n) => ({ bucket: `bucket ${n}`, perMinute: 1, count: 1 })),
          { now },
        ),
      indexes: ['buckets_pkey'],
    },
    outcomes: {
      call: () => repos.state.outcomes({ webhookId: 'whk_7', since: 200 }),
      indexes: ['outcomes_pkey'],
    },
    pruneState: {
      call: () => repos.state.pruneState({ now, outcomesBefore: 250, limit: 100 }),
      indexes: ['buckets_full', 'outcomes_oldest'],
    },
    attempts: {
      call: () => repos.events.attempts('dlv_2'),
      indexes: ['attempts_pkey', 'deliveries_pkey', 'folds_pkey'],
    },
    'listDeliveries of all': {
      call: () => repos.events.listDeliveries({ limit: 50, after: { createdAt: 30_000, id: 'x' } }),
      indexes: ['deliveries_pkey', 'folds_pkey', 'listings_all'],
    },
    'listDeliveries of a tenant': {
      call: () => repos.events.listDeliveries({ tenantId: 'tenant_3', since: 10, until: 50_000, limit: 50 }),
      indexes: ['deliveries_pkey', 'folds_pkey', 'listings_tenant'],
    },
    'listDeliveries of a webhook': {
      call: () => repos.events.listDeliveries({ webhookId: 'whk_3', limit: 50 }),
      indexes: ['deliveries_pkey', 'folds_pkey', 'listings_webhook'],
    },
    'listDeliveries of dead letters': {
      call: () => repos.events.listDeliveries({ status: 'exhausted', limit: 50 }),
      indexes: ['deliveries_dead'],
    },
    'listDeliveries of dead letters, oldest first, from a place on': {
      call: () => {
        const after = { createdAt: 30_000, id: 'x' };
        const bounds = { since: 1, until: 70_000, after, limit: 500 };
        return repos.events.listDeliveries({ status: 'exhausted', order: 'oldest', ...bounds });
      },
      indexes: ['deliveries_dead'],
    },
    'listDeliveries of dead letters of a webhook, oldest first': {
      call: () => {
        const query = { webhookId: 'whk_3', status: 'exhausted', order: 'oldest' } as const;
        return repos.events.listDeliveries({ ...query, until: 70_000, limit: 50 });
      },
      indexes: ['deliveries_dead_webhook'],
    },
    'listDeliveries of dead letters of a webhook': {
      call: () => repos.events.listDeliveries({ webhookId: 'whk_3', status: 'exhausted', limit: 50 }),
      indexes: ['deliveries_dead_webhook'],
    },
    'listDeliveries of what was delivered to a webhook': {
      call: () => repos.events.listDeliveries({ webhookId: 'whk_3', status: 'delivered', limit: 50 }),
      indexes: ['deliveries_pkey', 'folds_pkey', 'listings_webhook'],
    },
    'listDeliveries of what waits for a webhook': {
      call: () => repos.events.listDeliveries({ webhookId: 'whk_line', status: 'pending', limit: 50 }),
      indexes: ['deliveries_express', 'deliveries_own'],
    },
    'listDeliveries of what is under way to a webhook': {
      call: () => repos.events.listDeliveries({ webhookId: 'whk_line', status: 'delivering', limit: 50 }),
      indexes: ['deliveries_express', 'deliveries_own', 'deliveries_pkey', 'folds_open', 'folds_pkey'],
    },
    'listDeliveries of what is replayed of a webhook': {
      call: () => repos.events.listDeliveries({ webhookId: 'whk_3', status: 'replaying', limit: 50 }),
      indexes: ['deliveries_marked'],
    },
    'append of what is stored': {
      call: async () => {
        const { event, deliveries } = anEntry();
        const again = { event: { ...event, id: 'evt_1', fingerprint: '' }, deliveries };
        await repos.events.append([again, anEntry()], { now });
      },
      indexes: ['deliveries_pkey', 'events_key', 'events_pkey', 'folds_pkey'],
    },
    prune: {
      call: () =>
        repos.events.prune({ deliveredBefore: 900, exhaustedBefore: 900, attemptsBefore: 1800, limit: 500 }),
      indexes: [
        'attempts_pkey',
        'deliveries_ended',
        'deliveries_pkey',
        'events_pkey',
        'events_unheard',
        'folds_ended',
        'folds_pkey',
        expect.stringMatching(/^listings_/),
      ],
    },
    'save of queues': {
      call: () =>
        repos.state.save(
          times(500, (n) => ({ webhookId: `whk_${n}`, token: 1, failures: 1, notBefore: 1, nextAt: 1 })),
          { now },
        ),
      indexes: ['queues_pkey'],
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
    statements = [];
    await call();
    expect(await reads()).toEqual({ indexes, tables: [] });
  });
});

it('stores a webhook that its subscribers query finds', async () => {
  await repos.webhooks.insert(aWebhook({ tenantId: 'tenant_x' }));
  expect(await repos.webhooks.subscribers('tenant_x', 'any')).toHaveLength(1);
});
