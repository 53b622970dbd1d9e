/** Repos that break the laws of cancelling, of bodies and of counts. */
import type { DeliveryRecord } from '../../src/domain/delivery.ts';
import type {
  AppendEntry,
  ClaimResult,
  DeliveryContent,
  DeliveryCounts,
  EventRepo,
} from '../../src/repos.ts';
import { events, type WrongRepos } from './wrong.ts';

/** What `real.cancel` gets: of each delivery that may be cancelled, whether it is. */
function cancelling(fault: string, isFor: (delivery: DeliveryRecord) => boolean): WrongRepos {
  return events(fault, (real) => ({
    cancel: async (ids, options) => {
      const found = await real.getDeliveries(ids);
      return real.cancel(
        found.filter(isFor).map(({ id }) => id),
        options,
      );
    },
  }));
}

/** What is cancelled comes back, and is stored, with these fields. */
function cancellingAs(fault: string, change: (now: DeliveryRecord) => DeliveryRecord): WrongRepos {
  return events(fault, (real) => {
    const changed = new Set<string>();
    const shown = (delivery: DeliveryRecord): DeliveryRecord =>
      changed.has(delivery.id) ? change(delivery) : delivery;
    return {
      cancel: async (ids, options) => {
        const cancelled = await real.cancel(ids, options);
        for (const { id } of cancelled) changed.add(id);
        return cancelled.map(shown);
      },
      getDeliveries: async (ids) => (await real.getDeliveries(ids)).map(shown),
    };
  });
}

export const cancelFaults: readonly WrongRepos[] = [
  cancelling('cancels only what never failed', ({ status }) => status !== 'failed'),
  cancelling('cancels nothing of the express queue', ({ queue }) => queue !== 'express'),
  cancelling('cancels nothing that waits for its turn', ({ orderingKey }) => orderingKey === undefined),
  cancelling('cancels no replays', ({ status }) => status !== 'replaying'),
  cancelling('lets a blocker block', ({ blocks }) => !blocks),
  cancellingAs('says that attempts were used up', (delivery) => ({
    ...delivery,
    reason: 'attempts-used-up',
  })),
  cancellingAs('counts again from 0', (delivery) => ({ ...delivery, attempts: 0, tries: 0 })),
  cancellingAs('forgets batches', ({ batch: _, ...delivery }) => delivery),
  cancellingAs('lets what blocked end when it is cancelled', (delivery) => ({
    ...delivery,
    completedAt: 9_000_000_000_000,
  })),
  events('returns what it has not changed too', (real) => ({
    cancel: async (ids, options) => {
      await real.cancel(ids, options);
      return real.getDeliveries(ids);
    },
  })),
  events('cancels what is leased', (real) => ({
    cancel: async (ids, options) => {
      const leased = (await real.getDeliveries(ids)).filter(({ status }) => status === 'delivering');
      const next = { status: 'exhausted', reason: 'cancelled' } as const;
      await real.settle(
        leased.map(({ id, token }) => ({ deliveryId: id, token, next })),
        options,
      );
      return [
        ...(await real.getDeliveries(leased.map(({ id }) => id))),
        ...(await real.cancel(ids, options)),
      ];
    },
  })),
  events('looks before it cancels, with a gap between', (real) => ({
    cancel: async (ids, options) => {
      const waiting = (await real.getDeliveries(ids)).filter(({ status }) => status === 'pending');
      await Promise.resolve();
      const cancelled = await real.cancel(ids, options);
      return waiting.length > cancelled.length ? waiting : cancelled;
    },
  })),
  events('keeps the lines of what is cancelled closed', (real) => {
    const closed = new Set<string>();
    return {
      cancel: async (ids, options) => {
        const cancelled = await real.cancel(ids, options);
        for (const { orderingKey, webhookId } of cancelled)
          if (orderingKey !== undefined) closed.add(webhookId);
        return cancelled;
      },
      claimQueues: async (request) => {
        const results = await real.claimQueues(request);
        return results.map((result, index) =>
          closed.has(request.queues[index]?.webhookId ?? '') ? { deliveries: [] } : result,
        );
      },
    };
  }),
  events('keeps the batch of what is left', (real) => {
    const batches = new Map<string, DeliveryRecord['batch']>();
    return {
      claimQueues: async (request) =>
        (await real.claimQueues(request)).map((result) => ({
          ...result,
          deliveries: result.deliveries.map(({ delivery, event }) => {
            const batch = batches.get(delivery.id) ?? delivery.batch;
            batches.set(delivery.id, batch);
            return { event, delivery: batch === undefined ? delivery : { ...delivery, batch } };
          }),
        })),
    };
  }),
  events('cancels for ever', (real) => {
    const cancelled = new Set<string>();
    return {
      cancel: async (ids, options) => {
        const changed = await real.cancel(ids, options);
        for (const { id } of changed) cancelled.add(id);
        return changed;
      },
      markReplay: (ids, options) =>
        real.markReplay(
          ids.filter((id) => !cancelled.has(id)),
          options,
        ),
    };
  }),
];

const decoder = new TextDecoder();
const encoder = new TextEncoder();

type Bodies = AppendEntry['bodies'];

/** Entries are stored with what is made of them. */
function storing(fault: string, change: (entry: AppendEntry) => AppendEntry): WrongRepos {
  return events(fault, (real) => ({
    append: (entries, options) => real.append(entries.map(change), options),
  }));
}

function mapBodies(bodies: Bodies, change: (body: Uint8Array) => Uint8Array): Map<string, Uint8Array> {
  return new Map([...(bodies ?? [])].map(([id, body]) => [id, change(body)]));
}

function withBody(contents: readonly DeliveryContent[], bodies: Map<string, Uint8Array>): DeliveryContent[] {
  return contents.map(({ delivery, event }) => {
    const body = bodies.get(delivery.id);
    return { delivery, event: body === undefined ? event : { ...event, body } };
  });
}

export const bodyFaults: readonly WrongRepos[] = [
  storing('forgets bodies', ({ event, deliveries }) => ({ event, deliveries })),
  storing('gives all deliveries of an event one body', ({ event, deliveries, bodies }) => {
    const [body] = bodies?.values() ?? [];
    return {
      event,
      deliveries,
      bodies: new Map(body === undefined ? [] : deliveries.map(({ id }) => [id, body])),
    };
  }),
  storing('puts the body of a delivery into its event', ({ event, ...entry }) => {
    const [body = event.body] = entry.bodies?.values() ?? [];
    return { ...entry, event: { ...event, body } };
  }),
  storing('keeps bodies as text', ({ bodies, ...entry }) => ({
    ...entry,
    bodies: mapBodies(bodies, (body) => encoder.encode(decoder.decode(body))),
  })),
  storing('takes an empty body for none', ({ bodies, ...entry }) => ({
    ...entry,
    bodies: new Map([...(bodies ?? [])].filter(([, body]) => body.length > 0)),
  })),
  events('keeps bodies beside the deliveries, whatever becomes of those', (real) => {
    const kept = new Map<string, Uint8Array>();
    return {
      append: (entries, options) => {
        for (const { bodies } of entries) for (const [id, body] of bodies ?? []) kept.set(id, body);
        return real.append(entries, options);
      },
      claimExpress: async (request) => {
        const result = await real.claimExpress(request);
        return { ...result, deliveries: withBody(result.deliveries, kept) };
      },
      getContents: async (ids) => withBody(await real.getContents(ids), kept),
    };
  }),
  events('hands out bodies from the express queue only', (real) => ({
    claimQueues: async (request) => {
      const results: ClaimResult[] = [];
      for (const result of await real.claimQueues(request)) {
        const contents = result.deliveries.map(async ({ delivery }) => {
          const [event] = await real.getEvents([delivery.eventId]);
          return event === undefined ? [] : [{ delivery, event }];
        });
        results.push({ ...result, deliveries: (await Promise.all(contents)).flat() });
      }
      return results;
    },
  })),
  events('shows the body of the event for what has ended', (real) => ({
    getContents: async (ids) => {
      const contents = await real.getContents(ids);
      const published = await real.getEvents(contents.map(({ event }) => event.id));
      return contents.map(({ delivery, event }) => ({
        delivery,
        event:
          delivery.completedAt === undefined ? event : (published.find(({ id }) => id === event.id) ?? event),
      }));
    },
  })),
  events('makes up contents', (real) => ({
    getContents: async (ids) => {
      const [first, ...others] = await real.getContents(ids);
      return first === undefined ? [] : [first, ...others, first];
    },
  })),
  events('gives up bodies with a replay', (real) => {
    const replayed = new Set<string>();
    return {
      markReplay: (ids, options) => {
        for (const id of ids) replayed.add(id);
        return real.markReplay(ids, options);
      },
      claimExpress: async (request) => {
        const result = await real.claimExpress(request);
        const plain = new Map([...replayed].map((id) => [id, new Uint8Array()]));
        return { ...result, deliveries: withBody(result.deliveries, plain) };
      },
    };
  }),
];

type Counted = (delivery: DeliveryRecord, webhookId: string) => keyof DeliveryCounts | undefined;

const rightly: Counted = ({ webhookId, status }, wanted) => {
  if (webhookId !== wanted) return undefined;
  if (status === 'exhausted') return 'dead';
  return status === 'delivered' || status === 'replaying' ? undefined : 'waiting';
};

/** Counts by going through everything, with that rule. */
function counting(fault: string, rule: Counted): WrongRepos {
  return events(fault, (real) => ({
    countDeliveries: async ({ webhookId, limit }) => {
      const all = await real.listDeliveries({ limit: 1_000 });
      const count = (kind: keyof DeliveryCounts): number =>
        Math.min(limit, all.filter((delivery) => rule(delivery, webhookId) === kind).length);
      return { waiting: count('waiting'), dead: count('dead') };
    },
  }));
}

function countingBut(fault: string, isLeftOut: (delivery: DeliveryRecord) => boolean): WrongRepos {
  return counting(fault, (delivery, webhookId) =>
    isLeftOut(delivery) ? undefined : rightly(delivery, webhookId),
  );
}

export const countFaults: readonly WrongRepos[] = [
  countingBut('counts the express queue only', ({ queue }) => queue === 'own'),
  countingBut('counts own queues only', ({ queue }) => queue === 'express'),
  countingBut('counts only what is pending', ({ status }) => status === 'failed' || status === 'delivering'),
  countingBut('counts only what is due', ({ dueAt }) => dueAt > Date.UTC(2020, 0, 2)),
  countingBut('counts nothing that takes turns', ({ orderingKey }) => orderingKey !== undefined),
  countingBut('counts no dead letters', ({ status }) => status === 'exhausted'),
  counting('counts what is replaying as waiting', (delivery, webhookId) =>
    delivery.status === 'replaying' ? 'waiting' : rightly(delivery, webhookId),
  ),
  counting('counts what was delivered as dead', (delivery, webhookId) =>
    delivery.status === 'delivered' ? 'dead' : rightly(delivery, webhookId),
  ),
  counting('counts all webhooks', (delivery) => rightly(delivery, delivery.webhookId)),
  events('counts on beyond the limit', (real) => ({
    countDeliveries: ({ webhookId }) => real.countDeliveries({ webhookId, limit: 1_000 }),
  })),
  events('counts up only', (real) => {
    const most: Record<keyof DeliveryCounts, number> = { waiting: 0, dead: 0 };
    const all: Partial<EventRepo> = {
      countDeliveries: async (request) => {
        const counts = await real.countDeliveries(request);
        most.waiting = Math.max(most.waiting, counts.waiting);
        most.dead = Math.max(most.dead, counts.dead);
        return { ...most };
      },
    };
    return all;
  }),
];
