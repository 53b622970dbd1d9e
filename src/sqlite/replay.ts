import type { DeliveryRecord } from '../domain/delivery.ts';
import type { ExhaustRequest } from '../repos.ts';
import { reasonCodes } from '../sql/codes.ts';
import { deliveriesBySeq } from './delivery-rows.ts';
import { align, alignEnded, alignLinesOf } from './line.ts';
import type { Statements } from './statements.ts';

const WAITING = `SELECT seq FROM surehook_deliveries
  WHERE queue = 1 AND webhook_id = ? AND wake_at IS NOT NULL AND status <> 1 ORDER BY wake_at, seq LIMIT ?`;
const GIVE_UP = `UPDATE surehook_deliveries SET status = 4, reason = ?, completed_at = ?, wake_at = NULL, place = iif(?, place, NULL)
  WHERE seq IN (SELECT value FROM json_each(?))`;
const CANCEL = `UPDATE surehook_deliveries SET status = 4, reason = ${reasonCodes.cancelled}, completed_at = ?, wake_at = NULL, marked = NULL
  WHERE id = ? AND status IN (0, 2, 5) RETURNING seq`;
const BLOCKER = 'SELECT seq FROM surehook_deliveries WHERE id = ? AND status = 4 AND place IS NOT NULL';
const LAST_MARK =
  'SELECT marked FROM surehook_deliveries WHERE marked IS NOT NULL ORDER BY marked DESC LIMIT 1';
const MARK = `UPDATE surehook_deliveries
  SET status = 5, token = token + 1, reason = NULL, completed_at = NULL, tries = 0, lost = 0, marked = ?,
    place = iif(ordering_key IS NULL, NULL, 1), batch_id = NULL, batch_size = NULL, refusals = NULL
  WHERE id = ? AND status = 4 AND token = coalesce(?, token) RETURNING seq, webhook_id, ordering_key`;
const LONGEST_MARKED = 'SELECT seq FROM surehook_deliveries WHERE marked IS NOT NULL ORDER BY marked LIMIT ?';
const PROMOTE = `UPDATE surehook_deliveries SET status = 0, queue = 0, due_at = ?, wake_at = ?, marked = NULL
  WHERE seq IN (SELECT value FROM json_each(?))`;

interface Place {
  readonly seq: number;
}

interface MarkedPlace extends Place {
  readonly webhook_id: string;
  readonly ordering_key: string | null;
}

/** Gives waiting deliveries of an own queue up. Must be run in a transaction. */
export function exhaustQueue(sql: Statements, request: ExhaustRequest): DeliveryRecord[] {
  const { webhookId, reason, blocks = false, now, limit } = request;
  const seqs = seqsOf(sql.all<Place>(WAITING, webhookId, limit));
  sql.run(GIVE_UP, reasonCodes[reason], now, blocks ? 1 : 0, JSON.stringify(seqs));
  const given = deliveriesBySeq(sql, seqs);
  alignLinesOf(sql, given);
  return given;
}

/** Gives deliveries that wait up, and lets those that block go. Must be run in a transaction. */
export function cancel(sql: Statements, ids: readonly string[], now: number): DeliveryRecord[] {
  const seqs: number[] = [];
  for (const id of ids) {
    const row = sql.get<Place>(CANCEL, now, id) ?? sql.get<Place>(BLOCKER, id);
    if (row === undefined) continue;
    seqs.push(row.seq);
    alignEnded(sql, row.seq, false);
  }
  return deliveriesBySeq(sql, seqs);
}

/** Marks exhausted deliveries as replaying, those with a token only where they have it. Must be run in a transaction. */
export function markReplay(
  sql: Statements,
  ids: readonly string[],
  tokens: readonly number[],
): DeliveryRecord[] {
  let mark = sql.get<{ marked: number }>(LAST_MARK)?.marked ?? 0;
  const seqs: number[] = [];
  for (const [index, id] of ids.entries()) {
    const row = sql.get<MarkedPlace>(MARK, mark + 1, id, tokens[index] ?? null);
    if (row === undefined) continue;
    mark += 1;
    const { seq, webhook_id: webhookId, ordering_key: orderingKey } = row;
    seqs.push(seq);
    // One after the other: a line can be put right after one change, not after several.
    if (orderingKey !== null) align(sql, { webhookId, orderingKey });
  }
  return deliveriesBySeq(sql, seqs);
}

/** Turns the longest marked replays into pending ones. Must be run in a transaction. */
export function promoteReplays(
  sql: Statements,
  { now, limit }: { readonly now: number; readonly limit: number },
): DeliveryRecord[] {
  const seqs = seqsOf(sql.all<Place>(LONGEST_MARKED, limit));
  sql.run(PROMOTE, now, now, JSON.stringify(seqs));
  return inOrder(sql, seqs);
}

function seqsOf(places: readonly Place[]): number[] {
  return places.map(({ seq }) => seq);
}

/** The deliveries at these places, in this order. */
function inOrder(sql: Statements, seqs: readonly number[]): DeliveryRecord[] {
  const ascending = seqs.toSorted((a, b) => a - b);
  const records = new Map(deliveriesBySeq(sql, seqs).map((record, at) => [ascending[at], record]));
  return seqs.flatMap((seq) => records.get(seq) ?? []);
}
