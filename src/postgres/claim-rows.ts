import type { ClaimedDelivery, ClaimResult } from '../repos.ts';
import { type DeliveryColumns, deliveryOf } from '../sql/delivery-columns.ts';
import { eventOf } from '../sql/event-columns.ts';

/** One claimed delivery with its event, or, with a null id, only the instant of a queue that gave none. */
export interface ClaimRow extends Omit<DeliveryColumns, 'id'> {
  readonly id: string | null;
  readonly place: number;
  readonly next_at: number | null;
  /** How many the claim held back whose turn it is not. */
  readonly held: number;
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

/** What one request of a claim got. */
export function resultOf(rows: readonly ClaimRow[]): ClaimResult {
  const deliveries: ClaimedDelivery[] = [];
  for (const row of rows) {
    if (row.id !== null) deliveries.push(claimedOf(row, row.id));
  }
  const nextDueAt = rows[0]?.next_at;
  return nextDueAt === undefined || nextDueAt === null ? { deliveries } : { deliveries, nextDueAt };
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
