import type {
  AcquireResult,
  QueueAcquisition,
  QueueChange,
  QueueOpening,
  QueueRecord,
  QueueReset,
  SaveResult,
} from '../repos.ts';
import { type QueueColumns, queueOf } from '../sql/queue-columns.ts';
import type { Statements } from './statements.ts';

const COLUMNS = 'webhook_id, failures, not_before, next_at, wakes, token, lease_until';
const FIND = `SELECT ${COLUMNS} FROM surehook_queues WHERE webhook_id = ?`;
const FIND_MANY = `SELECT ${COLUMNS} FROM surehook_queues WHERE webhook_id IN (SELECT value FROM json_each(?))`;
const PUT = `INSERT INTO surehook_queues (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (webhook_id) DO UPDATE SET failures = excluded.failures, not_before = excluded.not_before,
    next_at = excluded.next_at, wakes = excluded.wakes, token = excluded.token, lease_until = excluded.lease_until`;
const CLOSE = 'DELETE FROM surehook_queues WHERE webhook_id = ?';
const CLOSED_TOKEN = "SELECT value FROM surehook_numbers WHERE name = 'closed-queue-token'";
const NOTE_CLOSED_TOKEN =
  "UPDATE surehook_numbers SET value = max(value, ?) WHERE name = 'closed-queue-token'";

/** An expired lease is nobody's: it is taken off, and its queue waits by `next_at` among the free ones again. */
const END_LEASES = `UPDATE surehook_queues SET lease_until = NULL
  WHERE lease_until IS NOT NULL AND max(next_at, lease_until) <= ?`;
const HEALTHY = `SELECT ${COLUMNS} FROM surehook_queues
  WHERE failures = 0 AND lease_until IS NULL AND next_at IS NOT NULL ORDER BY next_at LIMIT ?`;
const FAILING = `SELECT ${COLUMNS} FROM surehook_queues
  WHERE failures <> 0 AND lease_until IS NULL AND next_at IS NOT NULL ORDER BY next_at LIMIT ?`;
const NEXT_LEASED = `SELECT max(next_at, lease_until) AS at FROM surehook_queues
  WHERE lease_until IS NOT NULL AND max(next_at, lease_until) IS NOT NULL
  ORDER BY max(next_at, lease_until) LIMIT 1`;

/** Makes sure that queues are open. This and what follows but the last must be run in a transaction. */
export function openQueues(sql: Statements, entries: readonly QueueOpening[], now: number): void {
  for (const entry of entries) put(sql, opened(find(sql, entry.webhookId), entry, { sql, now }));
}

/** Leases queues. */
export function acquireQueues(sql: Statements, request: QueueAcquisition): AcquireResult {
  sql.run(END_LEASES, request.now);
  const healthy = dueOf(sql, HEALTHY, { now: request.now, limit: request.healthy });
  const failing = dueOf(sql, FAILING, { now: request.now, limit: request.failing });
  const leasedAt = sql.get<{ at: number }>(NEXT_LEASED)?.at;
  const queues = [...healthy.due, ...failing.due].map((queue) => {
    const leased = { ...queue, token: queue.token + 1, leaseUntil: request.leaseUntil };
    put(sql, leased);
    return leased;
  });
  queues.sort((a, b) => (a.nextAt ?? 0) - (b.nextAt ?? 0));
  const instants = [healthy.nextAt, failing.nextAt, leasedAt].filter((instant) => instant !== undefined);
  return instants.length === 0 ? { queues } : { queues, nextAt: Math.min(...instants) };
}

/** Takes queues from whoever serves them. */
export function resetQueues(sql: Statements, entries: readonly QueueReset[], now: number): void {
  for (const { webhookId, nextAt } of entries) {
    const { wakes, token } = find(sql, webhookId) ?? { wakes: 0, token: newToken(sql, now) };
    put(sql, { webhookId, failures: 0, notBefore: 0, nextAt, wakes: wakes + 1, token: token + 1 });
  }
}

/** Stores what the holder of a queue knows. */
export function saveQueue(sql: Statements, change: QueueChange): SaveResult {
  const present = find(sql, change.webhookId);
  if (present?.token !== change.token) return { result: 'lost' };
  const { wakes } = present;
  if (change.ifWakes !== undefined && change.ifWakes !== wakes) return { result: 'woken', wakes };
  if (change.close) {
    sql.run(CLOSE, change.webhookId);
    sql.run(NOTE_CLOSED_TOKEN, change.token);
    return { result: 'closed' };
  }
  const { webhookId, token, failures, notBefore, nextAt, leaseUntil } = change;
  const kept: QueueRecord = { webhookId, failures, notBefore, nextAt, wakes, token };
  const end = leaseUntil && Math.max(leaseUntil, present.leaseUntil ?? 0);
  put(sql, end === undefined ? kept : { ...kept, leaseUntil: end });
  return { result: 'saved', wakes };
}

/** The records of these webhooks. */
export function queuesById(sql: Statements, webhookIds: readonly string[]): QueueRecord[] {
  return sql.all<QueueColumns>(FIND_MANY, JSON.stringify(webhookIds)).map(queueOf);
}

/** The record of a queue that is opened. */
function opened(
  present: QueueRecord | undefined,
  { webhookId, failures, nextAt }: QueueOpening,
  { sql, now }: { readonly sql: Statements; readonly now: number },
): QueueRecord {
  const notBefore = failures > 0 ? nextAt : 0;
  if (present === undefined) {
    return { webhookId, failures, notBefore, nextAt, wakes: 1, token: newToken(sql, now) };
  }
  const woken: QueueRecord = { ...present, wakes: present.wakes + 1 };
  const isLeased = woken.leaseUntil !== undefined && woken.leaseUntil > now;
  if (woken.nextAt === null || isLeased) return woken;
  if (failures > 0 && woken.failures === 0) return { ...woken, failures, notBefore, nextAt };
  return { ...woken, nextAt: Math.max(woken.notBefore, Math.min(woken.nextAt, nextAt)) };
}

/** The due ones of a list by `next_at`, up to a limit, and the instant of the next one behind them. */
function dueOf(
  sql: Statements,
  list: string,
  { now, limit }: { readonly now: number; readonly limit: number },
): { readonly due: readonly QueueRecord[]; readonly nextAt: number | undefined } {
  const first = sql.all<QueueColumns>(list, limit + 1).map(queueOf);
  const due = first.slice(0, limit).filter(({ nextAt }) => nextAt !== null && nextAt <= now);
  return { due, nextAt: first[due.length]?.nextAt ?? undefined };
}

/** The token of a new record: above those of all that were closed, and not below the instant of its creation. */
function newToken(sql: Statements, now: number): number {
  return Math.max(now, (sql.get<{ value: number }>(CLOSED_TOKEN)?.value ?? 0) + 1);
}

function find(sql: Statements, webhookId: string): QueueRecord | undefined {
  const columns = sql.get<QueueColumns>(FIND, webhookId);
  return columns === undefined ? undefined : queueOf(columns);
}

function put(sql: Statements, queue: QueueRecord): void {
  const { webhookId, failures, notBefore, nextAt, wakes, token, leaseUntil } = queue;
  sql.run(PUT, webhookId, failures, notBefore, nextAt, wakes, token, leaseUntil ?? null);
}
