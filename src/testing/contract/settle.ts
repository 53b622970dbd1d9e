import assert from 'node:assert/strict';
import type { ExhaustedReason } from '../../domain/delivery.ts';
import { ids, only, same } from './expect.ts';
import { type Law, lawsOf } from './law.ts';
import { anAttempt, freshId, LONG_AGO_MS, times } from './records.ts';

const OK = anAttempt({ httpStatus: 200, responseBody: 'ok' });
const REASONS: readonly ExhaustedReason[] = [
  'attempts-used-up',
  'webhook-unavailable',
  'webhook-gone',
  'webhook-deleted',
  'at-most-once-failed',
  'outcome-unknown',
  'cancelled',
  'not-sendable',
];

/** A settlement ends a claim, records its attempt, and puts the delivery where it says. */
export const settleLaws: readonly Law[] = lawsOf('settle', {
  'ends a claim as delivered, with its attempt': async (context) => {
    const published = only(await context.publish(1));
    const claimed = only(await context.claim());
    const now = await context.now();
    const settlement = {
      deliveryId: claimed.id,
      token: 1,
      attempt: OK,
      next: { status: 'delivered' },
    } as const;
    same(await context.repos.events.settle([settlement], { now }), ['applied']);
    same(await context.delivery(claimed.id), {
      ...published,
      status: 'delivered',
      token: 1,
      attempts: 1,
      tries: 1,
      completedAt: now,
    });
    const attempt = only(await context.repos.events.attempts(claimed.id));
    same(attempt, { ...OK, number: 1, token: 1, late: false });
  },

  'ends a claim as exhausted, with every reason': async (context) => {
    await context.publish(REASONS.length);
    const claimed = await context.claim();
    const now = await context.now();
    const settlements = claimed.map(({ id, token }, index) => {
      const reason = REASONS[index] ?? 'cancelled';
      return { deliveryId: id, token, next: { status: 'exhausted', reason } } as const;
    });
    await context.repos.events.settle(settlements, { now });
    for (const [index, { id }] of claimed.entries()) {
      const { status, reason, completedAt, leaseUntil } = await context.delivery(id);
      same([status, reason, completedAt, leaseUntil], ['exhausted', REASONS[index], now, undefined]);
    }
  },

  'lets a delivery that failed wait for its next attempt': async (context) => {
    const published = only(await context.publish(1));
    const claimed = only(await context.claim());
    const dueAt = (await context.now()) + context.leaseMs;
    await context.settle(claimed, { status: 'waiting', dueAt, queue: 'express' }, anAttempt());
    const failed = { ...published, status: 'failed', dueAt, token: 1, attempts: 1, tries: 1 };
    same(await context.delivery(claimed.id), failed);
    same(await context.claimResult(), { deliveries: [], nextDueAt: dueAt });
    await context.advance(context.leaseMs);
    same(ids(await context.claim()), [published.id]);
  },

  'gives a delivery back unsent as pending, with nothing recorded': async (context) => {
    const published = only(await context.publish(1));
    const claimed = only(await context.claim());
    await context.settle(claimed, { status: 'waiting', dueAt: LONG_AGO_MS, queue: 'express' });
    same(await context.delivery(claimed.id), { ...published, token: 1 });
    same(await context.repos.events.attempts(claimed.id), []);
  },

  'records an attempt that does not count without counting it': async (context) => {
    await context.publish(1);
    const attempt = anAttempt({
      httpStatus: 0,
      error: { kind: 'aborted', message: 'stopping' },
      counted: false,
    });
    const release = { status: 'waiting', dueAt: LONG_AGO_MS, queue: 'express' } as const;
    await context.settle(only(await context.claim()), release, attempt);
    const { status, attempts, tries, id } = only(await context.repos.events.listDeliveries({ limit: 1 }));
    same([status, attempts, tries], ['pending', 1, 0]);
    same(only(await context.repos.events.attempts(id)), { ...attempt, number: 1, token: 1, late: false });
  },

  'keeps a delivery failed that is given back after a counted failure': async (context) => {
    const { id } = only(await context.publish(1));
    const back = { status: 'waiting', dueAt: LONG_AGO_MS, queue: 'express' } as const;
    await context.settle(only(await context.claim()), back, anAttempt());
    await context.settle(only(await context.claim()), back);
    const { status, tries, attempts } = await context.delivery(id);
    same([status, tries, attempts], ['failed', 1, 1]);
  },

  'moves a delivery from the express queue to its own': async (context) => {
    const { id } = only(await context.publish(1, { webhookId: 'whk_a' }));
    const park = { status: 'waiting', dueAt: LONG_AGO_MS, queue: 'own' } as const;
    await context.settle(only(await context.claim()), park);
    same((await context.delivery(id)).queue, 'own');
    same(await context.claimResult(), { deliveries: [] });
    same(ids(await context.claimOwn('whk_a')), [id]);
  },

  'moves a delivery from its own queue to the express queue': async (context) => {
    const { id } = only(await context.publish(1, { webhookId: 'whk_a', queue: 'own' }));
    const back = { status: 'waiting', dueAt: LONG_AGO_MS, queue: 'express' } as const;
    await context.settle(only(await context.claimOwn('whk_a')), back);
    same((await context.delivery(id)).queue, 'express');
    same(await context.claimOwnResult('whk_a'), { deliveries: [] });
    same(ids(await context.claim()), [id]);
  },

  'keeps the place by append among those of equal due time': async (context) => {
    const published = await context.publish(4);
    const [first, second] = await context.claim({ limit: 2 });
    const back = { status: 'waiting', dueAt: LONG_AGO_MS, queue: 'express' } as const;
    if (second) await context.settle(second, back, anAttempt());
    if (first) await context.settle(first, back);
    same(ids(await context.claim()), ids(published));
  },

  'keeps the place by append when parked in the own queue': async (context) => {
    const express = await context.publish(2, { webhookId: 'whk_a' });
    const own = await context.publish(2, { webhookId: 'whk_a', queue: 'own' });
    const park = { status: 'waiting', dueAt: LONG_AGO_MS, queue: 'own' } as const;
    for (const claimed of await context.claim()) await context.settle(claimed, park);
    same(ids(await context.claimOwn('whk_a')), ids([...express, ...own]));
  },

  'answers a mixed batch in its order, each item by itself': async (context) => {
    await context.publish(2);
    const [a, b] = (await context.claim()).map(({ id, token }) => ({ deliveryId: id, token, attempt: OK }));
    assert.ok(a && b);
    const next = { status: 'delivered' } as const;
    const unknown = { ...a, deliveryId: freshId('dlv'), next };
    const batch = [{ ...a, next }, unknown, { ...a, next }, { ...b, next }];
    const results = await context.repos.events.settle(batch, { now: await context.now() });
    same(results, ['applied', 'unknown', 'repeated', 'applied']);
    same((await context.repos.events.attempts(a.deliveryId)).length, 1);
  },

  'settles a thousand claims in one call': async (context) => {
    await context.publish(1_000);
    const claimed = await context.claim({ limit: 1_000 });
    const settlements = claimed.map(({ id, token }) => ({
      deliveryId: id,
      token,
      attempt: OK,
      next: { status: 'delivered' } as const,
    }));
    const results = await context.repos.events.settle(settlements, { now: await context.now() });
    same(results, [...times(1_000, () => 'applied')]);
    same(await context.claimResult(), { deliveries: [] });
  },

  'accepts an empty batch': async (context) => {
    same(await context.repos.events.settle([], { now: await context.now() }), []);
  },

  'lists attempts by ascending number with the tokens of their claims': async (context) => {
    const { id } = only(await context.publish(1));
    const retry = { status: 'waiting', dueAt: LONG_AGO_MS, queue: 'express' } as const;
    for (const n of times(12, (index) => index + 1)) {
      await context.settle(only(await context.claim()), retry, anAttempt({ durationMs: n }));
    }
    const attempts = await context.repos.events.attempts(id);
    same(
      attempts.map(({ number, token, durationMs }) => [number, token, durationMs]),
      times(12, (index) => [index + 1, index + 1, index + 1]),
    );
  },
});
