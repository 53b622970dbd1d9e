/** Every sorted key by which a delivery is found follows from its state (`placesOf`), so that none is forgotten on the way. */
import type { DeliveryRecord } from 'surehook';
import { inTurn, type Transaction } from './database.ts';
import { type Key, key, keys, type Order, type StoredDelivery, under } from './keys.ts';

export const EXPRESS: Order = ['due', 'express'];
export const OWN: Order = ['due', 'own'];
/** Of a webhook's own queue, by append: those whose turn it is not. */
export const HELD: Order = ['held'];
export const REPLAYS: Order = ['replay'];
/** What each webhook's was given up, by append. */
export const DEAD: Order = ['dead'];

/** Stores `to` in the place of `from`; either may be absent. Then the turn in the line of its ordering key may be another's. */
export async function replace(tx: Transaction, from?: StoredDelivery, to?: StoredDelivery): Promise<void> {
  // A turn ends with its stay in the queue.
  put(tx, from, to && { ...to, hasTurn: to.hasTurn && isInOwn(to.record) });
  const { webhookId, orderingKey } = (to ?? from)?.record ?? {};
  if (webhookId !== undefined && orderingKey !== undefined) await passTurn(tx, webhookId, orderingKey);
}

/** When a delivery that waits or is leased can be claimed. */
export function claimableAt({ status, dueAt, leaseUntil = 0 }: DeliveryRecord): number {
  return status === 'delivering' ? leaseUntil : dueAt;
}

/** The members of a batch that have not ended, by append: `limit` of them at most. */
export async function membersOf(tx: Transaction, batchId: string, limit: number): Promise<StoredDelivery[]> {
  return await deliveriesAt(tx, ['batch', batchId], limit);
}

/**
 * Of a line one delivery stands among those that are due, all others are held. One that is being delivered keeps its turn until its
 * claim ends; otherwise the turn is that of the first, who may be elsewhere: in the express queue, about to be replayed, or given up for good.
 */
async function passTurn(tx: Transaction, webhookId: string, orderingKey: string): Promise<void> {
  const [first] = await deliveriesAt(tx, ['line', webhookId, orderingKey], 1);
  const [present] = await deliveriesAt(tx, ['next', webhookId, orderingKey], 1);
  if (present?.record.id === first?.record.id || present?.record.status === 'delivering') return;
  if (present !== undefined) put(tx, present, { ...present, hasTurn: false });
  if (first !== undefined && isInOwn(first.record)) put(tx, first, { ...first, hasTurn: true });
}

async function deliveriesAt(tx: Transaction, order: Order, limit: number): Promise<StoredDelivery[]> {
  const found = await tx.range(under(order), limit);
  return await inTurn(found, ([, id]) => tx.must(keys.delivery(id)));
}

function put(tx: Transaction, from?: StoredDelivery, to?: StoredDelivery): void {
  const id = (to ?? from)?.record.id ?? '';
  tx.move(id, from ? placesOf(from) : [], to ? placesOf(to) : []);
  if (to === undefined) tx.delete(keys.delivery(id));
  else tx.put(keys.delivery(id), to);
}

function placesOf(delivery: StoredDelivery): Key<string>[] {
  const { record, order, since, hasAttempts } = delivery;
  const { id, createdAt, status, completedAt = 0 } = record;
  const pages = [['all'], ['tenant', record.tenantId], ['webhook', record.webhookId]];
  const places = pages.map((page): Key<string> => key('page', ...page, createdAt, id));
  switch (status) {
    case 'pending':
    case 'failed':
    case 'delivering':
      return [...places, ...placesInLine(delivery), ...placesInQueue(delivery)];
    case 'replaying':
      return [...places, ...placesInLine(delivery), key(...REPLAYS, since, order)];
    case 'delivered':
    case 'exhausted':
      if (status === 'exhausted') places.push(key(...DEAD, record.webhookId, order));
      if (record.blocks) places.push(...placesInLine(delivery));
      if (hasAttempts) places.push(key('attempted', status, completedAt, order));
      return [...places, key('ended', status, completedAt, order)];
  }
}

function placesInLine({ record, order }: StoredDelivery): Key<string>[] {
  const { webhookId, orderingKey } = record;
  return orderingKey === undefined ? [] : [key('line', webhookId, orderingKey, order)];
}

function placesInQueue({ record, order, hasTurn }: StoredDelivery): Key<string>[] {
  const { webhookId, orderingKey, batch } = record;
  const places: Key<string>[] = batch === undefined ? [] : [key('batch', batch.id, order)];
  if (record.queue === 'express') return [...places, key(...EXPRESS, claimableAt(record), order)];
  const isHeld = orderingKey !== undefined && !hasTurn;
  if (isHeld) return [...places, key(...HELD, webhookId, order)];
  if (orderingKey !== undefined) places.push(key('next', webhookId, orderingKey, order));
  return [...places, key(...OWN, webhookId, claimableAt(record), order)];
}

/** Whether it waits or is leased in the queue of its webhook. */
function isInOwn({ status, queue }: DeliveryRecord): boolean {
  return queue === 'own' && (status === 'pending' || status === 'failed' || status === 'delivering');
}
