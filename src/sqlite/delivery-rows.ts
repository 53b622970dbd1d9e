import type { DeliveryRecord } from '../domain/delivery.ts';
import { type DeliveryColumns, deliveryOf } from '../sql/delivery-columns.ts';
import type { Statements } from './statements.ts';

/** What a delivery is read from; `d` is the delivery. The id of its event is the event's, found by its place. */
export const DELIVERY = `d.id, (SELECT e.id FROM surehook_events e WHERE e.seq = d.event_seq) AS event_id,
  d.webhook_id, d.tenant_id, d.event_type, d.status, d.reason, d.queue, d.ordering_key,
  (d.status = 4 AND d.place IS NOT NULL) AS blocks, d.batch_id, d.batch_size, d.refusals, d.due_at, d.token,
  CASE WHEN d.status = 1 THEN d.wake_at END AS lease_until, d.attempts, d.tries, d.lost, d.created_at, d.completed_at`;

const BY_IDS = `SELECT ${DELIVERY} FROM surehook_deliveries d WHERE d.id IN (SELECT value FROM json_each(?))`;
const BY_SEQS = `SELECT ${DELIVERY} FROM surehook_deliveries d
  WHERE d.seq IN (SELECT value FROM json_each(?)) ORDER BY d.seq`;
const OF_EVENT = `SELECT ${DELIVERY} FROM surehook_deliveries d WHERE d.seq >= ? AND d.seq < ? ORDER BY d.seq`;
/** CROSS: the event first, and then the range of its deliveries. */
const OF_EVENT_ID = `SELECT ${DELIVERY} FROM surehook_events o CROSS JOIN surehook_deliveries d
  WHERE o.id = ? AND d.seq >= o.seq AND d.seq < o.seq + o.fan_out ORDER BY d.seq`;

/** The deliveries with these ids. */
export function deliveriesById(sql: Statements, ids: readonly string[]): DeliveryRecord[] {
  return sql.all<DeliveryColumns>(BY_IDS, JSON.stringify(ids)).map(deliveryOf);
}

/** The deliveries at these places, by place. */
export function deliveriesBySeq(sql: Statements, seqs: readonly number[]): DeliveryRecord[] {
  return sql.all<DeliveryColumns>(BY_SEQS, JSON.stringify(seqs)).map(deliveryOf);
}

/** What is left of the deliveries of an event, in the order of their append. */
export function deliveriesOfEvent(
  sql: Statements,
  { seq, fan_out }: { readonly seq: number; readonly fan_out: number },
): DeliveryRecord[] {
  return sql.all<DeliveryColumns>(OF_EVENT, seq, seq + fan_out).map(deliveryOf);
}

/** What is left of the deliveries of the event with this id, in the order of their append. */
export function deliveriesOfEventId(sql: Statements, eventId: string): DeliveryRecord[] {
  return sql.all<DeliveryColumns>(OF_EVENT_ID, eventId).map(deliveryOf);
}
