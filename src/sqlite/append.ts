import type { DeliveryRecord } from '../domain/delivery.ts';
import type { EventRecord } from '../domain/event.ts';
import type { AppendEntry, AppendResult } from '../repos.ts';
import { deliveryIdInUse, planAppend } from '../sql/append-plan.ts';
import { HELD_BACK, queueCodes, reasonCodes, statusCodes } from '../sql/codes.ts';
import { extraText } from '../sql/event-columns.ts';
import { deliveriesOfEvent } from './delivery-rows.ts';
import { EVENT, type EventRow, eventOfRow } from './event-rows.ts';
import { align, placeOf } from './line.ts';
import { isConstraint } from './sqlite-errors.ts';
import type { Statements } from './statements.ts';

const LAST = 'SELECT seq, fan_out FROM surehook_events ORDER BY seq DESC LIMIT 1';
const INSERT_EVENT = `INSERT INTO surehook_events
  (seq, id, tenant_id, type, created_at, idempotency_key, fingerprint, extra, fan_out, body)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`;
const COLUMNS = `seq, id, event_seq, webhook_id, tenant_id, event_type, created_at, status, reason, queue, due_at, wake_at, token,
   attempts, tries, lost, completed_at, ordering_key, place`;
const VALUES = '?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?';
const INSERT_DELIVERY = `INSERT INTO surehook_deliveries (${COLUMNS}) VALUES (${VALUES})`;
const INSERT_WITH_BODY = `INSERT INTO surehook_deliveries (${COLUMNS}, body_length) VALUES (${VALUES}, ?)`;
const INSERT_BODY = 'INSERT INTO surehook_bodies (delivery_seq, body) VALUES (?, ?)';
const BY_ID = `SELECT ${EVENT}, seq, fan_out FROM surehook_events WHERE id = ?`;
const BY_KEY = `SELECT ${EVENT}, seq, fan_out FROM surehook_events WHERE tenant_id = ? AND idempotency_key = ?`;

type StoredEvent = EventRow & { readonly seq: number; readonly fan_out: number };

/** Stores events with their deliveries, as `EventRepo.append` says. Must be run in a transaction, which is undone when this throws. */
export function append(sql: Statements, entries: readonly AppendEntry[]): AppendResult[] {
  const last = sql.get<{ seq: number; fan_out: number }>(LAST);
  let seq = last === undefined ? 1 : behind(last.seq, last.fan_out);
  return entries.map((entry) => {
    if (!insertEvent(sql, entry, seq)) return duplicateOf(sql, entry);
    insertDeliveries(sql, entry, seq);
    const { event, deliveries } = entry;
    seq = behind(seq, deliveries.length);
    return { event, deliveries, duplicate: false };
  });
}

/** The first place behind an event and its deliveries. An event without any takes one place too. */
function behind(seq: number, fanOut: number): number {
  return seq + Math.max(1, fanOut);
}

/** Whether it was stored: not, where its id or key is taken. */
function insertEvent(sql: Statements, { event, deliveries }: AppendEntry, seq: number): boolean {
  const { id, tenantId, type, createdAt, idempotencyKey = null, fingerprint, body } = event;
  const [extra, fanOut] = [extraText(event), deliveries.length];
  const values = [
    seq,
    id,
    tenantId,
    type,
    createdAt,
    idempotencyKey,
    fingerprint,
    extra,
    fanOut,
    body,
  ] as const;
  return sql.run(INSERT_EVENT, ...values) > 0;
}

function insertDeliveries(sql: Statements, { deliveries, bodies }: AppendEntry, eventSeq: number): void {
  let seq = eventSeq;
  for (const delivery of deliveries) {
    insertDelivery(sql, delivery, { seq, eventSeq, body: bodies?.get(delivery.id) });
    seq += 1;
  }
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
