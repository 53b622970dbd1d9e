import { attemptKinds } from '../sql/attempt-columns.ts';
import { HELD_BACK } from '../sql/codes.ts';
import { DELIVERS, IN_OWN, turnAt } from './claim-kinds.ts';
import { holdBack, lostText } from './claim-statement.ts';
import { turnOf } from './line.ts';
import { oneByOne, UNITS } from './one-by-one.ts';
import { asNumber, contentList } from './rows.ts';
import type { Tables } from './tables.ts';

/** The statements that find batches. */
export interface BatchStatements {
  /** `$1` webhooks, `$2` how many to look at of each. At least one row, with a null id where nothing is due at all. */
  readonly candidates: string;
  /** `$1` id of a batch, `$2` the time: its members that can be claimed now and that nobody else has locked, in order of append. */
  readonly members: string;
  /**
   * Leases batches: `$1` the length of the lease in ms, `$2` ids, `$3` the batch of each, counted from 1, `$4` ids of the batches, `$5` sizes, `$6` refusals, `$7` those of the
   * ids whose lease has run out.
   */
  readonly lease: string;
  /** `$1` webhooks: when each can be looked at again. */
  readonly next: string;
}

/** A delivery that may go into a batch, and what it takes up. */
export interface CandidateRow {
  /** Of its webhook among those that were asked for, from 1. */
  readonly place: number;
  readonly id: string | null;
  readonly seq: number;
  readonly due_at: number;
  readonly tries: number;
  /** 1 where it is leased: that lease has run out. */
  readonly status: number;
  readonly batch_id: string | null;
  readonly batch_size: number;
  readonly refusals: number;
  /** Whether all members of its batch can be claimed, as far as that can be seen without locking them. */
  readonly whole: boolean;
  /** Whether it is in a fold, whose lease has run out. */
  readonly folded: boolean;
  readonly event_id: string;
  readonly event_type: string;
  readonly body_length: number;
  readonly extra: string | null;
  /** The store's time. */
  readonly now: number;
  /** How many the statement held back whose turn it is not. */
  readonly held: number;
}

/** The statements for one schema. */
export function batchStatements(tables: Tables): BatchStatements {
  const { deliveries, events, attempts, nowMs } = tables;
  return {
    candidates: `
WITH clock AS MATERIALIZED (SELECT ${nowMs} AS now),
asked AS MATERIALIZED (SELECT i.place::int, i.webhook_id, i.most FROM unnest($1::text[], $2::int[]) WITH ORDINALITY AS i(webhook_id, most, place)),
due AS MATERIALIZED (
  SELECT a.place, d.*, ${turnAt(deliveries)} AS turn
  FROM asked a CROSS JOIN LATERAL (
    SELECT d.id, d.event_id, d.event_type, d.webhook_id, d.ordering_key, d.wake_at, d.seq, d.status, d.due_at, d.tries, d.batch_id, d.batch_size, d.refusals, d.body_length AS own_length, d.fold
    FROM ${deliveries} d
    WHERE d.queue = 1 AND d.wake_at IS NOT NULL AND d.webhook_id = a.webhook_id AND d.wake_at <= (SELECT now FROM clock)
    ORDER BY d.wake_at, d.seq LIMIT a.most FOR UPDATE SKIP LOCKED
  ) d
),${holdBack(deliveries)},
batches AS MATERIALIZED (
  SELECT b.batch_id, (SELECT count(*) FILTER (WHERE m.queue = 1 AND m.wake_at <= (SELECT now FROM clock)
      AND CASE WHEN m.ordering_key IS NULL THEN true ELSE m.id = ${turnOf(deliveries, 'm')} END) FROM ${deliveries} m
    WHERE m.batch_id = b.batch_id AND m.wake_at IS NOT NULL AND m.fold IS NULL) AS members
  FROM (SELECT DISTINCT batch_id FROM due WHERE batch_id IS NOT NULL) b
)
SELECT due.place, due.id, ${asNumber('due.seq', 'seq')}, ${asNumber('due.due_at', 'due_at')}, due.tries, due.status, due.batch_id, due.batch_size, due.refusals,
  coalesce(b.members = due.batch_size, false) AS whole, due.fold IS NOT NULL AS folded, due.event_id, due.event_type, due.body_length, due.extra,
  ${asNumber('clock.now', 'now')}, (SELECT count(*) FROM held)::int AS held
FROM clock LEFT JOIN (
  SELECT d.*, coalesce(d.own_length, e.length) AS body_length, e.extra
  FROM due d CROSS JOIN LATERAL (SELECT octet_length(e.body) AS length, e.extra FROM ${events} e WHERE e.id = d.event_id LIMIT 1) e
  WHERE d.turn = d.id
) due ON true LEFT JOIN batches b ON b.batch_id = due.batch_id
ORDER BY due.place, due.wake_at, due.seq`,
    members: `
SELECT d.id, d.status FROM ${deliveries} d
WHERE d.batch_id = $1::text AND d.wake_at IS NOT NULL AND d.fold IS NULL AND CASE d.queue WHEN 1 THEN d.wake_at <= $2::bigint END
  AND d.id = ${turnAt(deliveries)}
ORDER BY d.seq FOR UPDATE SKIP LOCKED`,
    lease: `
WITH clock AS MATERIALIZED (SELECT ${nowMs} AS now, ${nowMs} + $1::bigint AS ends),
batches AS MATERIALIZED (
  SELECT * FROM unnest($4::text[], $5::int[], $6::int[]) WITH ORDINALITY AS b(batch_id, batch_size, refusals, place)
),
given AS MATERIALIZED (
  SELECT i.id, b.*, ${UNITS} FROM unnest($2::text[], $3::int[]) AS i(id, place) JOIN batches b ON b.place = i.place
), lost AS (
  INSERT INTO ${attempts} (delivery_id, number, token, kind, data)
  SELECT d.id, d.attempts + 1, d.token, ${attemptKinds.lost}, ${lostText('d')}
  FROM unnest($7::text[]) AS l(id) CROSS JOIN LATERAL (SELECT * FROM ${deliveries} d WHERE d.id = l.id AND d.status = 1 LIMIT 1) d
), claimed AS (
  UPDATE ${deliveries} d
  SET status = 1, token = d.token + 1, lease_until = clock.ends, wake_at = clock.ends, claimed_at = clock.now,
    attempts = d.attempts + (d.status = 1)::int, lost = d.lost + (d.status = 1)::int, ${DELIVERS},
    batch_id = g.batch_id, batch_size = g.batch_size, refusals = g.refusals
  FROM given g, clock
  WHERE ${oneByOne('g')} AND d.id = g.id
  RETURNING d.*
)
SELECT ${contentList(tables, 'c', 'e')}
FROM claimed c CROSS JOIN LATERAL (SELECT * FROM ${events} e WHERE e.id = c.event_id LIMIT 1) e`,
    next: `
SELECT (
  SELECT d.wake_at FROM ${deliveries} d WHERE ${IN_OWN} AND d.wake_at < ${HELD_BACK} ORDER BY d.wake_at, d.seq LIMIT 1
)::float8 AS wake_at
FROM unnest($1::text[]) WITH ORDINALITY AS a(webhook_id, place)
ORDER BY a.place`,
  };
}
