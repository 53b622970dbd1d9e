import type { DeliveryRecord, SettledState } from '../../domain/delivery.ts';
import type { DeliveryCounts } from '../../repos.ts';
import type { LawContext } from './context.ts';
import { ids, only, same } from './expect.ts';
import { type Law, lawsOf } from './law.ts';
import { anAttempt, freshId, LONG_AGO_MS } from './records.ts';

const WEBHOOK = 'whk_a';
const OWN = { queue: 'own', webhookId: WEBHOOK } as const;
const EXPRESS = { webhookId: WEBHOOK };
const GIVEN_UP = { status: 'exhausted', reason: 'attempts-used-up' } as const;
const NONE: DeliveryCounts = { waiting: 0, dead: 0 };

/** How much of one webhook's waits and is given up, as far as somebody wants to know. */
export const countsLaws: readonly Law[] = lawsOf('counts', {
  'counts what waits or is under way in the webhook’s own queue, whatever its time': async (context) => {
    const retry: SettledState = { status: 'waiting', dueAt: LONG_AGO_MS, queue: 'own' };
    await context.publish(1, OWN);
    await context.settle(only(await context.claimOwn(WEBHOOK)), retry, anAttempt());
    await context.publish(1, OWN);
    same((await context.claimOwn(WEBHOOK, { limit: 1 })).length, 1);
    await context.publish(2, { ...OWN, dueAt: (await context.now()) + 3_600_000 });
    await context.publish(3, { ...OWN, orderingKey: 'a' });
    same(await count(context), { waiting: 7, dead: 0 });
  },

  'counts what waits or is under way in the express queue': async (context) => {
    await context.publish(2, EXPRESS);
    same((await context.claim({ limit: 1 })).length, 1);
    await context.publish(1, { ...EXPRESS, dueAt: (await context.now()) + 3_600_000 });
    await context.publish(1, OWN);
    same(await count(context), { waiting: 4, dead: 0 });
  },

  'counts what was given up, and nothing that was delivered or is replaying': async (context) => {
    await context.exhausted(OWN);
    await context.exhausted(EXPRESS);
    const replaying = await context.exhausted(OWN);
    await context.repos.events.markReplay([replaying.id], { now: await context.now() });
    const dead = { status: 'exhausted', reason: 'webhook-unavailable', completedAt: LONG_AGO_MS } as const;
    await context.publish(1, { ...EXPRESS, ...dead });
    await context.publish(1, EXPRESS);
    await context.settle(only(await context.claim()), { status: 'delivered' });
    same(await count(context), { waiting: 0, dead: 3 });
  },

  'counts nothing of other webhooks': async (context) => {
    await context.publish(1, { webhookId: 'whk_b' });
    await context.publish(1, { queue: 'own', webhookId: 'whk_b' });
    await context.publish(1, OWN);
    await context.exhausted({ webhookId: 'whk_c' });
    same(await count(context), { waiting: 1, dead: 0 });
    same(await context.repos.events.countDeliveries({ webhookId: freshId('whk'), limit: 9 }), NONE);
  },

  'stops at the limit': async (context) => {
    for (const fields of [OWN, EXPRESS]) await context.exhausted(fields);
    for (const fields of [OWN, EXPRESS]) await context.publish(3, fields);
    same(await count(context, 1), { waiting: 1, dead: 1 });
    same(await count(context, 4), { waiting: 4, dead: 2 });
    same(await count(context, 6), { waiting: 6, dead: 2 });
  },

  'counts a delivery as what it is now': async (context) => {
    const found: DeliveryCounts[] = [];
    const now = await context.now();
    const { events } = context.repos;
    const steps: readonly (() => Promise<unknown>)[] = [
      () => context.publish(1, OWN),
      () => events.exhaustQueue({ webhookId: WEBHOOK, reason: 'webhook-deleted', now, limit: 9 }),
      async () => events.markReplay([(await theOne(context)).id], { now }),
      () => events.promoteReplays({ now, limit: 9 }),
      async () => events.cancel([(await theOne(context)).id], { now }),
      () => events.prune({ exhaustedBefore: now + 1, limit: 9 }),
    ];
    for (const step of steps) {
      await step();
      found.push(await count(context));
    }
    const [waiting, dead] = [
      { waiting: 1, dead: 0 },
      { waiting: 0, dead: 1 },
    ];
    same(found, [waiting, dead, NONE, waiting, dead, NONE]);
  },

  'counts what a claim ended with': async (context) => {
    await context.publish(3, EXPRESS);
    const [one, two, three] = await context.claim();
    await end(context, one, { status: 'delivered' });
    await end(context, two, GIVEN_UP);
    await end(context, three, { status: 'waiting', dueAt: LONG_AGO_MS, queue: 'own' });
    same(await count(context), { waiting: 1, dead: 1 });
    same(ids(await context.claimOwn(WEBHOOK)), [three?.id]);
  },
});

async function count(context: LawContext, limit = 100): Promise<DeliveryCounts> {
  return context.repos.events.countDeliveries({ webhookId: WEBHOOK, limit });
}

async function theOne(context: LawContext): Promise<DeliveryRecord> {
  return only(await context.repos.events.listDeliveries({ limit: 9 }));
}

async function end(
  context: LawContext,
  claimed: DeliveryRecord | undefined,
  state: SettledState,
): Promise<void> {
  if (claimed !== undefined) same(await context.settle(claimed, state), 'applied');
}
