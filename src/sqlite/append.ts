import type { DeliveryRecord } from '../domain/delivery.ts';
import type { EventRecord } from '../domain/event.ts';
import type { AppendEntry, AppendResult } from '../repos.ts';
import { deliveryIdInUse, planAppend } from '../sql/append-plan.ts';
import { HELD_BACK, queueCodes, reasonCodes, statusCodes } from '../sql/codes.ts';
import { extraText } from '../sql/event-columns.ts';
import { deliveriesOfEvent } from './delivery-rows.ts';
import { EVENT, type EventRow, eventOfRow } from './event-rows.ts';
import { align, placeOf } from './line.ts';
import { behind, nextPlace } from './next-place.ts';
import { insertRows, ROWS_AT_ONCE, rowsInsert } from './rows-insert.ts';
import { isConstraint } from './sqlite-errors.ts';
import type { Statements, Value } from './statements.ts';

const INSERT_EVENTS = rowsInsert(
  'surehook_events (seq, id, tenant_id, type, created_at, idempotency_key, fingerprint, extra, fan_out, body)',
  '(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  ' ON CONFLICT DO NOTHING',
);
const TAKE_BACK = 'DELETE FROM surehook_events WHERE seq >= ? AND seq < ?';
const COLUMNS = `seq, id, event_seq, webhook_id, tenant_id, event_type, created_at, status, reason, queue, due_at, wake_at, token,
   attempts, tries, lost, completed_at, ordering_key, place`;
const VALUES = '?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?';
const INSERT_DELIVERY = `INSERT INTO surehook_deliveries (${COLUMNS}) VALUES (${VALUES})`;
const INSERT_WITH_BODY = `INSERT INTO surehook_deliveries (${COLUMNS}, body_length) VALUES (${VALUES}, ?)`;
/** Those that `isPlain`: what they all have in common is not bound. */
const INSERT_PLAIN = rowsInsert(
  `surehook_deliveries (seq, id, event_seq, webhook_id, tenant_id, event_type, created_at, queue, due_at, wake_at,
    status, token, attempts, tries, lost)`,
  `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ${statusCodes.pending}, 0, 0, 0, 0)`,
);
const PLACES = 'SELECT seq, id FROM surehook_deliveries WHERE id IN (SELECT value FROM json_each(?))';
const INSERT_BODY = 'INSERT INTO surehook_bodies (delivery_seq, body) VALUES (?, ?)';
const BY_ID = `SELECT ${EVENT}, seq, fan_out FROM surehook_events WHERE id = ?`;
const BY_KEY = `SELECT ${EVENT}, seq, fan_out FROM surehook_events WHERE tenant_id = ? AND idempotency_key = ?`;

type StoredEvent = EventRow & { readonly seq: number; readonly fan_out: number };

/** An entry, and the first of the places that it takes. */
interface Placed {
  readonly entry: AppendEntry;
  readonly seq: number;
}

/** Stores events with their deliveries, as `EventRepo.append` says. Must be run in a transaction, which is undone when this throws. */
export function append(sql: Statements, entries: readonly AppendEntry[]): AppendResult[] {
  let seq = nextPlace(sql);
  const results: AppendResult[] = [];
  for (let from = 0; from < entries.length; from += ROWS_AT_ONCE) {
    const group = entries.slice(from, from + ROWS_AT_ONCE).map((entry): Placed => {
      const placed = { entry, seq };
      seq = behind(seq, entry.deliveries.length);
      return placed;
    });
    if (insertAll(sql, group, seq)) results.push(...group.map(({ entry }) => freshOf(entry)));
    else for (const placed of group) results.push(insertOrFind(sql, placed));
  }
  return results;
}

/** Stores entries, or nothing where one is stored already. `end` is the place behind them. */
function insertAll(sql: Statements, group: readonly Placed[], end: number): boolean {
  if (insertRows(sql, INSERT_EVENTS, group.flatMap(eventValues)) < group.length) {
    if (group.length > 1) sql.run(TAKE_BACK, group[0]?.seq ?? end, end);
    return false;
  }
  insertDeliveries(sql, group);
  return true;
}

/** Stores an entry, or finds what stands for it. An entry is compared with those before it alone, so that these go one by one. */
function insertOrFind(sql: Statements, placed: Placed): AppendResult {
  return insertAll(sql, [placed], placed.seq) ? freshOf(placed.entry) : duplicateOf(sql, placed.entry);
}

function freshOf({ event, deliveries }: AppendEntry): AppendResult {
  return { event, deliveries, duplicate: false };
}

function eventValues({ entry: { event, deliveries }, seq }: Placed): Value[] {
  const { id, tenantId, type, createdAt, idempotencyKey = null, fingerprint, body } = event;
  const extra = extraText(event);
  return [seq, id, tenantId, type, createdAt, idempotencyKey, fingerprint, extra, deliveries.length, body];
}

function insertDeliveries(sql: Statements, group: readonly Placed[]): void {
  const plain: Value[] = [];
  for (const { entry, seq: eventSeq } of group) {
    let seq = eventSeq;
    for (const delivery of entry.deliveries) {
      const body = entry.bodies?.get(delivery.id);
      if (body === undefined && isPlain(delivery)) plain.push(...plainValues(delivery, seq, eventSeq));
      else insertDelivery(sql, delivery, { seq, eventSeq, body });
      seq += 1;
    }
  }
  try {
    insertRows(sql, INSERT_PLAIN, plain);
  } catch (error) {
    throw isConstraint(error) ? deliveryIdInUse(idInUse(sql, plain)) : error;
  }
}

/** Whether it is as nearly all are that come in: nothing was done yet, and it takes no turns. */
function isPlain({
  status,
  token,
  attempts,
  tries,
  lost,
  orderingKey,
  completedAt,
}: DeliveryRecord): boolean {
  const isUntouched = token === 0 && attempts === 0 && tries === 0 && lost === 0 && completedAt === undefined;
  return status === 'pending' && isUntouched && orderingKey === undefined;
}

function plainValues(delivery: DeliveryRecord, seq: number, eventSeq: number): Value[] {
  const { id, webhookId, tenantId, eventType, createdAt, queue, dueAt } = delivery;
  return [seq, id, eventSeq, webhookId, tenantId, eventType, createdAt, queueCodes[queue], dueAt, dueAt];
}

/** The first id of these rows that another row has. */
function idInUse(sql: Statements, plain: readonly Value[]): string {
  const { width } = INSERT_PLAIN;
  const seqs = new Map<string, number>();
  for (let from = 0; from < plain.length; from += width)
    seqs.set(String(plain[from + 1]), Number(plain[from]));
  const rows = sql.all<{ seq: number; id: string }>(PLACES, JSON.stringify([...seqs.keys()]));
  return rows.find(({ seq, id }) => seqs.get(id) !== seq)?.id ?? '';
}

interface DeliveryPlace {
  readonly seq: number;
  readonly eventSeq: number;
  readonly body: Uint8Array | undefined;
}

function insertDelivery(
  sql: Statements,
  delivery: DeliveryRecord,
  { seq, eventSeq, body }: DeliveryPlace,
): void {
  const { id, webhookId, tenantId, eventType, createdAt, status, queue, dueAt, token, orderingKey } =
    delivery;
  const reason = delivery.reason === undefined ? null : reasonCodes[delivery.reason];
  const takesTurns = orderingKey !== undefined && queue === 'own';
  const waitsUntil = takesTurns ? HELD_BACK : dueAt;
  const wakeAt = status === 'pending' || status === 'failed' ? waitsUntil : null;
  const place = [seq, id, eventSeq, webhookId, tenantId, eventType, createdAt] as const;
  const state = [statusCodes[status], reason, queueCodes[queue], dueAt, wakeAt, token] as const;
  const { attempts, tries, lost, completedAt = null } = delivery;
  const line = [orderingKey ?? null, placeOf(delivery)] as const;
  const values = [...place, ...state, attempts, tries, lost, completedAt, ...line] as const;
  try {
    if (body === undefined) sql.run(INSERT_DELIVERY, ...values);
    else sql.run(INSERT_WITH_BODY, ...values, body.byteLength);
  } catch (error) {
    throw isConstraint(error) ? deliveryIdInUse(id) : error;
  }
  if (body !== undefined) sql.run(INSERT_BODY, seq, body);
  if (orderingKey !== undefined) align(sql, { webhookId, orderingKey });
}

/** What is stored under the id or the key of an entry. Throws `ConflictError` where that is other content. */
function duplicateOf(sql: Statements, entry: AppendEntry): AppendResult {
  const { id, tenantId, idempotencyKey } = entry.event;
  const sameId = sql.get<StoredEvent>(BY_ID, id);
  const sameKey =
    idempotencyKey === undefined ? undefined : sql.get<StoredEvent>(BY_KEY, tenantId, idempotencyKey);
  const rows = [sameId, sameKey].filter((row) => row !== undefined);
  const known = rows.map((row): EventRecord => eventOfRow(row));
  const { eventIds } = planAppend([entry], known);
  const index = known.findIndex((event) => event.id === eventIds[0]);
  const [event, row] = [known[index], rows[index]];
  if (event === undefined || row === undefined)
    throw new Error('An event was refused that nothing stands for');
  return { event, deliveries: deliveriesOfEvent(sql, row), duplicate: true };
}
