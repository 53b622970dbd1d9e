import assert from 'node:assert/strict';
import type { QueueOpening, QueueRecord, QueueReset } from '../../repos.ts';
import type { LawContext } from './context.ts';
import { only, same } from './expect.ts';
import { type Law, lawsOf } from './law.ts';
import { LONG_AGO_MS, times } from './records.ts';

const A = 'whk_a';

/** What is known of a retry queue: opened, opened again, taken from outside. */
export const queueStateLaws: readonly Law[] = lawsOf('queue-state', {
  'creates what is opened first': async (context) => {
    const before = await context.now();
    await open(context, { failures: 0, nextAt: 5 }, { webhookId: 'whk_b', failures: 1, nextAt: 7 });
    const after = await context.now();
    const [a, b] = [await record(context), await record(context, 'whk_b')];
    same(a, { webhookId: A, failures: 0, notBefore: 0, nextAt: 5, wakes: 1, token: a.token });
    same(b, { webhookId: 'whk_b', failures: 1, notBefore: 7, nextAt: 7, wakes: 1, token: b.token });
    for (const { token } of [a, b]) {
      assert.ok(before <= token && token <= after, `the token ${token} is not the instant of the creation`);
    }
  },

  'takes the earlier instant when a healthy queue is opened again': async (context) => {
    await open(context, { failures: 0, nextAt: 50 });
    const { token } = await record(context);
    await open(context, { failures: 0, nextAt: 70 });
    same(await record(context), { webhookId: A, failures: 0, notBefore: 0, nextAt: 50, wakes: 2, token });
    await open(context, { failures: 0, nextAt: 30 });
    same(await record(context), { webhookId: A, failures: 0, notBefore: 0, nextAt: 30, wakes: 3, token });
  },

  'takes a failure and its instant when a healthy queue is opened with one': async (context) => {
    await open(context, { failures: 0, nextAt: 50 });
    const { token } = await record(context);
    await open(context, { failures: 1, nextAt: 70 });
    same(await record(context), { webhookId: A, failures: 1, notBefore: 70, nextAt: 70, wakes: 2, token });
  },

  'keeps the failure and the back-off of a failing queue that is opened again': async (context) => {
    await open(context, { failures: 1, nextAt: 50 });
    const { token } = await record(context);
    await open(context, { failures: 0, nextAt: 10 });
    await open(context, { failures: 1, nextAt: 90 });
    same(await record(context), { webhookId: A, failures: 1, notBefore: 50, nextAt: 50, wakes: 3, token });
  },

  'takes an earlier instant only down to the end of the back-off': async (context) => {
    await open(context, { failures: 0, nextAt: LONG_AGO_MS });
    const { token } = only(await acquire(context));
    const waiting = { webhookId: A, token, failures: 3, notBefore: 60, nextAt: 100 };
    await context.repos.state.save([waiting], { now: await context.now() });
    await open(context, { failures: 1, nextAt: 80 });
    same(await record(context), { ...waiting, nextAt: 80, wakes: 2 });
    await open(context, { failures: 0, nextAt: 90 });
    same(await record(context), { ...waiting, nextAt: 80, wakes: 3 });
    await open(context, { failures: 0, nextAt: 10 });
    same(await record(context), { ...waiting, nextAt: 60, wakes: 4 });
  },

  'keeps the back-off of a queue that has recovered, when it is opened again': async (context) => {
    await open(context, { failures: 0, nextAt: LONG_AGO_MS });
    const { token } = only(await acquire(context));
    const waiting = { webhookId: A, token, failures: 0, notBefore: 60, nextAt: 100 };
    await context.repos.state.save([waiting], { now: await context.now() });
    await open(context, { failures: 0, nextAt: 10 });
    same(await record(context), { ...waiting, nextAt: 60, wakes: 2 });
  },

  'only wakes a queue that somebody holds': async (context) => {
    await open(context, { failures: 0, nextAt: LONG_AGO_MS });
    const held = only(await acquire(context));
    await open(context, { failures: 0, nextAt: 1 });
    await open(context, { failures: 1, nextAt: 2 });
    same(await record(context), { ...held, wakes: 3 });
  },

  'takes an expired lease for none when a queue is opened again': async (context) => {
    await open(context, { failures: 0, nextAt: LONG_AGO_MS });
    const held = only(await acquire(context, context.leaseMs));
    await context.outliveLease();
    await open(context, { failures: 1, nextAt: LONG_AGO_MS + 5 });
    const { failures, notBefore, nextAt, wakes, token } = await record(context);
    const instant = LONG_AGO_MS + 5;
    same([failures, notBefore, nextAt, wakes, token], [1, instant, instant, 2, held.token]);
  },

  'only wakes a queue that is held back': async (context) => {
    await reset(context, { webhookId: A, nextAt: null });
    const before = await record(context);
    await open(context, { failures: 0, nextAt: 1 }, { failures: 1, nextAt: 2 });
    same(await record(context), { ...before, wakes: before.wakes + 2 });
  },

  'counts every opening, however many at a time': async (context) => {
    await Promise.all(times(20, (n) => open(context, { failures: 0, nextAt: 100 + n })));
    const { wakes, nextAt } = await record(context);
    same([wakes, nextAt], [20, 100]);
  },

  'creates by a reset what is not there': async (context) => {
    const before = await context.now();
    await reset(context, { webhookId: A, nextAt: LONG_AGO_MS }, { webhookId: 'whk_b', nextAt: null });
    const { failures, notBefore, nextAt, token } = await record(context);
    same([failures, notBefore, nextAt], [0, 0, LONG_AGO_MS]);
    assert.ok(token >= before, 'the token is not above those of former records');
    same((await record(context, 'whk_b')).nextAt, null);
    same(only(await acquire(context)).webhookId, A);
  },

  'takes a queue from its holder by a reset': async (context) => {
    await open(context, { failures: 1, nextAt: LONG_AGO_MS });
    const held = only(await acquire(context));
    const at = LONG_AGO_MS + 9;
    await reset(context, { webhookId: A, nextAt: at });
    const { token, wakes } = held;
    const counts = { wakes: wakes + 1, token: token + 1 };
    const free = { webhookId: A, failures: 0, notBefore: 0, nextAt: at, ...counts };
    same(await record(context), free);
    const change = { webhookId: A, token, failures: 4, notBefore: 1, nextAt: 1 };
    same(await context.repos.state.save([change], { now: await context.now() }), [{ result: 'lost' }]);
    same(await record(context), free);
    same(only(await acquire(context)).token, token + 2);
  },

  'leaves out what has no record': async (context) => {
    same(await context.repos.state.get(['whk_unknown']), []);
    same(await context.repos.state.get([]), []);
  },

  'accepts empty batches': async (context) => {
    const now = await context.now();
    await context.repos.state.open([], { now });
    await context.repos.state.reset([], { now });
    same(await context.repos.state.save([], { now }), []);
    same(await context.repos.state.acquire({ ...(await context.lease()), healthy: 9, failing: 9 }), {
      queues: [],
    });
  },
});

async function open(
  context: LawContext,
  ...entries: readonly (Omit<QueueOpening, 'webhookId'> & { webhookId?: string })[]
): Promise<void> {
  const named = entries.map((entry) => ({ webhookId: A, ...entry }));
  await context.repos.state.open(named, { now: await context.now() });
}

async function reset(context: LawContext, ...entries: readonly QueueReset[]): Promise<void> {
  await context.repos.state.reset(entries, { now: await context.now() });
}

async function record(context: LawContext, webhookId: string = A): Promise<QueueRecord> {
  return only(await context.repos.state.get([webhookId]));
}

async function acquire(context: LawContext, leaseMs?: number): Promise<readonly QueueRecord[]> {
  const request = { ...(await context.lease(leaseMs)), healthy: 100, failing: 100 };
  return (await context.repos.state.acquire(request)).queues;
}
