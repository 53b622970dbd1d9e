import assert from 'node:assert/strict';
import { ids, only, rejectsWithConflict, same, sameInAnyOrder } from './expect.ts';
import { type Law, lawsOf } from './law.ts';
import { aDelivery, anEntry, anEvent, times } from './records.ts';

/** An append stores every event with all its deliveries, or nothing. */
export const appendLaws: readonly Law[] = lawsOf('append', {
  'stores an event with all its deliveries and hands back what it stored': async (context) => {
    const event = anEvent();
    const deliveries = [aDelivery(event, { webhookId: 'whk_a' }), aDelivery(event, { webhookId: 'whk_b' })];
    const result = only(await context.append({ event, deliveries }));
    same(result, { event, deliveries, duplicate: false });
    same(only(await context.repos.events.getEvents([event.id])), event);
    sameInAnyOrder(await context.repos.events.getDeliveries(ids(deliveries)), deliveries);
    for (const { id } of deliveries) same(await context.repos.events.attempts(id), []);
  },

  'answers the entries in their order': async (context) => {
    const entries = times(50, () => anEntry());
    const results = await context.append(...entries);
    same(
      results,
      entries.map((entry) => ({ ...entry, duplicate: false })),
    );
  },

  'stores an event that nobody subscribed to': async (context) => {
    const event = anEvent();
    same(only(await context.append({ event, deliveries: [] })), { event, deliveries: [], duplicate: false });
    same(only(await context.repos.events.getEvents([event.id])), event);
  },

  'accepts an empty batch': async (context) => {
    same(await context.append(), []);
  },

  'stores deliveries that are exhausted from the start, and never hands them out': async (context) => {
    const now = await context.now();
    const dead = { status: 'exhausted', reason: 'webhook-unavailable', completedAt: now } as const;
    const entry = anEntry(dead);
    await context.append(entry);
    same(await context.delivery(only(entry.deliveries).id), only(entry.deliveries));
    same(await context.claimResult(), { deliveries: [] });
  },

  'stores nothing of a batch in which one event conflicts by its id': async (context) => {
    const taken = anEntry();
    await context.append(taken);
    const conflicting = anEntry();
    const event = { ...conflicting.event, id: taken.event.id };
    await refusesAsAWhole(context, { ...conflicting, event });
  },

  'stores nothing of a batch in which one event conflicts by its key': async (context) => {
    await context.append({ event: anEvent({ idempotencyKey: 'key' }), deliveries: [] });
    const conflicting = anEntry();
    await refusesAsAWhole(context, {
      ...conflicting,
      event: { ...conflicting.event, idempotencyKey: 'key' },
    });
  },

  'stores nothing of a batch with a delivery id that is in use: never a part of a fan-out': async (
    context,
  ) => {
    const taken = only(await context.publish(1));
    const event = anEvent();
    const deliveries = [aDelivery(event), aDelivery(event, { id: taken.id }), aDelivery(event)];
    await assert.rejects(context.append({ event, deliveries }));
    same(await context.repos.events.getEvents([event.id]), []);
    same(ids(await context.repos.events.listDeliveries({ limit: 100 })), [taken.id]);
    same(ids(await context.claim()), [taken.id]);
  },

  'can store what was refused once the cause is gone': async (context) => {
    const taken = anEntry();
    await context.append(taken);
    const [first, second] = [anEntry(), anEntry()];
    const conflicting = { event: { ...anEvent(), id: taken.event.id }, deliveries: [] };
    await rejectsWithConflict(context.append(first, conflicting, second));
    const results = await context.append(first, second);
    same(
      results.map((result) => result.duplicate),
      [false, false],
    );
  },

  'does not ignore a transaction that it cannot join': async (context) => {
    const entry = anEntry();
    const tx = { notA: 'transaction' };
    await assert.rejects(context.repos.events.append([entry], { now: await context.now(), tx }));
    same(await context.repos.events.getEvents([entry.event.id]), []);
  },

  'takes a thousand events in one batch': async (context) => {
    const deliveries = await context.publish(1_000);
    assert.equal(deliveries.length, 1_000);
    same(ids(await context.claim({ limit: 2_000 })), ids(deliveries));
  },

  'takes a thousand deliveries of one event': async (context) => {
    const event = anEvent();
    const deliveries = times(1_000, (n) => aDelivery(event, { webhookId: `whk_${n}` }));
    const result = only(await context.append({ event, deliveries }));
    same(ids(result.deliveries), ids(deliveries));
    same(ids(await context.claim({ limit: 2_000 })), ids(deliveries));
  },
});

async function refusesAsAWhole(
  context: Parameters<Law['run']>[0],
  conflicting: ReturnType<typeof anEntry>,
): Promise<void> {
  const [before, after] = [anEntry(), anEntry()];
  await rejectsWithConflict(context.append(before, conflicting, after));
  same(await context.repos.events.getEvents([before.event.id, after.event.id]), []);
  const deliveries = [before, conflicting, after].flatMap((entry) => ids(entry.deliveries));
  same(await context.repos.events.getDeliveries(deliveries), []);
  const claimed = ids(await context.claim());
  assert.ok(!claimed.some((id) => deliveries.includes(id)), 'a refused delivery was handed out');
}
