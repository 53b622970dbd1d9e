import { allDistinct, ids, only, same } from './expect.ts';
import { type Law, lawsOf } from './law.ts';
import { LONG_AGO_MS, times } from './records.ts';

const OWN = { queue: 'own' } as const;

/** A webhook's own queue is handed out like the express queue, apart from all others. */
export const claimQueuesLaws: readonly Law[] = lawsOf('claim-queues', {
  'answers each queue in the order of the request, each up to its limit': async (context) => {
    const a = await context.publish(3, { ...OWN, webhookId: 'whk_a' });
    const b = await context.publish(3, { ...OWN, webhookId: 'whk_b' });
    const queues = [
      { webhookId: 'whk_b', limit: 1 },
      { webhookId: 'whk_unknown', limit: 5 },
      { webhookId: 'whk_a', limit: 2 },
    ];
    const results = await context.repos.events.claimQueues({ ...(await context.lease()), queues });
    const claimed = results.map(({ deliveries }) => ids(deliveries.map(({ delivery }) => delivery)));
    same(claimed, [ids(b.slice(0, 1)), [], ids(a.slice(0, 2))]);
    same(results[1], { deliveries: [] });
  },

  'leases a delivery under the next token and hands it out with its event': async (context) => {
    const published = only(await context.publish(1, { ...OWN, webhookId: 'whk_a' }));
    const { delivery, event } = only((await context.claimOwnResult('whk_a')).deliveries);
    same(event.id, published.eventId);
    same(delivery, { ...published, status: 'delivering', token: 1, leaseUntil: delivery.leaseUntil });
    same(await context.delivery(delivery.id), delivery);
  },

  'hands out by due time, equal ones in the order of their append': async (context) => {
    const dueAts = [5, 1, 3, 1].map((ms) => LONG_AGO_MS + ms);
    const published = [];
    for (const dueAt of dueAts) published.push(...(await context.publish(2, { ...OWN, dueAt })));
    same(ids(await context.claimOwn('whk_any')), ids(published.toSorted((a, b) => a.dueAt - b.dueAt)));
  },

  'hands out nothing before its time, and tells it exactly': async (context) => {
    const dueAt = (await context.now()) + context.leaseMs;
    const { id } = only(await context.publish(1, { ...OWN, dueAt }));
    await context.advance(context.leaseMs - context.marginMs);
    same(await context.claimOwnResult('whk_any'), { deliveries: [], nextDueAt: dueAt });
    await context.advance(context.marginMs);
    const { deliveries, nextDueAt } = await context.claimOwnResult('whk_any');
    same(only(deliveries).delivery.id, id);
    same(nextDueAt, only(deliveries).delivery.leaseUntil);
  },

  'tells for each queue when its own next delivery can be claimed': async (context) => {
    const now = await context.now();
    const [soon, later] = [now + 7_000_000, now + 9_000_000];
    await context.publish(1, { ...OWN, webhookId: 'whk_a', dueAt: later });
    await context.publish(1, { ...OWN, webhookId: 'whk_b', dueAt: soon });
    await context.publish(1, { dueAt: now + 5_000_000 });
    same(await context.claimOwnResult('whk_a'), { deliveries: [], nextDueAt: later });
    same(await context.claimOwnResult('whk_b'), { deliveries: [], nextDueAt: soon });
  },

  'leaves the express queue and the queues of others alone': async (context) => {
    await context.publish(1, { webhookId: 'whk_a' });
    await context.publish(1, { ...OWN, webhookId: 'whk_b' });
    const own = only(await context.publish(1, { ...OWN, webhookId: 'whk_a' }));
    same(ids(await context.claimOwn('whk_a')), [own.id]);
  },

  'hands out a delivery again once its lease has run out': async (context) => {
    const { id } = only(await context.publish(1, OWN));
    await context.claimOwn('whk_any', { leaseMs: context.leaseMs });
    same(await context.claimOwn('whk_any'), []);
    await context.outliveLease();
    const { token, lost } = only(await context.claimOwn('whk_any'));
    same({ token, lost }, { token: 2, lost: 1 });
    same((await context.repos.events.attempts(id)).length, 1);
  },

  'gives each delivery to one of many claimers, and loses none': async (context) => {
    const published = await context.publish(60, OWN);
    const claims = await Promise.all(times(12, () => context.claimOwn('whk_any', { limit: 4 })));
    const claimed = [...claims.flat(), ...(await context.claimOwn('whk_any'))];
    allDistinct(ids(claimed));
    same(ids(claimed).toSorted(), ids(published).toSorted());
  },
});
