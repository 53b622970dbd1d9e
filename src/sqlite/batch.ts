import { type BatchMembership, batchKind, batchOf, bytesInBatch } from '../domain/batch.ts';
import type { BatchClaim } from '../repos.ts';
import { kindFieldsOf } from '../sql/event-columns.ts';
import { at, CLAIMABLE, type ClaimableRow } from './claimable.ts';
import type { Statements } from './statements.ts';

const MEMBERS = `SELECT ${CLAIMABLE} FROM surehook_deliveries d
  WHERE d.batch_id = ? AND d.wake_at IS NOT NULL AND d.wake_at <= ?`;
const CANDIDATES = `SELECT ${CLAIMABLE}, coalesce(d.body_length, length(e.body)) AS length, e.id AS event_id, e.extra
  FROM surehook_deliveries d JOIN surehook_events e ON e.seq = d.event_seq
  WHERE d.queue = 1 AND d.webhook_id = ? AND d.wake_at IS NOT NULL AND d.wake_at <= ?
  ORDER BY d.wake_at, d.seq LIMIT +?`;
const SET_BATCH = `UPDATE surehook_deliveries SET batch_id = ?, batch_size = ?, refusals = ?
  WHERE seq IN (SELECT value FROM json_each(?))`;

/** A candidate, and what it takes up: the length of its body (null where that is empty), and the id and the text of the fields of its event. */
type CandidateRow = readonly [
  ...row: ClaimableRow,
  length: number | null,
  eventId: string,
  extra: string | null,
];

/** What a claim of a batch found. */
export interface FoundBatch {
  readonly rows: readonly ClaimableRow[];
  readonly batch: BatchMembership | undefined;
  /** Where nothing is to be handed out yet: when it will be, epoch ms. */
  readonly ripeAt?: number;
}

/** Which batch of a webhook's own queue is next, as `BatchClaim` says. */
export function findBatch(
  sql: Statements,
  { webhookId, rule }: { readonly webhookId: string; readonly rule: BatchClaim },
  now: number,
): FoundBatch {
  const candidates = sql.rows<CandidateRow>(CANDIDATES, webhookId, now, rule.maxEvents + 1);
  const [first] = candidates;
  if (first === undefined) return { rows: [], batch: undefined };
  const whole = wholeBatch(sql, first, now);
  if (whole !== undefined) return { rows: whole, batch: membershipOf(first) };
  const judged = candidates.map((row) => judgedOf(sql, row, now));
  const { length: size, isFull } = batchOf(judged, rule);
  const ripeAt = isFull ? 0 : first[at.dueAt] + rule.maxWaitMs;
  if (ripeAt > now) return { rows: [], batch: undefined, ripeAt };
  const rows = candidates.slice(0, size).map((row) => row.slice(0, -3) as unknown as ClaimableRow);
  // As when it is claimed again: its id stands for the same bytes.
  return { rows: rows.sort(bySeq), batch: { id: rule.id, size, refusals: 0 } };
}

/** Puts rows into a batch, or out of any. */
export function setBatch(sql: Statements, seqs: readonly number[], batch: BatchMembership | undefined): void {
  const { id = null, size = null, refusals = null } = batch ?? {};
  sql.run(SET_BATCH, id, size, refusals, JSON.stringify(seqs));
}

/** All members of a row's batch, if they are all there and can be claimed. */
function wholeBatch(
  sql: Statements,
  row: ClaimableRow | CandidateRow,
  now: number,
): readonly ClaimableRow[] | undefined {
  const [id, size] = [row[at.batchId], row[at.batchSize]];
  if (id === null) return undefined;
  const members = sql.rows<ClaimableRow>(MEMBERS, id, now);
  return members.length === size ? members.sort(bySeq) : undefined;
}

function bySeq([a]: ClaimableRow, [b]: ClaimableRow): number {
  return a - b;
}

function judgedOf(sql: Statements, row: CandidateRow, now: number): Parameters<typeof batchOf>[0][number] {
  const [length, id, extra] = row.slice(-3) as [number | null, string, string | null];
  return {
    bytes: bytesInBatch({ id, type: row[at.eventType], body: { byteLength: length ?? 0 } }),
    kind: batchKind(kindFieldsOf(extra)),
    tries: row[at.tries],
    isTaken: wholeBatch(sql, row, now) !== undefined,
  };
}

/** The batch of a row that is in one. */
function membershipOf(row: ClaimableRow | CandidateRow): BatchMembership | undefined {
  const id = row[at.batchId];
  return id === null ? undefined : { id, size: row[at.batchSize] ?? 1, refusals: row[at.refusals] ?? 0 };
}
