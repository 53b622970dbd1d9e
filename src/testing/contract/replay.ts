import type { DeliveryRecord } from '../../domain/delivery.ts';
import type { LawContext } from './context.ts';
import { allDistinct, ids, only, same } from './expect.ts';
import { type Law, lawsOf } from './law.ts';
import { anAttempt, freshId, LONG_AGO_MS, times } from './records.ts';

/** A dead letter can be marked for replay, and becomes pending again when its turn comes. */
export const replayLaws: readonly Law[] = lawsOf('replay', {
  'marks exhausted deliveries and no others': async (context) => {
    const dead = await context.exhausted();
    const delivered = only(await context.publish(1));
    await context.settle(only(await context.claim()), { status: 'delivered' });
    const leased = only(await context.publish(1));
    await context.claim();
    const pending = only(await context.publish(1));
    const before = await Promise.all([delivered, leased, pending].map(({ id }) => context.delivery(id)));
    const marked = await mark(context, [...ids(before), dead.id, freshId('dlv')]);
    same(ids(marked), [dead.id]);
    for (const delivery of before) same(await context.delivery(delivery.id), delivery);
  },

  'restarts the counters of a marked delivery and keeps its history': async (context) => {
    const { id } = only(await context.publish(1));
    const retry = { status: 'waiting', dueAt: LONG_AGO_MS, queue: 'express' } as const;
    await context.settle(only(await context.claim()), retry, anAttempt());
    await context.claim({ leaseMs: context.leaseMs });
    await context.outliveLease();
    const end = { status: 'exhausted', reason: 'attempts-used-up' } as const;
    await context.settle(only(await context.claim()), end, anAttempt());
    const { reason: _, completedAt: __, ...dead } = await context.delivery(id);
    const replaying = { ...dead, status: 'replaying', tries: 0, lost: 0, attempts: 3, token: 4 };
    same(only(await mark(context, [id])), replaying);
    same(await context.delivery(id), replaying);
    same((await context.repos.events.attempts(id)).length, 3);
  },

  'marks a delivery once': async (context) => {
    const { id } = await context.exhausted();
    same(ids(await mark(context, [id, id])), [id]);
    same(await mark(context, [id]), []);
    same(ids(await promote(context, 10)), [id]);
    same(await promote(context, 10), []);
  },

  'hands out nothing that waits for its turn': async (context) => {
    const { id } = await context.exhausted({ queue: 'own', webhookId: 'whk_a' });
    await mark(context, [id]);
    same(await context.claimResult(), { deliveries: [] });
    same(await context.claimOwnResult('whk_a'), { deliveries: [] });
    same(await context.repos.events.ownQueues({ limit: 10 }), []);
    const now = await context.now();
    const request = { webhookId: 'whk_a', reason: 'cancelled', now, limit: 10 } as const;
    same(await context.repos.events.exhaustQueue(request), []);
    same((await context.delivery(id)).status, 'replaying');
  },

  'promotes to pending, express and due now': async (context) => {
    const { id } = await context.exhausted({ queue: 'own', webhookId: 'whk_a' });
    const replaying = only(await mark(context, [id]));
    const now = await context.now();
    const promoted = only(await context.repos.events.promoteReplays({ now, limit: 10 }));
    same(promoted, { ...replaying, status: 'pending', queue: 'express', dueAt: now });
    same(await context.delivery(id), promoted);
    same(ids(await context.claim()), [id]);
  },

  'promotes the longest marked first, up to the limit': async (context) => {
    const dead: string[] = [];
    for (const _ of times(5, String)) dead.push((await context.exhausted()).id);
    const order = [2, 0, 4, 1, 3].map((index) => dead[index] ?? '');
    for (const id of order) {
      await mark(context, [id]);
      await context.advance(context.marginMs);
    }
    same(ids(await promote(context, 2)), order.slice(0, 2));
    same(ids(await promote(context, 2)), order.slice(2, 4));
    same(ids(await promote(context, 2)), order.slice(4));
    same(await promote(context, 2), []);
  },

  'promotes each delivery once, however many promote': async (context) => {
    const dead: string[] = [];
    for (const _ of times(30, String)) dead.push((await context.exhausted()).id);
    await mark(context, dead);
    const promoted = (await Promise.all(times(10, () => promote(context, 4)))).flat();
    promoted.push(...(await promote(context, 30)));
    allDistinct(ids(promoted));
    same(ids(promoted).toSorted(), dead.toSorted());
  },

  'marks each delivery once, however many mark': async (context) => {
    const { id } = await context.exhausted();
    const marked = (await Promise.all(times(8, () => mark(context, [id])))).flat();
    same(ids(marked), [id]);
    same(ids(await promote(context, 10)), [id]);
  },

  'marks a delivery only under the token that it was read with, where one is given': async (context) => {
    const { id, token } = await context.exhausted();
    const other = await context.exhausted();
    const now = await context.now();
    const again = async (): Promise<string[]> =>
      ids(await context.repos.events.markReplay([other.id, id], { now, tokens: [other.token + 1, token] }));
    same(await again(), [id]);
    await promote(context, 10);
    const end = { status: 'exhausted', reason: 'attempts-used-up' } as const;
    await context.settle(only(await context.claim()), end, anAttempt());
    // What a repeated call finds that was sent in between.
    same(await again(), []);
    same((await context.delivery(other.id)).status, 'exhausted');
  },

  'goes on with the numbers of attempts, and can end and be replayed again': async (context) => {
    const { id } = await context.exhausted();
    for (const round of [1, 2]) {
      await mark(context, [id]);
      await promote(context, 1);
      const claimed = only(await context.claim());
      same([claimed.token, claimed.tries], [2 * round + 1, 0]);
      await context.settle(claimed, { status: 'exhausted', reason: 'attempts-used-up' }, anAttempt());
    }
    const attempts = await context.repos.events.attempts(id);
    same(
      attempts.map(({ number, token }) => [number, token]),
      [
        [1, 3],
        [2, 5],
      ],
    );
  },
});

async function mark(context: LawContext, which: readonly string[]): Promise<readonly DeliveryRecord[]> {
  return context.repos.events.markReplay(which, { now: await context.now() });
}

async function promote(context: LawContext, limit: number): Promise<readonly DeliveryRecord[]> {
  return context.repos.events.promoteReplays({ now: await context.now(), limit });
}
