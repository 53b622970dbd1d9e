import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { sqliteRepos } from '../../src/sqlite/index.ts';
import { ROWS_AT_ONCE } from '../../src/sqlite/rows-insert.ts';
import { anAttempt, anEntry, anEvent, aWebhook, LONG_AGO_MS } from '../../src/testing/contract/records.ts';

const NOW = LONG_AGO_MS + 1_000_000;
const LEASE = { now: NOW, leaseUntil: NOW + 1_000 };
const AFTER = { createdAt: NOW, id: 'x' };

const db = new DatabaseSync(':memory:');
const texts = new Set<string>();

/** Everything that the repos run, whatever branch it is in. */
beforeAll(async () => {
  const { events, webhooks, state } = sqliteRepos(db);
  const prepare = vi.spyOn(db, 'prepare');
  const entry = anEntry({ id: 'dlv_1' });
  const own = anEntry({ queue: 'own', webhookId: 'whk_own' });
  const inLine = { queue: 'own', webhookId: 'whk_own', orderingKey: 'a key' } as const;
  await events.append([entry, own, entry, anEntry(inLine), anEntry(inLine)], { now: NOW });
  const event = anEvent({ idempotencyKey: 'k' });
  await events.append(
    [
      { event, deliveries: [] },
      { event: { ...event, id: 'e2' }, deliveries: [] },
    ],
    { now: NOW },
  );
  const many = Array.from({ length: ROWS_AT_ONCE }, () => anEntry({ webhookId: 'whk_many' }));
  await events.append(many, { now: NOW + 90_000 });
  await events.append([...many, ...many], { now: NOW + 90_000 });
  await expect(events.append([anEntry({ id: 'dlv_1' })], { now: NOW })).rejects.toThrow('in use');
  const bodies = new Map([['dlv_body', new Uint8Array(1)]]);
  await events.append([{ ...anEntry({ id: 'dlv_body' }), bodies }], { now: NOW });
  await events.claimExpress({ ...LEASE, limit: 99 });
  await events.claimQueues({ ...LEASE, queues: [{ webhookId: 'whk_own', limit: 9 }] });
  await events.claimExpress({ now: NOW + 5_000, leaseUntil: NOW + 9_000, limit: 99 });
  const batch = { id: 'bat_1', maxEvents: 9, maxBytes: 99_999, maxWaitMs: 0 };
  await events.append([anEntry({ queue: 'own', webhookId: 'whk_b' })], { now: NOW });
  for (let calls = 0; calls < 2; calls += 1) {
    const times = { now: NOW + 10_000 * calls, leaseUntil: NOW + 10_000 * calls + 1 };
    await events.claimQueues({ ...times, queues: [{ webhookId: 'whk_b', limit: 1, batch }] });
  }
  const settlement = (token: number) => ({ deliveryId: 'dlv_1', token, attempt: anAttempt() });
  const ends = [
    { status: 'waiting', dueAt: 1, queue: 'express' },
    { status: 'exhausted', reason: 'cancelled' },
    { status: 'delivered' },
  ] as const;
  for (const next of ends) {
    await events.settle(
      [
        { ...settlement(1), next },
        { ...settlement(2), next },
        { ...settlement(99), next },
      ],
      { now: 1 },
    );
    await events.claimExpress({ now: NOW + 5_000, leaseUntil: NOW + 9_000, limit: 99 });
  }
  await events.settle([{ ...settlement(3), next: ends[1] }], { now: 1 });
  await events.exhaustQueue({ webhookId: 'whk_own', reason: 'cancelled', now: NOW, limit: 9 });
  await events.ownQueues({ after: 'a', limit: 9 });
  await events.markReplay(['dlv_1'], { now: NOW });
  await events.promoteReplays({ now: NOW, limit: 9 });
  await events.cancel(['dlv_1', 'dlv_body'], { now: NOW });
  await events.getDeliveries(['dlv_1']);
  await events.deliveriesOf('evt_1');
  await events.getContents(['dlv_1']);
  await events.countDeliveries({ webhookId: 'w', limit: 9 });
  await events.getEvents(['evt_1']);
  await events.attempts('dlv_1');
  for (const place of [{}, { tenantId: 't' }, { webhookId: 'w' }, { tenantId: 't', webhookId: 'w' }]) {
    await events.listDeliveries({ ...place, limit: 9 });
    await events.listDeliveries({ ...place, since: 1, until: 2, limit: 9 });
    await events.listDeliveries({
      ...place,
      status: 'pending',
      eventType: 'a',
      since: 1,
      until: 2,
      after: AFTER,
      limit: 9,
    });
  }
  for (const place of [{}, { tenantId: 't' }, { webhookId: 'w' }])
    for (const order of ['newest', 'oldest'] as const) {
      const dead = { ...place, status: 'exhausted', order, since: 1, until: NOW + 9, after: AFTER } as const;
      await events.listDeliveries({ ...dead, limit: 9 });
    }
  const bounds = { deliveredBefore: NOW + 1, exhaustedBefore: NOW + 1, attemptsBefore: NOW + 1 };
  await events.prune({ ...bounds, limit: 9 });
  await state.open([{ webhookId: 'whk_a', failures: 0, nextAt: 1 }], { now: 5 });
  await state.acquire({ ...LEASE, healthy: 3, failing: 3 });
  await state.save([{ webhookId: 'whk_a', token: 6, failures: 0, notBefore: 0, nextAt: 1, close: true }], {
    now: 5,
  });
  await state.reset([{ webhookId: 'whk_a', nextAt: 1 }], { now: 5 });
  await state.get(['whk_a']);
  const bucket = { bucket: 'a', perMinute: 1, burst: 2 };
  await state.takeTokens([{ ...bucket, wanted: 1, atLeast: 1 }], { now: NOW });
  await state.returnTokens([{ ...bucket, count: 1 }], { now: NOW });
  const tally = { webhookId: 'w', writer: 'a', startsAt: 1, succeeded: 1, failed: 0, latencies: [] };
  await state.recordOutcomes([tally]);
  await state.outcomes({ webhookId: 'w', since: 1 });
  await state.pruneState({ now: NOW, outcomesBefore: 1, limit: 9 });
  const webhook = aWebhook();
  await webhooks.insert(webhook);
  await webhooks.update({ ...webhook, revision: 2 }, 1);
  await webhooks.setStatus([{ webhookId: webhook.id, from: webhook.status, to: { state: 'disabled' } }]);
  await webhooks.getMany([webhook.id]);
  await webhooks.subscribers('t', 'a.b');
  for (const tenant of [{}, { tenantId: 't' }]) {
    await webhooks.list({ ...tenant, limit: 9 });
    await webhooks.list({ ...tenant, after: AFTER, limit: 9 });
  }
  await webhooks.delete(webhook.id);
  for (const [text] of prepare.mock.calls) texts.add(text);
  prepare.mockRestore();
});

afterAll(() => db.close());

function planOf(text: string): string[] {
  return db
    .prepare(`EXPLAIN QUERY PLAN ${text}`)
    .all()
    .map(({ detail }) => String(detail));
}

/** Steps that read all of something that grows. A list that is given, or made by the statement itself, is short; and of an index that is read in its order the LIMIT takes a head. */
function scansOf(text: string): string[] {
  const isHead = /\bLIMIT\b/.test(text);
  return planOf(text).filter(
    (step) =>
      step.startsWith('SCAN') &&
      !/^SCAN (json_each|own|\d+-ROW VALUES CLAUSE|CONSTANT ROW|\(subquery)/.test(step) &&
      !(isHead && /USING (COVERING )?INDEX/.test(step)) &&
      !(isHead && step === 'SCAN surehook_events' && text.includes('ORDER BY seq DESC LIMIT 1')),
  );
}

describe('the statements', () => {
  it('are all known here', () => {
    expect(texts.size).toBeGreaterThanOrEqual(72);
  });

  it('never scan a table and never sort', () => {
    for (const text of texts) {
      expect(scansOf(text), text).toEqual([]);
      expect(planOf(text).join('\n'), text).not.toMatch(/TEMP B-TREE FOR (?:ORDER|GROUP|LAST|RIGHT)/);
    }
  });

  it.each([
    [
      'the claim of the express queue',
      /^SELECT d.seq, d.event_seq[^?]*queue = 0/s,
      'surehook_deliveries_express (wake_at>? AND wake_at<?)',
    ],
    [
      'the claim of an own queue',
      /^SELECT d.seq, d.event_seq[^?]*WHERE queue = 1/s,
      'surehook_deliveries_own (webhook_id=? AND wake_at>? AND wake_at<?)',
    ],
    [
      'the next of an own queue',
      /^SELECT wake_at[^?]*queue = 1/s,
      'COVERING INDEX surehook_deliveries_own (webhook_id=?',
    ],
    [
      'the next of the express queue',
      /^SELECT wake_at[^?]*queue = 0/s,
      'COVERING INDEX surehook_deliveries_express',
    ],
    ['the names of own queues', /^WITH RECURSIVE own/, 'surehook_deliveries_own (webhook_id>?)'],
    [
      'giving up',
      /^SELECT seq FROM surehook_deliveries\s+WHERE queue = 1/,
      'surehook_deliveries_own (webhook_id=?',
    ],
    [
      'what is taken back',
      /^DELETE FROM surehook_events WHERE seq >=/,
      'INTEGER PRIMARY KEY (rowid>? AND rowid<?)',
    ],
    ['settling', /^UPDATE (OR FAIL )?surehook_deliveries\s+SET status = 3/, 'INTEGER PRIMARY KEY (rowid=?)'],
    ['leasing', /^UPDATE OR FAIL surehook_deliveries SET status = 1/, 'INTEGER PRIMARY KEY (rowid=?)'],
    [
      'whose turn it is',
      /place IS NOT NULL ORDER BY place, seq/,
      'surehook_deliveries_line (webhook_id=? AND ordering_key=?',
    ],
    ['a batch', /^SELECT d.seq[^?]*batch_id = \?/s, 'surehook_deliveries_batch (batch_id=?'],
    [
      'forming a batch',
      /^SELECT d.seq[^?]*JOIN surehook_events/s,
      'surehook_deliveries_own (webhook_id=? AND wake_at>? AND wake_at<?)',
    ],
    ['promoting', /^SELECT seq FROM surehook_deliveries WHERE marked/, 'surehook_deliveries_marked'],
    [
      'pruning',
      /^SELECT seq, event_seq, webhook_id.* FROM surehook_deliveries\s+WHERE status/,
      'surehook_deliveries_ended (status=? AND completed_at>? AND completed_at<?)',
    ],
    [
      'pruning attempts',
      /^SELECT seq, completed_at/,
      'surehook_deliveries_ended (status=? AND completed_at>? AND completed_at<?)',
    ],
    [
      'pruning events nobody heard',
      /^SELECT seq FROM surehook_events/,
      'surehook_events_unheard (created_at<?)',
    ],
    ['acquiring healthy queues', /FROM surehook_queues\s+WHERE failures = 0/, 'surehook_queues_healthy'],
    ['acquiring failing queues', /FROM surehook_queues\s+WHERE failures <> 0/, 'surehook_queues_failing'],
    ['ending leases', /^UPDATE surehook_queues/, 'surehook_queues_leased'],
    [
      'dead letters',
      /INDEXED BY surehook_deliveries_dead .*DESC/s,
      'surehook_deliveries_dead (created_at>? AND (created_at,id)<(?,?))',
    ],
    [
      'the dead letters of a webhook',
      /INDEXED BY surehook_deliveries_dead_webhook .*DESC/s,
      'surehook_deliveries_dead_webhook (webhook_id=? AND created_at>? AND (created_at,id)<(?,?))',
    ],
    [
      'dead letters, oldest first',
      /INDEXED BY surehook_deliveries_dead .*ASC/s,
      'surehook_deliveries_dead ((created_at,id)>(?,?) AND created_at<?)',
    ],
    [
      'the dead letters of a webhook, oldest first',
      /INDEXED BY surehook_deliveries_dead_webhook .*ASC/s,
      'surehook_deliveries_dead_webhook (webhook_id=? AND (created_at,id)>(?,?) AND created_at<?)',
    ],
    [
      'counting what waits in its own queue',
      /^SELECT\s+\(SELECT count/,
      'surehook_deliveries_own (webhook_id=? AND wake_at>?)',
    ],
    [
      'counting what waits in the express queue',
      /^SELECT\s+\(SELECT count/,
      'surehook_deliveries_express (wake_at>?)',
    ],
    ['counting the dead', /^SELECT\s+\(SELECT count/, 'surehook_deliveries_dead_webhook (webhook_id=?)'],
    [
      'the deliveries of an event',
      /^SELECT[^?]*WHERE o.id = \?/s,
      'SEARCH d USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)',
    ],
    ['own bodies', /^SELECT delivery_seq, body/, 'INTEGER PRIMARY KEY (rowid=?)'],
    ['buckets that are full', /^DELETE FROM surehook_buckets/, 'surehook_buckets_full (full_at<?)'],
    ['tallies of a webhook', /^SELECT webhook_id, starts_at/, 'PRIMARY KEY (webhook_id=? AND starts_at>?)'],
    ['old tallies', /^DELETE FROM surehook_outcomes/, 'surehook_outcomes_oldest (starts_at<?)'],
    [
      'old tallies by their keys',
      /^DELETE FROM surehook_outcomes/,
      'PRIMARY KEY (webhook_id=? AND starts_at=? AND writer=?)',
    ],
    [
      'subscribers',
      /surehook_subscriptions\s+WHERE tenant_id = \? AND pattern IN/,
      'PRIMARY KEY (tenant_id=? AND pattern=?)',
    ],
  ])('use the right index: %s', (_, pattern, index) => {
    const found = [...texts].filter((text) => pattern.test(text));
    expect(found.length).toBeGreaterThan(0);
    for (const text of found) expect(planOf(text).join('\n')).toContain(index);
  });
});
