import type { EventRecord } from '../domain/event.ts';
import { type EventColumns, eventOf } from '../sql/event-columns.ts';
import type { Statements } from './statements.ts';

/** What an event is read from. */
export const EVENT = 'id, tenant_id, type, body, created_at, idempotency_key, fingerprint, extra';

/** A row as it is read: a body without a byte was stored as NULL. */
export type EventRow = Omit<EventColumns, 'body'> & { readonly body: Uint8Array | null };

const BY_IDS = `SELECT ${EVENT} FROM surehook_events WHERE id IN (SELECT value FROM json_each(?))`;
const BY_SEQS = `SELECT seq, ${EVENT} FROM surehook_events WHERE seq IN (SELECT value FROM json_each(?))`;

/** The event of a row. */
export function eventOfRow(row: EventRow): EventRecord {
  return eventOf(hasBody(row) ? row : { ...row, body: new Uint8Array(0) });
}

function hasBody(row: EventRow): row is EventColumns {
  return row.body !== null;
}

/** The events with these ids. */
export function eventsById(sql: Statements, ids: readonly string[]): EventRecord[] {
  return sql.all<EventRow>(BY_IDS, JSON.stringify(ids)).map(eventOfRow);
}

/** The events at these places: each is read once, however many deliveries it has among those asked for. */
export function eventsBySeq(sql: Statements, seqs: Iterable<number>): Map<number, EventRecord> {
  const rows = sql.rows<EventTuple>(BY_SEQS, JSON.stringify([...new Set(seqs)]));
  const events = new Map<number, EventRecord>();
  for (const [seq, id, tenant_id, type, body, created_at, idempotency_key, fingerprint, extra] of rows) {
    const row = { id, tenant_id, type, body, created_at, idempotency_key, fingerprint, extra };
    events.set(seq, eventOfRow(row));
  }
  return events;
}

/** The columns of `BY_SEQS`, in their order. */
type EventTuple = readonly [
  seq: number,
  id: string,
  tenantId: string,
  type: string,
  body: Uint8Array | null,
  createdAt: number,
  idempotencyKey: string | null,
  fingerprint: string,
  extra: string | null,
];
