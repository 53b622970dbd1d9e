/** Repos that break the laws of ordering keys and of batches. */
import type { DeliveryRecord } from '../../src/domain/delivery.ts';
import type {
  AppendEntry,
  BatchClaim,
  ClaimResult,
  QueueClaim,
  Settlement,
  SettleResult,
} from '../../src/repos.ts';
import { events, type WrongRepos } from './wrong.ts';

type Change = (delivery: DeliveryRecord) => DeliveryRecord;

export const orderingFaults: readonly WrongRepos[] = [
  storing('forgets ordering keys', ({ orderingKey: _, ...delivery }) => delivery),
  storing('takes the empty key for none', ({ orderingKey, ...delivery }) =>
    orderingKey ? { ...delivery, orderingKey } : delivery,
  ),
  storing('takes all keys for one', (delivery) =>
    delivery.orderingKey === undefined ? delivery : { ...delivery, orderingKey: 'a key' },
  ),
  storing('lets those without a key take turns too', (delivery) => ({
    ...delivery,
    orderingKey: delivery.orderingKey ?? 'none',
  })),
  storing('lets nothing that is stored as a blocker block', ({ blocks: _, ...delivery }) => delivery),
  storing('orders by due time', (delivery) =>
    delivery.orderingKey === undefined
      ? delivery
      : { ...delivery, orderingKey: `${delivery.orderingKey} ${delivery.dueAt}` },
  ),
  settling('never blocks', (one) =>
    one.next.status === 'exhausted'
      ? { ...one, next: { status: 'exhausted', reason: one.next.reason } }
      : one,
  ),
  settling('always blocks', (one) =>
    one.next.status === 'exhausted' ? { ...one, next: { ...one.next, blocks: true } } : one,
  ),
  settling('lets what was delivered keep its place', (one) =>
    one.next.status === 'delivered'
      ? { ...one, next: { status: 'exhausted', reason: 'cancelled', blocks: true } }
      : one,
  ),
  settling('makes what waits for its next attempt due at once', (one) =>
    one.next.status === 'waiting' ? { ...one, next: { ...one.next, dueAt: 0 } } : one,
  ),
  events('shows what has no key as a blocker', (real) => ({
    getDeliveries: async (ids) =>
      (await real.getDeliveries(ids)).map((delivery) =>
        delivery.status === 'exhausted' ? { ...delivery, blocks: true as const } : delivery,
      ),
  })),
  events('gives up no blockers', (real) => ({
    exhaustQueue: ({ blocks: _, ...request }) => real.exhaustQueue(request),
  })),
  events('gives up only those whose turn it is', (real) => ({
    exhaustQueue: async (request) => {
      const { webhookId, reason, now, limit } = request;
      const [result] = await real.claimQueues({ now, leaseUntil: now + 1, queues: [{ webhookId, limit }] });
      const claimed = (result?.deliveries ?? []).map(({ delivery }) => delivery);
      const next = { status: 'exhausted', reason, blocks: true } as const;
      await real.settle(
        claimed.map(({ id, token }) => ({ deliveryId: id, token, next })),
        { now },
      );
      return real.getDeliveries(claimed.map(({ id }) => id));
    },
  })),
  events('lists queues in which everything is held back', (real) => {
    const seen = new Set<string>();
    return {
      append: (entries, options) => {
        for (const { deliveries } of entries) for (const { webhookId } of deliveries) seen.add(webhookId);
        return real.append(entries, options);
      },
      ownQueues: async () => [...seen],
    };
  }),
  events('tells of those that are held back as due', (real) => ({
    claimQueues: async (request) =>
      (await real.claimQueues(request)).map((result) => ({ ...result, nextDueAt: request.now })),
  })),
  events('ends a line with what is replayed', (real) => ({
    markReplay: async (ids, options) => {
      const marked = await real.markReplay(ids, options);
      const promoted = await real.promoteReplays({ now: options.now, limit: 10 });
      const claimed = await real.claimExpress({
        now: options.now,
        leaseUntil: options.now + 1_000_000,
        limit: 10,
      });
      const next = { status: 'delivered' } as const;
      const ends = claimed.deliveries.map(({ delivery }) => ({
        deliveryId: delivery.id,
        token: delivery.token,
        next,
      }));
      if (promoted.length > 0) await real.settle(ends, options);
      return marked;
    },
  })),
  events('keeps blockers for ever', () => ({
    prune: async () => ({ deliveries: 0, events: 0, attempts: 0, more: false }),
  })),
  events('lets a late outcome end a claim', (real) => ({
    settle: async (settlements, options) => {
      const present = await real.getDeliveries(settlements.map(({ deliveryId }) => deliveryId));
      const tokens = new Map(present.map(({ id, token }) => [id, token]));
      return real.settle(
        settlements.map((one) => ({ ...one, token: tokens.get(one.deliveryId) ?? one.token })),
        options,
      );
    },
  })),
  events('hands out newest first', (real) => ({
    claimQueues: async (request) =>
      (await real.claimQueues(request)).map((result) => ({
        ...result,
        deliveries: result.deliveries.toReversed(),
      })),
  })),
  events('gives up at a line that is long', (real) => ({
    claimQueues: async (request) => {
      const pending = await real.listDeliveries({ status: 'pending', limit: 200 });
      return pending.length === 200
        ? request.queues.map(() => ({ deliveries: [] }))
        : real.claimQueues(request);
    },
  })),
  events('appends in the reverse order', (real) => ({
    append: (entries, options) => real.append(entries.toReversed(), options),
  })),
  events('has lines for the express queue only while nothing of it is claimed', (real) => ({
    claimExpress: async (request) => {
      const result = await real.claimExpress({ ...request, limit: Math.min(request.limit, 1) });
      return result;
    },
  })),
];

export const batchFaults: readonly WrongRepos[] = [
  claiming('hands out one delivery in the place of a batch', ({ batch: _, ...queue }) => queue),
  ruling('knows no bound of events', (rule) => ({ ...rule, maxEvents: 1_000 })),
  ruling('knows no bound of bytes', (rule) => ({ ...rule, maxBytes: 1_000_000_000 })),
  events('hands out nothing of what alone is too large', (real) => ({
    claimQueues: async (request) =>
      (await real.claimQueues(request)).map((result, index) => {
        const { maxBytes = Number.POSITIVE_INFINITY } = request.queues[index]?.batch ?? {};
        const [first] = result.deliveries;
        return first !== undefined && first.event.body.length > maxBytes
          ? { ...result, deliveries: [] }
          : result;
      }),
  })),
  ruling('never waits', (rule) => ({ ...rule, maxWaitMs: 0 })),
  ruling('always waits', (rule) => ({ ...rule, maxWaitMs: rule.maxWaitMs + 9_000_000, maxEvents: 1_000 })),
  ruling('gives every batch one id', (rule) => ({ ...rule, id: 'bat_one' })),
  ruling('puts one into each batch', (rule) => ({ ...rule, maxEvents: 1 })),
  claiming('hands out to a look', (queue) => ({ ...queue, limit: 1 })),
  claiming('claims nothing without a batch', (queue) =>
    queue.batch === undefined ? { ...queue, limit: 0 } : queue,
  ),
  settling('forgets the batch of what waits', (one) =>
    one.next.status === 'waiting'
      ? { ...one, next: { status: 'waiting', dueAt: one.next.dueAt, queue: one.next.queue } }
      : one,
  ),
  settling('forgets refusals', (one) =>
    one.next.status === 'waiting' && one.next.batch !== undefined
      ? { ...one, next: { ...one.next, batch: { ...one.next.batch, refusals: 0 } } }
      : one,
  ),
  settling('ends the first of a batch only', ({ others: _, ...one }) => one),
  events('ends the members of a batch one by one', (real) => ({
    settle: async (settlements, options) => {
      const results: SettleResult[] = [];
      for (const { others = [], ...one } of settlements) {
        const parts = [one, ...others.map((other) => ({ ...one, ...other }))];
        const [first] = await real.settle(parts, options);
        results.push(first ?? 'unknown');
      }
      return results;
    },
  })),
  events('records the attempt of a batch with its first', (real) => {
    const first = new Set<string>();
    return {
      settle: (settlements, options) => {
        for (const { deliveryId } of settlements) first.add(deliveryId);
        return real.settle(settlements, options);
      },
      attempts: async (id) => (first.has(id) ? real.attempts(id) : []),
    };
  }),
  events('forgets the batch of what has ended', (real) => ({
    getDeliveries: async (ids) =>
      (await real.getDeliveries(ids)).map(({ batch, ...delivery }) =>
        delivery.completedAt === undefined && batch !== undefined ? { ...delivery, batch } : delivery,
      ),
  })),
  events('keeps the batch of what is claimed alone', (real) => {
    const batches = new Map<string, DeliveryRecord['batch']>();
    return {
      settle: (settlements, options) => {
        for (const { next, deliveryId, others = [] } of settlements) {
          const batch = next.status === 'waiting' ? next.batch : undefined;
          for (const id of [deliveryId, ...others.map((other) => other.deliveryId)]) batches.set(id, batch);
        }
        return real.settle(settlements, options);
      },
      claimQueues: async (request) =>
        mapped(await real.claimQueues(request), (delivery) => {
          const batch = delivery.batch ?? batches.get(delivery.id);
          return batch === undefined ? delivery : { ...delivery, batch };
        }),
    };
  }),
  events('keeps the batch of what is replayed', (real) => ({
    markReplay: async (ids, options) => {
      const before = await real.getDeliveries(ids);
      const marked = await real.markReplay(ids, options);
      return marked.map((delivery) => {
        const batch = before.find(({ id }) => id === delivery.id)?.batch;
        return batch === undefined ? delivery : { ...delivery, batch };
      });
    },
  })),
  events('hands out the members of a batch in reverse', (real) => ({
    claimQueues: async (request) =>
      (await real.claimQueues(request)).map((result) => ({
        ...result,
        deliveries: result.deliveries.toReversed(),
      })),
  })),
  events('counts a lost claim of a batch with its first', (real) => ({
    claimQueues: async (request) =>
      (await real.claimQueues(request)).map((result) => ({
        ...result,
        deliveries: result.deliveries.map((claimed, index) =>
          index === 0 ? claimed : { ...claimed, delivery: { ...claimed.delivery, lost: 0 } },
        ),
      })),
  })),
  events('takes all content for JSON without headers', (real) => ({
    append: (entries, options) =>
      real.append(
        entries.map(({ event, deliveries }) => {
          const { headers: _, ...rest } = event;
          return { event: { ...rest, contentType: 'application/json' }, deliveries };
        }),
        options,
      ),
  })),
  settling('counts no tries', (one) =>
    one.attempt === undefined ? one : { ...one, attempt: { ...one.attempt, counted: false } },
  ),
  settling('counts every attempt', (one) =>
    one.attempt === undefined ? one : { ...one, attempt: { ...one.attempt, counted: true } },
  ),
  storing('forgets ordering keys in batches', ({ orderingKey: _, ...delivery }) => delivery),
];

function storing(fault: string, change: Change): WrongRepos {
  return events(fault, (real) => ({
    append: (entries, options) => real.append(entries.map(storedAs(change)), options),
  }));
}

function storedAs(change: Change): (entry: AppendEntry) => AppendEntry {
  return ({ event, deliveries }) => ({ event, deliveries: deliveries.map(change) });
}

function settling(fault: string, change: (one: Settlement) => Settlement): WrongRepos {
  return events(fault, (real) => ({
    settle: (settlements, options) => real.settle(settlements.map(change), options),
  }));
}

function claiming(fault: string, change: (queue: QueueClaim) => QueueClaim): WrongRepos {
  return events(fault, (real) => ({
    claimQueues: (request) => real.claimQueues({ ...request, queues: request.queues.map(change) }),
  }));
}

function ruling(fault: string, change: (rule: BatchClaim) => BatchClaim): WrongRepos {
  return claiming(fault, (queue) =>
    queue.batch === undefined ? queue : { ...queue, batch: change(queue.batch) },
  );
}

function mapped(results: readonly ClaimResult[], change: Change): ClaimResult[] {
  return results.map((result) => ({
    ...result,
    deliveries: result.deliveries.map(({ delivery, event }) => ({ delivery: change(delivery), event })),
  }));
}
