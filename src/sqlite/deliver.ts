import type { AttemptData } from '../domain/delivery.ts';
import type { Settlement } from '../repos.ts';
import { attemptKinds, attemptText } from '../sql/attempt-columns.ts';
import { alignEnded } from './line.ts';
import { insertRows, rowsInsert } from './rows-insert.ts';
import type { Statements, Value } from './statements.ts';

/** The numbers are those of `statusCodes`: 1 is delivering, 3 delivered. */
const HELD = `SELECT seq, id, token, attempts, ordering_key FROM surehook_deliveries
  WHERE seq IN (SELECT value FROM json_each(?)) AND status = 1`;
/** OR FAIL, as in `rowsInsert`: what fails is undone with its transaction. */
const DELIVER = `UPDATE OR FAIL surehook_deliveries
  SET status = 3, wake_at = NULL, completed_at = ?, attempts = attempts + 1, tries = tries + 1
  WHERE seq IN (SELECT value FROM json_each(?))`;
const INSERT_SETTLED = rowsInsert(
  'surehook_attempts (delivery_seq, number, token, kind, data)',
  `(?, ?, ?, ${attemptKinds.settled}, ?)`,
);

/** A settlement of the usual kind, and where its delivery may be. */
export interface Success extends Settlement {
  readonly attempt: AttemptData;
  readonly seq: number;
}

type HeldRow = readonly [
  seq: number,
  id: string,
  token: number,
  attempts: number,
  orderingKey: string | null,
];

/** Whether the claims that these settlements end are all present ones. */
export function areHeld(sql: Statements, parts: readonly (Settlement & { readonly seq: number })[]): boolean {
  const rows = sql.rows<HeldRow>(HELD, JSON.stringify(parts.map(({ seq }) => seq)));
  const held = new Set(rows.map(([, id, token]) => `${token} ${id}`));
  return parts.every(({ deliveryId, token }) => held.has(`${token} ${deliveryId}`));
}

/** Whether it is of the kind that nearly all are: one counted attempt, and the endpoint took it. */
export function isSuccess(settlement: Settlement): settlement is Settlement & { attempt: AttemptData } {
  return settlement.next.status === 'delivered' && settlement.attempt?.counted === true;
}

/**
 * Ends all claims that are held as the settlements say, with one statement where each by itself would cost twice as much. No delivery
 * may occur twice. Must be run in a transaction. Returns the ids of those that were ended.
 */
export function deliver(sql: Statements, successes: readonly Success[], now: number): ReadonlySet<string> {
  if (successes.length === 0) return new Set();
  const held = sql.rows<HeldRow>(HELD, JSON.stringify(successes.map(({ seq }) => seq)));
  const places = new Map(held.map((row) => [row[0], row]));
  const rows: Value[] = [];
  const ended: number[] = [];
  const ofLines: number[] = [];
  const ids = new Set<string>();
  let text = '';
  let known: AttemptData | undefined;
  for (const { seq, deliveryId, token, attempt } of successes) {
    const [, id, heldToken, attempts = 0, orderingKey = null] = places.get(seq) ?? [];
    if (id !== deliveryId || heldToken !== token) continue;
    // The members of a batch have one attempt in common.
    if (attempt !== known) text = attemptText(attempt);
    known = attempt;
    rows.push(seq, attempts + 1, token, text);
    ended.push(seq);
    if (orderingKey !== null) ofLines.push(seq);
    ids.add(id);
  }
  insertRows(sql, INSERT_SETTLED, rows);
  sql.run(DELIVER, now, JSON.stringify(ended));
  for (const seq of ofLines) alignEnded(sql, seq, false);
  return ids;
}
