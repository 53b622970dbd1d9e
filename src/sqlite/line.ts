import type { DeliveryRecord } from '../domain/delivery.ts';
import { HELD_BACK } from '../sql/codes.ts';
import type { Statements } from './statements.ts';

const FIRST_TWO = `SELECT seq, wake_at FROM surehook_deliveries
  WHERE webhook_id = ? AND ordering_key = ? AND place IS NOT NULL ORDER BY place, seq LIMIT 2`;
const OPEN = 'UPDATE surehook_deliveries SET wake_at = due_at WHERE seq = ?';
/** What is in the express queue, or delivering (1), is left as it is. */
const HOLD_BACK = `UPDATE surehook_deliveries SET wake_at = ${HELD_BACK} WHERE seq = ? AND queue = 1 AND status <> 1`;
const SET_PLACE = 'UPDATE surehook_deliveries SET place = ? WHERE seq = ?';
const KEY_OF = 'SELECT webhook_id, ordering_key, status FROM surehook_deliveries WHERE seq = ?';

/** The line of a delivery: of one webhook and one ordering key. */
export interface Line {
  readonly webhookId: string;
  readonly orderingKey: string;
}

/** Where a delivery stands in its line: it is delivering, it holds its place, or it has left. */
export const places = { delivering: 0, holds: 1, left: null } as const;

/** The place of a record in the line of its key. */
export function placeOf({ orderingKey, status, blocks }: DeliveryRecord): number | null {
  if (orderingKey === undefined || status === 'delivered') return places.left;
  if (status === 'delivering') return places.delivering;
  return status === 'exhausted' && !blocks ? places.left : places.holds;
}

/** Takes note of where a delivery stands now. */
export function setPlace(sql: Statements, seq: number, place: number | null): void {
  sql.run(SET_PLACE, place, seq);
}

/**
 * Lets the first of a line be claimed when it is due, and nobody else. To be called after each single change of a line: whoever comes into the queue comes
 * held back, so that only the one that was first before can stand in the way.
 */
export function align(sql: Statements, { webhookId, orderingKey }: Line): void {
  const [first, second] = sql.rows<readonly [seq: number, wakeAt: number | null]>(
    FIRST_TWO,
    webhookId,
    orderingKey,
  );
  if (first?.[1] === HELD_BACK) sql.run(OPEN, first[0]);
  const isOpen = second !== undefined && second[1] !== null && second[1] !== HELD_BACK;
  if (isOpen) sql.run(HOLD_BACK, second[0]);
}

/** Brings the line of a delivery whose claim has ended, or that was cancelled, up to date. `blocks`: given up, it is to hold its place. */
export function alignEnded(sql: Statements, seq: number, blocks: boolean): void {
  const [row] = sql.rows<readonly [webhookId: string, orderingKey: string | null, status: number]>(
    KEY_OF,
    seq,
  );
  if (row === undefined) return;
  const [webhookId, orderingKey, status] = row;
  if (orderingKey === null) return;
  const waits = status === 0 || status === 2;
  setPlace(sql, seq, waits || blocks ? places.holds : places.left);
  if (waits) sql.run(HOLD_BACK, seq);
  align(sql, { webhookId, orderingKey });
}

/** Aligns the lines of records, each once. */
export function alignLinesOf(sql: Statements, records: readonly DeliveryRecord[]): void {
  const seen = new Set<string>();
  for (const { webhookId, orderingKey } of records) {
    const name = JSON.stringify([webhookId, orderingKey]);
    if (orderingKey === undefined || seen.has(name)) continue;
    seen.add(name);
    align(sql, { webhookId, orderingKey });
  }
}
