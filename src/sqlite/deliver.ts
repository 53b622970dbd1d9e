import type { AttemptData } from '../domain/delivery.ts';
import type { Settlement } from '../repos.ts';
import { attemptKinds, attemptText } from '../sql/attempt-columns.ts';
import type { ClaimedPlace } from './claimed-places.ts';
import { alignEnded } from './line.ts';
import { insertRows, rowsInsert } from './rows-insert.ts';
import type { Statements, Value } from './statements.ts';

/** The numbers are those of `statusCodes`: 1 is delivering, 3 delivered. */
const HELD = `SELECT seq, id, token, attempts, ordering_key FROM surehook_deliveries
  WHERE seq IN (SELECT value FROM json_each(?)) AND status = 1`;
/**
 * Ends claims of one token and one count of attempts, which most have in common. No id is compared: no other delivery is ever given the place. OR FAIL as in
 * `rowsInsert`.
 */
const DELIVER = `UPDATE OR FAIL surehook_deliveries
  SET status = 3, wake_at = NULL, completed_at = ?, attempts = attempts + 1, tries = tries + 1
  WHERE seq IN (SELECT value FROM json_each(?)) AND token = ? AND attempts = ? AND status = 1 RETURNING seq`;
const INSERT_SETTLED = rowsInsert(
  'surehook_attempts (delivery_seq, number, token, kind, data)',
  `(?, ?, ?, ${attemptKinds.settled}, ?)`,
);

/** A settlement of the usual kind. */
export type SuccessfulSettlement = Settlement & { readonly attempt: AttemptData };

/** One, and where its delivery is. */
export interface Success {
  readonly settlement: SuccessfulSettlement;
  readonly place: ClaimedPlace;
}

type HeldRow = readonly [
  seq: number,
  id: string,
  token: number,
  attempts: number,
  orderingKey: string | null,
];

/** Where the deliveries are whose claims these settlements end; undefined unless all of the claims are present ones. */
export function heldPlaces(
  sql: Statements,
  parts: readonly (Settlement & { readonly seq: number })[],
): readonly ClaimedPlace[] | undefined {
  const rows = sql.rows<HeldRow>(HELD, JSON.stringify(parts.map(({ seq }) => seq)));
  const held = new Map(
    rows.map(([seq, id, token, attempts, orderingKey]) => [
      `${token} ${id}`,
      { seq, attempts, takesTurns: orderingKey !== null },
    ]),
  );
  const places = parts.flatMap(({ deliveryId, token }) => held.get(`${token} ${deliveryId}`) ?? []);
  return places.length === parts.length ? places : undefined;
}

/** Whether it is of the kind that nearly all are: one counted attempt, and the endpoint took it. */
export function isSuccess(settlement: Settlement): settlement is SuccessfulSettlement {
  return settlement.next.status === 'delivered' && settlement.attempt?.counted === true;
}

/**
 * Ends claims as the settlements say, many with one statement where each by itself would cost several times as much. No delivery
 * may occur twice. Must be run in a transaction. Returns those that were ended: the claims of the others are not held, or not as they were made.
 */
export function deliver(sql: Statements, successes: readonly Success[], now: number): readonly Success[] {
  const ended = alikeOf(successes).flatMap((alike) => endAlike(sql, alike, now));
  insertRows(sql, INSERT_SETTLED, attemptValues(ended));
  for (const { place } of ended) if (place.takesTurns) alignEnded(sql, place.seq, false);
  return ended;
}

function endAlike(sql: Statements, alike: readonly Success[], now: number): readonly Success[] {
  const [first] = alike;
  if (first === undefined) return [];
  const seqs = JSON.stringify(alike.map(({ place }) => place.seq));
  const rows = sql.rows<readonly [seq: number]>(
    DELIVER,
    now,
    seqs,
    first.settlement.token,
    first.place.attempts,
  );
  if (rows.length === alike.length) return alike;
  const ended = new Set(rows.map(([seq]) => seq));
  return alike.filter(({ place }) => ended.has(place.seq));
}

/** Those with one token and one count of attempts together. */
function alikeOf(successes: readonly Success[]): readonly (readonly Success[])[] {
  const groups = new Map<string, Success[]>();
  for (const success of successes) {
    const key = `${success.settlement.token} ${success.place.attempts}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [success]);
    else group.push(success);
  }
  return [...groups.values()];
}

function attemptValues(successes: readonly Success[]): Value[] {
  const values: Value[] = [];
  let text = '';
  let known: AttemptData | undefined;
  for (const { settlement, place } of successes) {
    // The members of a batch have one attempt in common.
    if (settlement.attempt !== known) text = attemptText(settlement.attempt);
    known = settlement.attempt;
    values.push(place.seq, place.attempts + 1, settlement.token, text);
  }
  return values;
}
