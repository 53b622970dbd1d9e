import assert from 'node:assert/strict';
import type { DeliveryRecord } from '../../domain/delivery.ts';
import type { LawContext } from './context.ts';
import { allDistinct, ids, only, same } from './expect.ts';
import { type Law, lawsOf } from './law.ts';
import { anAttempt, anEntry, LONG_AGO_MS, times } from './records.ts';

/** The express queue is handed out in due order, each delivery to one claimer. */
export const claimExpressLaws: readonly Law[] = lawsOf('claim-express', {
  'leases a delivery under the next token and hands it out with its event': async (context) => {
    const entry = anEntry();
    await context.append(entry);
    const before = await context.now();
    const { delivery, event } = only((await context.claimResult({ leaseMs: 60_000 })).deliveries);
    const after = await context.now();
    const { leaseUntil = Number.NaN } = delivery;
    same(event, entry.event);
    same(delivery, { ...only(entry.deliveries), status: 'delivering', token: 1, leaseUntil });
    assert.ok(before + 60_000 <= leaseUntil && leaseUntil <= after + 60_000, `lease until ${leaseUntil}`);
    same(await context.delivery(delivery.id), delivery);
  },

  'hands out by due time, equal ones in the order of their append': async (context) => {
    const dueAts = [5, 1, 3, 1, 5, 2, 1].map((ms) => LONG_AGO_MS + ms);
    const published: DeliveryRecord[] = [];
    for (const dueAt of dueAts) published.push(...(await context.publish(2, { dueAt })));
    const inOrder = published.toSorted((a, b) => a.dueAt - b.dueAt);
    same(ids(await context.claim()), ids(inOrder));
  },

  'keeps the order over several claims': async (context) => {
    const published = await context.publish(10);
    const claimed = [...(await context.claim({ limit: 3 })), ...(await context.claim({ limit: 7 }))];
    same(ids(claimed), ids(published));
  },

  'hands out no more than asked for, and each delivery once': async (context) => {
    const published = await context.publish(5);
    same(ids(await context.claim({ limit: 2 })), ids(published.slice(0, 2)));
    same(ids(await context.claim({ limit: 2 })), ids(published.slice(2, 4)));
    same(ids(await context.claim({ limit: 2 })), ids(published.slice(4)));
    same(await context.claim({ limit: 2 }), []);
  },

  'hands out nothing before its time, and then does': async (context) => {
    const dueAt = (await context.now()) + context.leaseMs;
    const { id } = only(await context.publish(1, { dueAt }));
    await context.advance(context.leaseMs - context.marginMs);
    same(await context.claimResult(), { deliveries: [], nextDueAt: dueAt });
    await context.advance(context.marginMs);
    same(ids(await context.claim()), [id]);
  },

  'tells exactly when the next delivery can be claimed': async (context) => {
    const now = await context.now();
    const instants = [now + 7_000_000, now + 9_000_000];
    same(await context.claimResult(), { deliveries: [] });
    for (const dueAt of instants.toReversed()) await context.publish(1, { dueAt });
    same((await context.claimResult()).nextDueAt, instants[0]);
    await context.publish(3, { dueAt: LONG_AGO_MS });
    same((await context.claimResult({ limit: 1 })).nextDueAt, LONG_AGO_MS);
    const leased = await context.claimResult({ leaseMs: 3_600_000 });
    same(leased.nextDueAt, await earliestLeaseEnd(context));
  },

  'tells the end of the leases when nothing else waits, and nothing when the queue is empty': async (
    context,
  ) => {
    await context.publish(1);
    const { deliveries, nextDueAt } = await context.claimResult();
    const { delivery } = only(deliveries);
    same(nextDueAt, delivery.leaseUntil);
    same(await context.claimResult(), { deliveries: [], nextDueAt: delivery.leaseUntil });
    await context.settle(delivery, { status: 'delivered' }, anAttempt({ httpStatus: 200 }));
    same(await context.claimResult(), { deliveries: [] });
  },

  'leaves the own queues of webhooks alone': async (context) => {
    await context.publish(2, { queue: 'own', webhookId: 'whk_own' });
    const express = only(await context.publish(1, { webhookId: 'whk_own' }));
    same(ids(await context.claim()), [express.id]);
  },

  'leaves alone what has ended or waits for its replay': async (context) => {
    const dead = await context.exhausted();
    const replaying = await context.exhausted();
    await context.publish(1);
    await context.settle(only(await context.claim()), { status: 'delivered' });
    await context.repos.events.markReplay([replaying.id], { now: await context.now() });
    same(await context.claimResult(), { deliveries: [] });
    same((await context.delivery(dead.id)).status, 'exhausted');
  },

  'gives each delivery to one of many claimers, and loses none': async (context) => {
    const published = await context.publish(200);
    const claimed = (await Promise.all(times(8, () => claimAll(context)))).flat();
    allDistinct(ids(claimed));
    same(ids(claimed).toSorted(), ids(published).toSorted());
    same(
      claimed.map(({ token }) => token),
      claimed.map(() => 1),
    );
  },

  'loses nothing that is appended while others claim': async (context) => {
    const appending = times(20, () => context.publish(5));
    const racing = Promise.all(times(8, () => claimAll(context)));
    const published = (await Promise.all(appending)).flat();
    const claimed = [...(await racing).flat(), ...(await claimAll(context))];
    allDistinct(ids(claimed));
    same(ids(claimed).toSorted(), ids(published).toSorted());
  },
});

async function claimAll(context: LawContext): Promise<readonly DeliveryRecord[]> {
  const all: DeliveryRecord[] = [];
  for (;;) {
    const some = await context.claim({ limit: 7 });
    if (some.length === 0) return all;
    all.push(...some);
  }
}

async function earliestLeaseEnd(context: LawContext): Promise<number> {
  const leased = await context.repos.events.listDeliveries({ status: 'delivering', limit: 100 });
  return Math.min(...leased.map(({ leaseUntil = Number.NaN }) => leaseUntil));
}
