import type { DeliveryRecord } from '../domain/delivery.ts';
import type { AppendEntry } from '../repos.ts';
import { deliveryIdInUse } from '../sql/append-plan.ts';
import { HELD_BACK, queueCodes, reasonCodes, statusCodes } from '../sql/codes.ts';
import { align, placeOf } from './line.ts';
import { insertRows, rowsInsert } from './rows-insert.ts';
import { isConstraint } from './sqlite-errors.ts';
import type { Statements, Value } from './statements.ts';

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

/** An entry, and the first of the places that it takes. */
export interface Placed {
  readonly entry: AppendEntry;
  readonly seq: number;
}

/** Stores the deliveries of entries, each behind the other from the place of its entry on. Throws `ConflictError` for an id that is in use. */
export function insertDeliveries(sql: Statements, group: readonly Placed[]): void {
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
