import assert from 'node:assert/strict';
import type { DeliveryRecord } from '../../domain/delivery.ts';
import type { DeliveryQuery } from '../../repos.ts';
import type { LawContext } from './context.ts';
import { ids, only, same, sameInAnyOrder } from './expect.ts';
import { type Law, lawsOf } from './law.ts';
import { aDelivery, anEntry, anEvent, freshId, LONG_AGO_MS, times } from './records.ts';

/** Deliveries are listed by age, from either end, in pages that stay right while rows come and change. */
export const listingLaws: readonly Law[] = lawsOf('listing', {
  'lists newest first, and by id where the times are equal': async (context) => {
    const published: DeliveryRecord[] = [];
    for (const ms of [3, 1, 2, 3, 1, 3]) {
      published.push(...(await context.publish(2, { createdAt: LONG_AGO_MS + ms })));
    }
    const newestFirst = published.toSorted((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1));
    same(await context.repos.events.listDeliveries({ limit: 100 }), newestFirst);
  },

  'goes by id, not by append, where the times are equal': async (context) => {
    const order = [4, 0, 3, 1, 5, 2].map((n) => `dlv_${n}`);
    for (const id of order) await context.append(anEntry({ id }));
    const listed = await context.repos.events.listDeliveries({ limit: 100 });
    same(ids(listed), order.toSorted().toReversed());
  },

  'gives every delivery once over the pages, in the order of one long page': async (context) => {
    await publishMix(context);
    const whole = await context.repos.events.listDeliveries({ limit: 1_000 });
    for (const limit of [1, 2, 3, 7]) same(ids(await everyPage(context, { limit })), ids(whole));
  },

  'keeps the pages right while newer deliveries come in': async (context) => {
    for (const n of times(6, Number)) await context.publish(1, { createdAt: LONG_AGO_MS + n });
    const whole = ids(await context.repos.events.listDeliveries({ limit: 100 }));
    const first = await context.repos.events.listDeliveries({ limit: 3 });
    await context.publish(4, { createdAt: LONG_AGO_MS + 100 });
    const after = first.at(-1);
    assert.ok(after);
    const second = await context.repos.events.listDeliveries({ limit: 3, after: place(after) });
    same([...ids(first), ...ids(second)], whole);
  },

  'goes on behind a place whose delivery is not there': async (context) => {
    const [older, newer] = [LONG_AGO_MS + 1, LONG_AGO_MS + 3];
    const expected = only(await context.publish(1, { createdAt: older }));
    await context.publish(1, { createdAt: newer });
    const after = { createdAt: LONG_AGO_MS + 2, id: freshId('dlv') };
    same(ids(await context.repos.events.listDeliveries({ limit: 9, after })), [expected.id]);
  },

  'lists oldest first where asked to, and by id where the times are equal': async (context) => {
    await publishMix(context);
    const newestFirst = ids(await context.repos.events.listDeliveries({ limit: 1_000 }));
    const listed = await context.repos.events.listDeliveries({ order: 'oldest', limit: 1_000 });
    same(ids(listed), newestFirst.toReversed());
    same(
      ids(await context.repos.events.listDeliveries({ order: 'oldest', limit: 5 })),
      ids(listed).slice(0, 5),
    );
  },

  'gives every delivery once over the pages that begin with the oldest': async (context) => {
    await publishMix(context);
    const query = { tenantId: 'tenant-1', order: 'oldest' } as const;
    const whole = ids(await context.repos.events.listDeliveries({ ...query, limit: 1_000 }));
    for (const limit of [1, 2, 3, 7]) same(ids(await everyPage(context, { ...query, limit })), whole);
  },

  'goes on oldest first behind a place whose delivery is not there': async (context) => {
    await context.publish(1, { createdAt: LONG_AGO_MS + 1 });
    const expected = only(await context.publish(1, { createdAt: LONG_AGO_MS + 3 }));
    const query = { order: 'oldest', limit: 9 } as const;
    const after = { createdAt: LONG_AGO_MS + 2, id: freshId('dlv') };
    same(ids(await context.repos.events.listDeliveries({ ...query, after })), [expected.id]);
    same(await context.repos.events.listDeliveries({ ...query, after: place(expected) }), []);
  },

  'keeps pages of dead letters that begin with the oldest right while these are marked': async (context) => {
    const dead: string[] = [];
    for (const ms of [1, 2, 2, 3, 4, 5]) {
      dead.push((await context.exhausted({ createdAt: LONG_AGO_MS + ms })).id);
    }
    const query = { status: 'exhausted', order: 'oldest', limit: 2 } as const;
    const listed: DeliveryRecord[] = [];
    for (const _ of times(3, Number)) {
      const last = listed.at(-1);
      const page = await context.repos.events.listDeliveries({
        ...query,
        ...(last && { after: place(last) }),
      });
      listed.push(...page);
      await context.repos.events.markReplay(ids(page), { now: await context.now() });
      await context.exhausted({ createdAt: LONG_AGO_MS });
    }
    const oldestFirst = listed.toSorted((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
    same(listed, oldestFirst);
    same(ids(listed).toSorted(), dead.toSorted());
  },

  'holds to since and until on every page, oldest first too': async (context) => {
    for (const ms of [1, 2, 3, 4, 5]) await context.publish(2, { createdAt: LONG_AGO_MS + ms });
    const bounds = { since: LONG_AGO_MS + 2, until: LONG_AGO_MS + 4 };
    const whole = ids(await context.repos.events.listDeliveries({ ...bounds, limit: 9 }));
    same(whole.length, 4);
    for (const limit of [1, 3, 9]) {
      same(ids(await everyPage(context, { ...bounds, limit })), whole);
      same(ids(await everyPage(context, { ...bounds, order: 'oldest', limit })), whole.toReversed());
    }
  },

  'lists deliveries whose time is older than what was listed before': async (context) => {
    const [newer] = await context.publish(1, { createdAt: LONG_AGO_MS + 9 });
    await context.repos.events.listDeliveries({ limit: 9 });
    const [older] = await context.publish(1, { createdAt: LONG_AGO_MS });
    const [middle] = await context.publish(1, { createdAt: LONG_AGO_MS + 5 });
    const listed = await context.repos.events.listDeliveries({ limit: 9 });
    same(ids(listed), [newer?.id, middle?.id, older?.id]);
  },

  'filters by each condition, and by all at once': async (context) => {
    const all = await publishMix(context);
    const conditions: Omit<DeliveryQuery, 'limit'>[] = [
      { tenantId: 'tenant-1' },
      { webhookId: 'whk_1' },
      { eventType: 'invoice.paid' },
      { status: 'pending' },
      { status: 'delivering' },
      { since: LONG_AGO_MS + 2 },
      { until: LONG_AGO_MS + 2 },
    ];
    const combined = { ...conditions[0], ...conditions[1], ...conditions[2], ...conditions[3] };
    conditions.push(combined, { ...combined, since: LONG_AGO_MS + 1, until: LONG_AGO_MS + 3 });
    conditions.push({ tenantId: 'unknown' }, { webhookId: 'unknown' }, { status: 'replaying' });
    for (const query of conditions) {
      const listed = await everyPage(context, { ...query, limit: 3 });
      sameInAnyOrder(listed, all.filter(fits(query)));
      same(ids(await context.repos.events.listDeliveries({ ...query, limit: 1_000 })), ids(listed));
    }
  },

  'takes since as at or after, and until as before': async (context) => {
    for (const ms of [1, 2, 3]) await context.publish(1, { createdAt: LONG_AGO_MS + ms });
    const query = { since: LONG_AGO_MS + 2, until: LONG_AGO_MS + 3, limit: 9 };
    const listed = await context.repos.events.listDeliveries(query);
    same(
      listed.map(({ createdAt }) => createdAt),
      [LONG_AGO_MS + 2],
    );
  },

  'lists by the present status': async (context) => {
    const { id } = only(await context.publish(1));
    const listed = async (status: DeliveryRecord['status']): Promise<string[]> =>
      ids(await context.repos.events.listDeliveries({ status, limit: 9 }));
    const claimed = only(await context.claim());
    same([await listed('pending'), await listed('delivering')], [[], [id]]);
    await context.settle(claimed, { status: 'exhausted', reason: 'cancelled' });
    same([await listed('delivering'), await listed('exhausted')], [[], [id]]);
    await context.repos.events.markReplay([id], { now: await context.now() });
    same([await listed('exhausted'), await listed('replaying')], [[], [id]]);
  },

  'finds all deliveries of an event in the order of their append, as they are now': async (context) => {
    const event = anEvent();
    const deliveries = [3, 1, 2].map((n) => aDelivery(event, { id: `dlv_${n}`, webhookId: `whk_${n}` }));
    await context.append(anEntry(), { event, deliveries }, anEntry());
    const claimed = (await context.claim()).filter(({ eventId }) => eventId === event.id);
    same(await context.repos.events.deliveriesOf(event.id), claimed);
    same(ids(claimed), ids(deliveries));
    const [, gone] = claimed;
    if (gone !== undefined) await context.settle(gone, { status: 'delivered' });
    const deliveredBefore = (await context.now()) + 1;
    same((await context.repos.events.prune({ deliveredBefore, limit: 9 })).deliveries, 1);
    same(ids(await context.repos.events.deliveriesOf(event.id)), ['dlv_3', 'dlv_2']);
  },

  'finds no deliveries of an event that has none, or is unknown': async (context) => {
    const event = anEvent();
    await context.append({ event, deliveries: [] }, anEntry());
    same(await context.repos.events.deliveriesOf(event.id), []);
    same(await context.repos.events.deliveriesOf(freshId('evt')), []);
  },

  'leaves out unknown ids': async (context) => {
    const { id, eventId } = only(await context.publish(1));
    const { events } = context.repos;
    same(ids(await events.getDeliveries([freshId('dlv'), id])), [id]);
    same(ids(await events.getEvents([freshId('evt'), eventId])), [eventId]);
    same(await events.getDeliveries([]), []);
    same(await events.getEvents([]), []);
    same(await events.attempts(freshId('dlv')), []);
  },
});

/** Deliveries of two tenants, three webhooks, two types and four instants; some are leased. */
async function publishMix(context: LawContext): Promise<readonly DeliveryRecord[]> {
  const entries = times(48, (n) =>
    anEntry({
      tenantId: `tenant-${n % 2}`,
      webhookId: `whk_${n % 3}`,
      eventType: n % 4 < 2 ? 'invoice.paid' : 'invoice.sent',
      createdAt: LONG_AGO_MS + (n % 5),
    }),
  );
  await context.append(...entries);
  await context.claim({ limit: 10 });
  const published = entries.flatMap((entry) => ids(entry.deliveries));
  return context.repos.events.getDeliveries(published);
}

async function everyPage(context: LawContext, query: DeliveryQuery): Promise<readonly DeliveryRecord[]> {
  const all: DeliveryRecord[] = [];
  for (;;) {
    const last = all.at(-1);
    const after = last && { after: place(last) };
    const page = await context.repos.events.listDeliveries({ ...query, ...after });
    assert.ok(page.length <= query.limit, 'a page is longer than its limit');
    all.push(...page);
    if (page.length < query.limit || all.length > 1_000) return all;
  }
}

function place({ createdAt, id }: DeliveryRecord): { createdAt: number; id: string } {
  return { createdAt, id };
}

function fits(query: Omit<DeliveryQuery, 'limit'>): (delivery: DeliveryRecord) => boolean {
  const { since = 0, until = Number.POSITIVE_INFINITY } = query;
  return (delivery) =>
    (query.tenantId ?? delivery.tenantId) === delivery.tenantId &&
    (query.webhookId ?? delivery.webhookId) === delivery.webhookId &&
    (query.eventType ?? delivery.eventType) === delivery.eventType &&
    (query.status ?? delivery.status) === delivery.status &&
    since <= delivery.createdAt &&
    delivery.createdAt < until;
}
