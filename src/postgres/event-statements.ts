import { HELD_BACK, reasonCodes } from '../sql/codes.ts';
import { AND_OPENED, openedBy } from './line.ts';
import { asNumber, contentList, deliveryList, eventList } from './rows.ts';
import type { Tables } from './tables.ts';

/** The statements of the event repo that take no code of their own. */
export interface EventStatements {
  /** `$1` webhook, `$2` reason, `$3` now, `$4` limit, `$5` whether those with a key keep their place. */
  readonly exhaust: string;
  /** `$1` after or null, `$2` limit. */
  readonly ownQueues: string;
  /** `$1` ids, `$2` channel or null, `$3` payload. */
  readonly mark: string;
  /** `$1` ids, `$2` now, `$3` channel or null, `$4` sender. */
  readonly cancel: string;
  /** `$1` now, `$2` limit, `$3` channel or null, `$4` payload. */
  readonly promote: string;
  readonly getDeliveries: string;
  readonly deliveriesOf: string;
  readonly getContents: string;
  readonly getEvents: string;
  readonly attempts: string;
  /** `$1` webhook, `$2` limit. */
  readonly count: string;
}

/** The statements for one schema. */
export function eventStatements(tables: Tables): EventStatements {
  return { ...changesOf(tables), ...readsOf(tables) };
}

type Changes = 'exhaust' | 'mark' | 'cancel' | 'promote';

function changesOf({ schema, deliveries, marks }: Tables): Pick<EventStatements, Changes> {
  return {
    exhaust: `
WITH waiting AS MATERIALIZED (
  SELECT id FROM ${deliveries}
  WHERE queue = 1 AND wake_at IS NOT NULL AND webhook_id = $1::text AND status <> 1
  ORDER BY wake_at, seq LIMIT $4::int FOR UPDATE SKIP LOCKED
), given_up AS (
  UPDATE ${deliveries} d SET status = 4, reason = $2::smallint, completed_at = $3::bigint, wake_at = NULL,
    line_place = CASE WHEN $5::boolean THEN d.line_place END
  FROM waiting w WHERE d.id = w.id
  RETURNING d.*
), ${openedBy(schema, 'given_up')}
SELECT ${deliveryList('d')} FROM given_up d WHERE true ${AND_OPENED}`,
    mark: `
WITH marked AS (
  UPDATE ${deliveries} d
  SET status = 5, token = d.token + 1, reason = NULL, completed_at = NULL, tries = 0, lost = 0, stripped = false, marked = nextval(${marks}),
    line_place = CASE WHEN d.ordering_key IS NOT NULL THEN 1 END, batch_id = NULL, batch_size = NULL, refusals = NULL
  FROM (SELECT DISTINCT ON (id) id, token FROM unnest($1::text[], $4::bigint[]) AS i(id, token)) i
  WHERE d.id = i.id AND d.status = 4 AND d.token = coalesce(i.token, d.token)
  RETURNING d.*
), told AS MATERIALIZED (
  SELECT count(pg_notify($2::text, $3::text)) AS told
  FROM (SELECT 1 FROM marked WHERE $2::text IS NOT NULL LIMIT 1) any_marked
)
SELECT ${deliveryList('m')} FROM marked m, told`,
    // In the order of ids, and waiting for whoever has one locked: that takes a moment, while a lease is no lock and what is under one is passed over.
    cancel: `
WITH waiting AS MATERIALIZED (
  SELECT id FROM ${deliveries}
  WHERE id = ANY (ARRAY(SELECT unnest($1::text[]))) AND (status IN (0, 2, 5) OR (status = 4 AND line_place IS NOT NULL))
  ORDER BY id FOR UPDATE
), cancelled AS (
  UPDATE ${deliveries} d SET status = 4, reason = coalesce(d.reason, ${reasonCodes.cancelled}), completed_at = coalesce(d.completed_at, $2::bigint),
    wake_at = NULL, marked = NULL, line_place = NULL
  FROM waiting w WHERE d.id = w.id
  RETURNING d.*
), told AS MATERIALIZED (
  SELECT count(pg_notify($3::text, json_build_object('s', $4::text, 'x', false, 'r', false, 'q', json_build_array(webhook_id))::text)) AS told
  FROM (
    SELECT DISTINCT webhook_id FROM cancelled
    WHERE $3::text IS NOT NULL AND ordering_key IS NOT NULL AND octet_length(webhook_id) <= 1000 LIMIT 20
  ) lines
), ${openedBy(schema, 'cancelled')}
SELECT ${deliveryList('d')} FROM cancelled d, told WHERE true ${AND_OPENED}`,
    promote: `
WITH longest AS MATERIALIZED (
  SELECT id, marked FROM ${deliveries} WHERE marked IS NOT NULL
  ORDER BY marked LIMIT $2::int FOR UPDATE SKIP LOCKED
), promoted AS (
  UPDATE ${deliveries} d SET status = 0, queue = 0, due_at = $1::bigint, wake_at = $1::bigint, marked = NULL
  FROM longest l WHERE d.id = l.id
  RETURNING d.*, l.marked AS place
), told AS MATERIALIZED (
  SELECT count(pg_notify($3::text, $4::text)) AS told
  FROM (SELECT 1 FROM promoted WHERE $3::text IS NOT NULL LIMIT 1) any_promoted
)
SELECT ${deliveryList('p')} FROM promoted p, told ORDER BY p.place`,
  };
}

function readsOf(tables: Tables): Omit<EventStatements, Changes> {
  const { deliveries, current, events, currentAttempts } = tables;
  return {
    // One index probe for each queue, however much waits in it.
    ownQueues: `
WITH RECURSIVE queue AS (
  (SELECT webhook_id, wake_at FROM ${deliveries}
    WHERE queue = 1 AND wake_at IS NOT NULL AND ($1::text IS NULL OR webhook_id > $1::text)
    ORDER BY webhook_id, wake_at LIMIT 1)
  UNION ALL
  SELECT next.webhook_id, next.wake_at FROM queue CROSS JOIN LATERAL (
    SELECT d.webhook_id, d.wake_at FROM ${deliveries} d
    WHERE d.queue = 1 AND d.wake_at IS NOT NULL AND d.webhook_id > queue.webhook_id
    ORDER BY d.webhook_id, d.wake_at LIMIT 1) next
)
SELECT webhook_id FROM queue WHERE wake_at < ${HELD_BACK} LIMIT $2::int`,
    getDeliveries: `SELECT ${deliveryList('d')} FROM ${current} d WHERE d.id = ANY ($1::text[])`,
    deliveriesOf: `
SELECT ${deliveryList('d')}
FROM ${events} e CROSS JOIN LATERAL jsonb_array_elements_text(e.delivery_ids::jsonb) WITH ORDINALITY AS i(id, place)
  CROSS JOIN LATERAL (SELECT * FROM ${current} d WHERE d.id = i.id LIMIT 1) d
WHERE e.id = $1::text ORDER BY i.place`,
    getContents: `
SELECT ${contentList(tables, 'd', 'e')}
FROM ${current} d CROSS JOIN LATERAL (SELECT * FROM ${events} e WHERE e.id = d.event_id LIMIT 1) e
WHERE d.id = ANY (ARRAY(SELECT unnest($1::text[])))`,
    getEvents: `SELECT ${eventList('e')} FROM ${events} e WHERE e.id = ANY ($1::text[])`,
    attempts: `
SELECT number, ${asNumber('token')}, kind, data FROM ${currentAttempts} WHERE delivery_id = $1::text ORDER BY number`,
    // Each order is that of the index to read the head of. A limit that the planner knew would seem to be more than there is, where it has no statistics.
    count: `
SELECT least($2::int,
    (SELECT coalesce(sum(CASE WHEN fold IS NULL THEN 1 ELSE batch_size END), 0) FROM (SELECT fold, batch_size FROM ${deliveries}
      WHERE queue = 1 AND wake_at IS NOT NULL AND webhook_id = $1::text ORDER BY wake_at, seq LIMIT (SELECT $2::int)) own)
    + (SELECT count(*) FROM (SELECT webhook_id FROM ${deliveries}
      WHERE queue = 0 AND wake_at IS NOT NULL ORDER BY wake_at, seq LIMIT (SELECT $2::int)) express WHERE webhook_id = $1::text)
  )::int AS waiting,
  (SELECT count(*) FROM (SELECT 1 FROM ${deliveries}
    WHERE status = 4 AND webhook_id = $1::text ORDER BY created_at, id LIMIT (SELECT $2::int)) dead)::int AS dead`,
  };
}
