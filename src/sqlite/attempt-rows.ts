import type { AttemptRecord } from '../domain/delivery.ts';
import { type AttemptColumns, attemptOf } from '../sql/attempt-columns.ts';
import type { Statements } from './statements.ts';

/** Values: the delivery's `seq`, number, token, kind, data. */
export const INSERT_ATTEMPT =
  'INSERT INTO surehook_attempts (delivery_seq, number, token, kind, data) VALUES (?, ?, ?, ?, ?)';

const OF_DELIVERY = `SELECT number, token, kind, data FROM surehook_attempts
  WHERE delivery_seq = (SELECT seq FROM surehook_deliveries WHERE id = ?) ORDER BY number`;

/** All attempts of a delivery by ascending number. */
export function attemptsOf(sql: Statements, deliveryId: string): AttemptRecord[] {
  return sql.all<AttemptColumns>(OF_DELIVERY, deliveryId).map(attemptOf);
}
