import { attemptKinds, attemptText, lostAttempt } from '../sql/attempt-columns.ts';
import { HELD_BACK, turnOf } from './line.ts';
import { asNumber, deliveryList } from './rows.ts';
import { quoted } from './schema-name.ts';
import type { Tables } from './tables.ts';

/** What is different between the kinds of claims. */
export interface ClaimKind {
  /** The requests `a`. */
  readonly asked: string;
  /** The rows that may be claimed, with `DUE_COLUMNS` and the `place` of their request; under a lock. */
  readonly due: (tables: Tables) => string;
  /** Whether they take turns: then `due` also has a `turn`, the id of the one whose it is. */
  readonly takesTurns: boolean;
  /** What else is set of a row. */
  readonly sets: string;
  /** Which rows are in the queue of a request `a`. */
  readonly inQueue: string;
  /** Where in their order to begin behind those that are claimed. */
  readonly behind: string;
  /** When to look again, where `first` is when the first of those behind is due. */
  readonly next: (first: string) => string;
  /** The index that the rows are found by. */
  readonly index: string;
}

/** What a claim has to know of a row before it changes it. */
const DUE_COLUMNS = 'd.id, d.wake_at, d.seq, d.status, d.token, d.attempts, d.claimed_at, d.lease_until';

/** Whose turn it is where a row `d` waits. */
export function turnAt(deliveries: string): string {
  return `CASE WHEN d.ordering_key IS NULL THEN d.id ELSE ${turnOf(deliveries, 'd')} END`;
}

const IN_OWN = `d.queue = 1 AND d.wake_at IS NOT NULL AND d.webhook_id = a.webhook_id`;
const NO_BATCH = 'batch_id = NULL, batch_size = NULL, refusals = NULL';
/** One that delivers comes first in its line. */
const DELIVERS = 'line_place = CASE WHEN d.ordering_key IS NOT NULL THEN 0 END';

/** The express queue: `$2` limit, `$3` and `$4` the place to begin at, `$5` after how many ms to look again, or null. */
export const EXPRESS: ClaimKind = {
  asked: 'SELECT 1 AS place, $2::int AS most',
  due: ({ deliveries }) => `
  SELECT a.place, d.*
  FROM asked a CROSS JOIN LATERAL (
    SELECT ${DUE_COLUMNS}
    FROM ${deliveries} d
    WHERE d.queue = 0 AND d.wake_at IS NOT NULL AND (d.wake_at, d.seq) >= ($3::bigint, $4::bigint)
      AND d.wake_at <= (SELECT now FROM clock)
    ORDER BY d.wake_at, d.seq LIMIT a.most FOR UPDATE SKIP LOCKED
  ) d
  LIMIT $2::int`,
  takesTurns: false,
  sets: NO_BATCH,
  inQueue: 'd.queue = 0 AND d.wake_at IS NOT NULL',
  behind: 'd.wake_at >= (SELECT coalesce(max(due.wake_at), $3::bigint) FROM due)',
  next: (first) => `coalesce((SELECT now + $5::bigint FROM clock), ${first})`,
  index: 'deliveries_express',
};

/** Queues of webhooks: `$2` webhooks, `$3` limits, `$4` their sum: the planner knows of the limits only that they take the first few of an order. */
export const OWN: ClaimKind = {
  asked:
    'SELECT i.place::int, i.webhook_id, i.most FROM unnest($2::text[], $3::int[]) WITH ORDINALITY AS i(webhook_id, most, place)',
  due: ({ deliveries }) => `
  SELECT a.place, d.*, ${turnAt(deliveries)} AS turn
  FROM asked a CROSS JOIN LATERAL (
    SELECT ${DUE_COLUMNS}, d.webhook_id, d.ordering_key
    FROM ${deliveries} d
    WHERE ${IN_OWN} AND d.wake_at <= (SELECT now FROM clock)
    ORDER BY d.wake_at, d.seq LIMIT a.most FOR UPDATE SKIP LOCKED
  ) d
  LIMIT $4::int`,
  takesTurns: true,
  sets: `${DELIVERS}, ${NO_BATCH}`,
  inQueue: `${IN_OWN} AND d.wake_at < ${HELD_BACK}`,
  behind: 'true',
  next: (first) => first,
  index: 'deliveries_own',
};

/**
 * Batches of one queue, of rows that the transaction has locked: `$2` their ids, `$3` the batch of each, counted from 1, `$4` the webhook, `$5` ids of the batches,
 * `$6` sizes, `$7` refusals.
 */
export const BATCHES: ClaimKind = {
  asked: `SELECT i.place::int, $4::text AS webhook_id, i.batch_id, i.batch_size, i.refusals
  FROM unnest($5::text[], $6::int[], $7::int[]) WITH ORDINALITY AS i(batch_id, batch_size, refusals, place)`,
  due: ({ deliveries }) => `
  SELECT i.place, a.batch_id, a.batch_size, a.refusals, ${DUE_COLUMNS}
  FROM unnest($2::text[], $3::int[]) AS i(id, place) JOIN asked a ON a.place = i.place
    CROSS JOIN LATERAL (SELECT * FROM ${deliveries} d WHERE d.id = i.id LIMIT 1) d`,
  takesTurns: false,
  sets: `${DELIVERS}, batch_id = due.batch_id, batch_size = due.batch_size, refusals = due.refusals`,
  inQueue: OWN.inQueue,
  behind: 'true',
  next: (first) => first,
  index: 'deliveries_own',
};

/**
 * Of the rows `due`, `strays` are those whose turn it is not. Where the one whose turn it is (or who else it has become) can be locked in front of a stray,
 * that is held back. See line.ts for why.
 */
export function holdBack(deliveries: string): string {
  return `
strays AS MATERIALIZED (SELECT place, id, seq, wake_at, status, turn FROM due WHERE turn IS DISTINCT FROM id),
locks AS MATERIALIZED (
  SELECT s.id
  FROM strays s JOIN ${deliveries} t ON t.id = s.turn
  WHERE t.id = ANY (ARRAY(SELECT turn FROM strays)) AND s.status <> 1
    AND (t.line_place = 0 OR t.line_place = 1 AND t.seq < s.seq) AND t.wake_at IS DISTINCT FROM ${HELD_BACK}
  FOR NO KEY UPDATE OF t SKIP LOCKED
), held AS (
  UPDATE ${deliveries} d SET wake_at = ${HELD_BACK}
  FROM locks l WHERE d.id = ANY (ARRAY(SELECT id FROM locks)) AND d.id = l.id
  RETURNING d.id
)`;
}

/** The text of a lost attempt in two halves, between which the server puts its instants. */
const LOST_TEXT = attemptText(lostAttempt(0, 0));
const LOST_HEAD = '{"startedAt":0,"durationMs":0';

/**
 * `$1` is the length of the lease in ms. The time and what is asked are read once: an index scan can then go by them. Five hundred
 * deliveries or events in a table of some ten thousand rows would be looked for in the whole of it: events are therefore looked up one by one, and the
 * conditions on what is due, which always hold, make the planner take it for few. Strays are locked before anybody is claimed: a row that this
 * statement has changed can no more be locked by it.
 */
export function claimStatement(tables: Tables, kind: ClaimKind): string {
  const { schema, deliveries, events, attempts, nowMs } = tables;
  const { asked, due, takesTurns, sets, inQueue, behind, next, index } = kind;
  const entriesRead = `pg_stat_get_xact_tuples_returned('${quoted(schema)}.${index}'::regclass)`;
  const left = `(SELECT min(s.wake_at) FROM strays s WHERE s.place = a.place AND s.id NOT IN (SELECT h.id FROM held h))`;
  return `
WITH clock AS MATERIALIZED (SELECT ${nowMs} AS now, ${entriesRead} AS read), asked AS MATERIALIZED (${asked}),
due AS MATERIALIZED (${due(tables)}
),${takesTurns ? `${holdBack(deliveries)},` : ''} lost AS (
  INSERT INTO ${attempts} (delivery_id, number, token, kind, data)
  SELECT id, attempts + 1, token, ${attemptKinds.lost},
    '{"startedAt":' || claimed_at || ',"durationMs":' || greatest(0, lease_until - claimed_at) || '${LOST_TEXT.slice(LOST_HEAD.length)}'
  FROM due WHERE status = 1${takesTurns ? ' AND turn = id' : ''}
), claimed AS (
  UPDATE ${deliveries} d
  SET status = 1, token = d.token + 1, lease_until = clock.now + $1::bigint, wake_at = clock.now + $1::bigint,
    claimed_at = clock.now, attempts = d.attempts + (due.status = 1)::int, lost = d.lost + (due.status = 1)::int, ${sets}
  FROM due, clock
  WHERE d.id = due.id AND due.place + due.seq >= 0 AND due.place + due.token >= 0 AND due.place + due.attempts >= 0${
    takesTurns ? ' AND due.turn = due.id AND (SELECT count(*) FROM locks) >= 0' : ''
  }
  RETURNING d.*, due.place, due.wake_at AS was_due, clock.now + $1::bigint AS ends
), next AS MATERIALIZED (
  SELECT a.place, least(
    ${next(`(SELECT d.wake_at FROM ${deliveries} d
      WHERE ${inQueue} AND ${behind} AND d.id NOT IN (SELECT due.id FROM due) ORDER BY d.wake_at, d.seq LIMIT 1)`)},
    (SELECT min(c.ends) FROM claimed c WHERE c.place = a.place)${takesTurns ? `,
    ${left}` : ''}
  ) AS at
  FROM asked a
)
SELECT n.place, ${asNumber('n.at', 'next_at')}, ${takesTurns ? '(SELECT count(*) FROM held)::int' : '0'} AS held, ${deliveryList('c')},
  ${asNumber('c.was_due', 'was_due')}, ${asNumber('c.seq', 'seq')}, ${asNumber('clock.now', 'now')},
  ${asNumber(`(${entriesRead} - clock.read)`, 'read')},
  e.tenant_id AS e_tenant_id, e.type AS e_type, ${asNumber('e.created_at', 'e_created_at')},
  e.body, e.idempotency_key, e.fingerprint, e.extra
FROM clock, next n LEFT JOIN (
  claimed c CROSS JOIN LATERAL (SELECT * FROM ${events} e WHERE e.id = c.event_id LIMIT 1) e
) ON c.place = n.place
ORDER BY n.place, c.was_due, c.seq`;
}

/** Holds strays of webhooks (`$1`) back, looking at the first `$2` that are due of each. Claims nothing. */
export function passStatement({ deliveries, nowMs }: Tables): string {
  return `
WITH clock AS MATERIALIZED (SELECT ${nowMs} AS now), asked AS MATERIALIZED (SELECT 1 AS place, i.webhook_id FROM unnest($1::text[]) AS i(webhook_id)),
due AS MATERIALIZED (
  SELECT a.place, d.*, ${turnAt(deliveries)} AS turn
  FROM asked a CROSS JOIN LATERAL (
    SELECT ${DUE_COLUMNS}, d.webhook_id, d.ordering_key
    FROM ${deliveries} d
    WHERE ${IN_OWN} AND d.wake_at <= (SELECT now FROM clock)
    ORDER BY d.wake_at, d.seq LIMIT $2::int FOR UPDATE SKIP LOCKED
  ) d
),${holdBack(deliveries)}
SELECT count(*)::int AS held FROM held`;
}
