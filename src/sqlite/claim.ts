import type { BatchMembership } from '../domain/batch.ts';
import type { DeliveryRecord } from '../domain/delivery.ts';
import type { EventRecord } from '../domain/event.ts';
import type {
  ClaimedDelivery,
  ClaimResult,
  ExpressClaim,
  LeaseTimes,
  QueueClaim,
  QueuesClaim,
} from '../repos.ts';
import { attemptKinds, attemptText, lostAttempt } from '../sql/attempt-columns.ts';
import { HELD_BACK } from '../sql/codes.ts';
import { INSERT_ATTEMPT } from './attempt-rows.ts';
import { type FoundBatch, findBatch, setBatch } from './batch.ts';
import { at, CLAIMABLE, type ClaimableRow } from './claimable.ts';
import type { ClaimedPlaces } from './claimed-places.ts';
import { Contents } from './contents.ts';
import { places as linePlaces, setPlace } from './line.ts';
import type { Statements } from './statements.ts';

/** `+?`: a LIMIT that is a bare parameter has SQLite compile the statement anew for every other value. */
const DUE_EXPRESS = `SELECT ${CLAIMABLE} FROM surehook_deliveries d
  WHERE queue = 0 AND wake_at IS NOT NULL AND wake_at <= ? ORDER BY wake_at, seq LIMIT +?`;
const DUE_OWN = `SELECT ${CLAIMABLE} FROM surehook_deliveries d
  WHERE queue = 1 AND webhook_id = ? AND wake_at IS NOT NULL AND wake_at <= ? ORDER BY wake_at, seq LIMIT +?`;
const NEXT_EXPRESS = `SELECT wake_at FROM surehook_deliveries
  WHERE queue = 0 AND wake_at IS NOT NULL ORDER BY wake_at LIMIT 1`;
const NEXT_OWN = `SELECT wake_at FROM surehook_deliveries
  WHERE queue = 1 AND webhook_id = ? AND wake_at IS NOT NULL ORDER BY wake_at LIMIT 1`;
/** The expressions see the row as it was: one that is delivering (1) has lost that claim. OR FAIL as in `rowsInsert`. */
const LEASE = `UPDATE OR FAIL surehook_deliveries SET status = 1, token = token + 1, wake_at = ?, claimed_at = ?,
  attempts = attempts + (status = 1), lost = lost + (status = 1)
  WHERE seq IN (SELECT value FROM json_each(?))`;

const DELIVERING = 1;

/** Claims from the express queue. Who is delivering there is only on the way into its own, and takes no turn by it. Must be run in a transaction. */
export function claimExpress(sql: Statements, request: ExpressClaim, places: ClaimedPlaces): ClaimResult {
  const rows = sql.rows<ClaimableRow>(DUE_EXPRESS, request.now, request.limit);
  lease(sql, rows, request);
  const inBatches = rows.filter((row) => row[at.batchId] !== null);
  if (inBatches.length > 0)
    setBatch(
      sql,
      inBatches.map(([seq]) => seq),
      undefined,
    );
  const contents = new Contents(sql, rows);
  const next = sql.get<{ wake_at: number }>(NEXT_EXPRESS);
  return resultOf(
    claimedOf(rows, { contents, leaseUntil: request.leaseUntil, queue: 'express', places, batch: undefined }),
    next,
  );
}

/** Claims from queues of single webhooks. Must be run in a transaction. */
export function claimQueues(sql: Statements, request: QueuesClaim, places: ClaimedPlaces): ClaimResult[] {
  const { now, leaseUntil } = request;
  const found = request.queues.map((queue) => {
    const take = takeOf(sql, queue, now);
    // Before the next look: a queue that is named twice hands nothing out twice.
    lease(sql, take.rows, request);
    for (const row of take.rows)
      if (row[at.orderingKey] !== null) setPlace(sql, row[0], linePlaces.delivering);
    const moved = take.rows.filter((row) => row[at.batchId] !== (take.batch?.id ?? null));
    if (moved.length > 0)
      setBatch(
        sql,
        moved.map(([seq]) => seq),
        take.batch,
      );
    return { ...take, webhookId: queue.webhookId };
  });
  const contents = new Contents(
    sql,
    found.flatMap(({ rows }) => rows),
  );
  return found.map(({ webhookId, rows, batch, ripeAt = 0 }) => {
    const claimed = claimedOf(rows, { contents, leaseUntil, queue: 'own', places, batch });
    const next = sql.get<Next>(NEXT_OWN, webhookId);
    return resultOf(claimed, next && { wake_at: Math.max(next.wake_at, ripeAt) });
  });
}

/** What of a queue is to be claimed now. */
function takeOf(sql: Statements, { webhookId, limit, batch: rule }: QueueClaim, now: number): FoundBatch {
  if (rule === undefined)
    return { rows: sql.rows<ClaimableRow>(DUE_OWN, webhookId, now, limit), batch: undefined };
  const found = findBatch(sql, { webhookId, rule }, now);
  return limit > 0 ? found : { ...found, rows: [] };
}

/** Puts rows under a lease, and records the claims that it replaces. */
function lease(sql: Statements, rows: readonly ClaimableRow[], { now, leaseUntil }: LeaseTimes): void {
  if (rows.length === 0) return;
  for (const [seq, , , , , , , status, , wakeAt, claimedAt, token, attempts] of rows) {
    if (status !== DELIVERING) continue;
    const data = attemptText(lostAttempt(claimedAt ?? wakeAt, wakeAt));
    sql.run(INSERT_ATTEMPT, seq, attempts + 1, token, attemptKinds.lost, data);
  }
  sql.run(LEASE, leaseUntil, now, JSON.stringify(rows.map(([seq]) => seq)));
}

interface Claimed {
  readonly contents: Contents;
  readonly leaseUntil: number;
  readonly queue: DeliveryRecord['queue'];
  readonly places: ClaimedPlaces;
  readonly batch: BatchMembership | undefined;
}

interface Next {
  readonly wake_at: number;
}

function claimedOf(rows: readonly ClaimableRow[], claimed: Claimed): ClaimedDelivery[] {
  return rows.map((row) => {
    const event = claimed.contents.eventOf(row);
    const delivery = leased(row, event, claimed);
    const { id, attempts, orderingKey } = delivery;
    claimed.places.note(id, { seq: row[0], attempts, takesTurns: orderingKey !== undefined });
    return { delivery, event };
  });
}

function leased(
  row: ClaimableRow,
  event: EventRecord,
  { leaseUntil, queue, batch }: Claimed,
): DeliveryRecord {
  const [, , id, webhookId, tenantId, eventType, createdAt, status, dueAt, , , token, attempts, tries, lost] =
    row;
  const lostOne = status === DELIVERING ? 1 : 0;
  const delivery: { -readonly [Field in keyof DeliveryRecord]: DeliveryRecord[Field] } = {
    id,
    eventId: event.id,
    webhookId,
    tenantId,
    eventType,
    status: 'delivering',
    queue,
    dueAt,
    token: token + 1,
    leaseUntil,
    attempts: attempts + lostOne,
    tries,
    lost: lost + lostOne,
    createdAt,
  };
  const orderingKey = row[at.orderingKey];
  if (orderingKey !== null) delivery.orderingKey = orderingKey;
  if (batch !== undefined) delivery.batch = batch;
  return delivery;
}

function resultOf(
  deliveries: readonly ClaimedDelivery[],
  next: { wake_at: number } | undefined,
): ClaimResult {
  return next === undefined || next.wake_at === HELD_BACK
    ? { deliveries }
    : { deliveries, nextDueAt: next.wake_at };
}
