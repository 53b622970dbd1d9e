import type { ClaimedDelivery, ClaimResult } from '../repos.ts';
import type { DeliveryRow } from './delivery-row.ts';
import { DueQueue } from './due-queue.ts';

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

  /** Queues a waiting row by its record. */
  enter(row: DeliveryRow): void {
    const home = row.record.queue === 'express' ? this.#express : this.#openOwn(row.record.webhookId);
    wait(row, home, row.record.dueAt);
  }

  /** Takes a row out of its queue; one that stands in none is left alone. */
  leave(row: DeliveryRow): void {
    const { home, ticket } = row;
    if (home === undefined || ticket === undefined) return;
    home.drop(ticket);
    row.home = undefined;
    row.ticket = undefined;
    this.#closeOwn(row.record.webhookId);
  }

  /** Leases what is due in the express queue. */
  claimExpress(claim: Claim): ClaimResult {
    return claimFrom(this.#express, claim);
  }

  /** Leases what is due in a webhook's own queue. */
  claimOwn(webhookId: string, claim: Claim): ClaimResult {
    const queue = this.#own.get(webhookId);
    return queue === undefined ? { deliveries: [] } : claimFrom(queue, claim);
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
    for (const row of leased) wait(row, queue, row.record.leaseUntil ?? row.record.dueAt);
    this.#closeOwn(webhookId);
    return waiting;
  }

  /** Ids of the webhooks whose own queue holds something, ascending. */
  ownIds(after: string | undefined, limit: number): readonly string[] {
    this.#ids ??= [...this.#own.keys()].sort();
    const start = after === undefined ? 0 : firstAbove(this.#ids, after);
    return this.#ids.slice(start, start + limit);
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

function claimFrom(queue: DueQueue<DeliveryRow>, { now, leaseUntil, limit }: Claim): ClaimResult {
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
  }
  const nextDueAt = queue.nextAt;
  return nextDueAt === undefined ? { deliveries } : { deliveries, nextDueAt };
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
