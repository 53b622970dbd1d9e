import type { DeliveryQuery, DeliveryRecord, EventRepo } from 'surehook';
import { type Database, inTurn } from './database.ts';
import { eventFor, eventOf } from './deliveries.ts';
import { key, keys, type Order, type Span, under } from './keys.ts';
import { DEAD, EXPRESS, HELD, OWN } from './places.ts';

type Reads = Pick<
  EventRepo,
  | 'getDeliveries'
  | 'deliveriesOf'
  | 'getContents'
  | 'getEvents'
  | 'attempts'
  | 'listDeliveries'
  | 'countDeliveries'
>;

/** What can be read of events, deliveries and attempts. */
export function keyValueReads(db: Database): Reads {
  const getDeliveries: Reads['getDeliveries'] = async (ids) =>
    (await db.getAll(ids.map(keys.delivery))).map(({ record }) => record);

  return {
    getDeliveries,

    deliveriesOf: async (eventId) => getDeliveries((await db.committed.get(keys.deliveries(eventId))) ?? []),

    // In turn with the writers, so that no event goes between the look at its delivery and the look at it.
    getContents: (ids) =>
      db.update(async (tx) => {
        const found = await inTurn([...new Set(ids)], (id) => tx.get(keys.delivery(id)));
        const deliveries = found.filter((delivery) => delivery !== undefined);
        return await inTurn(deliveries, async (delivery) => ({
          delivery: delivery.record,
          event: await eventFor(tx, delivery),
        }));
      }),

    getEvents: async (ids) => (await db.getAll(ids.map(keys.event))).map(eventOf),

    async attempts(deliveryId) {
      const found = await db.committed.range(keys.attempts(deliveryId), Number.MAX_SAFE_INTEGER);
      return found.map(([, attempt]) => attempt);
    },

    async listDeliveries(query) {
      const found: DeliveryRecord[] = [];
      const { span, fits } = read(query);
      for await (const id of db.committed.scan(span, query.order !== 'oldest')) {
        if (found.length >= query.limit) break;
        found.push(...(await getDeliveries([id])).filter(fits));
      }
      return found;
    },

    async countDeliveries({ webhookId, limit }) {
      const read = (order: Order): Promise<(readonly [string, string])[]> =>
        db.committed.range(under(order), limit);
      const express = await getDeliveries((await read(EXPRESS)).map(([, id]) => id));
      const ofWebhook = express.filter((record) => record.webhookId === webhookId);
      const [own, held, dead] = await inTurn([OWN, HELD, DEAD], (order) => read([...order, webhookId]));
      const waiting = ofWebhook.length + (own?.length ?? 0) + (held?.length ?? 0);
      return { waiting: Math.min(waiting, limit), dead: dead?.length ?? 0 };
    },
  };
}

/** The shortest order that a query allows; the other conditions are asked of each delivery in it. */
function read(query: DeliveryQuery): { span: Span<string>; fits: (record: DeliveryRecord) => boolean } {
  const { tenantId, webhookId, eventType, status, since, until, order: first, after } = query;
  const narrow = tenantId === undefined ? ['all'] : ['tenant', tenantId];
  const order = ['page', ...(webhookId === undefined ? narrow : ['webhook', webhookId])];
  const { from, to } = under(order);
  const [starts, ends] = [[from], [to]];
  if (since !== undefined) starts.push(key(...order, since));
  if (until !== undefined) ends.push(key(...order, until));
  // Nothing sorts between a key and the same with the smallest character behind it.
  if (after !== undefined && first === 'oldest') starts.push(`${key(...order, after.createdAt, after.id)}\0`);
  else if (after !== undefined) ends.push(key(...order, after.createdAt, after.id));
  const wanted = Object.entries({ tenantId, eventType, status }).filter(([, value]) => value !== undefined);
  return {
    span: { from: starts.sort().at(-1) ?? from, to: ends.sort()[0] ?? to },
    fits: (record) => wanted.every(([field, value]) => record[field as keyof DeliveryRecord] === value),
  };
}
