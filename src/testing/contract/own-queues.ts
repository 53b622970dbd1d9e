import type { DeliveryRecord } from '../../domain/delivery.ts';
import type { LawContext } from './context.ts';
import { ids, only, same, sameInAnyOrder } from './expect.ts';
import { type Law, lawsOf } from './law.ts';
import { LONG_AGO_MS } from './records.ts';

const OWN = { queue: 'own', webhookId: 'whk_a' } as const;

/** Own queues can be found, and be given up without touching anything else. */
export const ownQueuesLaws: readonly Law[] = lawsOf('own-queues', {
  'lists the webhooks with a queue of their own, ascending, in pages': async (context) => {
    for (const webhookId of ['whk_c', 'whk_a', 'whk_d', 'whk_b', 'whk_a']) {
      await context.publish(1, { queue: 'own', webhookId });
    }
    await context.publish(1, { webhookId: 'whk_express' });
    const { events } = context.repos;
    same(await events.ownQueues({ limit: 10 }), ['whk_a', 'whk_b', 'whk_c', 'whk_d']);
    same(await events.ownQueues({ limit: 2 }), ['whk_a', 'whk_b']);
    same(await events.ownQueues({ after: 'whk_b', limit: 2 }), ['whk_c', 'whk_d']);
    same(await events.ownQueues({ after: 'whk_bb', limit: 1 }), ['whk_c']);
    same(await events.ownQueues({ after: 'whk_d', limit: 2 }), []);
  },

  'counts a leased delivery and one that waits for later as being in their queue': async (context) => {
    await context.publish(1, OWN);
    await context.publish(1, { ...OWN, webhookId: 'whk_b', dueAt: (await context.now()) + 3_600_000 });
    await context.claimOwn('whk_a');
    same(await context.repos.events.ownQueues({ limit: 10 }), ['whk_a', 'whk_b']);
  },

  'lists a queue no more once its last delivery has left it': async (context) => {
    await context.publish(1, OWN);
    await context.publish(1, { ...OWN, webhookId: 'whk_b' });
    await context.publish(1, { ...OWN, webhookId: 'whk_c' });
    await context.settle(only(await context.claimOwn('whk_a')), { status: 'delivered' });
    const back = { status: 'waiting', dueAt: LONG_AGO_MS, queue: 'express' } as const;
    await context.settle(only(await context.claimOwn('whk_b')), back);
    await exhaust(context, { webhookId: 'whk_c' });
    same(await context.repos.events.ownQueues({ limit: 10 }), []);
  },

  'gives up what waits, whatever its time, and returns it as it is now': async (context) => {
    const now = await context.now();
    const due = only(await context.publish(1, OWN));
    const later = only(await context.publish(1, { ...OWN, dueAt: now + 3_600_000 }));
    const ended = { status: 'exhausted', reason: 'webhook-unavailable', completedAt: now } as const;
    const given = await exhaust(context, { now });
    sameInAnyOrder(given, [
      { ...due, ...ended },
      { ...later, ...ended },
    ]);
    sameInAnyOrder(await context.repos.events.getDeliveries(ids(given)), given);
    same(await context.claimOwnResult('whk_a'), { deliveries: [] });
  },

  'gives up in batches until nothing is left': async (context) => {
    const published = await context.publish(7, OWN);
    const batches = [await exhaust(context, { limit: 3 }), await exhaust(context, { limit: 3 })];
    batches.push(await exhaust(context, { limit: 3 }));
    same(
      batches.map((batch) => batch.length),
      [3, 3, 1],
    );
    same(ids(batches.flat()).toSorted(), ids(published).toSorted());
    same(await exhaust(context, { limit: 3 }), []);
  },

  'leaves leased deliveries to their workers': async (context) => {
    const published = await context.publish(3, OWN);
    const claimed = await context.claimOwn('whk_a', { limit: 2 });
    same(ids(await exhaust(context, {})), ids(published.slice(2)));
    same(await exhaust(context, {}), []);
    for (const delivery of claimed) {
      same(await context.delivery(delivery.id), delivery);
      same(await context.settle(delivery, { status: 'delivered' }), 'applied');
    }
  },

  'leaves the express queue and the queues of others alone': async (context) => {
    const express = only(await context.publish(1, { webhookId: 'whk_a' }));
    const other = only(await context.publish(1, { ...OWN, webhookId: 'whk_b' }));
    same(await exhaust(context, {}), []);
    same(await exhaust(context, { webhookId: 'whk_unknown' }), []);
    same(await context.delivery(express.id), express);
    same(await context.delivery(other.id), other);
  },

  'keeps the counters of what it gives up': async (context) => {
    await context.publish(1, OWN);
    const wait = { status: 'waiting', dueAt: LONG_AGO_MS, queue: 'own' } as const;
    await context.settle(only(await context.claimOwn('whk_a')), wait);
    const before = only(await context.repos.events.listDeliveries({ limit: 1 }));
    const now = await context.now();
    same(only(await exhaust(context, { now })), {
      ...before,
      status: 'exhausted',
      reason: 'webhook-unavailable',
      completedAt: now,
    });
  },
});

interface Exhaust {
  readonly webhookId?: string;
  readonly limit?: number;
  readonly now?: number;
}

async function exhaust(context: LawContext, options: Exhaust): Promise<readonly DeliveryRecord[]> {
  const { webhookId = 'whk_a', limit = 100, now = await context.now() } = options;
  return context.repos.events.exhaustQueue({ webhookId, limit, now, reason: 'webhook-unavailable' });
}
