import assert from 'node:assert/strict';
import type { DeliveryRecord } from '../../domain/delivery.ts';
import type { LawContext } from './context.ts';
import { only, same } from './expect.ts';
import { type Law, lawsOf } from './law.ts';
import { anAttempt, freshId, LONG_AGO_MS, times } from './records.ts';

const OK = { status: 'delivered' } as const;
const RETRY = { status: 'waiting', dueAt: LONG_AGO_MS, queue: 'express' } as const;

/** Only the holder of the present token ends a claim; a worker that comes too late leaves a record and no effect. */
export const fencingLaws: readonly Law[] = lawsOf('fencing', {
  'records the attempt of a late worker in the place of the lost one, without effect': async (context) => {
    const { stale, current } = await claimedTwice(context);
    const attempt = anAttempt({ httpStatus: 200, responseBody: 'late but done' });
    same(await context.settle(stale, OK, attempt), 'late');
    same(await context.delivery(stale.id), current);
    const stored = only(await context.repos.events.attempts(stale.id));
    same(stored, { ...attempt, number: 1, token: stale.token, late: true });
  },

  'keeps the lost attempt when a late worker made no request': async (context) => {
    const { stale, current } = await claimedTwice(context);
    same(await context.settle(stale, RETRY), 'late');
    same(await context.delivery(stale.id), current);
    same(only(await context.repos.events.attempts(stale.id)).error?.kind, 'lost');
  },

  'lets a late worker change nothing after the newer claim has ended': async (context) => {
    const { stale, current } = await claimedTwice(context);
    same(await context.settle(current, OK, anAttempt({ httpStatus: 200 })), 'applied');
    const settled = await context.delivery(current.id);
    same(await context.settle(stale, RETRY, anAttempt()), 'late');
    same(await context.delivery(current.id), settled);
    const attempts = await context.repos.events.attempts(current.id);
    same(
      attempts.map(({ number, token, late }) => [number, token, late]),
      [
        [1, 1, true],
        [2, 2, false],
      ],
    );
  },

  'records a late attempt once, however often it is reported': async (context) => {
    const { stale } = await claimedTwice(context);
    for (const _ of times(3, String)) same(await context.settle(stale, OK, anAttempt()), 'late');
    same((await context.repos.events.attempts(stale.id)).length, 1);
    same((await context.delivery(stale.id)).attempts, 1);
  },

  'accepts the present token after its lease has run out, until somebody claims': async (context) => {
    await context.publish(1);
    const claimed = only(await context.claim({ leaseMs: context.leaseMs }));
    await context.outliveLease();
    same(await context.settle(claimed, OK, anAttempt({ httpStatus: 200 })), 'applied');
    const { status, lost, attempts } = await context.delivery(claimed.id);
    same([status, lost, attempts], ['delivered', 0, 1]);
  },

  'answers a repeated settlement without doing it again': async (context) => {
    await context.publish(1);
    const claimed = only(await context.claim());
    same(await context.settle(claimed, RETRY, anAttempt()), 'applied');
    const settled = await context.delivery(claimed.id);
    same(await context.settle(claimed, RETRY, anAttempt()), 'repeated');
    same(await context.delivery(claimed.id), settled);
    same((await context.repos.events.attempts(claimed.id)).length, 1);
  },

  'answers a repeated settlement also after the next claim': async (context) => {
    await context.publish(1);
    const claimed = only(await context.claim());
    await context.settle(claimed, RETRY, anAttempt());
    const again = only(await context.claim());
    same(await context.settle(claimed, RETRY, anAttempt()), 'repeated');
    same(await context.delivery(claimed.id), again);
    same((await context.repos.events.attempts(claimed.id)).length, 1);
  },

  'answers a repeated settlement without an attempt, before and after the next claim': async (context) => {
    await context.publish(1);
    const claimed = only(await context.claim());
    same(await context.settle(claimed, RETRY), 'applied');
    same(await context.settle(claimed, RETRY), 'repeated');
    const again = only(await context.claim());
    same(await context.settle(claimed, RETRY), 'repeated');
    same(await context.delivery(claimed.id), again);
    same(await context.repos.events.attempts(claimed.id), []);
  },

  'applies one of concurrent settlements of one claim': async (context) => {
    await context.publish(1);
    const claimed = only(await context.claim());
    const calls = times(8, () => context.settle(claimed, RETRY, anAttempt()));
    const results = (await Promise.all(calls)).toSorted();
    same(results, ['applied', ...times(7, () => 'repeated')]);
    same((await context.repos.events.attempts(claimed.id)).length, 1);
    same((await context.delivery(claimed.id)).tries, 1);
  },

  'applies a settlement and a reclaim at the same time one before the other': async (context) => {
    await context.publish(20);
    const claimed = await context.claim({ leaseMs: context.leaseMs });
    await context.outliveLease();
    const racing = claimed.map(async (delivery) => {
      const attempt = anAttempt({ httpStatus: 200 });
      const [result, again] = await Promise.all([
        context.settle(delivery, OK, attempt),
        context.claim({ limit: 1 }),
      ]);
      return { id: delivery.id, result, again };
    });
    const outcomes = await Promise.all(racing);
    const reclaimed = new Set(outcomes.flatMap(({ again }) => again.map(({ id }) => id)));
    for (const { id, result } of outcomes) {
      same(result, reclaimed.has(id) ? 'late' : 'applied');
      same((await context.delivery(id)).status, reclaimed.has(id) ? 'delivering' : 'delivered');
    }
  },

  'raises the token with every claim and replay and never lowers it': async (context) => {
    const { id } = only(await context.publish(1));
    const tokens: number[] = [];
    const claim = async (leaseMs?: number): Promise<DeliveryRecord> => {
      const claimed = only(await context.claim(leaseMs === undefined ? {} : { leaseMs }));
      tokens.push(claimed.token);
      return claimed;
    };
    await context.settle(await claim(), RETRY);
    await context.settle(await claim(), RETRY, anAttempt());
    await claim(context.leaseMs);
    await context.outliveLease();
    await context.settle(await claim(), { status: 'exhausted', reason: 'attempts-used-up' });
    await context.repos.events.markReplay([id], { now: await context.now() });
    await context.repos.events.promoteReplays({ now: await context.now(), limit: 1 });
    await claim();
    same(tokens, [1, 2, 3, 4, 6]);
  },

  'does not apply a token that nobody was given': async (context) => {
    const { id } = only(await context.publish(1));
    const claimed = only(await context.claim());
    const result = await context.settle({ ...claimed, token: claimed.token + 1 }, OK);
    assert.notEqual(result, 'applied');
    same(await context.delivery(id), claimed);
  },

  'answers unknown for a delivery that there is not': async (context) => {
    const published = only(await context.publish(1));
    same(await context.settle({ ...published, id: freshId('dlv'), token: 1 }, OK, anAttempt()), 'unknown');
  },
});

/** One delivery under its second claim, and the record of the first, whose lease has run out. */
async function claimedTwice(
  context: LawContext,
): Promise<{ stale: DeliveryRecord; current: DeliveryRecord }> {
  await context.publish(1);
  const stale = only(await context.claim({ leaseMs: context.leaseMs }));
  await context.outliveLease();
  return { stale, current: only(await context.claim()) };
}
