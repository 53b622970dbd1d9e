import assert from 'node:assert/strict';
import type { AttemptRecord } from '../../domain/delivery.ts';
import { ids, only, same } from './expect.ts';
import { type Law, lawsOf } from './law.ts';
import { anAttempt, LONG_AGO_MS, times } from './records.ts';

const HOUR_MS = 3_600_000;

/** A lease is kept until its end and no longer, and a claim whose outcome nobody recorded leaves a trace. */
export const leasesLaws: readonly Law[] = lawsOf('leases', {
  'keeps a lease until its end, and no longer': async (context) => {
    const { id } = only(await context.publish(1));
    await context.claim({ leaseMs: context.leaseMs });
    await context.advance(context.leaseMs - context.marginMs);
    same(await context.claim(), []);
    await context.advance(context.marginMs);
    same(ids(await context.claim()), [id]);
  },

  'records the lost claim as an attempt when it is claimed again': async (context) => {
    const { id } = only(await context.publish(1));
    const first = only(await context.claim({ leaseMs: context.leaseMs }));
    await context.outliveLease();
    same(await context.repos.events.attempts(id), [], 'nobody has claimed it again yet');
    const second = only(await context.claim());
    const { leaseUntil } = second;
    same(second, { ...first, token: 2, leaseUntil, attempts: 1, lost: 1, tries: 0 });
    isLost(only(await context.repos.events.attempts(id)), { number: 1, token: 1 });
  },

  'numbers lost claims and attempts without a gap': async (context) => {
    const { id } = only(await context.publish(1));
    const retry = { status: 'waiting', dueAt: LONG_AGO_MS, queue: 'express' } as const;
    for (const round of times(3, (n) => n)) {
      const claimed = only(await context.claim({ leaseMs: context.leaseMs }));
      if (round === 1) await context.settle(claimed, retry, anAttempt());
      else await context.outliveLease();
    }
    const last = only(await context.claim());
    same([last.attempts, last.lost, last.tries, last.token], [3, 2, 1, 4]);
    const attempts = await context.repos.events.attempts(id);
    same(
      attempts.map(({ number, token, error }) => [number, token, error?.kind]),
      [
        [1, 1, 'lost'],
        [2, 2, undefined],
        [3, 3, 'lost'],
      ],
    );
  },

  'hands out a lost delivery in its turn: as if due at the end of its lease': async (context) => {
    const start = await context.now();
    const lost = only(await context.publish(1));
    await context.claim({ leaseMs: context.leaseMs });
    const after = only(await context.publish(1, { dueAt: start + 3 * context.leaseMs }));
    const before = only(await context.publish(1, { dueAt: LONG_AGO_MS }));
    await context.advance(4 * context.leaseMs);
    same(ids(await context.claim()), [before.id, lost.id, after.id]);
  },

  'gives a lost delivery to one of many claimers, with one lost attempt': async (context) => {
    const published = await context.publish(20);
    await context.claim({ leaseMs: context.leaseMs });
    await context.outliveLease();
    const claims = await Promise.all(times(8, () => context.claim({ limit: 5 })));
    const claimed = [...claims.flat(), ...(await context.claim())];
    same(ids(claimed).toSorted(), ids(published).toSorted());
    for (const { id, token } of claimed) {
      same(token, 2);
      isLost(only(await context.repos.events.attempts(id)), { number: 1, token: 1 });
    }
  },

  'does not hand out again what was settled, when its former lease ends': async (context) => {
    await context.publish(1);
    const claimed = only(await context.claim({ leaseMs: context.leaseMs }));
    await context.settle(claimed, { status: 'delivered' }, anAttempt({ httpStatus: 200 }));
    await context.outliveLease();
    same(await context.claimResult(), { deliveries: [] });
    same((await context.delivery(claimed.id)).lost, 0);
  },

  'does not hand out a retry at the end of its former lease but at its own time': async (context) => {
    const { id } = only(await context.publish(1));
    const claimed = only(await context.claim({ leaseMs: context.leaseMs }));
    const dueAt = (await context.now()) + 100 * context.leaseMs;
    await context.settle(claimed, { status: 'waiting', dueAt, queue: 'express' }, anAttempt());
    await context.outliveLease();
    same(await context.claimResult(), { deliveries: [], nextDueAt: dueAt });
    same(ids(await context.repos.events.listDeliveries({ status: 'failed', limit: 9 })), [id]);
  },

  'is judged by one clock: the one of the store, or of each caller where it has none': async (context) => {
    const now = await context.now();
    const soon = await context.publish(1, { dueAt: now + HOUR_MS / 2 });
    const ahead = { now: now + HOUR_MS, leaseUntil: now + HOUR_MS + 60_000, limit: 10 };
    const { deliveries } = await context.repos.events.claimExpress(ahead);
    if (!context.hasStoreClock) {
      same(only(deliveries).delivery.leaseUntil, ahead.leaseUntil);
      return;
    }
    same(deliveries, [], 'a fast caller got what is not due by the clock of the store');
    await context.publish(1);
    const { delivery } = only((await context.repos.events.claimExpress(ahead)).deliveries);
    const length = (delivery.leaseUntil ?? 0) - (await context.now());
    assert.ok(length > 0 && length <= 60_000, `a lease of 60 s was to end in ${length} ms`);
    assert.notEqual(delivery.id, only(soon).id);
  },
});

function isLost(attempt: AttemptRecord, expected: { number: number; token: number }): void {
  const { number, token, late, httpStatus, counted, error, request, startedAt, durationMs } = attempt;
  same({ number, token }, expected);
  same([late, httpStatus, counted, error?.kind], [false, 0, false, 'lost']);
  same(request, { url: '', headers: {} });
  assert.ok(Number.isFinite(startedAt) && durationMs >= 0, 'startedAt and durationMs are numbers');
}
