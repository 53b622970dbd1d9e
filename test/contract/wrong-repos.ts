import type { AttemptRecord, DeliveryRecord } from '../../src/domain/delivery.ts';
import type { WebhookRecord } from '../../src/domain/webhook.ts';
import { ConflictError } from '../../src/errors.ts';
import type {
  ClaimedDelivery,
  ClaimResult,
  EventRepo,
  PagePosition,
  QueueRecord,
  SettleResult,
  StateRepo,
} from '../../src/repos.ts';
import type { LawFamily } from '../../src/testing/index.ts';
import { events, state, type WrongRepos, webhooks } from './wrong.ts';
import { bodyFaults, cancelFaults, countFaults } from './wrong-deliveries.ts';
import { batchFaults, orderingFaults } from './wrong-modes.ts';
import { outcomeFaults, tokenFaults } from './wrong-state.ts';

const FOREVER_MS = 10_000_000_000_000;
const LONG_MS = 1_000_000_000;
const NOTHING = { deliveries: 0, events: 0, attempts: 0, more: false };

/** For each family of laws, repos that break it. */
export const wrongRepos: Readonly<Record<LawFamily, readonly WrongRepos[]>> = {
  append: [
    events('refuses an event without deliveries', (real) => ({
      append: async (entries, options) => {
        if (entries.some(({ deliveries }) => deliveries.length === 0))
          throw new Error('nobody to deliver to');
        return real.append(entries, options);
      },
    })),
    events('refuses an empty batch', (real) => ({
      append: async (entries, options) => {
        if (entries.length === 0) throw new Error('syntax error at or near VALUES');
        return real.append(entries, options);
      },
    })),
    events('stores a batch entry by entry until one conflicts', (real) => ({
      append: async (entries, options) => {
        const results = [];
        for (const entry of entries) results.push(...(await real.append([entry], options)));
        return results;
      },
    })),
    events('stores what it can of a fan-out', (real) => ({
      append: (entries, options) =>
        real.append(entries, options).catch(async (error) => {
          const first = entries.map((entry) => ({ ...entry, deliveries: entry.deliveries.slice(0, 1) }));
          await real.append(first, options);
          throw error;
        }),
    })),
    events('loses the last delivery of each event', (real) => ({
      append: (entries, options) => {
        const short = entries.map((entry) => ({ ...entry, deliveries: entry.deliveries.slice(0, -1) }));
        return real.append(short, options);
      },
    })),
    events('answers in another order', (real) => ({
      append: async (entries, options) => (await real.append(entries, options)).toReversed(),
    })),
    events('ignores a transaction', (real) => ({
      append: (entries, { now }) => real.append(entries, { now }),
    })),
    events('hands out what was exhausted from the start', (real) => ({
      append: (entries, options) => {
        const revived = entries.map(({ event, deliveries }) => ({
          event,
          deliveries: deliveries.map((delivery) => ({ ...delivery, status: 'pending' as const })),
        }));
        return real.append(revived, options);
      },
    })),
    events('has no room for large batches', (real) => ({
      append: (entries, options) => real.append(entries.slice(0, 500), options),
    })),
  ],

  idempotency: [
    events('forgets keys', (real) => ({
      append: (entries, options) => {
        const unkeyed = entries.map(({ event: { idempotencyKey: _, ...event }, deliveries }) => ({
          event,
          deliveries,
        }));
        return real.append(unkeyed, options);
      },
    })),
    events('takes any content under a known key for a repetition', (real) => ({
      append: async (entries, options) => {
        const same = entries.map(({ event, deliveries }) => ({
          event: { ...event, fingerprint: '' },
          deliveries,
        }));
        return real.append(same, options);
      },
    })),
    events('takes every repetition for a conflict', (real) => ({
      append: async (entries, options) => {
        const results = await real.append(entries, options);
        if (results.some(({ duplicate }) => duplicate)) throw new ConflictError('seen before');
        return results;
      },
    })),
    events('returns a duplicate as it was published', (real) => ({
      append: async (entries, options) => {
        const results = await real.append(entries, options);
        return results.map((result, index) => ({
          ...result,
          deliveries: result.duplicate ? (entries[index]?.deliveries ?? []) : result.deliveries,
        }));
      },
    })),
    events('glues tenant and key together', (real) => ({
      append: (entries, options) => {
        const glued = entries.map(({ event, deliveries }) => {
          const { tenantId, idempotencyKey } = event;
          const key = idempotencyKey && { idempotencyKey: tenantId + idempotencyKey };
          return { event: { ...event, tenantId: '', fingerprint: '', ...key }, deliveries };
        });
        return real.append(glued, options);
      },
    })),
    events('checks keys before it writes, with a gap between', (real) => {
      const known = new Set<string | undefined>([undefined]);
      return {
        append: async (entries, options) => {
          const isKnown = entries.every(({ event }) => known.has(event.idempotencyKey));
          await Promise.resolve();
          for (const { event } of entries) known.add(event.idempotencyKey);
          if (isKnown) return real.append(entries, options);
          const { idempotencyKey: _, ...event } = entries[0]?.event ?? {};
          return real.append([{ ...entries[0], event }, ...entries.slice(1)] as typeof entries, options);
        },
      };
    }),
  ],

  'claim-express': [
    events('hands out what is not due', (real) => ({
      claimExpress: ({ limit }) =>
        real.claimExpress({ now: FOREVER_MS, leaseUntil: FOREVER_MS + LONG_MS, limit }),
    })),
    events('hands out the newest first', (real) => ({
      claimExpress: async (request) => {
        const result = await real.claimExpress(request);
        return { ...result, deliveries: result.deliveries.toReversed() };
      },
    })),
    events('hands out the same to claims that meet', (real) => {
      let running: Promise<ClaimResult> | undefined;
      return {
        claimExpress: (request) => {
          running ??= real.claimExpress(request).finally(() => {
            running = undefined;
          });
          return running;
        },
      };
    }),
    events('drops what it claimed beyond the limit', (real) => ({
      claimExpress: async (request) => {
        const result = await real.claimExpress({ ...request, limit: request.limit + 1 });
        return { ...result, deliveries: result.deliveries.slice(0, request.limit) };
      },
    })),
    events('hands out more than asked for', (real) => ({
      claimExpress: (request) => real.claimExpress({ ...request, limit: request.limit + 1 }),
    })),
    events('has but one queue', (real) => ({
      append: (entries, options) => real.append(inQueue(entries, 'express'), options),
    })),
    events('does not tell when the next is due', (real) => ({
      claimExpress: async (request) => ({ deliveries: (await real.claimExpress(request)).deliveries }),
    })),
    events('tells the next due time in whole seconds', (real) => ({
      claimExpress: async (request) => {
        const { deliveries, nextDueAt } = await real.claimExpress(request);
        return nextDueAt === undefined
          ? { deliveries }
          : { deliveries, nextDueAt: 1 + Math.ceil(nextDueAt / 1_000) * 1_000 };
      },
    })),
    events('tells a next due time for an empty queue', (real) => ({
      claimExpress: async (request) => ({ nextDueAt: 0, ...(await real.claimExpress(request)) }),
    })),
    events('hands out the record as it was before the claim', (real) => ({
      claimExpress: async (request) => {
        const result = await real.claimExpress(request);
        const deliveries = result.deliveries.map(({ delivery, event }) => ({
          delivery: { ...delivery, token: delivery.token - 1 },
          event,
        }));
        return { ...result, deliveries };
      },
    })),
  ],

  'claim-queues': [
    events('has but one kind of queue', (real) => ({
      append: (entries, options) => real.append(inQueue(entries, 'own'), options),
    })),
    events('hands out the record as it was before the claim', (real) => ({
      claimQueues: async (request) =>
        (await real.claimQueues(request)).map((result) =>
          mapClaimed(result, (delivery) => ({ ...delivery, token: delivery.token - 1 })),
        ),
    })),
    events('hands out the same to claims that meet', (real) => {
      let running: Promise<readonly ClaimResult[]> | undefined;
      return {
        claimQueues: (request) => {
          running ??= real.claimQueues(request).finally(() => {
            running = undefined;
          });
          return running;
        },
      };
    }),
    events('answers the queues in the order of their ids', (real) => ({
      claimQueues: (request) => {
        const queues = request.queues.toSorted((a, b) => (a.webhookId < b.webhookId ? -1 : 1));
        return real.claimQueues({ ...request, queues });
      },
    })),
    events('leaves out queues that hold nothing', (real) => ({
      claimQueues: async (request) =>
        (await real.claimQueues(request)).filter(({ deliveries }) => deliveries.length > 0),
    })),
    events('ignores the limit of a queue', (real) => ({
      claimQueues: (request) => {
        const queues = request.queues.map(({ webhookId }) => ({ webhookId, limit: 100 }));
        return real.claimQueues({ ...request, queues });
      },
    })),
    events('hands out what is not due', (real) => ({
      claimQueues: (request) =>
        real.claimQueues({ ...request, now: FOREVER_MS, leaseUntil: FOREVER_MS + LONG_MS }),
    })),
    events('tells of the express queue instead', (real) => ({
      claimQueues: async (request) => {
        const { nextDueAt } = await real.claimExpress({ ...request, limit: 0 });
        return (await real.claimQueues(request)).map(({ deliveries }) => ({
          deliveries,
          ...(nextDueAt !== undefined && { nextDueAt }),
        }));
      },
    })),
    events('serves every queue from the first own queue', (real) => ({
      claimQueues: async (request) => {
        const [webhookId = ''] = await real.ownQueues({ limit: 1 });
        return real.claimQueues({
          ...request,
          queues: request.queues.map(({ limit }) => ({ webhookId, limit })),
        });
      },
    })),
    events('hands out the newest first', (real) => ({
      claimQueues: async (request) =>
        (await real.claimQueues(request)).map((result) => ({
          ...result,
          deliveries: result.deliveries.toReversed(),
        })),
    })),
    events('never ends a lease', (real) => ({
      claimQueues: (request) => real.claimQueues({ ...request, leaseUntil: FOREVER_MS }),
    })),
  ],

  leases: [
    events('hands out at the end of a lease what was settled before', (real) => {
      const claimed: ClaimedDelivery[] = [];
      return {
        claimExpress: async (request) => {
          const result = await real.claimExpress(request);
          const over = claimed.filter(({ delivery }) => (delivery.leaseUntil ?? 0) <= request.now);
          claimed.push(...result.deliveries);
          return { ...result, deliveries: [...result.deliveries, ...over] };
        },
      };
    }),
    events('forgets leases', (real) => ({
      claimExpress: (request) => real.claimExpress({ ...request, leaseUntil: request.now }),
    })),
    events('never ends a lease', (real) => ({
      claimExpress: (request) => real.claimExpress({ ...request, leaseUntil: FOREVER_MS }),
    })),
    events('ends a lease a millisecond early', (real) => ({
      claimExpress: (request) => real.claimExpress({ ...request, leaseUntil: request.leaseUntil - 1 }),
    })),
    events('ends a lease a millisecond late', (real) => ({
      claimExpress: (request) => real.claimExpress({ ...request, leaseUntil: request.leaseUntil + 1 }),
    })),
    events('records no lost attempts', (real) => ({
      attempts: async (id) => (await real.attempts(id)).filter(({ error }) => error?.kind !== 'lost'),
    })),
    events('counts lost claims against the policy', (real) => ({
      claimExpress: async (request) =>
        mapClaimed(await real.claimExpress(request), (delivery) => ({
          ...delivery,
          tries: delivery.tries + delivery.lost,
        })),
    })),
    events('does not count lost claims', (real) => ({
      claimExpress: async (request) =>
        mapClaimed(await real.claimExpress(request), (delivery) => ({ ...delivery, lost: 0 })),
    })),
    events('hands out lost deliveries after all others', (real) => ({
      claimExpress: async (request) => {
        const result = await real.claimExpress(request);
        const deliveries = result.deliveries.toSorted((a, b) => a.delivery.lost - b.delivery.lost);
        return { ...result, deliveries };
      },
    })),
    events('leaves a gap for a lost attempt in the numbers', (real) => ({
      attempts: async (id) =>
        (await real.attempts(id)).map((attempt) => ({ ...attempt, number: attempt.token * 2 })),
    })),
  ],

  fencing: [
    events('compares the token before it writes, with a gap between', (real) => ({
      settle: async ([one, ...rest], options) => {
        if (one === undefined || rest.length > 0) return real.settle(one ? [one, ...rest] : [], options);
        const [before] = await real.getDeliveries([one.deliveryId]);
        for (let gap = 0; gap < 20; gap += 1) await Promise.resolve();
        const [present] = await real.getDeliveries([one.deliveryId]);
        const isCurrent = before?.token === one.token;
        return real.settle([{ ...one, token: (isCurrent && present?.token) || one.token }], options);
      },
    })),
    events('takes any token', (real) => ({
      settle: async (settlements, options) => {
        const present = await real.getDeliveries(settlements.map(({ deliveryId }) => deliveryId));
        const tokens = new Map(present.map(({ id, token }) => [id, token]));
        const trusting = settlements.map((one) => ({
          ...one,
          token: tokens.get(one.deliveryId) ?? one.token,
        }));
        return real.settle(trusting, options);
      },
    })),
    events('refuses a settlement after the end of the lease', (real) => ({
      settle: async (settlements, options) => {
        const [delivery] = await real.getDeliveries(settlements.map(({ deliveryId }) => deliveryId));
        if ((delivery?.leaseUntil ?? options.now) < options.now)
          return settlements.map(() => 'late' as const);
        return real.settle(settlements, options);
      },
    })),
    events('forgets the attempts of late workers', (real) => ({
      settle: async (settlements, options) => {
        const [delivery] = await real.getDeliveries(settlements.map(({ deliveryId }) => deliveryId));
        const onTime = settlements.map(({ attempt, ...rest }) =>
          delivery?.token === rest.token && attempt ? { ...rest, attempt } : rest,
        );
        return real.settle(onTime, options);
      },
    })),
    events('adds an attempt for every settlement', (real) => {
      const extra: AttemptRecord[] = [];
      return {
        settle: async (settlements, options) => {
          const results = await real.settle(settlements, options);
          for (const [index, { attempt, token }] of settlements.entries()) {
            if (attempt && results[index] !== 'applied') {
              extra.push({ ...attempt, number: 99, token, late: true });
            }
          }
          return results;
        },
        attempts: async (id) => [...(await real.attempts(id)), ...extra],
      };
    }),
    events('keeps lost attempts beside what late workers report', (real) => ({
      attempts: async (id) =>
        (await real.attempts(id)).flatMap((attempt) => (attempt.late ? [attempt, attempt] : [attempt])),
    })),
    events('answers applied to a repetition', (real) => ({
      settle: async (settlements, options) =>
        (await real.settle(settlements, options)).map((result) =>
          result === 'repeated' ? 'applied' : result,
        ),
    })),
    events('takes a repetition for late once it was claimed again', (real) => ({
      settle: async (settlements, options) => {
        const [delivery] = await real.getDeliveries(settlements.map(({ deliveryId }) => deliveryId));
        const results = await real.settle(settlements, options);
        return results.map((result) =>
          result === 'repeated' && delivery?.status === 'delivering' ? 'late' : result,
        );
      },
    })),
    events('has no answer for an unknown delivery', (real) => ({
      settle: async (settlements, options) =>
        (await real.settle(settlements, options)).filter((result) => result !== 'unknown'),
    })),
    events('starts tokens again with a replay', (real) => {
      const bases = new Map<string, number>();
      return {
        markReplay: async (ids, options) => {
          const marked = await real.markReplay(ids, options);
          for (const { id, token } of marked) bases.set(id, token);
          return marked;
        },
        claimExpress: async (request) =>
          mapClaimed(await real.claimExpress(request), (delivery) => ({
            ...delivery,
            token: delivery.token - (bases.get(delivery.id) ?? 0),
          })),
      };
    }),
  ],

  settle: [
    events('puts whatever waits into its own queue', (real) => ({
      settle: (settlements, options) =>
        real.settle(
          settlements.map((one) =>
            one.next.status === 'waiting' ? { ...one, next: { ...one.next, queue: 'own' } } : one,
          ),
          options,
        ),
    })),
    events('refuses an empty batch', (real) => ({
      settle: async (settlements, options) => {
        if (settlements.length === 0) throw new Error('syntax error at or near VALUES');
        return real.settle(settlements, options);
      },
    })),
    events('records no attempts', (real) => ({
      settle: (settlements, options) =>
        real.settle(
          settlements.map(({ attempt: _, ...rest }) => rest),
          options,
        ),
    })),
    events('counts every attempt against the policy', (real) => ({
      settle: (settlements, options) =>
        real.settle(
          settlements.map(({ attempt, ...rest }) =>
            attempt ? { ...rest, attempt: { ...attempt, counted: true } } : rest,
          ),
          options,
        ),
    })),
    events('leaves every delivery in the queue it was in', (real) => ({
      settle: (settlements, options) =>
        real.settle(
          settlements.map((one) =>
            one.next.status === 'waiting' ? { ...one, next: { ...one.next, queue: 'express' } } : one,
          ),
          options,
        ),
    })),
    events('retries at once', (real) => ({
      settle: (settlements, options) =>
        real.settle(
          settlements.map((one) =>
            one.next.status === 'waiting' ? { ...one, next: { ...one.next, dueAt: options.now } } : one,
          ),
          options,
        ),
    })),
    events('answers in another order', (real) => ({
      settle: async (settlements, options) => (await real.settle(settlements, options)).toReversed(),
    })),
    events('stops at the first settlement that is not applied', (real) => ({
      settle: async (settlements, options) => {
        const results: SettleResult[] = [];
        for (const one of settlements) {
          const [result] = await real.settle([one], options);
          if (result === undefined || result === 'unknown') break;
          results.push(result);
        }
        return results;
      },
    })),
    events('gives every exhausted delivery one reason', (real) => ({
      settle: (settlements, options) =>
        real.settle(
          settlements.map((one) =>
            one.next.status === 'exhausted' ? { ...one, next: { ...one.next, reason: 'cancelled' } } : one,
          ),
          options,
        ),
    })),
    events('has forgotten failures when a delivery is given back', (real) => ({
      getDeliveries: async (ids) =>
        (await real.getDeliveries(ids)).map((delivery) =>
          delivery.status === 'failed' && delivery.token > delivery.attempts
            ? { ...delivery, status: 'pending' }
            : delivery,
        ),
    })),
    events('lists attempts newest first', (real) => ({
      attempts: async (id) => (await real.attempts(id)).toReversed(),
    })),
    events('settles no more than 500 at a time', (real) => ({
      settle: (settlements, options) => real.settle(settlements.slice(0, 500), options),
    })),
    events('puts what is given back behind what is due', (real) => ({
      settle: (settlements, options) =>
        real.settle(
          settlements.map((one) =>
            one.next.status === 'waiting'
              ? { ...one, next: { ...one.next, dueAt: one.next.dueAt + 1 } }
              : one,
          ),
          options,
        ),
    })),
  ],

  ordering: orderingFaults,
  batches: batchFaults,
  bodies: bodyFaults,
  cancel: cancelFaults,
  counts: countFaults,
  tokens: tokenFaults,
  outcomes: outcomeFaults,

  'own-queues': [
    events('gives up the queues of all webhooks', (real) => ({
      exhaustQueue: async (request) => {
        const given = [];
        for (const webhookId of await real.ownQueues({ limit: 99 })) {
          given.push(...(await real.exhaustQueue({ ...request, webhookId })));
        }
        return given;
      },
    })),
    events('gives up only what is due', (real) => ({
      exhaustQueue: async ({ webhookId, reason, now, limit }) => {
        const [result] = await real.claimQueues({ now, leaseUntil: now + 1, queues: [{ webhookId, limit }] });
        const claimed = (result?.deliveries ?? []).map(({ delivery }) => delivery);
        const next = { status: 'exhausted', reason } as const;
        await real.settle(
          claimed.map(({ id, token }) => ({ deliveryId: id, token, next })),
          { now },
        );
        return real.getDeliveries(claimed.map(({ id }) => id));
      },
    })),
    events('gives up leased deliveries', (real) => ({
      exhaustQueue: async (request) => {
        const { webhookId, reason, now } = request;
        const query = { webhookId, status: 'delivering', limit: request.limit } as const;
        const leased = await real.listDeliveries(query);
        const next = { status: 'exhausted', reason } as const;
        await real.settle(
          leased.map(({ id, token }) => ({ deliveryId: id, token, next })),
          { now },
        );
        return real.exhaustQueue(request);
      },
    })),
    events('gives up everything at once', (real) => ({
      exhaustQueue: (request) => real.exhaustQueue({ ...request, limit: 1_000_000 }),
    })),
    events('returns what it gave up as it was before', (real) => ({
      exhaustQueue: async (request) =>
        (await real.exhaustQueue(request)).map(({ reason: _, completedAt: __, ...delivery }) => ({
          ...delivery,
          status: 'pending',
        })),
    })),
    events('lists queues in any order', (real) => ({
      ownQueues: async (request) => (await real.ownQueues(request)).toReversed(),
    })),
    events('lists queues from the beginning on every page', (real) => ({
      ownQueues: ({ limit }) => real.ownQueues({ limit }),
    })),
    events('lists a queue for ever', (real) => {
      const seen = new Set<string>();
      return {
        ownQueues: async (request) => {
          for (const id of await real.ownQueues(request)) seen.add(id);
          return [...seen].filter((id) => id > (request.after ?? '')).slice(0, request.limit);
        },
        append: async (entries, options) => {
          for (const { deliveries } of entries) {
            for (const { queue, webhookId } of deliveries) if (queue === 'own') seen.add(webhookId);
          }
          return real.append(entries, options);
        },
      };
    }),
    events('lists no queue of which all is leased', (real) => ({
      ownQueues: async (request) => {
        const found = await real.ownQueues(request);
        const waiting = [];
        for (const webhookId of found) {
          const all = await real.listDeliveries({ webhookId, limit: 99 });
          if (all.some(({ status }) => status !== 'delivering')) waiting.push(webhookId);
        }
        return waiting;
      },
    })),
  ],

  prune: [
    events('removes nothing', () => ({ prune: async () => NOTHING })),
    events('takes its bounds as inclusive', (real) => ({
      prune: ({ deliveredBefore, exhaustedBefore, attemptsBefore, limit }) =>
        real.prune({
          limit,
          ...(deliveredBefore !== undefined && { deliveredBefore: deliveredBefore + 1 }),
          ...(exhaustedBefore !== undefined && { exhaustedBefore: exhaustedBefore + 1 }),
          ...(attemptsBefore !== undefined && { attemptsBefore: attemptsBefore + 1 }),
        }),
    })),
    events('has one bound for everything', (real) => ({
      prune: ({ limit, ...bounds }) => {
        const before = Math.max(0, ...Object.values(bounds));
        return real.prune({
          deliveredBefore: before,
          exhaustedBefore: before,
          attemptsBefore: before,
          limit,
        });
      },
    })),
    events('takes an absent bound for no bound at all', (real) => ({
      prune: (request) =>
        real.prune({
          deliveredBefore: Number.POSITIVE_INFINITY,
          exhaustedBefore: Number.POSITIVE_INFINITY,
          attemptsBefore: Number.POSITIVE_INFINITY,
          ...request,
        }),
    })),
    events('removes what waits', (real) => {
      let pruned = false;
      return {
        prune: async (request) => {
          pruned = true;
          return real.prune(request);
        },
        getDeliveries: async (ids) =>
          (await real.getDeliveries(ids)).filter(({ status }) => !pruned || status === 'delivered'),
      };
    }),
    events('removes an event with its first delivery', (real) => {
      let pruned = false;
      return {
        prune: async (request) => {
          pruned = true;
          return real.prune(request);
        },
        getEvents: async (ids) => (pruned ? [] : real.getEvents(ids)),
      };
    }),
    events('keeps idempotency keys for ever', (real) => {
      const keys = new Set<string>();
      return {
        append: async (entries, options) => {
          for (const { event } of entries) {
            if (event.idempotencyKey === undefined) continue;
            if (keys.has(event.idempotencyKey)) throw new ConflictError('in use');
            keys.add(event.idempotencyKey);
          }
          return real.append(entries, options);
        },
      };
    }),
    events('forgets how many attempts there were', (real) => {
      let pruned = false;
      return {
        prune: async (request) => {
          pruned = true;
          return real.prune(request);
        },
        getDeliveries: async (ids) =>
          (await real.getDeliveries(ids)).map((one) => (pruned ? { ...one, attempts: 0 } : one)),
      };
    }),
    events('knows no limit', (real) => ({
      prune: (request) => real.prune({ ...request, limit: 1_000_000 }),
    })),
    events('never says that more is left', (real) => ({
      prune: async (request) => ({ ...(await real.prune(request)), more: false }),
    })),
    events('lists what it has removed', (real) => {
      let known: readonly DeliveryRecord[] = [];
      return {
        prune: async (request) => {
          known = await real.listDeliveries({ limit: 100 });
          return real.prune(request);
        },
        listDeliveries: async (query) => (known.length > 0 ? known : real.listDeliveries(query)),
      };
    }),
  ],

  replay: [
    events('returns all that it was asked to mark', (real) => ({
      markReplay: async (ids, options) => {
        await real.markReplay(ids, options);
        return real.getDeliveries(ids);
      },
    })),
    events('keeps the counters of a marked delivery', (real) => ({
      markReplay: async (ids, options) => {
        const before = new Map((await real.getDeliveries(ids)).map((delivery) => [delivery.id, delivery]));
        return (await real.markReplay(ids, options)).map((delivery) => ({
          ...delivery,
          tries: before.get(delivery.id)?.tries ?? 0,
        }));
      },
    })),
    events('promotes when it marks', (real) => ({
      markReplay: async (ids, options) => {
        const marked = await real.markReplay(ids, options);
        await real.promoteReplays({ now: options.now, limit: marked.length });
        return marked;
      },
    })),
    events('promotes all at once', (real) => ({
      promoteReplays: ({ now }) => real.promoteReplays({ now, limit: 1_000_000 }),
    })),
    events('promotes into the far future', (real) => ({
      promoteReplays: ({ now, limit }) => real.promoteReplays({ now: now + LONG_MS, limit }),
    })),
    events('promotes the last marked first', (real) => {
      let waiting: string[] = [];
      return {
        markReplay: async (ids) => {
          waiting = [...waiting, ...ids];
          return real.getDeliveries(ids);
        },
        promoteReplays: async ({ now, limit }) => {
          const turn = waiting.splice(-limit);
          await real.markReplay(turn, { now });
          return real.promoteReplays({ now, limit });
        },
      };
    }),
    events('promotes the same twice when calls meet', (real) => {
      let running: Promise<readonly DeliveryRecord[]> | undefined;
      return {
        promoteReplays: (request) => {
          running ??= real.promoteReplays(request).finally(() => {
            running = undefined;
          });
          return running;
        },
      };
    }),
    events('forgets the history of what it replays', (real) => ({
      attempts: async (id) => {
        const [delivery] = await real.getDeliveries([id]);
        return delivery?.status === 'replaying' ? [] : real.attempts(id);
      },
    })),
  ],

  listing: [
    events('repeats the last of a page on the next', (real) => ({
      listDeliveries: ({ after, ...query }) =>
        real.listDeliveries(after ? { ...query, after: { ...after, id: `${after.id}\uffff` } } : query),
    })),
    events('passes over equal times at the edge of a page', (real) => ({
      listDeliveries: ({ after, ...query }) =>
        real.listDeliveries(after ? { ...query, after: { ...after, id: '' } } : query),
    })),
    events('counts pages from the newest, whatever came in', (real) => {
      const seen = new Map<string, number>();
      return {
        listDeliveries: async ({ after, limit, ...query }) => {
          const offset = after ? (seen.get(after.id) ?? 0) : 0;
          const page = (await real.listDeliveries({ ...query, limit: 1_000 })).slice(offset, offset + limit);
          for (const [index, { id }] of page.entries()) seen.set(id, offset + index + 1);
          return page;
        },
      };
    }),
    events('lists oldest first', (real) => ({
      listDeliveries: async (query) => (await real.listDeliveries(query)).toReversed(),
    })),
    events('ignores the limit', (real) => ({
      listDeliveries: (query) => real.listDeliveries({ ...query, limit: 1_000 }),
    })),
    ...(['tenantId', 'webhookId', 'eventType', 'status', 'since', 'until'] as const).map((condition) =>
      events(`ignores ${condition}`, (real) => ({
        listDeliveries: ({ [condition]: _, ...query }) => real.listDeliveries(query),
      })),
    ),
    events('takes until as at or before', (real) => ({
      listDeliveries: (query) =>
        real.listDeliveries(query.until === undefined ? query : { ...query, until: query.until + 1 }),
    })),
    events('takes since as after', (real) => ({
      listDeliveries: (query) =>
        real.listDeliveries(query.since === undefined ? query : { ...query, since: query.since + 1 }),
    })),
    events('lists newest first, whatever is asked', (real) => ({
      listDeliveries: ({ order: _, ...query }) => real.listDeliveries(query),
    })),
    events('turns the newest page round', (real) => ({
      listDeliveries: async ({ order, ...query }) => {
        const page = await real.listDeliveries(query);
        return order === 'oldest' ? page.toReversed() : page;
      },
    })),
    ...(['since', 'until'] as const).map((bound) =>
      events(`forgets ${bound} oldest first`, (real) => ({
        listDeliveries: (query) => {
          const { [bound]: _, ...rest } = query;
          return real.listDeliveries(query.order === 'oldest' ? rest : query);
        },
      })),
    ),
    ...(
      [
        ['repeats the last millisecond of a page that begins with the oldest', ''],
        ['passes over equal times at the edge of a page that begins with the oldest', '\uffff'],
      ] as const
    ).map(([fault, id]) =>
      events(fault, (real) => ({
        listDeliveries: (query) => {
          const { order, after } = query;
          return real.listDeliveries(
            order === 'oldest' && after ? { ...query, after: { ...after, id } } : query,
          );
        },
      })),
    ),
    events('counts the pages that begin with the oldest', (real) => {
      const places = new Map<string, number>();
      return {
        listDeliveries: async (query) => {
          const { after, limit, ...rest } = query;
          if (query.order !== 'oldest') return real.listDeliveries(query);
          const from = after === undefined ? 0 : (places.get(after.id) ?? 0);
          const page = (await real.listDeliveries({ ...rest, limit: 1_000 })).slice(from, from + limit);
          for (const [index, { id }] of page.entries()) places.set(id, from + index + 1);
          return page;
        },
      };
    }),
    events('forgets until behind a place', (real) => ({
      listDeliveries: ({ until, ...query }) =>
        real.listDeliveries(query.after || until === undefined ? query : { ...query, until }),
    })),
    events('has the deliveries of an event in the order of their ids', (real) => ({
      deliveriesOf: async (id) =>
        (await real.deliveriesOf(id)).toSorted((a, b) => (a.id < b.id ? -1 : Number(a.id > b.id))),
    })),
    events('has the deliveries of an event as they were published', (real) => {
      const published = new Map<string, readonly DeliveryRecord[]>();
      return {
        append: (entries, options) => {
          for (const { event, deliveries } of entries) published.set(event.id, deliveries);
          return real.append(entries, options);
        },
        deliveriesOf: async (id) => published.get(id) ?? [],
      };
    }),
    events('has no deliveries of an unknown event', (real) => ({
      deliveriesOf: async (id) => {
        if ((await real.getEvents([id])).length === 0) throw new Error('no such event');
        return real.deliveriesOf(id);
      },
    })),
    events('makes up records for unknown ids', (real) => ({
      getEvents: async (ids) => {
        const found = await real.getEvents(ids);
        return found.length === 0 ? found : ids.map(() => found[0] as (typeof found)[0]);
      },
    })),
  ],

  'round-trip': [
    events('keeps bodies as text', (real) => ({
      append: (entries, options) => {
        const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
        const texts = entries.map(({ event, deliveries }) => ({
          event: { ...event, body: new TextEncoder().encode(decoder.decode(event.body)) },
          deliveries,
        }));
        return real.append(texts, options);
      },
    })),
    events('keeps no headers of events', (real) => ({
      append: (entries, options) => {
        const bare = entries.map(({ event: { headers: _, ...event }, deliveries }) => ({
          event,
          deliveries,
        }));
        return real.append(bare, options);
      },
    })),
    events('trims what it looks for', (real) => ({
      getEvents: (ids) => real.getEvents(ids.map((id) => id.trim())),
    })),
    events('takes a tenant for a pattern', (real) => ({
      listDeliveries: ({ tenantId, ...query }) =>
        real.listDeliveries(tenantId === undefined || tenantId === '%' ? query : { ...query, tenantId }),
    })),
    events('normalises keys', (real) => ({
      append: (entries, options) => {
        const normal = entries.map(({ event, deliveries }) => ({
          event: { ...event, id: event.id.normalize('NFC') },
          deliveries,
        }));
        return real.append(normal, options);
      },
    })),
    events('splits names of queues at commas', (real) => ({
      ownQueues: async (request) => (await real.ownQueues(request)).flatMap((id) => id.split(',')),
    })),
    events('cuts durations to whole milliseconds', (real) => ({
      attempts: async (id) =>
        (await real.attempts(id)).map((attempt) => ({
          ...attempt,
          durationMs: Math.trunc(attempt.durationMs),
        })),
    })),
    events('keeps instants in 32 bits of seconds', (real) => ({
      append: (entries, options) => {
        const cut = entries.map(({ event, deliveries }) => ({
          event,
          deliveries: deliveries.map((one) => ({ ...one, dueAt: Math.min(one.dueAt, 2 ** 31 * 1_000) })),
        }));
        return real.append(cut, options);
      },
    })),
    events('changes records that it has handed out', (real) => {
      const handedOut = new Map<string, DeliveryRecord>();
      return {
        claimExpress: async (request) => {
          const result = await real.claimExpress(request);
          for (const { delivery } of result.deliveries) handedOut.set(delivery.id, delivery);
          return result;
        },
        settle: async (settlements, options) => {
          const results = await real.settle(settlements, options);
          for (const delivery of await real.getDeliveries([...handedOut.keys()])) {
            Object.assign(handedOut.get(delivery.id) ?? {}, delivery);
          }
          return results;
        },
      };
    }),
  ],

  webhooks: [
    webhooks('sets a status without looking at the present one', (real) => ({
      setStatus: async (changes) => {
        const results = [];
        for (const change of changes) {
          const [webhook] = await real.getMany([change.webhookId]);
          results.push(...(await real.setStatus([{ ...change, from: webhook?.status ?? change.from }])));
        }
        return results;
      },
    })),
    webhooks('compares only the state of a status', (real) => ({
      setStatus: async (changes) => {
        const results = [];
        for (const change of changes) {
          const [webhook] = await real.getMany([change.webhookId]);
          const from = webhook?.status.state === change.from.state ? webhook.status : change.from;
          results.push(...(await real.setStatus([{ ...change, from }])));
        }
        return results;
      },
    })),
    webhooks('compares before it writes, with a gap between', (real) => ({
      setStatus: async (changes) => {
        const [webhook] = await real.getMany(changes.map(({ webhookId }) => webhookId));
        const isSame = JSON.stringify(webhook?.status) === JSON.stringify(changes[0]?.from);
        if (!isSame || changes.length > 1) return real.setStatus(changes);
        for (;;) {
          const [present] = await real.getMany(changes.map(({ webhookId }) => webhookId));
          const results = await real.setStatus(
            changes.map((one) => ({ ...one, from: present?.status ?? one.from })),
          );
          if (results[0] || present === undefined) return results;
        }
      },
    })),
    webhooks('answers in another order', (real) => ({
      setStatus: async (changes) => (await real.setStatus(changes)).toReversed(),
    })),
    webhooks('does not know categories', (real) => ({
      subscribers: async (tenantId, type) =>
        (await real.subscribers(tenantId, type)).filter(({ events: patterns }) =>
          patterns.some((pattern) => pattern === type || pattern === '*'),
        ),
    })),
    webhooks('does not know *', (real) => ({
      subscribers: async (tenantId, type) =>
        (await real.subscribers(tenantId, type)).filter(({ events: patterns }) => !patterns.includes('*')),
    })),
    webhooks('knows only the nearest category', (real) => ({
      subscribers: async (tenantId, type) => {
        const category = `${type.slice(0, type.lastIndexOf('.'))}.*`;
        return (await real.subscribers(tenantId, type)).filter(({ events: patterns }) =>
          patterns.some((pattern) => [type, category, '*'].includes(pattern)),
        );
      },
    })),
    webhooks('finds the subscribers of several types, one list behind the other', (real) => ({
      subscribersOfAll: async (pairs) => {
        const lists = pairs.map(({ tenantId, eventType }) => real.subscribers(tenantId, eventType));
        return (await Promise.all(lists)).flat();
      },
    })),
    webhooks('finds only enabled subscribers', (real) => ({
      subscribers: async (tenantId, type) =>
        (await real.subscribers(tenantId, type)).filter(({ status }) => status.state === 'enabled'),
    })),
    webhooks('finds a subscriber once for each of its patterns', (real) => ({
      subscribers: async (tenantId, type) =>
        (await real.subscribers(tenantId, type)).flatMap((one) => one.events.map(() => one)),
    })),
    webhooks('tells tenants apart without regard to case', (real) => ({
      subscribers: async (tenantId, type) => {
        const other = tenantId === 'a' ? await real.subscribers('A', type) : [];
        return [...other, ...(await real.subscribers(tenantId, type))];
      },
    })),
    webhooks('makes up webhooks for unknown ids', (real) => ({
      getMany: async (ids) => {
        const found = await real.getMany(ids);
        return ids.flatMap((id) => found.find((one) => one.id === id) ?? found[0] ?? []);
      },
    })),
  ],

  'webhook-store': [
    webhooks('looks for an id before it inserts, with a gap between', (real) => ({
      insert: async (webhook) => {
        const [known] = await real.getMany([webhook.id]);
        if (known) return false;
        await Promise.all([real.delete(webhook.id), real.insert(webhook)]);
        return true;
      },
    })),
    webhooks('compares the revision before it writes, with a gap between', (real) => ({
      update: async (webhook, revision) => {
        const [before] = await real.getMany([webhook.id]);
        if (before?.revision !== revision) return false;
        const { status } = before;
        await Promise.all([real.delete(webhook.id), real.insert({ ...webhook, status })]);
        return true;
      },
    })),
    webhooks('updates from any revision', (real) => ({
      update: async (webhook) => {
        const [present] = await real.getMany([webhook.id]);
        return real.update(webhook, present?.revision ?? 0);
      },
    })),
    webhooks('updates the status too', (real) => ({
      update: async (webhook, revision) => {
        const isUpdated = await real.update(webhook, revision);
        const [present] = await real.getMany([webhook.id]);
        if (isUpdated && present) {
          await real.setStatus([{ webhookId: webhook.id, from: present.status, to: webhook.status }]);
        }
        return isUpdated;
      },
    })),
    webhooks('keeps optional fields that an update leaves out', (real) => ({
      update: async (webhook, revision) => {
        const [present] = await real.getMany([webhook.id]);
        return real.update({ ...present, ...webhook }, revision);
      },
    })),
    webhooks('lets a change of status count as a revision', (real) => ({
      setStatus: async (changes) => {
        const results = await real.setStatus(changes);
        for (const present of await real.getMany(changes.map(({ webhookId }) => webhookId))) {
          await real.update({ ...present, revision: present.revision + 1 }, present.revision);
        }
        return results;
      },
    })),
    webhooks('inserts over what is there', (real) => ({
      insert: async (webhook) => {
        await real.delete(webhook.id);
        return real.insert(webhook);
      },
    })),
    webhooks('deletes what is not there', (real) => ({
      delete: async (id) => {
        await real.delete(id);
        return true;
      },
    })),
    webhooks('finds deleted webhooks by their id', (real) => {
      const known = new Map<string, WebhookRecord>();
      return {
        insert: (webhook) => {
          known.set(webhook.id, webhook);
          return real.insert(webhook);
        },
        getMany: async (ids) => {
          const found = new Map((await real.getMany(ids)).map((one) => [one.id, one]));
          return ids.flatMap((id) => found.get(id) ?? known.get(id) ?? []);
        },
      };
    }),
    webhooks('lists in the order of the ids', (real) => ({
      list: async (query) => (await real.list(query)).toSorted((a, b) => (a.id < b.id ? 1 : -1)),
    })),
    webhooks('passes over equal times at the edge of a page', (real) => ({
      list: ({ after, ...query }) =>
        real.list(after ? { ...query, after: { createdAt: after.createdAt, id: '' } } : query),
    })),
    webhooks('cannot go on behind a webhook that was deleted', (real) => ({
      list: async ({ after, ...query }) => {
        const [present] = after ? await real.getMany([after.id]) : [];
        return real.list(present ? { ...query, after: place(present) } : query);
      },
    })),
    webhooks('lists all tenants', (real) => ({
      list: ({ tenantId: _, ...query }) => real.list(query),
    })),
    webhooks('subscribes by the patterns of the insert', (real) => {
      const patterns = new Map<string, readonly string[]>();
      return {
        insert: (webhook) => {
          patterns.set(webhook.id, webhook.events);
          return real.insert(webhook);
        },
        subscribers: async (tenantId, type) =>
          (await real.subscribers(tenantId, type)).filter(({ id }) =>
            patterns.get(id)?.some((pattern) => pattern === '*' || pattern === type),
          ),
      };
    }),
    webhooks('keeps no filter', (real) => ({
      insert: ({ filter: _, ...webhook }) => real.insert(webhook),
    })),
  ],

  'queue-state': [
    state('opens once when calls meet', (real) => {
      let running: Promise<void> | undefined;
      return {
        open: (entries, options) => {
          running ??= real.open(entries, options).finally(() => {
            running = undefined;
          });
          return running;
        },
      };
    }),
    state('refuses an empty batch', (real) => ({
      reset: async (entries, options) => {
        if (entries.length === 0) throw new Error('syntax error at or near VALUES');
        return real.reset(entries, options);
      },
    })),
    state('wakes no queue that is there', (real) => ({
      open: async (entries, options) => {
        const known = await real.get(entries.map(({ webhookId }) => webhookId));
        const absent = entries.filter(({ webhookId }) => !known.some((one) => one.webhookId === webhookId));
        await real.open(absent, options);
      },
    })),
    state('ignores failures', (real) => ({
      open: (entries, options) =>
        real.open(
          entries.map((entry) => ({ ...entry, failures: 0 })),
          options,
        ),
    })),
    state('takes every opening for a failure', (real) => ({
      open: (entries, options) =>
        real.open(
          entries.map((entry) => ({ ...entry, failures: 1 })),
          options,
        ),
    })),
    state('keeps the first instant', (real) => ({
      open: async (entries, options) => {
        const known = new Set((await real.get(entries.map(({ webhookId }) => webhookId))).map(idOf));
        const kept = entries.map((entry) =>
          known.has(entry.webhookId) ? { ...entry, nextAt: FOREVER_MS } : entry,
        );
        await real.open(kept, options);
      },
    })),
    state('opens a queue that is held back', (real) => ({
      open: async (entries, options) => {
        for (const { webhookId, nextAt } of await real.get(entries.map((entry) => entry.webhookId))) {
          if (nextAt === null) await real.reset([{ webhookId, nextAt: options.now }], options);
        }
        await real.open(entries, options);
      },
    })),
    state('opens a queue under its holder', (real) => ({
      open: async (entries, options) => {
        for (const { webhookId, token, failures, leaseUntil } of await real.get(entries.map(idOf))) {
          const nextAt = entries.find((entry) => entry.webhookId === webhookId)?.nextAt ?? null;
          const kept = { webhookId, token, failures, notBefore: 0, nextAt };
          if (leaseUntil !== undefined) await real.save([{ ...kept, leaseUntil }], options);
        }
        await real.open(entries, options);
      },
    })),
    state('takes an expired lease for one that holds', (real) => {
      const leased = new Set<string>();
      return {
        acquire: async (request) => {
          const result = await real.acquire(request);
          for (const { webhookId } of result.queues) leased.add(webhookId);
          return result;
        },
        open: async (entries, options) => {
          const free = entries.map((entry) =>
            leased.has(entry.webhookId) ? { ...entry, failures: 0 as const, nextAt: FOREVER_MS } : entry,
          );
          await real.open(free, options);
        },
      };
    }),
    state('forgets the back-off', (real) => ({
      get: async (ids) => (await real.get(ids)).map((record) => ({ ...record, notBefore: 0 })),
    })),
    state('leaves a queue to its holder at a reset', (real) => ({
      reset: async (entries, options) => {
        for (const entry of entries) {
          const [record] = await real.get([entry.webhookId]);
          if (record === undefined) await real.reset([entry], options);
          else await real.save([{ ...record, ...entry, failures: 0, notBefore: 0 }], options);
        }
      },
    })),
    state('creates nothing at a reset', (real) => ({
      reset: async (entries, options) => {
        const known = new Set((await real.get(entries.map(idOf))).map(idOf));
        await real.reset(
          entries.filter(({ webhookId }) => known.has(webhookId)),
          options,
        );
      },
    })),
    state('begins tokens at 0', (real) => ({
      get: async (ids) => (await real.get(ids)).map((record) => ({ ...record, token: 0 })),
    })),
    state('makes up records', (real) => ({
      get: async (ids) => {
        const found = await real.get(ids);
        const none = { failures: 0, notBefore: 0, nextAt: null, wakes: 0, token: 0 };
        return ids.map(
          (webhookId) => found.find((one) => one.webhookId === webhookId) ?? { webhookId, ...none },
        );
      },
    })),
  ],

  'queue-leases': [
    state('forgets leases', (real) => ({
      acquire: (request) => real.acquire({ ...request, leaseUntil: request.now }),
    })),
    state('never ends a lease', (real) => ({
      acquire: (request) => real.acquire({ ...request, leaseUntil: FOREVER_MS }),
    })),
    state('leases what is not due', (real) => ({
      acquire: (request) => real.acquire({ ...request, now: FOREVER_MS, leaseUntil: FOREVER_MS + 1 }),
    })),
    state('leases the same to workers that meet', (real) => {
      let running: ReturnType<StateRepo['acquire']> | undefined;
      return {
        acquire: (request) => {
          running ??= real.acquire(request).finally(() => {
            running = undefined;
          });
          return running;
        },
      };
    }),
    state('leases in any order', (real) => ({
      acquire: async (request) => {
        const result = await real.acquire(request);
        return { ...result, queues: result.queues.toReversed() };
      },
    })),
    state('has one limit for healthy and failing', (real) => ({
      acquire: (request) => {
        const most = Math.max(request.healthy, request.failing);
        return real.acquire({ ...request, healthy: most, failing: most });
      },
    })),
    state('does not tell when the next can be acquired', (real) => ({
      acquire: async (request) => ({ queues: (await real.acquire(request)).queues }),
    })),
    state('tells of what it has just leased', (real) => ({
      acquire: async (request) => {
        const { queues, nextAt = FOREVER_MS } = await real.acquire(request);
        const ends = queues.map(({ leaseUntil = FOREVER_MS }) => leaseUntil);
        const next = Math.min(nextAt, ...ends);
        return next === FOREVER_MS ? { queues } : { queues, nextAt: queues.length > 0 ? 1 : next };
      },
    })),
    state('leases what is held back', (real) => ({
      reset: (entries, options) =>
        real.reset(
          entries.map(({ webhookId, nextAt }) => ({ webhookId, nextAt: nextAt ?? 0 })),
          options,
        ),
    })),
    state('takes any token', (real) => ({
      save: async (changes, options) => {
        const known = new Map((await real.get(changes.map(idOf))).map((one) => [one.webhookId, one.token]));
        const trusting = changes.map((change) => ({
          ...change,
          token: known.get(change.webhookId) ?? change.token,
        }));
        return real.save(trusting, options);
      },
    })),
    state('closes a queue whatever has come', (real) => ({
      save: (changes, options) =>
        real.save(
          changes.map(({ ifWakes: _, ...change }) => change),
          options,
        ),
    })),
    state('keeps a lease that is given back', (real) => ({
      save: (changes, options) =>
        real.save(
          changes.map((change) => ({ leaseUntil: options.now + LONG_MS, ...change })),
          options,
        ),
    })),
    state('does not extend a lease', (real) => ({
      save: (changes, options) =>
        real.save(
          changes.map((change) => ('leaseUntil' in change ? { ...change, leaseUntil: options.now } : change)),
          options,
        ),
    })),
    state('does not store failures', (real) => ({
      save: (changes, options) =>
        real.save(
          changes.map((change) => ({ ...change, failures: 0 })),
          options,
        ),
    })),
    state('never closes', (real) => ({
      save: (changes, options) =>
        real.save(
          changes.map(({ close: _, ...change }) => change),
          options,
        ),
    })),
    state('refuses the holder after the end of its lease', (real) => ({
      save: async (changes, options) => {
        const [record] = await real.get(changes.map(idOf));
        if ((record?.leaseUntil ?? options.now) < options.now) return changes.map(() => ({ result: 'lost' }));
        return real.save(changes, options);
      },
    })),
    state('answers in another order', (real) => ({
      save: async (changes, options) => (await real.save(changes, options)).toReversed(),
    })),
    state('begins the tokens of every record alike', (real) => {
      const bases = new Map<string, number>();
      const base = (id: string): number => bases.get(id) ?? 0;
      return {
        acquire: async (request) => {
          const result = await real.acquire(request);
          for (const { webhookId, token } of result.queues) {
            if (!bases.has(webhookId)) bases.set(webhookId, token - 1);
          }
          const queues = result.queues.map((one) => ({ ...one, token: one.token - base(one.webhookId) }));
          return { ...result, queues };
        },
        save: async (changes, options) => {
          const shifted = changes.map((one) => ({ ...one, token: one.token + base(one.webhookId) }));
          const results = await real.save(shifted, options);
          for (const [index, { webhookId }] of changes.entries()) {
            if (results[index]?.result === 'closed') bases.delete(webhookId);
          }
          return results;
        },
        get: async (ids) =>
          (await real.get(ids)).map((one) => ({ ...one, token: one.token - base(one.webhookId) })),
      };
    }),
    state('begins the tokens of a new record at its instant', (real) => {
      const above = new Map<string, number>();
      const shown = (one: QueueRecord): QueueRecord => ({ ...one, token: one.token - lift(one) });
      const lift = ({ webhookId }: { readonly webhookId: string }): number => above.get(webhookId) ?? 0;
      const making = async (
        ids: readonly string[],
        now: number,
        make: () => Promise<void>,
      ): Promise<void> => {
        const known = new Set((await real.get(ids)).map(idOf));
        await make();
        for (const { webhookId, token } of await real.get(ids))
          if (!known.has(webhookId)) above.set(webhookId, token - now);
      };
      return {
        open: (entries, { now }) => making(entries.map(idOf), now, () => real.open(entries, { now })),
        reset: (entries, { now }) => making(entries.map(idOf), now, () => real.reset(entries, { now })),
        acquire: async (request) => {
          const result = await real.acquire(request);
          return { ...result, queues: result.queues.map(shown) };
        },
        save: (changes, options) => {
          const lifted = changes.map((one) => ({ ...one, token: one.token + lift(one) }));
          return real.save(lifted, options);
        },
        get: async (ids) => (await real.get(ids)).map(shown),
      };
    }),
  ],

  'wake-up': [
    events('never tells of work', () => ({ onWork: () => () => {} })),
    events('tells of express work only', (real) => ({
      onWork: (listener) =>
        real.onWork?.((work) => work.express && listener({ ...work, replays: false, ownQueues: [] })) ??
        (() => {}),
    })),
    events('tells of work before it is stored', (real) => {
      const listeners = new Set<Parameters<NonNullable<EventRepo['onWork']>>[0]>();
      return {
        append: async (entries, options) => {
          for (const listener of listeners) listener({ express: true, replays: true, ownQueues: [] });
          await Promise.resolve();
          await Promise.resolve();
          return real.append(entries, options);
        },
        onWork: (listener) => {
          listeners.add(listener);
          return () => listeners.delete(listener);
        },
      };
    }),
    events('tells nothing of what was cancelled', (real) => {
      let isCancelling = false;
      return {
        cancel: async (ids, options) => {
          isCancelling = true;
          const cancelled = await real.cancel(ids, options);
          isCancelling = false;
          return cancelled;
        },
        onWork: (listener) => real.onWork?.((work) => isCancelling || listener(work)) ?? (() => {}),
      };
    }),
    events('does not stop telling', (real) => ({
      onWork: (listener) => {
        real.onWork?.(listener);
        return () => {};
      },
    })),
    events('fails when a listener does', (real) => {
      const listeners = new Set<Parameters<NonNullable<EventRepo['onWork']>>[0]>();
      return {
        append: async (entries, options) => {
          const results = await real.append(entries, options);
          for (const listener of listeners) listener({ express: true, replays: true, ownQueues: ['whk_a'] });
          return results;
        },
        onWork: (listener) => {
          listeners.add(listener);
          return () => listeners.delete(listener);
        },
      };
    }),
    webhooks('never tells of changes', () => ({ onChange: () => () => {} })),
    webhooks('tells of changes that were not applied', (real) => {
      const listeners = new Set<(ids: readonly string[]) => void>();
      return {
        setStatus: async (changes) => {
          for (const listener of listeners) listener(changes.map(({ webhookId }) => webhookId));
          return real.setStatus(changes);
        },
        onChange: (listener) => {
          listeners.add(listener);
          return () => listeners.delete(listener);
        },
      };
    }),
    webhooks('does not stop telling of changes', (real) => ({
      onChange: (listener) => {
        real.onChange?.(listener);
        return () => {};
      },
    })),
  ],
};

function inQueue(
  entries: Parameters<EventRepo['append']>[0],
  queue: DeliveryRecord['queue'],
): Parameters<EventRepo['append']>[0] {
  return entries.map(({ event, deliveries }) => ({
    event,
    deliveries: deliveries.map((delivery) => ({ ...delivery, queue })),
  }));
}

function mapClaimed(result: ClaimResult, change: (delivery: DeliveryRecord) => DeliveryRecord): ClaimResult {
  const deliveries = result.deliveries.map(({ delivery, event }) => ({ delivery: change(delivery), event }));
  return { ...result, deliveries };
}

function place({ createdAt, id }: WebhookRecord): PagePosition {
  return { createdAt, id };
}

function idOf({ webhookId }: { readonly webhookId: string }): string {
  return webhookId;
}
