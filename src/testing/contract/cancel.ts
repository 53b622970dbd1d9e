import assert from 'node:assert/strict';
import type { DeliveryRecord, SettledState } from '../../domain/delivery.ts';
import type { LawContext } from './context.ts';
import { allDistinct, ids, only, same, sameInAnyOrder } from './expect.ts';
import { type Law, lawsOf } from './law.ts';
import { anAttempt, freshId, LONG_AGO_MS, times } from './records.ts';

const OWN = { queue: 'own', webhookId: 'whk_a' } as const;
const LINE = { ...OWN, orderingKey: 'a' } as const;
const BLOCKER = { orderingKey: 'blocked', blocks: true } as const;
const GIVEN_UP = { status: 'exhausted', reason: 'attempts-used-up' } as const;
const RETRY: SettledState = { status: 'waiting', dueAt: LONG_AGO_MS, queue: 'own' };

/** What waits can be cancelled, wherever it waits, and what waited for it goes on. */
export const cancelLaws: readonly Law[] = lawsOf('cancel', {
  'gives up what waits, whatever its queue and its time, and returns it as it is now': async (context) => {
    const now = await context.now();
    const dueAt = now + 3_600_000;
    const waiting = await published(context, { dueAt }, {}, { ...OWN, dueAt }, OWN, LINE, LINE);
    const ended = { status: 'exhausted', reason: 'cancelled', completedAt: now } as const;
    const cancelled = await context.repos.events.cancel(ids(waiting), { now });
    sameInAnyOrder(
      cancelled,
      waiting.map((delivery) => ({ ...delivery, ...ended })),
    );
    sameInAnyOrder(await context.repos.events.getDeliveries(ids(waiting)), cancelled);
    same(await context.claimResult(), { deliveries: [] });
    same(await context.claimOwnResult('whk_a'), { deliveries: [] });
    same(await context.repos.events.ownQueues({ limit: 9 }), []);
  },

  'keeps the counters and the attempts of what it gives up': async (context) => {
    await context.publish(1, OWN);
    await context.settle(only(await context.claimOwn('whk_a')), RETRY, anAttempt());
    const before = only(await context.repos.events.listDeliveries({ limit: 1 }));
    same(before.status, 'failed');
    const now = await context.now();
    const ended = { status: 'exhausted', reason: 'cancelled', completedAt: now } as const;
    same(only(await context.repos.events.cancel([before.id], { now })), { ...before, ...ended });
    same((await context.repos.events.attempts(before.id)).length, 1);
  },

  'takes a replaying delivery out of the replays': async (context) => {
    const { id } = await context.exhausted();
    await mark(context, id);
    same(only(await cancel(context, id)).reason, 'cancelled');
    same(await promote(context), []);
    same(await context.claimResult(), { deliveries: [] });
    same((await context.delivery(id)).status, 'exhausted');
  },

  'leaves alone what is leased, has ended or is unknown': async (context) => {
    const dead = await context.exhausted();
    await context.publish(1);
    await context.settle(only(await context.claim()), { status: 'delivered' });
    await context.publish(1);
    const leased = only(await context.claim());
    const all = await context.repos.events.listDeliveries({ limit: 9 });
    same(all.length, 3);
    same(await cancel(context, ...ids(all), freshId('dlv')), []);
    sameInAnyOrder(await context.repos.events.listDeliveries({ limit: 9 }), all);
    same((await context.delivery(dead.id)).reason, 'attempts-used-up');
    same(await context.settle(leased, { status: 'delivered' }), 'applied');
  },

  'leaves alone a claim whose lease has run out': async (context) => {
    await context.publish(1);
    const claimed = only(await context.claim({ leaseMs: context.leaseMs }));
    await context.outliveLease();
    same(await cancel(context, claimed.id), []);
    same(await context.settle(claimed, { status: 'delivered' }), 'applied');
  },

  'cancels once, and changes nothing when it is repeated': async (context) => {
    const { id } = only(await context.publish(1));
    same(ids(await cancel(context, id, id)), [id]);
    const cancelled = await context.delivery(id);
    await context.advance(context.marginMs);
    same(await cancel(context, id), []);
    same(await context.delivery(id), cancelled);
    same(await cancel(context), []);
  },

  'cancels each delivery once or lets it be claimed, however many do either': async (context) => {
    const deliveries = await context.publish(60);
    const cancelling = times(6, (n) => cancel(context, ...ids(deliveries.slice(n * 7, n * 7 + 20))));
    const claiming = times(6, () => context.claim({ limit: 5 }));
    const [cancelled, claimed] = await Promise.all([Promise.all(cancelling), Promise.all(claiming)]);
    const gone = [...cancelled.flat(), ...(await cancel(context, ...ids(deliveries)))];
    const all = [...ids(gone), ...ids(claimed.flat())];
    allDistinct(all);
    same(all.toSorted(), ids(deliveries).toSorted());
    for (const { id } of claimed.flat()) same((await context.delivery(id)).status, 'delivering');
    for (const { id } of gone) same((await context.delivery(id)).status, 'exhausted');
  },

  'lets the next of a line go when the first is cancelled, and passes over others': async (context) => {
    const [first, second, third] = await published(context, LINE, LINE, LINE);
    await cancel(context, second?.id);
    await cancel(context, first?.id);
    const next = only(await context.claimOwn('whk_a'));
    same(next.id, third?.id);
    await context.settle(next, { status: 'delivered' });
    same(await context.claimOwnResult('whk_a'), { deliveries: [] });
  },

  'tells of the next of a line as soon as the first is cancelled, whatever that waited for': async (
    context,
  ) => {
    const dueAt = (await context.now()) + 3_600_000;
    const [first] = await published(context, { ...LINE, dueAt }, { ...LINE, dueAt: LONG_AGO_MS + 1 });
    same(await context.claimOwnResult('whk_a', { limit: 0 }), { deliveries: [], nextDueAt: dueAt });
    await cancel(context, first?.id);
    same((await context.claimOwnResult('whk_a', { limit: 0 })).nextDueAt, LONG_AGO_MS + 1);
    same(await context.repos.events.ownQueues({ limit: 9 }), ['whk_a']);
  },

  'lets those behind one go that is cancelled in the express queue or among the replays': async (context) => {
    const [express, replaying, last] = await published(context, { ...LINE, queue: 'express' }, LINE, LINE);
    same(await context.claimOwnResult('whk_a'), { deliveries: [] });
    await cancel(context, express?.id);
    await context.settle(only(await context.claimOwn('whk_a')), GIVEN_UP);
    await mark(context, replaying?.id ?? '');
    same(await context.claimOwnResult('whk_a'), { deliveries: [] });
    await cancel(context, replaying?.id);
    same(ids(await context.claimOwn('whk_a')), [last?.id]);
  },

  'lets those behind a blocker go, which keeps all else': async (context) => {
    const [, second] = await published(context, LINE, LINE);
    const first = only(await context.claimOwn('whk_a'));
    await context.settle(first, { ...GIVEN_UP, blocks: true }, anAttempt());
    const { blocks, ...freed } = await context.delivery(first.id);
    same(blocks, true);
    await context.advance(context.marginMs);
    same(only(await cancel(context, first.id)), freed);
    same(await context.delivery(first.id), freed);
    same(await cancel(context, first.id), []);
    same(ids(await context.claimOwn('whk_a')), [second?.id]);
  },

  'dissolves the batch of what it gives up': async (context) => {
    await published(context, OWN, OWN, OWN);
    const [one, two, three] = await batch(context, 'bat_one');
    assert.ok(one && two && three);
    for (const delivery of [one, two, three]) {
      await context.settle(delivery, { ...RETRY, ...(delivery.batch && { batch: delivery.batch }) });
    }
    same(only(await cancel(context, two.id)).batch, one.batch);
    const next = await batch(context, 'bat_two');
    same(ids(next), [one.id, three.id]);
    for (const delivery of next) same(delivery.batch, { id: 'bat_two', size: 2, refusals: 0 });
  },

  'lets a cancelled delivery be replayed, and be pruned': async (context) => {
    const dead = { status: 'exhausted', reason: 'attempts-used-up', completedAt: LONG_AGO_MS } as const;
    const [again, gone, freed] = await published(context, {}, LINE, { ...OWN, ...dead, ...BLOCKER });
    await cancel(context, again?.id, gone?.id, freed?.id);
    await mark(context, again?.id ?? '');
    same(ids(await promote(context)), [again?.id]);
    same(ids(await context.claim()), [again?.id]);
    const exhaustedBefore = (await context.now()) + 1;
    const pruned = { deliveries: 2, events: 2, attempts: 0, more: false };
    same(await context.repos.events.prune({ exhaustedBefore, limit: 9 }), pruned);
    same(await context.repos.events.getDeliveries([gone?.id ?? '', freed?.id ?? '']), []);
  },
});

/** Appends deliveries with these fields, each with a call of its own. */
async function published(
  context: LawContext,
  ...fields: readonly Partial<DeliveryRecord>[]
): Promise<readonly DeliveryRecord[]> {
  const deliveries: DeliveryRecord[] = [];
  for (const one of fields) deliveries.push(...(await context.publish(1, one)));
  return deliveries;
}

async function cancel(
  context: LawContext,
  ...which: readonly (string | undefined)[]
): Promise<readonly DeliveryRecord[]> {
  const known = which.filter((id) => id !== undefined);
  return context.repos.events.cancel(known, { now: await context.now() });
}

async function mark(context: LawContext, id: string): Promise<void> {
  same(ids(await context.repos.events.markReplay([id], { now: await context.now() })), [id]);
}

async function promote(context: LawContext): Promise<readonly DeliveryRecord[]> {
  return context.repos.events.promoteReplays({ now: await context.now(), limit: 9 });
}

/** Claims one batch of `whk_a`. */
async function batch(context: LawContext, id: string): Promise<readonly DeliveryRecord[]> {
  const rule = { id, maxEvents: 9, maxBytes: 1_000_000, maxWaitMs: 0 };
  const queues = [{ webhookId: 'whk_a', limit: 1, batch: rule }];
  const claimed = only(await context.repos.events.claimQueues({ ...(await context.lease()), queues }));
  return claimed.deliveries.map(({ delivery }) => delivery);
}
