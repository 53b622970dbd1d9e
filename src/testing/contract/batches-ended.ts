import type { DeliveryRecord, DeliveryStatus, SettledState } from '../../domain/delivery.ts';
import { batchOf, claimed, settleAll, settlementOf, waiting, waitingState } from './batch-context.ts';
import type { LawContext } from './context.ts';
import { ids, only, same } from './expect.ts';
import { type Law, lawsOf } from './law.ts';
import { anAttempt, freshId } from './records.ts';

const OK = anAttempt({ httpStatus: 200, responseBody: 'ok' });
const DELIVERED: SettledState = { status: 'delivered' };

/** The end of a batch: its members end together, and each is a delivery like any other. */
export const batchesEndedLaws: readonly Law[] = lawsOf('batches', {
  'ends a batch with one settlement, and records its attempt with each': async (context) => {
    await waiting(context, 4);
    const { deliveries } = await claimed(context);
    same(await settleAll(context, deliveries, DELIVERED, OK), 'applied');
    for (const { id, batch } of deliveries) {
      const { status, attempts, tries, ...record } = await context.delivery(id);
      same({ status, attempts, tries }, { status: 'delivered', attempts: 1, tries: 1 });
      same(record.batch, batch);
      same(only(await context.repos.events.attempts(id)), { ...OK, number: 1, token: 1, late: false });
    }
    same(await settleAll(context, deliveries, DELIVERED, OK), 'repeated');
    same((await context.repos.events.attempts(deliveries[3]?.id ?? '')).length, 1);
  },

  'gives a batch up with one settlement': async (context) => {
    await waiting(context, 3);
    const { deliveries } = await claimed(context);
    const end = { status: 'exhausted', reason: 'attempts-used-up' } as const;
    await settleAll(context, deliveries, end, anAttempt());
    for (const { id } of deliveries) {
      const { status, reason, attempts } = await context.delivery(id);
      same({ status, reason, attempts }, { status: 'exhausted', reason: 'attempts-used-up', attempts: 1 });
    }
  },

  'ends none of a batch where one claim is not present any more': async (context) => {
    await waiting(context, 3);
    const { deliveries } = await claimed(context);
    const stale = deliveries.map((delivery, index) => (index === 2 ? { ...delivery, token: 0 } : delivery));
    const result = await settleAll(context, stale, DELIVERED, OK);
    same(result, 'late');
    for (const { id } of deliveries) same((await context.delivery(id)).status, 'delivering');
  },

  'records a late outcome of a batch with each': async (context) => {
    await waiting(context, 3);
    const { deliveries } = await claimed(context, {}, context.leaseMs);
    await context.outliveLease();
    const again = await claimed(context);
    same(await settleAll(context, deliveries, DELIVERED, OK), 'late');
    for (const { id } of again.deliveries) {
      same((await context.delivery(id)).status, 'delivering');
      const attempt = only(await context.repos.events.attempts(id));
      same({ late: attempt.late, httpStatus: attempt.httpStatus }, { late: true, httpStatus: 200 });
    }
  },

  'hands out the parts of a batch that was split': (context) => split(context, { count: 5, at: 3 }),

  'hands out the parts of a batch one of which is a single delivery': (context) =>
    split(context, { count: 3, at: 1 }),

  'ends one of a batch by itself, and leaves the others as they are': async (context) => {
    await waiting(context, 3);
    const { deliveries } = await claimed(context);
    const [first, second, third] = deliveries;
    same(await settleAll(context, deliveries.slice(1, 2), DELIVERED, OK), 'applied');
    same(await statusesOf(context, deliveries), ['delivering', 'delivered', 'delivering']);
    same((await context.delivery(second?.id ?? '')).attempts, 1);
    same(await settleAll(context, deliveries, DELIVERED, OK), 'late');
    same(
      await settleAll(
        context,
        [first, third].filter((one) => one !== undefined),
        DELIVERED,
        OK,
      ),
      'applied',
    );
    same(await statusesOf(context, deliveries), ['delivered', 'delivered', 'delivered']);
  },

  'hands out one by one what a lost claim of a batch held': async (context) => {
    const published = await waiting(context, 3);
    await claimed(context, {}, context.leaseMs);
    await context.outliveLease();
    const singles = await context.claimOwn('whk_any');
    same(ids(singles), ids(published));
    for (const { id, token, lost, attempts } of singles) {
      same({ token, lost, attempts }, { token: 2, lost: 1, attempts: 1 });
      same(only(await context.repos.events.attempts(id)).error?.kind, 'lost');
    }
  },

  'shows a batch under way as its members': async (context) => {
    await waiting(context, 4);
    const { deliveries } = await claimed(context);
    const { events } = context.repos;
    same((await events.countDeliveries({ webhookId: 'whk_any', limit: 10 })).waiting, 4);
    const listed = await events.listDeliveries({ status: 'delivering', limit: 10 });
    same(ids(listed).toSorted(), ids(deliveries).toSorted());
    same(await events.listDeliveries({ status: 'delivered', limit: 10 }), []);
    await settleAll(context, deliveries, DELIVERED, OK);
    same((await events.countDeliveries({ webhookId: 'whk_any', limit: 10 })).waiting, 0);
    same(await events.listDeliveries({ status: 'delivering', limit: 10 }), []);
    same((await events.listDeliveries({ status: 'delivered', limit: 10 })).length, 4);
  },

  'prunes a batch that was delivered, also a part at a time': async (context) => {
    await waiting(context, 5);
    const { deliveries } = await claimed(context);
    await settleAll(context, deliveries, DELIVERED, OK);
    const { events } = context.repos;
    const before = (await context.now()) + context.marginMs;
    const strip = async (limit: number) => (await events.prune({ attemptsBefore: before, limit })).attempts;
    same([await strip(2), await strip(9)], [2, 3]);
    for (const { id } of deliveries) {
      same(await events.attempts(id), []);
      same((await context.delivery(id)).attempts, 1);
    }
    const remove = async (limit: number) =>
      (await events.prune({ deliveredBefore: before, limit })).deliveries;
    same([await remove(2), await remove(9)], [2, 3]);
    same(await events.getDeliveries(ids(deliveries)), []);
  },
});

/** The members of a batch are given back in two parts, which are handed out again as such. */
async function split(
  context: LawContext,
  { count, at }: { readonly count: number; readonly at: number },
): Promise<void> {
  await waiting(context, count);
  const { deliveries } = await claimed(context);
  const parts = [deliveries.slice(0, at), deliveries.slice(at)];
  const settlements = parts.map((part) => {
    const batch = { id: freshId('bat'), size: part.length, refusals: 1 };
    return settlementOf(part, { ...waitingState(), batch }, anAttempt({ counted: false }));
  });
  same(await context.repos.events.settle(settlements, { now: await context.now() }), ['applied', 'applied']);
  const found = [await claimed(context), await claimed(context)];
  same(found.map((part) => ids(part.deliveries)).toSorted(byLength), parts.map(ids).toSorted(byLength));
  for (const part of found) {
    const batch = batchOf(part.deliveries);
    same({ size: batch.size, refusals: batch.refusals }, { size: part.deliveries.length, refusals: 1 });
    for (const { tries, attempts } of part.deliveries) same({ tries, attempts }, { tries: 0, attempts: 1 });
  }
}

async function statusesOf(
  context: LawContext,
  deliveries: readonly DeliveryRecord[],
): Promise<readonly DeliveryStatus[]> {
  const statuses: DeliveryStatus[] = [];
  for (const { id } of deliveries) statuses.push((await context.delivery(id)).status);
  return statuses;
}

function byLength(a: readonly string[], b: readonly string[]): number {
  return b.length - a.length;
}
