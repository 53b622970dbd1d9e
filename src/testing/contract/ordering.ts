import assert from 'node:assert/strict';
import type { DeliveryRecord, SettledState } from '../../domain/delivery.ts';
import type { LawContext } from './context.ts';
import { ids, only, same } from './expect.ts';
import { type Law, lawsOf } from './law.ts';
import { anEntry, LONG_AGO_MS, times } from './records.ts';

const DELIVERED: SettledState = { status: 'delivered' };
const TO_OWN: SettledState = { status: 'waiting', dueAt: LONG_AGO_MS, queue: 'own' };
const GIVEN_UP = { status: 'exhausted', reason: 'attempts-used-up' } as const;

/** Deliveries of one webhook with one ordering key take turns, in the order of their append. */
export const orderingLaws: readonly Law[] = lawsOf('ordering', {
  'stores the key, the empty one too': async (context) => {
    for (const orderingKey of ['', 'a key', 'Ключ']) {
      const { id } = only(await ordered(context, [orderingKey]));
      same((await context.delivery(id)).orderingKey, orderingKey);
      const claimed = only(await context.claimOwn('whk_any'));
      same(claimed.orderingKey, orderingKey);
      await context.settle(claimed, DELIVERED);
      same((await context.delivery(id)).orderingKey, orderingKey);
    }
  },

  'hands out one of each key at a time': async (context) => {
    const [a1, b1, , empty] = await ordered(context, ['a', 'b', 'a', '', 'b', 'a']);
    same(ids(await context.claimOwn('whk_any')), named([a1, b1, empty]));
    same(await context.claimOwn('whk_any'), []);
  },

  'goes by webhook and key: others do not wait': async (context) => {
    await ordered(context, ['a']);
    const other = only(await context.publish(1, { queue: 'own', webhookId: 'whk_other', orderingKey: 'a' }));
    const free = await context.publish(2, { queue: 'own' });
    same((await context.claimOwn('whk_any')).length, 3);
    same(ids(await context.claimOwn('whk_other')), [other.id]);
    for (const { id } of free) same((await context.delivery(id)).status, 'delivering');
  },

  'hands out the next when one was delivered': async (context) => {
    const published = await ordered(context, ['a', 'a', 'a']);
    for (const { id } of published) {
      const claimed = only(await context.claimOwn('whk_any'));
      same(claimed.id, id);
      await context.settle(claimed, DELIVERED);
    }
    same(await context.claimOwnResult('whk_any'), { deliveries: [] });
  },

  'hands out the next when one was given up': async (context) => {
    const [, second] = await ordered(context, ['a', 'a']);
    await context.settle(only(await context.claimOwn('whk_any')), GIVEN_UP);
    same(ids(await context.claimOwn('whk_any')), named([second]));
  },

  'holds back those behind one that was given up and blocks': async (context) => {
    const [first, second, other] = await ordered(context, ['a', 'a', 'b']);
    const claimed = await context.claimOwn('whk_any');
    for (const one of claimed) await context.settle(one, { ...GIVEN_UP, blocks: true });
    same(await context.claimOwnResult('whk_any'), { deliveries: [] });
    same(await context.repos.events.ownQueues({ limit: 10 }), []);
    same((await context.delivery(second?.id ?? '')).status, 'pending');
    for (const blocker of [first, other]) {
      const { status, blocks } = await context.delivery(blocker?.id ?? '');
      same({ status, blocks }, { status: 'exhausted', blocks: true });
    }
  },

  'lets nothing block that has no key': async (context) => {
    const { id } = only(await context.publish(1, { queue: 'own' }));
    await context.settle(only(await context.claimOwn('whk_any')), { ...GIVEN_UP, blocks: true });
    same((await context.delivery(id)).blocks, undefined);
  },

  'waits behind one that waits for its next attempt': async (context) => {
    const [first] = await ordered(context, ['a', 'a']);
    const dueAt = (await context.now()) + 9_000_000;
    await context.settle(only(await context.claimOwn('whk_any')), { status: 'waiting', dueAt, queue: 'own' });
    same(await context.claimOwnResult('whk_any'), { deliveries: [], nextDueAt: dueAt });
    same((await context.delivery(first?.id ?? '')).status, 'pending');
  },

  'goes by append, whatever is due first': async (context) => {
    const dueAt = (await context.now()) + context.leaseMs;
    const fields = { queue: 'own', orderingKey: 'a' } as const;
    const first = only(await context.publish(1, { ...fields, dueAt }));
    await context.publish(1, fields);
    same(await context.claimOwnResult('whk_any'), { deliveries: [], nextDueAt: dueAt });
    await context.advance(context.leaseMs + context.marginMs);
    same(ids(await context.claimOwn('whk_any')), [first.id]);
  },

  'keeps the order of one append': async (context) => {
    const entries = times(5, () => anEntry({ queue: 'own', orderingKey: 'a' }));
    await context.append(...entries);
    same(
      await drain(context),
      entries.flatMap(({ deliveries }) => ids(deliveries)),
    );
  },

  'hands the same one out again when its lease has run out': async (context) => {
    const [first, second] = await ordered(context, ['a', 'a']);
    await context.claimOwn('whk_any', { leaseMs: context.leaseMs });
    await context.outliveLease();
    const again = only(await context.claimOwn('whk_any'));
    same({ id: again.id, token: again.token, lost: again.lost }, { id: first?.id, token: 2, lost: 1 });
    await context.settle(again, DELIVERED);
    same(ids(await context.claimOwn('whk_any')), named([second]));
  },

  'changes nothing of the order by a late outcome': async (context) => {
    await ordered(context, ['a', 'a']);
    const late = only(await context.claimOwn('whk_any', { leaseMs: context.leaseMs }));
    await context.outliveLease();
    await context.claimOwn('whk_any');
    same(await context.settle(late, DELIVERED), 'late');
    same(await context.claimOwn('whk_any'), []);
  },

  'gives a replayed one its place back': async (context) => {
    const [first, second] = await ordered(context, ['a', 'a']);
    await context.settle(only(await context.claimOwn('whk_any')), GIVEN_UP);
    await mark(context, first);
    same(await context.claimOwnResult('whk_any'), { deliveries: [] });
    await promote(context);
    same(await drain(context), named([first, second]));
  },

  'lets a replayed one wait for one of its key that is under way': async (context) => {
    const [first, second] = await ordered(context, ['a', 'a']);
    await context.settle(only(await context.claimOwn('whk_any')), GIVEN_UP);
    const underWay = only(await context.claimOwn('whk_any'));
    await mark(context, first);
    await promote(context);
    same(await context.claimOwn('whk_any'), []);
    await context.settle(underWay, TO_OWN);
    same(await drain(context), named([first, second]));
  },

  'claims one again whose lease has run out before one of its key that was replayed': async (context) => {
    const [first, second] = await ordered(context, ['a', 'a']);
    await context.settle(only(await context.claimOwn('whk_any')), GIVEN_UP);
    await context.claimOwn('whk_any', { leaseMs: context.leaseMs });
    await mark(context, first);
    await promote(context);
    await context.outliveLease();
    same(await drain(context), named([second, first]));
  },

  'lets a replayed blocker go first, and the others behind it': async (context) => {
    const published = await ordered(context, ['a', 'a', 'a']);
    await context.settle(only(await context.claimOwn('whk_any')), { ...GIVEN_UP, blocks: true });
    same((await mark(context, published[0])).blocks, undefined);
    await promote(context);
    same(await drain(context), ids(published));
  },

  'lets those behind a blocker go when it is pruned': async (context) => {
    const [, second] = await ordered(context, ['a', 'a']);
    await context.settle(only(await context.claimOwn('whk_any')), { ...GIVEN_UP, blocks: true });
    const exhaustedBefore = (await context.now()) + 1;
    same((await context.repos.events.prune({ exhaustedBefore, limit: 10 })).deliveries, 1);
    same(ids(await context.claimOwn('whk_any')), named([second]));
  },

  'gives up those that are held back too, and lets them block where that is said': async (context) => {
    const published = await ordered(context, ['a', 'a', 'b', 'a']);
    const leased = only(await context.claimOwn('whk_any', { limit: 1 }));
    const now = await context.now();
    const request = { webhookId: 'whk_any', reason: 'webhook-unavailable', blocks: true, now } as const;
    const gone = await context.repos.events.exhaustQueue({ ...request, limit: 10 });
    same(ids(gone).toSorted(), ids(published.slice(1)).toSorted());
    for (const { status, blocks } of gone) same({ status, blocks }, { status: 'exhausted', blocks: true });
    await context.settle(leased, DELIVERED);
    await ordered(context, ['a']);
    same(await context.claimOwnResult('whk_any'), { deliveries: [] });
  },

  'lets a blocker that is stored as such block': async (context) => {
    const dead = { status: 'exhausted', reason: 'webhook-unavailable', blocks: true } as const;
    const [fields, completedAt] = [{ queue: 'own', orderingKey: 'a' } as const, LONG_AGO_MS];
    const blocker = only(await context.publish(1, { ...fields, ...dead, completedAt }));
    await context.publish(1, fields);
    same((await context.delivery(blocker.id)).blocks, true);
    same(await context.claimOwnResult('whk_any'), { deliveries: [] });
  },

  'passes over a long line to the others': async (context) => {
    await ordered(context, Array<string>(300).fill('long'));
    const short = await ordered(context, ['b', 'c']);
    const claimed: DeliveryRecord[] = [];
    for (let calls = 0; claimed.length < 3 && calls < 10; calls += 1) {
      claimed.push(...(await context.claimOwn('whk_any', { limit: 10 })));
    }
    same(ids(claimed).slice(1), ids(short));
  },

  'holds back those behind one in the express queue, which waits for nobody': async (context) => {
    const express = await context.publish(2, { webhookId: 'whk_any', orderingKey: 'a' });
    const behind = await ordered(context, ['a']);
    same(await context.claimOwnResult('whk_any'), { deliveries: [] });
    const claimed = await context.claim();
    same(ids(claimed), ids(express));
    same(await context.claimOwnResult('whk_any'), { deliveries: [] });
    for (const one of claimed.toReversed()) await context.settle(one, TO_OWN);
    same(await drain(context), [...ids(express), ...ids(behind)]);
  },

  'lets the first of a line go while one behind it is on its way from the express queue': async (context) => {
    const [first, second] = await context.publish(2, { webhookId: 'whk_any', orderingKey: 'a' });
    const [one] = await context.claim();
    assert.ok(one);
    await context.settle(one, TO_OWN);
    same(one.id, first?.id);
    same(ids(await context.claimOwn('whk_any')), named([first]));
    same((await context.delivery(second?.id ?? '')).status, 'delivering');
  },

  'keeps the order of every key, however many work': async (context) => {
    const keys = times(48, (index) => `key ${index % 4}`);
    const published = await ordered(context, keys);
    const seen: DeliveryRecord[] = [];
    const work = async (): Promise<void> => {
      for (let idle = 0; seen.length < published.length && idle < 1_000; idle += 1) {
        const claimed = await context.claimOwn('whk_any', { limit: 2 });
        seen.push(...claimed);
        for (const one of claimed) await context.settle(one, DELIVERED);
      }
    };
    await Promise.all(times(6, work));
    for (const key of new Set(keys)) {
      const ofKey = (deliveries: readonly DeliveryRecord[]): string[] =>
        ids(deliveries.filter(({ orderingKey }) => orderingKey === key));
      same(ofKey(seen), ofKey(published));
    }
  },
});

/** Appends one delivery for each key, each with a call of its own. */
async function ordered(context: LawContext, keys: readonly string[]): Promise<readonly DeliveryRecord[]> {
  const published: DeliveryRecord[] = [];
  for (const orderingKey of keys)
    published.push(...(await context.publish(1, { queue: 'own', orderingKey })));
  return published;
}

async function mark(context: LawContext, delivery: DeliveryRecord | undefined): Promise<DeliveryRecord> {
  const now = await context.now();
  return only(await context.repos.events.markReplay([delivery?.id ?? ''], { now }));
}

/** Lets replays wait for their turn in their own queue. */
async function promote(context: LawContext): Promise<void> {
  await context.repos.events.promoteReplays({ now: await context.now(), limit: 10 });
  for (const one of await context.claim()) await context.settle(one, TO_OWN);
}

/** Claims and delivers until nothing is left; returns the ids in the order of the claims. */
async function drain(context: LawContext): Promise<readonly string[]> {
  const order: string[] = [];
  for (;;) {
    const claimed = await context.claimOwn('whk_any');
    if (claimed.length === 0) return order;
    for (const one of claimed) {
      order.push(one.id);
      await context.settle(one, DELIVERED);
    }
  }
}

/** The ids of deliveries that are there; `undefined` where one is not. */
function named(deliveries: readonly (DeliveryRecord | undefined)[]): readonly (string | undefined)[] {
  return deliveries.map((delivery) => delivery?.id);
}
