import type { EventRecord } from '../domain/event.ts';
import type { DeliveryContent } from '../repos.ts';
import { type ContentColumns, contentOf } from '../sql/content-columns.ts';
import { at, type ClaimableRow } from './claimable.ts';
import { DELIVERY } from './delivery-rows.ts';
import { eventsBySeq } from './event-rows.ts';
import type { Statements } from './statements.ts';

const BY_IDS = `SELECT ${DELIVERY}, e.tenant_id AS e_tenant_id, e.type AS e_type, e.created_at AS e_created_at,
    e.idempotency_key, e.fingerprint, e.extra,
    CASE WHEN d.body_length IS NULL THEN e.body
      ELSE (SELECT b.body FROM surehook_bodies b WHERE b.delivery_seq = d.seq) END AS body
  FROM surehook_deliveries d JOIN surehook_events e ON e.seq = d.event_seq
  WHERE d.id IN (SELECT value FROM json_each(?))`;
const BODIES =
  'SELECT delivery_seq, body FROM surehook_bodies WHERE delivery_seq IN (SELECT value FROM json_each(?))';

/** As it is read: a body without a byte was stored as NULL. */
type ContentRow = Omit<ContentColumns, 'body'> & { readonly body: Uint8Array | null };
type BodyRow = readonly [seq: number, body: Uint8Array | null];

const EMPTY: Uint8Array = new Uint8Array(0);

/** The deliveries with these ids, and what they send. */
export function contentsById(sql: Statements, ids: readonly string[]): DeliveryContent[] {
  return sql
    .all<ContentRow>(BY_IDS, JSON.stringify(ids))
    .map((row) => contentOf({ ...row, body: row.body ?? EMPTY }));
}

/** What claimed rows send, read at once. Bodies of deliveries are looked for only where there is one. */
export class Contents {
  readonly #events: ReadonlyMap<number, EventRecord>;
  readonly #bodies: ReadonlyMap<number, Uint8Array>;

  constructor(sql: Statements, rows: readonly ClaimableRow[]) {
    this.#events = rows.length === 0 ? new Map() : eventsBySeq(sql, rows.map(eventSeqOf));
    const withBody = rows.filter((row) => row[at.bodyLength] !== null);
    this.#bodies = withBody.length === 0 ? new Map() : bodiesOf(sql, withBody);
  }

  /** The event of a row, with the delivery's own body where it has one. */
  eventOf(row: ClaimableRow): EventRecord {
    const [seq, eventSeq, id] = row;
    const event = this.#events.get(eventSeq);
    if (event === undefined) throw new Error(`The event of delivery ${id} is not stored`);
    if (row[at.bodyLength] === null) return event;
    const body = this.#bodies.get(seq);
    if (body === undefined) throw new Error(`The body of delivery ${id} is not stored`);
    return { ...event, body };
  }
}

function eventSeqOf([, eventSeq]: ClaimableRow): number {
  return eventSeq;
}

function bodiesOf(sql: Statements, rows: readonly ClaimableRow[]): ReadonlyMap<number, Uint8Array> {
  const found = sql.rows<BodyRow>(BODIES, JSON.stringify(rows.map(([seq]) => seq)));
  return new Map(found.map(([seq, body]) => [seq, body ?? EMPTY]));
}
