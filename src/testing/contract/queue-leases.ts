import assert from 'node:assert/strict';
import type { AcquireResult, QueueChange, QueueRecord, SaveResult } from '../../repos.ts';
import type { LawContext } from './context.ts';
import { allDistinct, only, same } from './expect.ts';
import { type Law, lawsOf } from './law.ts';
import { LONG_AGO_MS, times } from './records.ts';

/** One worker at a time serves a retry queue, and only the present holder stores what becomes of it. */
export const queueLeasesLaws: readonly Law[] = lawsOf('queue-leases', {
  'leases a queue under the next token': async (context) => {
    await open(context, { whk_a: LONG_AGO_MS });
    const opened = await record(context);
    const before = await context.now();
    const { queues } = await acquire(context, { leaseMs: 60_000 });
    const after = await context.now();
    const { leaseUntil = Number.NaN, ...leased } = only(queues);
    same(leased, { ...opened, token: opened.token + 1 });
    assert.ok(before + 60_000 <= leaseUntil && leaseUntil <= after + 60_000, `lease until ${leaseUntil}`);
    same(await record(context), only(queues));
  },

  'leases by the instant, earliest first, healthy and failing up to their own limits': async (context) => {
    await open(context, { h5: LONG_AGO_MS + 5, h1: LONG_AGO_MS + 1, h3: LONG_AGO_MS + 3 });
    await open(context, { f4: LONG_AGO_MS + 4, f2: LONG_AGO_MS + 2, f6: LONG_AGO_MS + 6 }, 1);
    same(names(await acquire(context, { healthy: 0, failing: 1 })), ['f2']);
    same(names(await acquire(context, { healthy: 2, failing: 1 })), ['h1', 'h3', 'f4']);
    same(names(await acquire(context, { healthy: 9, failing: 0 })), ['h5']);
    same(names(await acquire(context, { healthy: 9, failing: 9 })), ['f6']);
    same(names(await acquire(context, { healthy: 9, failing: 9 })), []);
  },

  'goes by the instant also for a queue whose lease has run out': async (context) => {
    await open(context, { early: LONG_AGO_MS });
    await acquire(context, { leaseMs: context.leaseMs });
    await open(context, { late: LONG_AGO_MS + 5 });
    await context.outliveLease();
    same(names(await acquire(context, { healthy: 1 })), ['early']);
  },

  'leases nothing before its time, and then does': async (context) => {
    const nextAt = (await context.now()) + context.leaseMs;
    await open(context, { whk_a: nextAt });
    await context.advance(context.leaseMs - context.marginMs);
    same(await acquire(context), { queues: [], nextAt });
    await context.advance(context.marginMs);
    same(names(await acquire(context)), ['whk_a']);
  },

  'tells exactly when another queue can be acquired': async (context) => {
    const now = await context.now();
    const [soon, later] = [now + 7_000_000, now + 9_000_000];
    await open(context, { later });
    same(await acquire(context), { queues: [], nextAt: later });
    await open(context, { soon }, 1);
    same(await acquire(context), { queues: [], nextAt: soon });
    await open(context, { due: LONG_AGO_MS });
    same((await acquire(context, { healthy: 0 })).nextAt, LONG_AGO_MS);
    same((await acquire(context)).nextAt, soon);
    const { leaseUntil } = await record(context, 'due');
    same(await acquire(context), { queues: [], nextAt: leaseUntil });
  },

  'tells of nothing where there is nothing to wait for': async (context) => {
    same(await acquire(context), { queues: [] });
    await hold(context, 'whk_a');
    same(await acquire(context), { queues: [] });
  },

  'takes the later of its instant and the end of its lease for a queue that is held': async (context) => {
    const nextAt = (await context.now()) + 9_000_000;
    await open(context, { whk_a: LONG_AGO_MS });
    const { token } = only((await acquire(context)).queues);
    const { leaseUntil } = await context.lease(context.leaseMs);
    await save(context, { webhookId: 'whk_a', token, failures: 0, notBefore: 0, nextAt, leaseUntil });
    same(await acquire(context), { queues: [], nextAt });
  },

  'never leases a queue that is held back': async (context) => {
    await open(context, { whk_a: LONG_AGO_MS, whk_b: LONG_AGO_MS });
    await hold(context, 'whk_a');
    const held = only((await acquire(context)).queues);
    same(held.webhookId, 'whk_b');
    const { token } = held;
    await save(context, { webhookId: 'whk_b', token, failures: 0, notBefore: 0, nextAt: null });
    same(await acquire(context), { queues: [] });
  },

  'gives each queue to one of many workers': async (context) => {
    const queues = times(40, (n) => [`whk_${n}`, LONG_AGO_MS] as const);
    await open(context, Object.fromEntries(queues));
    const results = await Promise.all(times(10, () => acquire(context, { healthy: 6 })));
    const taken = [...results.flatMap(names), ...names(await acquire(context))];
    allDistinct(taken);
    same(taken.toSorted(), queues.map(([id]) => id).toSorted());
  },

  'keeps a lease until its end, and no longer': async (context) => {
    const { token } = await acquired(context, context.leaseMs);
    await context.advance(context.leaseMs - context.marginMs);
    same(names(await acquire(context)), []);
    await context.advance(context.marginMs);
    same(only((await acquire(context)).queues).token, token + 1);
  },

  'stores what the holder knows and keeps the extended lease': async (context) => {
    const held = await acquired(context, context.leaseMs);
    const [notBefore, nextAt] = [LONG_AGO_MS + 3, LONG_AGO_MS + 5];
    const { leaseUntil } = await context.lease();
    const change = { webhookId: 'whk_a', token: held.token, failures: 3, notBefore, nextAt, leaseUntil };
    same(await save(context, change), { result: 'saved', wakes: 1 });
    const stored = await record(context);
    same(stored, { ...change, wakes: 1, leaseUntil: stored.leaseUntil });
    await context.outliveLease();
    same(names(await acquire(context)), []);
  },

  'never shortens a lease': async (context) => {
    const { token } = await acquired(context, 60_000);
    const held = await record(context);
    const now = await context.now();
    const change = { webhookId: 'whk_a', token, failures: 0, notBefore: 0, nextAt: LONG_AGO_MS };
    same(await save(context, { ...change, leaseUntil: now + 1_000 }), { result: 'saved', wakes: 1 });
    same((await record(context)).leaseUntil, held.leaseUntil);
  },

  'gives the lease back when the change has none': async (context) => {
    const { token } = await acquired(context);
    const change = { webhookId: 'whk_a', token, failures: 2, notBefore: 1, nextAt: LONG_AGO_MS + 1 };
    same(await save(context, change), { result: 'saved', wakes: 1 });
    same(await record(context), { ...change, wakes: 1 });
    same(only((await acquire(context)).queues).token, token + 1);
  },

  'closes a queue': async (context) => {
    const { token } = await acquired(context);
    const close = closing('whk_a', token);
    same(await save(context, close), { result: 'closed' });
    same(await context.repos.state.get(['whk_a']), []);
    same(await acquire(context), { queues: [] });
    same(await save(context, close), { result: 'lost' });
  },

  'changes nothing when something came since, where the holder asked for that': async (context) => {
    const { token, wakes } = await acquired(context);
    await open(context, { whk_a: LONG_AGO_MS });
    const woken = await record(context);
    const change = { webhookId: 'whk_a', token, failures: 0, notBefore: 0, nextAt: null, ifWakes: wakes };
    same(await save(context, { ...change, close: true }), { result: 'woken', wakes: wakes + 1 });
    same(await save(context, change), { result: 'woken', wakes: wakes + 1 });
    same(await record(context), woken);
    same(await save(context, { ...change, close: true, ifWakes: wakes + 1 }), { result: 'closed' });
  },

  'never loses an opening that races with a close': async (context) => {
    const webhookIds = times(20, (n) => `whk_${n}`);
    await open(context, Object.fromEntries(webhookIds.map((id) => [id, LONG_AGO_MS])));
    const { queues } = await acquire(context);
    const racing = queues.map(async ({ webhookId, token, wakes }) => {
      const close = { ...closing(webhookId, token), ifWakes: wakes };
      const opening = open(context, { [webhookId]: LONG_AGO_MS });
      const [{ result }] = await Promise.all([save(context, close), opening]);
      // Whichever came first, the queue that was opened is there: as it was held, or new.
      same((await record(context, webhookId)).wakes, result === 'closed' ? 1 : wakes + 1);
    });
    await Promise.all(racing);
  },

  'gives a new record a token above those of the one that was closed': async (context) => {
    const { token } = await acquired(context);
    await save(context, closing('whk_a', token));
    await context.advance(context.leaseMs);
    const next = await acquired(context);
    assert.ok(next.token > token, `the token ${next.token} is not above ${token}`);
    const stale = { webhookId: 'whk_a', token, failures: 9, notBefore: 0, nextAt: null };
    same(await save(context, stale), { result: 'lost' });
    same(await save(context, closing('whk_a', token)), { result: 'lost' });
    same(await record(context), next);
  },

  'gives a new record a token above those of the one that was closed at the same instant': async (
    context,
  ) => {
    await open(context, { whk_a: LONG_AGO_MS, whk_b: LONG_AGO_MS });
    // Where time passes by itself, the instant could otherwise overtake the token.
    const raised = times(50, () => ({ webhookId: 'whk_a', nextAt: LONG_AGO_MS }));
    await context.repos.state.reset(raised, { now: await context.now() });
    const { queues } = await acquire(context);
    for (const { webhookId, token } of queues) await save(context, closing(webhookId, token));
    await open(context, { whk_a: LONG_AGO_MS });
    await context.repos.state.reset([{ webhookId: 'whk_b', nextAt: 1 }], { now: await context.now() });
    for (const { webhookId, token } of queues) {
      const next = await record(context, webhookId);
      assert.ok(next.token > token, `the token ${next.token} is not above ${token}`);
      same(await save(context, closing(webhookId, token)), { result: 'lost' });
      same(await record(context, webhookId), next);
    }
  },

  'refuses the holder of a former token': async (context) => {
    const stale = await acquired(context, context.leaseMs);
    await context.outliveLease();
    const current = only((await acquire(context)).queues);
    const change = { webhookId: 'whk_a', token: stale.token, failures: 9, notBefore: 9, nextAt: null };
    same(await save(context, change), { result: 'lost' });
    same(await save(context, { ...change, close: true }), { result: 'lost' });
    same(await record(context), current);
  },

  'accepts the present holder after its lease has run out, until somebody acquires': async (context) => {
    const { token } = await acquired(context, context.leaseMs);
    await context.outliveLease();
    const change = { webhookId: 'whk_a', token, failures: 1, notBefore: 1, nextAt: LONG_AGO_MS + 1 };
    same(await save(context, change), { result: 'saved', wakes: 1 });
  },

  'answers each change of a batch in its order': async (context) => {
    const { token } = await acquired(context);
    const change = { webhookId: 'whk_a', token, failures: 0, notBefore: 0, nextAt: LONG_AGO_MS };
    const changes = [{ ...change, token: token + 1 }, { ...change, webhookId: 'whk_unknown' }, change];
    const results = await context.repos.state.save(changes, { now: await context.now() });
    same(results, [{ result: 'lost' }, { result: 'lost' }, { result: 'saved', wakes: 1 }]);
  },
});

function closing(webhookId: string, token: number): QueueChange {
  return { webhookId, token, failures: 0, notBefore: 0, nextAt: null, close: true };
}

async function hold(context: LawContext, webhookId: string): Promise<void> {
  await context.repos.state.reset([{ webhookId, nextAt: null }], { now: await context.now() });
}

interface Acquire {
  readonly healthy?: number;
  readonly failing?: number;
  readonly leaseMs?: number;
}

async function acquire(context: LawContext, options: Acquire = {}): Promise<AcquireResult> {
  const { healthy = 100, failing = 100, leaseMs } = options;
  return context.repos.state.acquire({ ...(await context.lease(leaseMs)), healthy, failing });
}

async function acquired(context: LawContext, leaseMs?: number): Promise<QueueRecord> {
  await open(context, { whk_a: LONG_AGO_MS });
  return only((await acquire(context, leaseMs === undefined ? {} : { leaseMs })).queues);
}

async function open(
  context: LawContext,
  nextAts: Readonly<Record<string, number>>,
  failures: 0 | 1 = 0,
): Promise<void> {
  const entries = Object.entries(nextAts).map(([webhookId, nextAt]) => ({ webhookId, failures, nextAt }));
  await context.repos.state.open(entries, { now: await context.now() });
}

async function save(context: LawContext, change: QueueChange): Promise<SaveResult> {
  return only(await context.repos.state.save([change], { now: await context.now() }));
}

async function record(context: LawContext, webhookId: string = 'whk_a'): Promise<QueueRecord> {
  return only(await context.repos.state.get([webhookId]));
}

function names(result: AcquireResult): readonly string[] {
  return result.queues.map(({ webhookId }) => webhookId);
}
