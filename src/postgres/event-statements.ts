import { HELD_BACK } from '../sql/codes.ts';
import { AND_OPENED, openedBy } from './line.ts';
import { asNumber, deliveryList, eventList } from './rows.ts';
import type { Tables } from './tables.ts';

/** The statements of the event repo that take no code of their own. */
export interface EventStatements {
  /** `$1` webhook, `$2` reason, `$3` now, `$4` limit, `$5` whether those with a key keep their place. */
  readonly exhaust: string;
  /** `$1` after or null, `$2` limit. */
  readonly ownQueues: string;
  /** `$1` ids, `$2` channel or null, `$3` payload. */
  readonly mark: string;
  /** `$1` now, `$2` limit, `$3` channel or null, `$4` payload. */
  readonly promote: string;
  readonly getDeliveries: string;
  readonly getEvents: string;
  readonly attempts: string;
}

/** The statements for one schema. */
export function eventStatements({ schema, deliveries, events, attempts, marks }: Tables): EventStatements {
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
    mark: `
WITH marked AS (
  UPDATE ${deliveries} d
  SET status = 5, reason = NULL, completed_at = NULL, tries = 0, lost = 0, stripped = false, marked = nextval(${marks}),
    line_place = CASE WHEN d.ordering_key IS NOT NULL THEN 1 END, batch_id = NULL, batch_size = NULL, refusals = NULL
  FROM (SELECT DISTINCT id FROM unnest($1::text[]) AS i(id)) i
  WHERE d.id = i.id AND d.status = 4
  RETURNING d.*
), told AS MATERIALIZED (
  SELECT count(pg_notify($2::text, $3::text)) AS told
  FROM (SELECT 1 FROM marked WHERE $2::text IS NOT NULL LIMIT 1) any_marked
)
SELECT ${deliveryList('m')} FROM marked m, told`,
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
    getDeliveries: `SELECT ${deliveryList('d')} FROM ${deliveries} d WHERE d.id = ANY ($1::text[])`,
    getEvents: `SELECT ${eventList('e')} FROM ${events} e WHERE e.id = ANY ($1::text[])`,
    attempts: `
SELECT number, ${asNumber('token')}, kind, data FROM ${attempts} WHERE delivery_id = $1::text ORDER BY number`,
  };
}
