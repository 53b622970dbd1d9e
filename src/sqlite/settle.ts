import type { BatchMembership } from '../domain/batch.ts';
import type { Settlement, SettleResult } from '../repos.ts';
import { attemptKinds, attemptText } from '../sql/attempt-columns.ts';
import { queueCodes, reasonCodes } from '../sql/codes.ts';
import { INSERT_ATTEMPT } from './attempt-rows.ts';
import type { ClaimedPlace, ClaimedPlaces } from './claimed-places.ts';
import { deliver, heldPlaces, isSuccess, type Success } from './deliver.ts';
import { alignEnded } from './line.ts';
import type { Statements } from './statements.ts';

/**
 * Ends a claim, where the token is the present one: 1 is delivering. The numbers are those of `statusCodes`; `failed` (2) is what waits with
 * counted tries, `pending` (0) what waits without. The id is compared too, because `seq` can be a hint. Parameters bear no numbers:
 * Node 22.13 takes a numbered one for a named one.
 */
const IF_HELD = 'WHERE seq = ? AND token = ? AND status = 1 AND id = ?';
const COUNT = 'attempts = attempts + ?, tries = tries + ?';
const DELIVER = `UPDATE surehook_deliveries SET status = 3, wake_at = NULL, completed_at = ?, ${COUNT} ${IF_HELD}`;
const EXHAUST = `UPDATE surehook_deliveries SET status = 4, wake_at = NULL, completed_at = ?, reason = ?, ${COUNT} ${IF_HELD}`;
const WAIT = `UPDATE surehook_deliveries SET status = iif(tries + ? > 0, 2, 0), wake_at = ?, due_at = ?, queue = ?,
  batch_id = ?, batch_size = ?, refusals = ?, ${COUNT} ${IF_HELD}`;
/** The attempt of a claim that was ended just now: the newest. */
const RECORD = `INSERT INTO surehook_attempts (delivery_seq, number, token, kind, data)
  SELECT seq, attempts, token, ?, ? FROM surehook_deliveries WHERE seq = ?`;

const FIND = 'SELECT seq, token, attempts, status FROM surehook_deliveries WHERE id = ?';
const OF_TOKEN = 'SELECT number, kind FROM surehook_attempts WHERE delivery_seq = ? AND token = ?';
const REPLACE = 'UPDATE surehook_attempts SET kind = ?, data = ? WHERE delivery_seq = ? AND number = ?';
const COUNT_LATE = 'UPDATE surehook_deliveries SET attempts = attempts + 1 WHERE seq = ?';

/** Ends claims, as `EventRepo.settle` says. Must be run in a transaction. */
export function settleAll(
  sql: Statements,
  settlements: readonly Settlement[],
  { now, places }: { readonly now: number; readonly places: ClaimedPlaces },
): SettleResult[] {
  // A place is given once: where a delivery occurs twice only the first can be among the successes, and the order is kept.
  const hints = settlements.map(({ deliveryId }) => places.take(deliveryId));
  const successes = settlements.map((settlement, index) => successOf(settlement, hints[index]));
  const delivered = new Set(
    deliver(
      sql,
      successes.flatMap((success) => success ?? []),
      now,
    ),
  );
  return settlements.map((settlement, index) => {
    const success = successes[index];
    if (success !== undefined && delivered.has(success)) return 'applied';
    const hint = hints[index]?.seq;
    if (settlement.others !== undefined) return settleBatch(sql, settlement, { now, places, hint });
    return settle(sql, settlement, { now, hint });
  });
}

/** What can be ended together with others of its kind. */
function successOf(settlement: Settlement, place: ClaimedPlace | undefined): Success | undefined {
  const isPlaced = place !== undefined && settlement.others === undefined;
  return isPlaced && isSuccess(settlement) ? { settlement, place } : undefined;
}

/** All of a batch or none of it. */
function settleBatch(
  sql: Statements,
  settlement: Settlement,
  {
    now,
    places,
    hint,
  }: { readonly now: number; readonly places: ClaimedPlaces; readonly hint: number | undefined },
): SettleResult {
  const { others = [], ...one } = settlement;
  const each = [one, ...others.map((other) => ({ ...one, ...other }))];
  const placed = each.map((part, index) => ({
    ...part,
    seq:
      (index === 0 ? hint : places.take(part.deliveryId)?.seq) ??
      sql.get<Stored>(FIND, part.deliveryId)?.seq ??
      -1,
  }));
  const held = heldPlaces(sql, placed);
  if (held === undefined) return each.map((part) => settleLate(sql, part))[0] ?? 'unknown';
  const successes = held.flatMap((place, index) => successOf(placed[index] ?? one, place) ?? []);
  if (successes.length > 0) deliver(sql, successes, now);
  else for (const { seq, ...part } of placed) settle(sql, part, { now, hint: seq });
  return 'applied';
}

function settle(
  sql: Statements,
  settlement: Settlement,
  { now, hint }: { readonly now: number; readonly hint: number | undefined },
): SettleResult {
  const { deliveryId, attempt } = settlement;
  const seq = hint ?? sql.get<Stored>(FIND, deliveryId)?.seq;
  if (seq === undefined) return 'unknown';
  if (!end(sql, settlement, { seq, now })) return settleLate(sql, settlement);
  if (attempt !== undefined) sql.run(RECORD, attemptKinds.settled, attemptText(attempt), seq);
  const { next } = settlement;
  alignEnded(sql, seq, next.status === 'exhausted' && next.blocks === true);
  return 'applied';
}

function end(
  sql: Statements,
  { deliveryId, token, attempt, next }: Settlement,
  { seq, now }: { readonly seq: number; readonly now: number },
): boolean {
  const made = attempt === undefined ? 0 : 1;
  const counted = attempt?.counted ? 1 : 0;
  const held = [made, counted, seq, token, deliveryId] as const;
  switch (next.status) {
    case 'delivered':
      return sql.run(DELIVER, now, ...held) > 0;
    case 'exhausted':
      return sql.run(EXHAUST, now, reasonCodes[next.reason], ...held) > 0;
    case 'waiting':
      return (
        sql.run(WAIT, counted, next.dueAt, next.dueAt, queueCodes[next.queue], ...batchOf(next), ...held) > 0
      );
  }
}

function batchOf({
  batch,
}: {
  readonly batch?: BatchMembership;
}): [string | null, number | null, number | null] {
  return [batch?.id ?? null, batch?.size ?? null, batch?.refusals ?? null];
}

interface Stored {
  readonly seq: number;
  readonly token: number;
  readonly attempts: number;
  readonly status: number;
}

/**
 * A settlement whose token is not the one of a claim under way. Every token below the present one either settled the
 * delivery or left an attempt that is lost or, reported since, late.
 */
function settleLate(sql: Statements, { deliveryId, token, attempt }: Settlement): SettleResult {
  const delivery = sql.get<Stored>(FIND, deliveryId);
  if (delivery === undefined) return 'unknown';
  // Of a batch one claim can be lost, and others not: 1 is delivering.
  if (delivery.status === 1 && delivery.token === token) return 'late';
  const known = sql.get<{ number: number; kind: number }>(OF_TOKEN, delivery.seq, token);
  const isOfAClaim = token >= 1 && token <= delivery.token;
  if (isOfAClaim && (known === undefined || known.kind === attemptKinds.settled)) return 'repeated';
  if (attempt === undefined || known?.kind === attemptKinds.late) return 'late';
  const data = attemptText(attempt);
  if (known !== undefined) {
    sql.run(REPLACE, attemptKinds.late, data, delivery.seq, known.number);
    return 'late';
  }
  sql.run(COUNT_LATE, delivery.seq);
  sql.run(INSERT_ATTEMPT, delivery.seq, delivery.attempts + 1, token, attemptKinds.late, data);
  return 'late';
}
