import { deliveryList, eventList } from './rows.ts';
import type { Tables } from './tables.ts';

/** The statements of `Append`. */
export interface AppendStatements {
  /** Fails when an id or a key is taken. */
  readonly insert: InsertStatement;
  /** Passes over events whose id or key is taken, after waiting for transactions that are about to take it; tells how many it stored. */
  readonly insertFree: InsertStatement;
  readonly known: string;
  readonly takenDelivery: string;
  readonly stored: string;
  readonly deliveries: string;
}

/** With and without notifications. */
interface InsertStatement {
  readonly plain: InsertTexts;
  /** For deliveries of which some have bodies of their own. */
  readonly withBodies: InsertTexts;
}

interface InsertTexts {
  readonly silent: string;
  readonly telling: string;
}

/** What is different where an id or a key may be taken. */
interface InsertKind {
  /** What becomes of such an event. */
  readonly ifTaken: string;
  /** When their deliveries are stored: they go with all events or with none. */
  readonly whenAll: string;
  /** How many events were stored. */
  readonly stored: string;
}

const ALL: InsertKind = { ifTaken: '', whenAll: '', stored: 'NULL::int' };

const FREE: InsertKind = {
  ifTaken: 'ON CONFLICT DO NOTHING RETURNING 1',
  whenAll: 'WHERE (SELECT count(*) FROM new_events) = cardinality($3::text[])',
  stored: '(SELECT count(*) FROM new_events)::int',
};

/** What is different where deliveries have bodies of their own: `$25` are lengths, null where there is none, and `$26` is all of them in one. */
interface BodyParts {
  readonly unnested: string;
  readonly numbered: string;
  readonly names: string;
  readonly length: string;
  /** The column, and what goes into it. */
  readonly body: readonly [column: string, value: string];
  /** The number of the last parameter. */
  readonly last: number;
}

const NO_BODIES: BodyParts = { unnested: '', numbered: '', names: '', length: '', body: ['', ''], last: 24 };

const BODIES: BodyParts = {
  unnested: ', $25::int[]',
  numbered: 'WITH ORDINALITY ',
  names: ', body_length, place',
  length: ', body_length',
  body: [
    ', body',
    ', substring($26::bytea FROM (sum(body_length) OVER (ORDER BY place) - body_length)::int + 1 FOR body_length)',
  ],
  last: 26,
};

function insertStatement(tables: Tables, kind: InsertKind): InsertStatement {
  return {
    plain: insertTexts(tables, kind, NO_BODIES),
    withBodies: insertTexts(tables, kind, BODIES),
  };
}

function insertTexts(
  { events, deliveries, listings }: Tables,
  { ifTaken, whenAll, stored }: InsertKind,
  { unnested, numbered, names, length, body: [bodyColumn, body], last }: BodyParts,
): InsertTexts {
  const insert = `
WITH new_events AS (
  INSERT INTO ${events} (id, tenant_id, type, body, is_text, created_at, idempotency_key, fingerprint, extra, delivery_ids)
  SELECT id, tenant_id, type, substring($1::bytea FROM (sum(size) OVER (ORDER BY place) - size)::int + 1 FOR size),
    is_text IS DISTINCT FROM 0 AND (SELECT getdatabaseencoding() = 'UTF8'), created_at, idempotency_key, fingerprint, extra, delivery_ids
  FROM unnest($2::int[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[], $11::smallint[])
    WITH ORDINALITY AS i(size, id, tenant_id, type, created_at, idempotency_key, fingerprint, extra, delivery_ids, is_text, place)
  ${ifTaken}
), given AS MATERIALIZED (
  SELECT * FROM unnest($12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::bigint[], $18::bigint[],
    $19::smallint[], $20::smallint[], $21::smallint[], $22::bigint[], $23::text[], $24::smallint[]${unnested})
    ${numbered}AS i(id, event_id, webhook_id, tenant_id, event_type, created_at, due_at, status, reason, queue, completed_at, ordering_key, line_place${names})
  ${whenAll}
), new_deliveries AS (
  INSERT INTO ${deliveries} (id, event_id, webhook_id, tenant_id, event_type, created_at, due_at, wake_at, status, reason,
    queue, completed_at, ordering_key, line_place${length}, token, attempts, tries, lost)
  SELECT id, event_id, webhook_id, tenant_id, event_type, created_at, due_at, CASE WHEN status IN (0, 2) THEN due_at END,
    status, reason, queue, completed_at, ordering_key, line_place${length}, 0, 0, 0, 0
  FROM given
), new_listings AS (
  INSERT INTO ${listings} (delivery_id, webhook_id, tenant_id, event_type, created_at${bodyColumn})
  SELECT id, webhook_id, tenant_id, event_type, created_at${body} FROM given
)
SELECT ${stored} AS events`;
  return {
    silent: insert,
    telling: `${insert}, count(pg_notify($${last + 1}::text, payload)) FROM unnest($${last + 2}::text[]) AS payload WHERE ${stored} IS DISTINCT FROM 0`,
  };
}

/** Makes them for the tables of a schema. */
export function appendStatements(tables: Tables): AppendStatements {
  const { events, deliveries, current } = tables;
  return {
    insert: insertStatement(tables, ALL),
    insertFree: insertStatement(tables, FREE),
    known: `
SELECT id, tenant_id, idempotency_key, fingerprint FROM ${events} WHERE id = ANY ($1::text[])
UNION ALL
SELECT e.id, e.tenant_id, e.idempotency_key, e.fingerprint
FROM unnest($2::text[], $3::text[]) AS i(tenant_id, idempotency_key)
  JOIN ${events} e ON e.tenant_id = i.tenant_id AND e.idempotency_key = i.idempotency_key`,
    takenDelivery: `SELECT id FROM ${deliveries} WHERE id = ANY ($1::text[]) LIMIT 1`,
    stored: `SELECT ${eventList('e')}, e.delivery_ids FROM ${events} e WHERE e.id = ANY ($1::text[])`,
    deliveries: `SELECT ${deliveryList('d')} FROM ${current} d WHERE d.id = ANY ($1::text[])`,
  };
}
