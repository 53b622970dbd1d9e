import type { ClaimedDelivery, ClaimResult } from '../repos.ts';
import { type ContentColumns, contentOf } from '../sql/content-columns.ts';
import { bodyIn, type Sent } from './bodies.ts';

/** One claimed delivery with its event, or, with a null id, only the instant of a queue that gave none. */
export interface ClaimRow extends Omit<Sent<ContentColumns>, 'id'> {
  readonly id: string | null;
  readonly place: number;
  readonly next_at: number | null;
  /** How many the claim held back whose turn it is not. */
  readonly held: number;
  /** Those in a fold whose lease has run out; null where there are none. */
  readonly folded: readonly string[] | null;
  /** Where it lay in the queue. */
  readonly was_due: number | null;
  readonly seq: number | null;
  /** The store's time. */
  readonly now: number;
  /** How many entries of the queue's index the statement has read. */
  readonly read: number;
}

/** What one request of a claim got. */
export function resultOf(rows: readonly ClaimRow[]): ClaimResult {
  const deliveries: ClaimedDelivery[] = [];
  for (const row of rows) {
    if (isClaimed(row)) deliveries.push(contentOf({ ...row, body: bodyIn(row) }));
  }
  const nextDueAt = rows[0]?.next_at;
  return nextDueAt === undefined || nextDueAt === null ? { deliveries } : { deliveries, nextDueAt };
}

function isClaimed(row: ClaimRow): row is ClaimRow & Sent<ContentColumns> {
  return row.id !== null;
}
