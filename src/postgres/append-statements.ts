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

function insertStatement(
  { events, deliveries, listings }: Tables,
  { ifTaken, whenAll, stored }: InsertKind,
): InsertStatement {
  const insert = `
WITH new_events AS (
  INSERT INTO ${events} (id, tenant_id, type, body, created_at, idempotency_key, fingerprint, extra, delivery_ids)
  SELECT id, tenant_id, type, substring($1::bytea FROM (sum(size) OVER (ORDER BY place) - size)::int + 1 FOR size),
    created_at, idempotency_key, fingerprint, extra, delivery_ids
  FROM unnest($2::int[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[])
    WITH ORDINALITY AS i(size, id, tenant_id, type, created_at, idempotency_key, fingerprint, extra, delivery_ids, place)
  ${ifTaken}
), given AS MATERIALIZED (
  SELECT * FROM unnest($11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::bigint[], $17::bigint[],
    $18::smallint[], $19::smallint[], $20::smallint[], $21::bigint[], $22::text[], $23::smallint[])
    AS i(id, event_id, webhook_id, tenant_id, event_type, created_at, due_at, status, reason, queue, completed_at, ordering_key, line_place)
  ${whenAll}
), new_deliveries AS (
  INSERT INTO ${deliveries} (id, event_id, webhook_id, tenant_id, event_type, created_at, due_at, wake_at, status, reason,
    queue, completed_at, ordering_key, line_place, token, attempts, tries, lost)
  SELECT id, event_id, webhook_id, tenant_id, event_type, created_at, due_at, CASE WHEN status IN (0, 2) THEN due_at END,
    status, reason, queue, completed_at, ordering_key, line_place, 0, 0, 0, 0
  FROM given
), new_listings AS (
  INSERT INTO ${listings} (delivery_id, webhook_id, tenant_id, event_type, created_at)
  SELECT id, webhook_id, tenant_id, event_type, created_at FROM given
)
SELECT ${stored} AS events`;
  return {
    silent: insert,
    telling: `${insert}, count(pg_notify($24::text, payload)) FROM unnest($25::text[]) AS payload WHERE ${stored} IS DISTINCT FROM 0`,
  };
}

/** Makes them for the tables of a schema. */
export function appendStatements(tables: Tables): AppendStatements {
  const { events, deliveries } = tables;
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
    deliveries: `SELECT ${deliveryList('d')} FROM ${deliveries} d WHERE d.id = ANY ($1::text[])`,
  };
}
