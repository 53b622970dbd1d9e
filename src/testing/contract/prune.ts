import type { DeliveryRecord } from '../../domain/delivery.ts';
import type { PruneRequest, PruneResult } from '../../repos.ts';
import type { LawContext } from './context.ts';
import { ids, only, same } from './expect.ts';
import { type Law, lawsOf } from './law.ts';
import { aDelivery, anAttempt, anEvent, freshId, LONG_AGO_MS, times } from './records.ts';

/** What has ended long enough ago can be removed, a little at a time, and nothing else goes with it. */
export const pruneLaws: readonly Law[] = lawsOf('prune', {
  'removes a delivery that was delivered before the bound, with its attempts and its event': async (
    context,
  ) => {
    const old = await delivered(context);
    same(await prune(context, { deliveredBefore: endOf(old) + 1 }), {
      deliveries: 1,
      events: 1,
      attempts: 1,
    });
    await isGone(context, old);
    same(await context.repos.events.getEvents([old.eventId]), []);
  },

  'keeps what ended at the bound or after it': async (context) => {
    const kept = await delivered(context);
    same(await prune(context, { deliveredBefore: endOf(kept) }), NOTHING);
    same(await context.delivery(kept.id), kept);
    same((await context.repos.events.attempts(kept.id)).length, 1);
  },

  'removes a dead letter by its own bound': async (context) => {
    const dead = await context.exhausted();
    const fine = await delivered(context);
    const bound = Math.max(endOf(dead), endOf(fine)) + 1;
    same(await prune(context, { exhaustedBefore: bound }), { deliveries: 1, events: 1, attempts: 0 });
    await isGone(context, dead);
    same(await context.delivery(fine.id), fine);
    same(await prune(context, { deliveredBefore: bound }), { deliveries: 1, events: 1, attempts: 1 });
  },

  'keeps everything where no bound is given': async (context) => {
    const dead = await context.exhausted();
    const fine = await delivered(context);
    same(await prune(context, {}), NOTHING);
    same(await context.delivery(dead.id), dead);
    same(await context.delivery(fine.id), fine);
  },

  'removes nothing that waits, is leased or is replaying': async (context) => {
    const replaying = await context.exhausted();
    await context.repos.events.markReplay([replaying.id], { now: await context.now() });
    const retried = only(await context.publish(1));
    await context.settle(only(await context.claim()), aWait(await context.now()), anAttempt());
    const leased = only(await context.publish(1));
    same(ids(await context.claim({ limit: 1 })).length, 1);
    const own = only(await context.publish(1, { queue: 'own', webhookId: 'whk_a' }));
    const all = [replaying, retried, leased, own];
    const before = await Promise.all(all.map(({ id }) => context.delivery(id)));
    same(await prune(context, await everythingBefore(context)), NOTHING);
    for (const delivery of before) same(await context.delivery(delivery.id), delivery);
    same((await context.repos.events.getEvents(all.map(({ eventId }) => eventId))).length, 4);
    same((await context.repos.events.attempts(retried.id)).length, 1);
  },

  'removes a delivery again after its replay has ended': async (context) => {
    const dead = await context.exhausted();
    await context.repos.events.markReplay([dead.id], { now: await context.now() });
    await context.repos.events.promoteReplays({ now: await context.now(), limit: 1 });
    await context.settle(only(await context.claim()), { status: 'delivered' }, anAttempt());
    const bounds = await everythingBefore(context);
    same(await prune(context, { exhaustedBefore: bounds.exhaustedBefore }), NOTHING);
    same(await prune(context, bounds), { deliveries: 1, events: 1, attempts: 1 });
    await isGone(context, dead);
  },

  'keeps an event until its last delivery has gone': async (context) => {
    const event = anEvent();
    const [first, second] = [aDelivery(event), aDelivery(event)];
    await context.repos.events.append([{ event, deliveries: [first, second] }], { now: await context.now() });
    const claimed = await context.claim();
    const one = only(claimed.filter(({ id }) => id === first.id));
    const other = only(claimed.filter(({ id }) => id === second.id));
    await context.settle(one, { status: 'delivered' });
    same(await prune(context, await everythingBefore(context)), { deliveries: 1, events: 0, attempts: 0 });
    same((await context.repos.events.getEvents([event.id])).length, 1);
    await context.settle(other, { status: 'delivered' });
    same(await prune(context, await everythingBefore(context)), { deliveries: 1, events: 1, attempts: 0 });
    same(await context.repos.events.getEvents([event.id]), []);
  },

  'removes an event that nobody was subscribed to, by when it was published': async (context) => {
    const [old, young] = [LONG_AGO_MS, LONG_AGO_MS + 1000].map((createdAt) => anEvent({ createdAt }));
    const entries = [old, young]
      .filter((event) => event !== undefined)
      .map((event) => ({ event, deliveries: [] }));
    await context.repos.events.append(entries, { now: await context.now() });
    const bound = LONG_AGO_MS + 1000;
    same(await prune(context, { exhaustedBefore: bound, attemptsBefore: bound }), NOTHING);
    same(await prune(context, { deliveredBefore: bound }), { deliveries: 0, events: 1, attempts: 0 });
    same(ids(await context.repos.events.getEvents(entries.map(({ event }) => event.id))), [young?.id]);
  },

  'frees the id and the idempotency key of an event': async (context) => {
    const event = anEvent({ idempotencyKey: 'key' });
    const entry = { event, deliveries: [aDelivery(event)] };
    await context.repos.events.append([entry], { now: await context.now() });
    await context.settle(only(await context.claim()), { status: 'delivered' });
    await prune(context, await everythingBefore(context));
    const again = { ...event, fingerprint: 'another' };
    const deliveries = [aDelivery(again)];
    const result = only(
      await context.repos.events.append([{ event: again, deliveries }], { now: await context.now() }),
    );
    same(result, { event: again, deliveries, duplicate: false });
    same(ids(await context.claim()), ids(deliveries));
  },

  'removes attempts by a bound of their own and keeps the count of the delivery': async (context) => {
    const fine = await delivered(context);
    const dead = await context.exhausted();
    const bound = Math.max(endOf(fine), endOf(dead)) + 1;
    same(await prune(context, { attemptsBefore: endOf(fine) }), NOTHING);
    same(await prune(context, { attemptsBefore: bound }), { deliveries: 0, events: 0, attempts: 1 });
    same(await context.repos.events.attempts(fine.id), []);
    same(await context.delivery(fine.id), fine);
    same(await prune(context, { attemptsBefore: bound }), NOTHING);
  },

  'takes no more than the limit at a time, the longest ended first, and says whether more is left': async (
    context,
  ) => {
    const all: DeliveryRecord[] = [];
    for (const _ of times(5, String)) {
      all.push(await delivered(context));
      await context.advance(context.marginMs);
    }
    const bounds = await everythingBefore(context);
    const left: number[] = [];
    for (let more = true; more; ) {
      const result = await context.repos.events.prune({ ...bounds, limit: 2 });
      more = result.more;
      const kept = await context.repos.events.getDeliveries(ids(all));
      left.push(kept.length);
      same(ids(kept).toSorted(), ids(all.slice(5 - kept.length)).toSorted());
    }
    same(left.slice(0, 3), [3, 1, 0]);
    same(await context.repos.events.listDeliveries({ limit: 10 }), []);
  },

  'takes a pruned delivery out of every listing': async (context) => {
    const old = await delivered(context);
    const young = only(await context.publish(1));
    await prune(context, await everythingBefore(context));
    const { tenantId, webhookId, eventType } = old;
    for (const query of [{}, { tenantId }, { webhookId }, { eventType }]) {
      same(ids(await context.repos.events.listDeliveries({ ...query, limit: 10 })), [young.id]);
    }
    same(await context.repos.events.listDeliveries({ status: 'delivered', limit: 10 }), []);
  },

  'calls a settlement of a pruned delivery unknown': async (context) => {
    const old = await delivered(context);
    await prune(context, await everythingBefore(context));
    same(await context.settle(old, { status: 'delivered' }, anAttempt()), 'unknown');
    same(await context.repos.events.attempts(old.id), []);
    same(await context.repos.events.markReplay([old.id], { now: await context.now() }), []);
  },
});

const NOTHING = { deliveries: 0, events: 0, attempts: 0 };

/** One step with room for everything: what went. */
async function prune(
  context: LawContext,
  bounds: Omit<PruneRequest, 'limit'>,
): Promise<Omit<PruneResult, 'more'>> {
  const { deliveries, events, attempts } = await context.repos.events.prune({ ...bounds, limit: 100 });
  return { deliveries, events, attempts };
}

/** One delivery that was delivered with one attempt, as it is then. */
async function delivered(context: LawContext): Promise<DeliveryRecord> {
  const { id } = only(await context.publish(1));
  const claimed = only((await context.claim()).filter((delivery) => delivery.id === id));
  same(await context.settle(claimed, { status: 'delivered' }, anAttempt({ httpStatus: 204 })), 'applied');
  return context.delivery(id);
}

function endOf({ completedAt }: DeliveryRecord): number {
  return completedAt ?? Number.NaN;
}

async function everythingBefore(
  context: LawContext,
): Promise<{ deliveredBefore: number; exhaustedBefore: number; attemptsBefore: number }> {
  const bound = (await context.now()) + 60_000;
  return { deliveredBefore: bound, exhaustedBefore: bound, attemptsBefore: bound };
}

function aWait(now: number): { status: 'waiting'; dueAt: number; queue: 'express' } {
  return { status: 'waiting', dueAt: now + 3_600_000, queue: 'express' };
}

async function isGone(context: LawContext, { id }: DeliveryRecord): Promise<void> {
  same(await context.repos.events.getDeliveries([id]), []);
  same(await context.repos.events.attempts(id), []);
  same(await context.repos.events.getDeliveries([id, freshId('dlv')]), []);
}
