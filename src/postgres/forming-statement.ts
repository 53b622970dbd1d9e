import { ELEMENT_BYTES } from '../domain/batch.ts';
import { HELD_BACK } from '../sql/codes.ts';
import type { ContentColumns } from '../sql/content-columns.ts';
import { bodyList, bodyOf, isTextOf, type Sent } from './bodies.ts';
import { IN_OWN } from './claim-kinds.ts';
import { oneByOne, UNITS } from './one-by-one.ts';
import { asNumber } from './rows.ts';
import type { Tables } from './tables.ts';

const TEXTS = [
  'id',
  'event_id',
  'tenant_id',
  'event_type',
  'e_tenant_id',
  'e_type',
  'idempotency_key',
  'fingerprint',
  'extra',
] as const;
const COUNTERS = ['attempts', 'tries', 'lost'] as const;
const NUMBERS = ['due_at', 'created_at', 'e_created_at', 'seq'] as const;

/** Of a claimed delivery what does not follow from how it was claimed, and of its event. */
type Content = Pick<
  ContentColumns,
  Exclude<(typeof TEXTS | typeof COUNTERS | typeof NUMBERS)[number], 'seq'> | 'token' | 'body'
>;

/** A delivery that was claimed; or, with a null id, how a queue was found. */
export type FormedRow = FormedDelivery | QueueFound;

export type FormedDelivery = Sent<Content> & {
  /** Of its batch among the ids. */
  readonly nr: number;
  readonly seq: number;
};

export interface QueueFound {
  readonly id: null;
  /** Of the queue among those that were asked for, from 1. */
  readonly queue: number;
  /** It was left alone: what is due there may have to be put together otherwise. */
  readonly is_mixed: boolean;
  /** When the next that was not claimed can be; null: it holds nothing. */
  readonly next_at: number | null;
  /** Until when a batch waits for more to come, epoch ms; 0 where none does. */
  readonly ripe_at: number;
  /** When the leases end. */
  readonly ends: number;
}

/** What it fails with where not all that was chosen could be claimed: a division by zero, so that nothing is. */
export const NOT_FORMED = '22012';

/**
 * Forms batches of what is due and has been in none, as folds where there are several in one, with one statement, where nothing but their number parts them: all of a queue that is looked at have the usual kind and
 * the same tries, no keys and no lost claims, and none of the batches is too large. A queue where that is not so is left alone.
 *
 * `$1` length of the lease, ms. By queue: `$2` webhooks, `$3` how many to look at, `$4` how many batches to take, `$5` most events, `$6` most bytes, `$7` how long
 * the first waits, `$8` the place of its first id in `$9`: those of the batches that can come up, taken or not.
 */
export function formingStatement(tables: Tables): string {
  const { deliveries, events, folds, foldNumbers, nowMs } = tables;
  const columns = [...TEXTS, ...COUNTERS].map((name) => `i.${name}`);
  const numbers = NUMBERS.map((name) => asNumber(`i.${name}`, name)).concat(asNumber('i.token + 1', 'token'));
  const body = bodyList(isTextOf('i', 'i'), bodyOf(tables, 'i', 'i'), 'i.body');
  const content = columns.concat(numbers, body).join(', ');
  return `
WITH clock AS MATERIALIZED (SELECT ${nowMs} AS now, ${nowMs} + $1::bigint AS ends),
asked AS MATERIALIZED (
  SELECT *, ${UNITS} FROM unnest($2::text[], $3::int[], $4::int[], $5::int[], $6::bigint[], $7::bigint[], $8::int[])
    WITH ORDINALITY AS a(webhook_id, most, takes, events, bytes, waits, first_nr, queue)
),
due AS MATERIALIZED (
  SELECT a.queue, a.first_nr + (d.n - 1)::int / a.events AS nr, d.*, e.*, coalesce(d.body_length, octet_length(e.body)) AS length, a.held, a.one, a.unit
  FROM asked a CROSS JOIN LATERAL (
    SELECT d.*, row_number() OVER () AS n FROM (
      SELECT d.ctid AS row, d.id, d.event_id, d.webhook_id, d.tenant_id, d.event_type, d.ordering_key, d.wake_at, d.due_at, d.created_at, d.seq, d.status, d.token,
        d.attempts, d.tries, d.lost, d.batch_id, d.body_length
      FROM ${deliveries} d
      WHERE ${IN_OWN} AND d.wake_at <= (SELECT now FROM clock)
      ORDER BY d.wake_at, d.seq LIMIT a.most FOR UPDATE SKIP LOCKED
    ) d
  ) d CROSS JOIN LATERAL (
    SELECT e.tenant_id AS e_tenant_id, e.type AS e_type, e.created_at AS e_created_at, e.body, e.is_text, e.idempotency_key, e.fingerprint, e.extra
    FROM ${events} e WHERE e.id = d.event_id LIMIT 1
  ) e
  WHERE ${oneByOne('a')}
),
chunks AS MATERIALIZED (
  SELECT queue, nr, count(*)::int AS size, array_agg(id ORDER BY seq) AS members, array_agg(token + 1 ORDER BY seq) AS tokens,
    min(seq) AS first_seq, min(wake_at) AS wake_at, min(tries) AS least, max(tries) AS most, sum(length + octet_length(event_id) + octet_length(event_type) + ${ELEMENT_BYTES}) AS bytes,
    bool_and(coalesce(batch_id, ordering_key) IS NULL AND status <> 1
      AND (extra IS NULL OR extra NOT LIKE '%"contentType":%' AND extra NOT LIKE '%"headers":%')) AS is_plain
  FROM due GROUP BY queue, nr
),
judged AS MATERIALIZED (
  SELECT c.queue, c.nr, c.size, c.first_seq, c.wake_at, c.nr < a.first_nr + a.takes AS is_asked, CASE WHEN c.size < a.events THEN c.wake_at + a.waits ELSE 0 END AS ripe_at,
    NOT bool_and(c.is_plain AND c.bytes <= a.bytes) OVER alike OR min(c.least) OVER alike <> max(c.most) OVER alike AS is_mixed
  FROM chunks c JOIN asked a ON a.queue = c.queue WINDOW alike AS (PARTITION BY c.queue)
),
sizes AS MATERIALIZED (
  SELECT array_agg(coalesce(j.size, 0) ORDER BY i.nr) AS sizes, array_agg(coalesce(j.first_seq, 0) ORDER BY i.nr) AS firsts,
    array_agg(CASE WHEN j.size > 1 THEN nextval(${foldNumbers}) ELSE 0 END ORDER BY i.nr) AS folds
  FROM generate_series(1, cardinality($9::text[])) AS i(nr)
    LEFT JOIN judged j ON j.nr = i.nr AND j.is_asked AND NOT j.is_mixed AND j.ripe_at <= (SELECT now FROM clock)
),
folded AS (
  INSERT INTO ${folds} (nr, members, tokens, lease_until)
  SELECT sizes.folds[c.nr], c.members, c.tokens, clock.ends FROM chunks c, clock, sizes WHERE sizes.folds[c.nr] > 0
),
claimed AS (
  UPDATE ${deliveries} d
  SET status = 1, token = d.token + 1, wake_at = CASE WHEN i.seq = sizes.firsts[i.nr] THEN clock.ends END, claimed_at = clock.now,
    fold = nullif(sizes.folds[i.nr], 0), lease_until = CASE WHEN sizes.folds[i.nr] = 0 THEN clock.ends END, batch_id = ($9::text[])[i.nr], batch_size = sizes.sizes[i.nr], refusals = 0
  FROM due i, clock, sizes
  WHERE ${oneByOne('i')} AND sizes.sizes[i.nr] > 0 AND d.ctid = i.row
  RETURNING 1
),
found AS MATERIALIZED (
  SELECT a.queue, coalesce((SELECT bool_or(j.is_mixed) FROM judged j WHERE j.queue = a.queue), false) AS is_mixed,
    (SELECT max(j.ripe_at) FROM judged j WHERE j.queue = a.queue AND j.ripe_at > (SELECT now FROM clock)) AS ripe_at,
    coalesce(
      (SELECT min(j.wake_at) FROM judged j, sizes WHERE j.queue = a.queue AND coalesce(sizes.sizes[j.nr], 0) = 0),
      least(
        (SELECT d.wake_at FROM ${deliveries} d
          WHERE ${IN_OWN} AND d.wake_at < ${HELD_BACK} AND d.id NOT IN (SELECT due.id FROM due) ORDER BY d.wake_at, d.seq LIMIT 1),
        (SELECT clock.ends FROM clock WHERE EXISTS (SELECT FROM judged j WHERE j.queue = a.queue))
      )
    ) AS next_at
  FROM asked a
)
SELECT ${content}, i.nr, NULL::int AS queue, NULL::boolean AS is_mixed, NULL::float8 AS next_at, NULL::float8 AS ripe_at, NULL::float8 AS ends
FROM due i, sizes WHERE sizes.sizes[i.nr] > 0
UNION ALL
SELECT ${content}, i.nr, f.queue::int, f.is_mixed, f.next_at::float8, coalesce(f.ripe_at, 0)::float8,
  clock.ends::float8 / ((SELECT count(*) FROM claimed) = (SELECT sum(s) FROM sizes, unnest(sizes.sizes) AS s))::int
FROM clock, found f LEFT JOIN due i ON false`;
}
