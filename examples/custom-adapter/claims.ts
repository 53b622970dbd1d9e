/** How deliveries are handed out. */
import {
  type BatchCandidate,
  type BatchClaim,
  type BatchMembership,
  batchKind,
  batchOf,
  bytesInBatch,
  type ClaimResult,
  type LeaseTimes,
  type QueueClaim,
} from 'surehook';
import { inTurn, type Transaction } from './database.ts';
import { eventFor, lease } from './deliveries.ts';
import { keys, type Order, type StoredDelivery, under, upTo } from './keys.ts';
import { claimableAt, EXPRESS, membersOf, OWN } from './places.ts';

/** Claims from the express queue. */
export function claimExpress(tx: Transaction, limit: number, times: LeaseTimes): Promise<ClaimResult> {
  return claim(tx, { queue: EXPRESS, limit }, times);
}

/** Claims from a webhook's own queue. */
export function claimOwn(
  tx: Transaction,
  { webhookId, limit, batch }: QueueClaim,
  times: LeaseTimes,
): Promise<ClaimResult> {
  const queue = [...OWN, webhookId];
  return batch ? claimBatch(tx, { queue, limit, batch }, times) : claim(tx, { queue, limit }, times);
}

/** What is to be claimed from which queue. */
interface Wish {
  readonly queue: Order;
  readonly limit: number;
}

/** Reads `limit` keys and the one behind them, whatever else waits. */
async function claim(tx: Transaction, { queue, limit }: Wish, times: LeaseTimes): Promise<ClaimResult> {
  const due = await tx.range(upTo(queue, times.now), limit);
  const deliveries = await inTurn(due, ([, id]) => lease(tx, id, times));
  return { deliveries, ...(await nextOf(tx, queue)) };
}

/** Reads `maxEvents` keys and the one behind them. */
async function claimBatch(
  tx: Transaction,
  { queue, limit, batch: rule }: Wish & { readonly batch: BatchClaim },
  times: LeaseTimes,
): Promise<ClaimResult> {
  const due = await tx.range(upTo(queue, times.now), rule.maxEvents + 1);
  const waiting = await inTurn(due, ([, id]) => tx.must(keys.delivery(id)));
  const [first] = waiting;
  const next = await nextOf(tx, queue);
  if (first === undefined) return { deliveries: [], ...next };
  const whole = await wholeBatch(tx, first, times.now);
  const { members, batch, ripeAt } = whole ?? (await formed(tx, waiting, rule, times.now));
  if (ripeAt > times.now) return { deliveries: [], nextDueAt: ripeAt };
  if (limit === 0) return { deliveries: [], ...next };
  // By append, as the members of a whole batch are: the same batch is to be the same request.
  const inOrder = members.toSorted((a, b) => a.order - b.order);
  const deliveries = await inTurn(inOrder, ({ record }) => lease(tx, record.id, { ...times, batch }));
  return { deliveries, ...(await nextOf(tx, queue)) };
}

/** A batch that could be handed out from `ripeAt` on. */
interface Batch {
  readonly members: readonly StoredDelivery[];
  readonly batch: BatchMembership;
  readonly ripeAt: number;
}

/** The batch that a delivery is in, if all of it is there and can be claimed. */
async function wholeBatch(tx: Transaction, one: StoredDelivery, now: number): Promise<Batch | undefined> {
  const { batch, webhookId } = one.record;
  if (batch === undefined) return undefined;
  const members = await membersOf(tx, batch.id, batch.size + 1);
  const isWhole =
    members.length === batch.size &&
    members.every(
      ({ record, hasTurn }) =>
        record.webhookId === webhookId &&
        record.queue === 'own' &&
        (record.orderingKey === undefined || hasTurn) &&
        claimableAt(record) <= now,
    );
  return isWhole ? { members, batch, ripeAt: 0 } : undefined;
}

/** A new batch of the first that wait; those of other batches end it. */
async function formed(
  tx: Transaction,
  waiting: readonly StoredDelivery[],
  rule: BatchClaim,
  now: number,
): Promise<Batch> {
  const candidates = await inTurn(waiting, async (delivery): Promise<BatchCandidate> => {
    const event = await eventFor(tx, delivery);
    const isTaken = (await wholeBatch(tx, delivery, now)) !== undefined;
    return { bytes: bytesInBatch(event), kind: batchKind(event), tries: delivery.record.tries, isTaken };
  });
  const { length: size, isFull } = batchOf(candidates, rule);
  const dueAt = waiting[0]?.record.dueAt ?? now;
  const batch = { id: rule.id, size, refusals: 0 };
  return { members: waiting.slice(0, size), batch, ripeAt: isFull ? 0 : dueAt + rule.maxWaitMs };
}

/** When the next one of a queue can be claimed. */
async function nextOf(tx: Transaction, queue: Order): Promise<Pick<ClaimResult, 'nextDueAt'>> {
  const [next] = await tx.range(under(queue), 1);
  if (next === undefined) return {};
  return { nextDueAt: claimableAt((await tx.must(keys.delivery(next[1]))).record) };
}
