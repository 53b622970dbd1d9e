import { attemptKinds, attemptText, lostAttempt } from '../sql/attempt-columns.ts';
import { HELD_BACK } from '../sql/codes.ts';
import { type ClaimKind, DUE_COLUMNS, IN_OWN, turnAt } from './claim-kinds.ts';
import { asNumber, contentList } from './rows.ts';
import { quoted } from './schema-name.ts';
import type { Tables } from './tables.ts';

/**
 * Of the rows `due`, `strays` are those whose turn it is not. Where the one whose turn it is (or who else it has become) can be locked in front of a stray,
 * that is held back. See line.ts for why. The conditions are such that no index but that of the key fits, and that
 * the planner takes strays for few, which they are.
 */
export function holdBack(deliveries: string): string {
  return `
strays AS MATERIALIZED (
  SELECT place, id, seq, wake_at, status, turn FROM due
  WHERE turn IS DISTINCT FROM id AND place + seq >= 0 AND place + wake_at >= 0 AND place + status >= 0
),
locks AS MATERIALIZED (
  SELECT s.id
  FROM strays s CROSS JOIN LATERAL (
    SELECT t.id FROM ${deliveries} t
    WHERE t.id = s.turn AND t.wake_at IS DISTINCT FROM ${HELD_BACK} AND CASE t.line_place WHEN 0 THEN true WHEN 1 THEN t.seq < s.seq END
    LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
  ) t
  WHERE s.status <> 1
), held AS (
  UPDATE ${deliveries} d SET wake_at = ${HELD_BACK} FROM locks l WHERE d.id = l.id
  RETURNING d.id
)`;
}

/** The text of a lost attempt in two halves, between which the server puts its instants. */
const LOST_TEXT = attemptText(lostAttempt(0, 0));
const LOST_HEAD = '{"startedAt":0,"durationMs":0';

/** The expression for the lost attempt of a row `d`. */
export function lostText(d: string): string {
  return `'{"startedAt":' || ${d}.claimed_at || ',"durationMs":' || greatest(0, ${d}.lease_until - ${d}.claimed_at) || '${LOST_TEXT.slice(LOST_HEAD.length)}'`;
}

/** Otherwise they are unfolded, and the claim is made again: so that it is in order. */
const NONE_FOLDED = 'NOT EXISTS (SELECT FROM due f WHERE f.fold IS NOT NULL)';

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
  const left = `(SELECT min(s.wake_at) FROM strays s WHERE s.place = a.place AND s.id NOT IN (SELECT h.id FROM held h)),
    (SELECT min(due.wake_at) FROM due WHERE due.place = a.place AND due.fold IS NOT NULL)`;
  return `
WITH clock AS MATERIALIZED (SELECT ${nowMs} AS now, ${entriesRead} AS read), asked AS MATERIALIZED (${asked}),
due AS MATERIALIZED (${due(tables)}
),${takesTurns ? `${holdBack(deliveries)},` : ''} lost AS (
  INSERT INTO ${attempts} (delivery_id, number, token, kind, data)
  SELECT id, attempts + 1, token, ${attemptKinds.lost}, ${lostText('due')}
  FROM due WHERE status = 1${takesTurns ? ` AND turn = id AND ${NONE_FOLDED}` : ''}
), claimed AS (
  UPDATE ${deliveries} d
  SET status = 1, token = d.token + 1, lease_until = clock.now + $1::bigint, wake_at = clock.now + $1::bigint,
    claimed_at = clock.now, attempts = d.attempts + (due.status = 1)::int, lost = d.lost + (due.status = 1)::int, ${sets}
  FROM due, clock
  WHERE d.id = due.id AND due.place + due.seq >= 0 AND due.place + due.token >= 0 AND due.place + due.attempts >= 0${
    takesTurns ? ` AND due.turn = due.id AND ${NONE_FOLDED} AND (SELECT count(*) FROM locks) >= 0` : ''
  }
  RETURNING d.*, due.place, due.wake_at AS was_due, clock.now + $1::bigint AS ends
), next AS MATERIALIZED (
  SELECT a.place, least(
    ${next(`(SELECT d.wake_at FROM ${deliveries} d
      WHERE ${inQueue} AND ${behind} AND d.id NOT IN (SELECT due.id FROM due) ORDER BY d.wake_at, d.seq LIMIT 1)`)},
    (SELECT min(c.ends) FROM claimed c WHERE c.place = a.place)${
      takesTurns
        ? `,
    ${left}`
        : ''
    }
  ) AS at
  FROM asked a
)
SELECT n.place, ${asNumber('n.at', 'next_at')}, ${takesTurns ? '(SELECT count(*) FROM held)::int' : '0'} AS held,
  ${takesTurns ? '(SELECT array_agg(due.id) FROM due WHERE due.fold IS NOT NULL)' : 'NULL::text[]'} AS folded,
  ${asNumber('c.was_due', 'was_due')}, ${asNumber('c.seq', 'seq')}, ${asNumber('clock.now', 'now')},
  ${asNumber(`(${entriesRead} - clock.read)`, 'read')}, ${contentList(tables, 'c', 'e')}
FROM clock, next n LEFT JOIN (
  claimed c CROSS JOIN LATERAL (SELECT * FROM ${events} e WHERE e.id = c.event_id LIMIT 1) e
) ON c.place = n.place
ORDER BY n.place, c.was_due, c.seq`;
}

/** So many that wait for their turn are passed over at a time. */
export const PASSED_AT_A_TIME = 500;
/** A claim ends then, and the next one goes on. */
export const MOST_PASSES = 10;

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
