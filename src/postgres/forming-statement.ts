import { ELEMENT_BYTES } from '../domain/batch.ts';
import { HELD_BACK } from '../sql/codes.ts';
import type { ContentColumns } from '../sql/content-columns.ts';
import { bodyList, bodyOf, isTextOf, type Sent } from './bodies.ts';
import { IN_OWN } from './claim-kinds.ts';
import { oneByOne, UNITS } from './one-by-one.ts';
import type { Tables } from './tables.ts';

/**
 * What a delivery and its event have in common nearly always is sent once, and what is nearly always 0 not at all: of the CPU that a row takes on its way, each
 * column is a part.
 */
const ALIKE = {
  e_tenant_id: 'tenant_id',
  e_type: 'event_type',
  e_created_at: 'created_at',
  due_at: 'created_at',
} as const;
const TEXTS = [
  'id',
  'event_id',
  'tenant_id',
  'event_type',
  'idempotency_key',
  'fingerprint',
  'extra',
] as const;
const COUNTERS = ['attempts', 'tries', 'lost'] as const;

/** A 64-bit integer as drivers give it. */
type Integer = number | string | bigint;

type Alike = keyof typeof ALIKE;

/** Of a claimed delivery what does not follow from how it was claimed, and of its event. */
type Content = Pick<ContentColumns, (typeof TEXTS)[number] | 'body'> & {
  /** Null: 0. */
  readonly [Counter in (typeof COUNTERS)[number]]: number | null;
} & {
  /** Null: as in the other. */
  readonly [Name in Alike]: (Name extends 'e_tenant_id' | 'e_type' ? string : Integer) | null;
} & { readonly created_at: Integer; readonly token: Integer };

/** A delivery that was claimed; or, with a null id, how a queue was found. */
export type FormedRow = FormedDelivery | { readonly id: null; readonly found: string };

export type FormedDelivery = Sent<Content> & {
  /** Of its batch among the ids. */
  readonly nr: number;
  readonly seq: Integer;
};

/** How a queue was found: JSON. */
export interface QueueFound {
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
  const alike = Object.entries(ALIKE).map(([name, other]) => `nullif(i.${name}, i.${other}) AS ${name}`);
  const counters = COUNTERS.map((name) => `nullif(i.${name}, 0) AS ${name}`);
  const columns = [
    ...TEXTS.map((name) => `i.${name}`),
    ...alike,
    ...counters,
    'i.created_at',
    'i.seq',
    'i.token + 1 AS token',
  ];
  const content = columns
    .concat(bodyList(isTextOf('i', 'i'), bodyOf(tables, 'i', 'i'), 'i.body'), 'i.nr')
    .join(', ');
  // Not joined: that would take its time for each row.
  const [ends, sizes, firsts, folded] = [
    'ends FROM clock',
    'sizes FROM sizes',
    'firsts FROM sizes',
    'folds FROM sizes',
  ].map((one) => `(SELECT ${one})`);
  return `
WITH clock AS MATERIALIZED (SELECT ${nowMs} AS now, ${nowMs} + $1::bigint AS ends),
asked AS MATERIALIZED (
  SELECT *, ${UNITS} FROM unnest($2::text[], $3::int[], $4::int[], $5::int[], $6::bigint[], $7::bigint[], $8::int[])
    WITH ORDINALITY AS a(webhook_id, most, takes, events, bytes, waits, first_nr, queue)
),
due AS MATERIALIZED (
  SELECT a.queue, a.first_nr + (d.n - 1)::int / a.events AS nr, a.held, a.one, a.unit, coalesce(d.body_length, octet_length(e.body)) AS length, d.*, e.*
  FROM asked a CROSS JOIN LATERAL (
    SELECT d.*, row_number() OVER () AS n FROM (
      SELECT d.ctid AS row, d.seq, d.wake_at, d.status, d.token, d.attempts, d.tries, d.lost, d.due_at, d.created_at, d.id, d.event_id, d.event_type, d.webhook_id,
        d.tenant_id, d.ordering_key, d.batch_id, d.body_length
      FROM ${deliveries} d
      WHERE ${IN_OWN} AND d.wake_at <= (SELECT now FROM clock)
      ORDER BY d.wake_at, d.seq LIMIT a.most FOR UPDATE SKIP LOCKED
    ) d
  ) d CROSS JOIN LATERAL (
    SELECT e.created_at AS e_created_at, e.is_text, e.tenant_id AS e_tenant_id, e.type AS e_type, e.fingerprint, e.idempotency_key, e.extra, e.body
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
  SET status = 1, token = i.token + 1, wake_at = CASE WHEN i.seq = ${firsts}[i.nr] THEN ${ends} END, claimed_at = (SELECT now FROM clock),
    fold = nullif(${folded}[i.nr], 0), lease_until = CASE WHEN ${folded}[i.nr] = 0 THEN ${ends} END, batch_id = ($9::text[])[i.nr], batch_size = ${sizes}[i.nr], refusals = 0
  FROM due i
  WHERE ${oneByOne('i')} AND ${sizes}[i.nr] > 0 AND d.ctid = i.row
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
SELECT ${content}, NULL::text AS found FROM due i WHERE ${sizes}[i.nr] > 0
UNION ALL
SELECT ${content}, json_build_object('queue', f.queue, 'is_mixed', f.is_mixed, 'next_at', f.next_at, 'ripe_at', coalesce(f.ripe_at, 0),
  'ends', ${ends} / ((SELECT count(*) FROM claimed) = (SELECT sum(s) FROM unnest(${sizes}) AS s))::int)::text
FROM found f LEFT JOIN due i ON false`;
}
