import type { BatchClaim, ClaimedDelivery, ClaimResult, DeliveryCounts } from '../repos.ts';
import { Batches, instantOf } from './batches.ts';
import { Counts } from './counts.ts';
import type { DeliveryRow } from './delivery-row.ts';
import { DueQueue } from './due-queue.ts';
import { OrderLines } from './order-line.ts';

/** A claim of one batch. */
export interface BatchRequest extends Claim {
  readonly batch: BatchClaim;
}

/** Where those wait whose turn it is not. */
const OUT_OF_REACH = Number.POSITIVE_INFINITY;

/** One claim of one queue. */
export interface Claim {
  readonly now: number;
  readonly leaseUntil: number;
  readonly limit: number;
}

/**
 * The express queue and the own queues of webhooks. A waiting delivery stands in its queue at `dueAt`, a leased one in
 * the same queue at the end of its lease, so what can be claimed next is always the first of one heap, and what a claim
 * costs depends neither on the other queues nor, but for a logarithm, on what waits behind it.
 */
export class DeliveryQueues {
  readonly #express = new DueQueue<DeliveryRow>();
  /** Only those that hold something. */
  readonly #own = new Map<string, DueQueue<DeliveryRow>>();
  /** Keys of `#own` in ascending order; undefined while out of date. */
  #ids: string[] | undefined = [];
  readonly #lines = new OrderLines();
  readonly #batches = new Batches();
  readonly #counts = new Counts();

  /** Queues a waiting row by its record. */
  enter(row: DeliveryRow): void {
    const isExpress = row.record.queue === 'express';
    const home = isExpress ? this.#express : this.#openOwn(row.record.webhookId);
    const takesTurns = row.record.orderingKey !== undefined && !isExpress;
    wait(row, home, takesTurns ? OUT_OF_REACH : row.record.dueAt);
    this.align(row);
  }

  /** Brings counts, batches and the line of a row's ordering key up to date with its record: of a line whoever's turn it is can be claimed, and nobody else. */
  align(row: DeliveryRow): void {
    this.#counts.note(row);
    this.#batches.note(row);
    const line = this.#lines.of(row.record);
    if (line === undefined) return;
    line.note(row);
    const { turn, open } = line;
    const next = turn?.home === undefined || turn.record.queue === 'express' ? undefined : turn;
    if (open !== next) {
      if (open?.home !== undefined) move(open, OUT_OF_REACH);
      if (next !== undefined) move(next, instantOf(next));
      line.open = next;
    }
    this.#lines.tidy(row.record);
  }

  /** Takes a row out of its queue; one that stands in none is left alone. */
  leave(row: DeliveryRow): void {
    const { home, ticket } = row;
    if (home === undefined || ticket === undefined) return;
    home.drop(ticket);
    this.#left(row);
    if (home.size === 0) this.#closeOwn(row.record.webhookId);
  }

  /** Leases what is due in the express queue. */
  claimExpress(claim: Claim): ClaimResult {
    return claimFrom(this.#express, claim, (row) => this.align(row));
  }

  /** Leases what is due in a webhook's own queue. */
  claimOwn(webhookId: string, claim: Claim): ClaimResult {
    const queue = this.#own.get(webhookId);
    return queue === undefined ? { deliveries: [] } : claimFrom(queue, claim, (row) => this.align(row));
  }

  /** Leases one batch of a webhook's own queue, as `BatchClaim` says. */
  claimBatch(webhookId: string, { batch, ...claim }: BatchRequest): ClaimResult {
    const queue = this.#own.get(webhookId);
    if (queue === undefined) return { deliveries: [] };
    const taken = this.#batches.take(queue, claim.now, batch);
    if (taken === undefined) return resultOf([], queue.nextAt);
    const isForNow = claim.limit > 0 && taken.ripeAt <= claim.now;
    for (const row of isForNow ? taken.rest : taken.rest.concat(taken.rows)) wait(row, queue, instantOf(row));
    if (!isForNow) return resultOf([], Math.max(taken.ripeAt, queue.nextAt ?? 0));
    const deliveries = taken.rows.map((row) => {
      const claimed = row.claim(claim.now, claim.leaseUntil, taken.batch);
      wait(row, queue, claim.leaseUntil);
      this.align(row);
      return claimed;
    });
    return resultOf(deliveries, queue.nextAt);
  }

  /** Takes up to `limit` rows that are not leased out of a webhook's own queue, whatever their instant. */
  takeWaiting(webhookId: string, limit: number): readonly DeliveryRow[] {
    const queue = this.#own.get(webhookId);
    if (queue === undefined) return [];
    const waiting: DeliveryRow[] = [];
    const leased: DeliveryRow[] = [];
    while (waiting.length < limit) {
      const row = queue.takeDue(Number.POSITIVE_INFINITY);
      if (row === undefined) break;
      (row.record.status === 'delivering' ? leased : waiting).push(row);
    }
    for (const row of leased) wait(row, queue, instantOf(row));
    for (const row of waiting) this.#left(row);
    this.#closeOwn(webhookId);
    return waiting;
  }

  /** Ids of the webhooks whose own queue holds something that can ever be claimed, ascending. */
  ownIds(after: string | undefined, limit: number): readonly string[] {
    this.#ids ??= [...this.#own.keys()].sort();
    const found: string[] = [];
    for (let at = after === undefined ? 0 : firstAbove(this.#ids, after); at < this.#ids.length; at++) {
      if (found.length === limit) break;
      const id = this.#ids[at] ?? '';
      if (this.#own.get(id)?.nextAt !== OUT_OF_REACH) found.push(id);
    }
    return found;
  }

  /** How much of a webhook's waits and is given up. */
  countOf(request: { readonly webhookId: string; readonly limit: number }): DeliveryCounts {
    return this.#counts.of(request);
  }

  /** A row has been taken out of its queue. */
  #left(row: DeliveryRow): void {
    row.home = undefined;
    row.ticket = undefined;
    const line = this.#lines.of(row.record);
    if (line?.open === row) line.open = undefined;
    this.#lines.tidy(row.record);
  }

  #openOwn(webhookId: string): DueQueue<DeliveryRow> {
    const known = this.#own.get(webhookId);
    if (known !== undefined) return known;
    const queue = new DueQueue<DeliveryRow>();
    this.#own.set(webhookId, queue);
    this.#ids = undefined;
    return queue;
  }

  #closeOwn(webhookId: string): void {
    if (this.#own.get(webhookId)?.size !== 0) return;
    this.#own.delete(webhookId);
    this.#ids = undefined;
  }
}

function wait(row: DeliveryRow, queue: DueQueue<DeliveryRow>, at: number): void {
  row.home = queue;
  row.ticket = queue.add(row, at, row.order);
}

/** Puts a row that waits at another instant. */
function move(row: DeliveryRow, at: number): void {
  const { home, ticket } = row;
  if (home === undefined || ticket === undefined) return;
  home.drop(ticket);
  wait(row, home, at);
}

function claimFrom(
  queue: DueQueue<DeliveryRow>,
  { now, leaseUntil, limit }: Claim,
  claimed: (row: DeliveryRow) => void,
): ClaimResult {
  const rows: DeliveryRow[] = [];
  while (rows.length < limit) {
    const row = queue.takeDue(now);
    if (row === undefined) break;
    rows.push(row);
  }
  // Queued again only now, so that a lease that ends at once is not claimed twice by one call.
  const deliveries: ClaimedDelivery[] = [];
  for (const row of rows) {
    deliveries.push(row.claim(now, leaseUntil));
    wait(row, queue, leaseUntil);
    claimed(row);
  }
  return resultOf(deliveries, queue.nextAt);
}

function resultOf(deliveries: readonly ClaimedDelivery[], nextDueAt: number | undefined): ClaimResult {
  const isNone = nextDueAt === undefined || nextDueAt === OUT_OF_REACH;
  return isNone ? { deliveries } : { deliveries, nextDueAt };
}

/** Index of the first of ascending ids that is greater than `id`. */
function firstAbove(ids: readonly string[], id: string): number {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ids[middle] ?? '') <= id) low = middle + 1;
    else high = middle;
  }
  return low;
}
