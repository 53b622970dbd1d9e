import assert from 'node:assert/strict';
import { bytesInBatch } from '../../domain/batch.ts';
import type { DeliveryRecord, SettledState } from '../../domain/delivery.ts';
import type { EventRecord } from '../../domain/event.ts';
import type { BatchClaim, ClaimResult } from '../../repos.ts';
import { batchOf, claimed, queueOf, ruleOf, settleAll, waiting, waitingState } from './batch-context.ts';
import type { LawContext } from './context.ts';
import { allDistinct, ids, only, same } from './expect.ts';
import { type Law, lawsOf } from './law.ts';
import { aDelivery, anAttempt, anEvent, LONG_AGO_MS, times } from './records.ts';

const OK = anAttempt({ httpStatus: 200, responseBody: 'ok' });
const DELIVERED: SettledState = { status: 'delivered' };

/** A claim of a batch: deliveries of one kind that are handed out, ended and handed out again together. */
export const batchesLaws: readonly Law[] = lawsOf('batches', {
  'forms a batch of what is due, in the order of its append': async (context) => {
    const published = await waiting(context, 3);
    const { rule, deliveries } = await claimed(context);
    same(ids(deliveries), ids(published));
    for (const delivery of deliveries) {
      same(delivery.batch, { id: rule.id, size: 3, refusals: 0 });
      same({ status: delivery.status, token: delivery.token }, { status: 'delivering', token: 1 });
      same(await context.delivery(delivery.id), delivery);
    }
    same((await claimed(context)).deliveries, []);
  },

  'forms a batch of one where one is due': async (context) => {
    await waiting(context, 1);
    const later = (await context.now()) + 9_000_000;
    await context.publish(1, { queue: 'own', dueAt: later });
    const { deliveries, nextDueAt } = await claimed(context);
    same(only(deliveries).batch?.size, 1);
    same(nextDueAt, only(deliveries).leaseUntil);
  },

  'puts no more than maxEvents into a batch, and the rest into others': async (context) => {
    const published = await waiting(context, 7);
    const queues = times(4, () => queueOf(ruleOf({ maxEvents: 3 })));
    const results = await context.repos.events.claimQueues({ ...(await context.lease()), queues });
    same(results.map(idsOf), [
      ids(published.slice(0, 3)),
      ids(published.slice(3, 6)),
      ids(published.slice(6)),
      [],
    ]);
    same(
      results.slice(0, 3).map(({ deliveries }) => deliveries[0]?.delivery.batch?.id),
      queues.slice(0, 3).map(({ batch }) => batch?.id),
    );
  },

  'puts no more than maxBytes into a batch, one delivery at least': async (context) => {
    const bodies = [400, 400, 2_000, 10, 10];
    const events = bodies.map((length) => anEvent({ body: new Uint8Array(length).fill(65) }));
    await store(context, events);
    const [first] = events;
    assert.ok(first);
    const maxBytes = 2 * bytesInBatch(first);
    const sizes: number[] = [];
    for (let calls = 0; calls < 4; calls += 1) {
      const { deliveries } = await claimed(context, { maxBytes });
      sizes.push(deliveries.length);
    }
    same(sizes, [2, 1, 2, 0]);
  },

  'ends a batch where the content type or the headers change': async (context) => {
    const [xml, traced] = [{ contentType: 'text/xml' }, { headers: { 'x-trace': '1' } }];
    const kinds: readonly Partial<EventRecord>[] = [{}, {}, xml, xml, traced, {}];
    await store(
      context,
      kinds.map((fields) => anEvent(fields)),
    );
    const sizes: number[] = [];
    for (let calls = 0; calls < 5; calls += 1) sizes.push((await claimed(context)).deliveries.length);
    same(sizes, [2, 2, 1, 1, 0]);
  },

  'ends a batch where the number of tries changes': async (context) => {
    await waiting(context, 2);
    const failed = await context.claimOwn('whk_any', { limit: 1 });
    await context.settle(only(failed), waitingState(), anAttempt());
    same((await claimed(context)).deliveries.length, 1);
    same((await claimed(context)).deliveries.length, 1);
  },

  'lets a batch wait for others, until its first has waited for maxWaitMs': async (context) => {
    const wait = { maxWaitMs: 2 * context.leaseMs, maxEvents: 3 };
    const dueAt = await context.now();
    await context.publish(2, { queue: 'own', dueAt });
    same(await look(context, wait, 1), { deliveries: [], nextDueAt: dueAt + wait.maxWaitMs });
    await context.advance(wait.maxWaitMs + context.marginMs);
    same((await claimed(context, wait)).deliveries.length, 2);
  },

  'does not let a batch wait that is full': async (context) => {
    const wait = { maxWaitMs: 9_000_000, maxEvents: 3 };
    const dueAt = await context.now();
    await context.publish(4, { queue: 'own', dueAt });
    same((await claimed(context, wait)).deliveries.length, 3);
    same((await claimed(context, wait)).deliveries, []);
  },

  'hands nothing out to a look, and tells it when': async (context) => {
    const dueAt = await context.now();
    const published = await context.publish(2, { queue: 'own', dueAt });
    const wait = { maxWaitMs: 9_000_000 };
    same(await look(context, wait, 0), { deliveries: [], nextDueAt: dueAt + wait.maxWaitMs });
    same(await look(context, {}, 0), { deliveries: [], nextDueAt: dueAt });
    for (const { id, token } of published) same((await context.delivery(id)).token, token);
  },

  'hands a batch out again as it was, whatever came meanwhile': async (context) => {
    const published = await waiting(context, 3);
    const { deliveries } = await claimed(context);
    const batch = batchOf(deliveries);
    await waiting(context, 2);
    const state = { ...waitingState(), batch: { ...batch, refusals: 1 } };
    same(await settleAll(context, deliveries, state, anAttempt()), 'applied');
    const again = await claimed(context);
    const next = await claimed(context);
    const both = [again, next].toSorted((a, b) => b.deliveries.length - a.deliveries.length);
    same(ids(both[0]?.deliveries ?? []), ids(published));
    for (const delivery of both[0]?.deliveries ?? []) same(delivery.batch, { ...batch, refusals: 1 });
    same(both[1]?.deliveries.length, 2);
  },

  'hands a batch out in the order of its append each time, whatever is due first': async (context) => {
    const published: DeliveryRecord[] = [];
    for (const early of [1, 3, 2]) {
      published.push(...(await context.publish(1, { queue: 'own', dueAt: LONG_AGO_MS - early })));
    }
    same(ids((await claimed(context, {}, context.leaseMs)).deliveries), ids(published));
    await context.outliveLease();
    same(ids((await claimed(context)).deliveries), ids(published));
  },

  'hands a batch out again whose lease has run out, with the lost claim of each': async (context) => {
    await waiting(context, 3);
    const { deliveries } = await claimed(context, {}, context.leaseMs);
    await waiting(context, 1);
    same((await claimed(context, { maxEvents: 1 })).deliveries.length, 1);
    await context.outliveLease();
    const again = await claimed(context);
    same(ids(again.deliveries), ids(deliveries));
    for (const { id, batch, lost, token, attempts } of again.deliveries) {
      same({ batch, lost, token, attempts }, { batch: batchOf(deliveries), lost: 1, token: 2, attempts: 1 });
      same(only(await context.repos.events.attempts(id)).error?.kind, 'lost');
    }
  },

  'does not take what is in a whole batch into another': async (context) => {
    const first = only(await waiting(context, 1));
    await waiting(context, 2);
    await context.claimOwn('whk_any', { limit: 1 });
    const { deliveries } = await claimed(context);
    await settleAll(context, deliveries, { ...waitingState(), batch: batchOf(deliveries) });
    const claim = { ...(await context.delivery(first.id)) };
    await context.settle(claim, { status: 'waiting', dueAt: LONG_AGO_MS - 1, queue: 'own' });
    same(ids((await claimed(context)).deliveries), [first.id]);
    same(ids((await claimed(context)).deliveries), ids(deliveries));
  },

  'dissolves a batch that is not whole any more': async (context) => {
    await waiting(context, 3);
    const { deliveries } = await claimed(context);
    const [one, ...others] = deliveries;
    assert.ok(one);
    const batch = batchOf(deliveries);
    await context.settle(one, DELIVERED, OK);
    for (const other of others) await context.settle(other, { ...waitingState(), batch });
    const next = await claimed(context);
    same(ids(next.deliveries), ids(others));
    for (const delivery of next.deliveries) same(delivery.batch, { id: next.rule.id, size: 2, refusals: 0 });
  },

  'dissolves a batch of which one waits for its turn': async (context) => {
    for (const orderingKey of ['a', 'a', 'b']) await context.publish(1, { queue: 'own', orderingKey });
    const first = only((await claimed(context, { maxEvents: 1 })).deliveries);
    await context.settle(first, { status: 'exhausted', reason: 'attempts-used-up' });
    const { deliveries } = await claimed(context);
    same(deliveries.length, 2);
    const now = await context.now();
    await context.repos.events.markReplay([first.id], { now });
    await context.repos.events.promoteReplays({ now, limit: 1 });
    const replayed = only(await context.claim());
    await settleAll(context, deliveries, { ...waitingState(), batch: batchOf(deliveries) });
    await context.settle(replayed, waitingState());
    const next = (await claimed(context)).deliveries;
    same(ids(next), [first.id, deliveries[1]?.id]);
  },

  'lets deliveries leave their batch that are given back without it, or claimed one by one': async (
    context,
  ) => {
    await waiting(context, 2);
    const { deliveries } = await claimed(context);
    await settleAll(context, deliveries, { ...waitingState(), batch: batchOf(deliveries) });
    for (const single of await context.claimOwn('whk_any')) {
      same(single.batch, undefined);
      same((await context.delivery(single.id)).batch, undefined);
      await context.settle(single, waitingState());
    }
    const again = await claimed(context);
    await settleAll(context, again.deliveries, waitingState());
    for (const { id } of again.deliveries) same((await context.delivery(id)).batch, undefined);
  },

  'replays a delivery without the batch it was in': async (context) => {
    await waiting(context, 2);
    const { deliveries } = await claimed(context);
    await settleAll(context, deliveries, { status: 'exhausted', reason: 'attempts-used-up' }, anAttempt());
    const now = await context.now();
    const marked = await context.repos.events.markReplay(ids(deliveries), { now });
    same(
      marked.map(({ batch }) => batch),
      [undefined, undefined],
    );
  },

  'puts of an ordering key one delivery at a time into batches': async (context) => {
    for (const orderingKey of ['a', 'b', 'a', 'b', 'a'])
      await context.publish(1, { queue: 'own', orderingKey });
    const keys: string[][] = [];
    for (let calls = 0; calls < 3; calls += 1) {
      const { deliveries } = await claimed(context);
      keys.push(deliveries.map(({ orderingKey }) => orderingKey ?? ''));
      await settleAll(context, deliveries, DELIVERED, OK);
    }
    same(keys, [['a', 'b'], ['a', 'b'], ['a']]);
  },

  'gives each delivery to one batch, however many claim': async (context) => {
    const published = await waiting(context, 60);
    const found = await Promise.all(times(10, () => claimed(context, { maxEvents: 7 })));
    found.push(await claimed(context, { maxEvents: 1_000 }));
    const all = found.flatMap(({ deliveries }) => ids(deliveries));
    allDistinct(all);
    same(all.toSorted(), ids(published).toSorted());
    for (const { deliveries } of found) {
      for (const { batch } of deliveries) same(batch?.size, deliveries.length);
    }
  },
});

function idsOf({ deliveries }: ClaimResult): readonly string[] {
  return deliveries.map(({ delivery }) => delivery.id);
}

/** Appends these events, each with one delivery of the own queue. */
async function store(context: LawContext, events: readonly EventRecord[]): Promise<void> {
  await context.append(
    ...events.map((event) => ({ event, deliveries: [aDelivery(event, { queue: 'own' })] })),
  );
}

async function look(context: LawContext, fields: Partial<BatchClaim>, limit: number): Promise<ClaimResult> {
  const queues = [{ ...queueOf(ruleOf(fields)), limit }];
  return only(await context.repos.events.claimQueues({ ...(await context.lease()), queues }));
}
