import type { ClaimedDelivery, ClaimResult, ExpressClaim, QueuesClaim } from '../repos.ts';
import { type DeliveryColumns, deliveryOf } from '../sql/delivery-columns.ts';
import { eventOf } from '../sql/event-columns.ts';
import { claimStatement, EXPRESS, OWN } from './claim-statement.ts';
import type { Database } from './database.ts';
import { Floor, type Found } from './floor.ts';
import { roundsOf } from './rounds.ts';
import type { Tables } from './tables.ts';

/** One claimed delivery with its event, or, with a null id, only the instant of a queue that gave none. */
interface ClaimRow extends Omit<DeliveryColumns, 'id'> {
  readonly id: string | null;
  readonly place: number;
  readonly next_at: number | null;
  /** Where it lay in the queue. */
  readonly was_due: number | null;
  readonly seq: number | null;
  /** The store's time. */
  readonly now: number;
  /** How many entries of the queue's index the statement has read. */
  readonly read: number;
  readonly e_tenant_id: string;
  readonly e_type: string;
  readonly e_created_at: number;
  readonly body: Uint8Array;
  readonly idempotency_key: string | null;
  readonly fingerprint: string;
  readonly extra: string | null;
}

/**
 * Claims: one statement leases what is due, records the claims that were lost, and brings the events. Rows that another
 * claim holds at that moment are passed over, so nobody waits.
 */
export class Claims {
  readonly #database: Database;
  readonly #express: string;
  readonly #queues: string;
  readonly #floor = new Floor();

  constructor(database: Database, tables: Tables) {
    this.#database = database;
    this.#express = claimStatement(tables, EXPRESS);
    this.#queues = claimStatement(tables, OWN);
  }

  /** Leases what is due in the express queue. */
  async express({ now, leaseUntil, limit }: ExpressClaim): Promise<ClaimResult> {
    const from = this.#floor.place;
    const rows = await this.#database.rows<ClaimRow>(this.#express, [
      leaseUntil - now,
      limit,
      from.wakeAt,
      from.seq,
      this.#floor.restMs,
    ]);
    const [first] = rows;
    if (first !== undefined) this.#floor.note(from, foundBy(first, rows.length));
    return resultOf(rows);
  }

  /** Leases what is due in queues of webhooks. */
  async queues({ now, leaseUntil, queues }: QueuesClaim): Promise<readonly ClaimResult[]> {
    const results: ClaimResult[] = queues.map(() => ({ deliveries: [] }));
    for (const round of roundsOf(queues, ({ webhookId }) => webhookId)) {
      const ids = round.map(({ item }) => item.webhookId);
      const limits = round.map(({ item }) => item.limit);
      const total = limits.reduce((sum, limit) => sum + limit, 0);
      const rows = await this.#database.rows<ClaimRow>(this.#queues, [leaseUntil - now, ids, limits, total]);
      const byPlace = Map.groupBy(rows, (row) => row.place);
      for (const [place, { index }] of round.entries())
        results[index] = resultOf(byPlace.get(place + 1) ?? []);
    }
    return results;
  }
}

function resultOf(rows: readonly ClaimRow[]): ClaimResult {
  const deliveries: ClaimedDelivery[] = [];
  for (const row of rows) {
    if (row.id !== null) deliveries.push(claimedOf(row, row.id));
  }
  const nextDueAt = rows[0]?.next_at;
  return nextDueAt === undefined || nextDueAt === null ? { deliveries } : { deliveries, nextDueAt };
}

function foundBy({ now, read, was_due, seq }: ClaimRow, rows: number): Found {
  const head = was_due === null || seq === null ? undefined : { wakeAt: was_due, seq };
  return { now, head, wasted: read - rows };
}

function claimedOf(row: ClaimRow, id: string): ClaimedDelivery {
  const { body, idempotency_key, fingerprint, extra } = row;
  const event = eventOf({
    id: row.event_id,
    tenant_id: row.e_tenant_id,
    type: row.e_type,
    body,
    created_at: row.e_created_at,
    idempotency_key,
    fingerprint,
    extra,
  });
  return { delivery: deliveryOf({ ...row, id }), event };
}
