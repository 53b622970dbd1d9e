import { attemptKinds, attemptText, lostAttempt } from '../sql/attempt-columns.ts';
import { asNumber, deliveryList } from './rows.ts';
import { quoted } from './schema-name.ts';
import type { Tables } from './tables.ts';

/** What is different between claiming the express queue and claiming queues of webhooks. */
export interface ClaimKind {
  /** The requests `a`. */
  readonly asked: string;
  /** How many rows there can be, for the planner: it knows of the limits of requests only that they take the first few of an order. */
  readonly total: string;
  /** Which rows are in the queue of a request `a`. */
  readonly inQueue: string;
  /** Where in their order to begin, and where behind those that are claimed. */
  readonly from: string;
  readonly behind: string;
  /** When to look again, where `first` is when the first of those behind is due. */
  readonly next: (first: string) => string;
  /** The index that the rows are found by. */
  readonly index: string;
}

/** The express queue: `$2` limit, `$3` and `$4` the place to begin at, `$5` after how many ms to look again, or null. */
export const EXPRESS: ClaimKind = {
  asked: 'SELECT 1 AS place, $2::int AS most',
  total: '$2::int',
  inQueue: 'd.queue = 0 AND d.wake_at IS NOT NULL',
  from: '(d.wake_at, d.seq) >= ($3::bigint, $4::bigint)',
  behind: 'd.wake_at >= (SELECT coalesce(max(due.wake_at), $3::bigint) FROM due)',
  next: (first) => `coalesce((SELECT now + $5::bigint FROM clock), ${first})`,
  index: 'deliveries_express',
};

/** Queues of webhooks: `$2` webhooks, `$3` limits, `$4` their sum. */
export const OWN: ClaimKind = {
  asked:
    'SELECT i.place::int, i.webhook_id, i.most FROM unnest($2::text[], $3::int[]) WITH ORDINALITY AS i(webhook_id, most, place)',
  total: '$4::int',
  inQueue: 'd.queue = 1 AND d.wake_at IS NOT NULL AND d.webhook_id = a.webhook_id',
  from: 'true',
  behind: 'true',
  next: (first) => first,
  index: 'deliveries_own',
};

/** The text of a lost attempt in two halves, between which the server puts its instants. */
const LOST_TEXT = attemptText(lostAttempt(0, 0));
const LOST_HEAD = '{"startedAt":0,"durationMs":0';

/**
 * `$1` is the length of the lease in ms. The time and what is asked are read once: an index scan can then go by them. Five hundred
 * deliveries or events in a table of some ten thousand rows would be looked for in the whole of it: events are therefore looked up one by one, and the
 * conditions on what is due, which always hold, make the planner take it for few.
 */
export function claimStatement(
  { schema, deliveries, events, attempts, nowMs }: Tables,
  { asked, total, inQueue, from, behind, next, index }: ClaimKind,
): string {
  const entriesRead = `pg_stat_get_xact_tuples_returned('${quoted(schema)}.${index}'::regclass)`;
  return `
WITH clock AS MATERIALIZED (SELECT ${nowMs} AS now, ${entriesRead} AS read), asked AS MATERIALIZED (${asked}),
due AS MATERIALIZED (
  SELECT a.place, d.*
  FROM asked a CROSS JOIN LATERAL (
    SELECT d.id, d.wake_at, d.seq, d.status, d.token, d.attempts, d.claimed_at, d.lease_until
    FROM ${deliveries} d
    WHERE ${inQueue} AND ${from} AND d.wake_at <= (SELECT now FROM clock)
    ORDER BY d.wake_at, d.seq LIMIT a.most FOR UPDATE SKIP LOCKED
  ) d
  LIMIT ${total}
), lost AS (
  INSERT INTO ${attempts} (delivery_id, number, token, kind, data)
  SELECT id, attempts + 1, token, ${attemptKinds.lost},
    '{"startedAt":' || claimed_at || ',"durationMs":' || greatest(0, lease_until - claimed_at) || '${LOST_TEXT.slice(LOST_HEAD.length)}'
  FROM due WHERE status = 1
), claimed AS (
  UPDATE ${deliveries} d
  SET status = 1, token = d.token + 1, lease_until = clock.now + $1::bigint, wake_at = clock.now + $1::bigint,
    claimed_at = clock.now, attempts = d.attempts + (due.status = 1)::int, lost = d.lost + (due.status = 1)::int
  FROM due, clock
  WHERE d.id = due.id AND due.place + due.seq >= 0 AND due.place + due.token >= 0 AND due.place + due.attempts >= 0
  RETURNING d.*, due.place, due.wake_at AS was_due, clock.now + $1::bigint AS ends
), next AS MATERIALIZED (
  SELECT a.place, least(
    ${next(`(SELECT d.wake_at FROM ${deliveries} d
      WHERE ${inQueue} AND ${behind} AND d.id NOT IN (SELECT due.id FROM due) ORDER BY d.wake_at, d.seq LIMIT 1)`)},
    (SELECT min(c.ends) FROM claimed c WHERE c.place = a.place)
  ) AS at
  FROM asked a
)
SELECT n.place, ${asNumber('n.at', 'next_at')}, ${deliveryList('c')},
  ${asNumber('c.was_due', 'was_due')}, ${asNumber('c.seq', 'seq')}, ${asNumber('clock.now', 'now')},
  ${asNumber(`(${entriesRead} - clock.read)`, 'read')},
  e.tenant_id AS e_tenant_id, e.type AS e_type, ${asNumber('e.created_at', 'e_created_at')},
  e.body, e.idempotency_key, e.fingerprint, e.extra
FROM clock, next n LEFT JOIN (
  claimed c CROSS JOIN LATERAL (SELECT * FROM ${events} e WHERE e.id = c.event_id LIMIT 1) e
) ON c.place = n.place
ORDER BY n.place, c.was_due, c.seq`;
}
