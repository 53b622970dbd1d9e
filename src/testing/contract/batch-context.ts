import assert from 'node:assert/strict';
import type { BatchMembership } from '../../domain/batch.ts';
import type { DeliveryRecord, SettledState } from '../../domain/delivery.ts';
import type { BatchClaim, QueueClaim, Settlement } from '../../repos.ts';
import type { LawContext } from './context.ts';
import { only } from './expect.ts';
import { freshId, LONG_AGO_MS } from './records.ts';

/** A rule under which everything that is due goes into one batch, unless `rule` says otherwise. */
export function ruleOf(rule: Partial<BatchClaim> = {}): BatchClaim {
  return { id: freshId('bat'), maxEvents: 100, maxBytes: 1_000_000, maxWaitMs: 0, ...rule };
}

/** A claim of one batch of the queue of `publish`. */
export function queueOf(batch: BatchClaim): QueueClaim {
  return { webhookId: 'whk_any', limit: 1, batch };
}

/** Given back, to be claimed again right away. */
export function waitingState(): Extract<SettledState, { status: 'waiting' }> {
  return { status: 'waiting', dueAt: LONG_AGO_MS, queue: 'own' };
}

/** Appends deliveries that are due, one by one. */
export async function waiting(context: LawContext, count: number): Promise<readonly DeliveryRecord[]> {
  const published: DeliveryRecord[] = [];
  for (let n = 0; n < count; n += 1) published.push(...(await context.publish(1, { queue: 'own' })));
  return published;
}

/** What a claim of one batch got. */
export interface Claimed {
  readonly rule: BatchClaim;
  readonly deliveries: readonly DeliveryRecord[];
  readonly nextDueAt: number | undefined;
}

/** One claim of one batch. */
export async function claimed(
  context: LawContext,
  fields: Partial<BatchClaim> = {},
  leaseMs?: number,
): Promise<Claimed> {
  const rule = ruleOf(fields);
  const request = { ...(await context.lease(leaseMs)), queues: [queueOf(rule)] };
  const { deliveries, nextDueAt } = only(await context.repos.events.claimQueues(request));
  return { rule, deliveries: deliveries.map(({ delivery }) => delivery), nextDueAt };
}

/** The batch that deliveries were claimed in. */
export function batchOf(deliveries: readonly DeliveryRecord[]): BatchMembership {
  const batch = deliveries[0]?.batch;
  assert.ok(batch, 'the delivery is in no batch');
  return batch;
}

/** The end of all these claims together. */
export function settlementOf(
  deliveries: readonly DeliveryRecord[],
  next: SettledState,
  attempt?: Settlement['attempt'],
): Settlement {
  const [first, ...rest] = deliveries;
  assert.ok(first);
  const others = rest.map(({ id, token }) => ({ deliveryId: id, token }));
  return {
    deliveryId: first.id,
    token: first.token,
    next,
    ...(attempt && { attempt }),
    ...(others.length > 0 && { others }),
  };
}

/** Ends all these claims together; resolves with the result. */
export async function settleAll(
  context: LawContext,
  deliveries: readonly DeliveryRecord[],
  ...end: readonly [next: SettledState, attempt?: Settlement['attempt']]
): Promise<string | undefined> {
  const settlement = settlementOf(deliveries, ...end);
  return only(await context.repos.events.settle([settlement], { now: await context.now() }));
}
