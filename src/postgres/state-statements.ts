import { asNumber } from './rows.ts';
import type { Tables } from './tables.ts';

/** The statements of the state repo. */
export interface StateStatements {
  /** `$1` webhooks, `$2` failures, `$3` instants. */
  readonly open: string;
  /** `$1` length of the lease, ms; `$2` and `$3` how many healthy and failing ones. */
  readonly acquire: string;
  /** `$1` webhooks, `$2` tokens, `$3` failures, `$4` not before, `$5` next at, `$6` lengths of leases, `$7` close, `$8` if wakes. */
  readonly save: string;
  /** `$1` webhooks, `$2` instants. */
  readonly reset: string;
  /** `$1` webhooks. */
  readonly get: string;
  readonly now: string;
}

/**
 * The statements for one schema. A record that is closed is deleted where every later instant is above its token, as nearly always;
 * else it stays, `closed`, to keep the tokens of its successor above its own.
 */
export function stateStatements({ queues, nowMs }: Tables): StateStatements {
  const clock = `clock AS MATERIALIZED (SELECT ${nowMs} AS now)`;
  return {
    open: openStatement(queues, clock),
    acquire: acquireStatement(queues, clock),
    save: saveStatement(queues, clock),
    reset: `
WITH ${clock}
INSERT INTO ${queues} AS q (webhook_id, failures, not_before, next_at, wakes, token)
SELECT i.webhook_id, 0, 0, i.next_at, 1, clock.now + 1
FROM unnest($1::text[], $2::bigint[]) AS i(webhook_id, next_at), clock
ON CONFLICT (webhook_id) DO UPDATE SET failures = 0, not_before = 0, next_at = excluded.next_at, lease_until = NULL, closed = false,
  wakes = CASE WHEN q.closed THEN 1 ELSE q.wakes + 1 END,
  token = CASE WHEN q.closed THEN greatest(excluded.token, q.token + 2) ELSE q.token + 1 END`,
    get: `SELECT ${queueList('q')} FROM ${queues} q WHERE q.webhook_id = ANY ($1::text[]) AND NOT q.closed`,
    now: `SELECT ${asNumber(nowMs, 'now')}`,
  };
}

function queueList(q: string): string {
  const numbers = ['not_before', 'next_at', 'wakes', 'token', 'lease_until'];
  return [`${q}.webhook_id`, `${q}.failures`, ...numbers.map((name) => asNumber(`${q}.${name}`, name))].join(
    ', ',
  );
}

function openStatement(queues: string, clock: string): string {
  const free =
    'q.next_at IS NOT NULL AND (q.lease_until IS NULL OR q.lease_until <= (SELECT now FROM clock))';
  const fails = 'excluded.failures > 0 AND q.failures = 0';
  return `
WITH ${clock}
INSERT INTO ${queues} AS q (webhook_id, failures, not_before, next_at, wakes, token)
SELECT i.webhook_id, i.failures, CASE WHEN i.failures > 0 THEN i.next_at ELSE 0 END, i.next_at, 1, clock.now
FROM unnest($1::text[], $2::int[], $3::bigint[]) AS i(webhook_id, failures, next_at), clock
ON CONFLICT (webhook_id) DO UPDATE SET
  wakes = CASE WHEN q.closed THEN 1 ELSE q.wakes + 1 END,
  token = CASE WHEN q.closed THEN greatest(excluded.token, q.token + 1) ELSE q.token END,
  failures = CASE WHEN q.closed OR (${free} AND ${fails}) THEN excluded.failures ELSE q.failures END,
  not_before = CASE WHEN q.closed OR (${free} AND ${fails}) THEN excluded.not_before ELSE q.not_before END,
  next_at = CASE
    WHEN q.closed OR (${free} AND ${fails}) THEN excluded.next_at
    WHEN ${free} THEN greatest(q.not_before, least(q.next_at, excluded.next_at))
    ELSE q.next_at END,
  lease_until = CASE WHEN q.closed OR (${free}) THEN NULL ELSE q.lease_until END,
  closed = false`;
}

/** The conditions on what is ready, which always hold, make the planner take it for few where it does not know the limits. */
function acquireStatement(queues: string, clock: string): string {
  const ready = (failures: string, limit: string): string => `(
  SELECT webhook_id, next_at FROM ${queues}
  WHERE next_at IS NOT NULL AND failures ${failures} AND next_at <= (SELECT now FROM clock)
    AND (lease_until IS NULL OR lease_until <= (SELECT now FROM clock))
  ORDER BY next_at LIMIT ${limit}::int FOR UPDATE SKIP LOCKED
)`;
  const firstFree = (failures: string): string => `(
  SELECT next_at FROM ${queues}
  WHERE next_at IS NOT NULL AND failures ${failures} AND (lease_until IS NULL OR lease_until <= (SELECT now FROM clock))
    AND webhook_id NOT IN (SELECT webhook_id FROM ready)
  ORDER BY next_at LIMIT 1
)`;
  return `
WITH ${clock}, healthy AS MATERIALIZED ${ready('= 0', '$2')}, failing AS MATERIALIZED ${ready('> 0', '$3')},
ready AS MATERIALIZED (SELECT * FROM healthy UNION ALL SELECT * FROM failing),
taken AS (
  UPDATE ${queues} q SET token = q.token + 1, lease_until = clock.now + $1::bigint
  FROM ready r, clock WHERE q.webhook_id = r.webhook_id AND r.next_at >= 0 AND r.webhook_id >= ''
  RETURNING q.*
), others AS (
  SELECT least(
    ${firstFree('= 0')},
    ${firstFree('> 0')},
    (SELECT min(greatest(next_at, lease_until)) FROM ${queues}
      WHERE next_at IS NOT NULL AND lease_until IS NOT NULL AND lease_until > (SELECT now FROM clock))
  ) AS at
)
SELECT ${asNumber('o.at', 'others_at')}, ${queueList('t')}
FROM others o LEFT JOIN taken t ON true
ORDER BY t.next_at`;
}

/** The conditions on what is given, which always hold, make the planner take it for few, and not read the whole table. */
function saveStatement(queues: string, clock: string): string {
  return `
WITH ${clock}, given AS MATERIALIZED (
  SELECT * FROM unnest($1::text[], $2::bigint[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[], $7::int[], $8::bigint[])
    WITH ORDINALITY AS i(webhook_id, token, failures, not_before, next_at, lease, close, if_wakes, place)
), saved AS (
  UPDATE ${queues} q
  SET failures = i.failures, not_before = i.not_before, next_at = CASE WHEN i.close = 0 THEN i.next_at END,
    lease_until = CASE WHEN i.lease IS NOT NULL THEN greatest(q.lease_until, clock.now + i.lease) END, closed = i.close = 1
  FROM given i, clock
  WHERE q.webhook_id = i.webhook_id AND i.place >= 0 AND i.failures >= 0 AND i.not_before >= 0
    AND q.token = i.token AND NOT q.closed AND q.wakes = coalesce(i.if_wakes, q.wakes)
    AND (i.close = 0 OR q.token >= clock.now)
  RETURNING i.place, q.wakes
), removed AS (
  DELETE FROM ${queues} q USING given i, clock
  WHERE q.webhook_id = i.webhook_id AND i.place >= 0 AND i.failures >= 0 AND i.not_before >= 0
    AND q.token = i.token AND NOT q.closed AND q.wakes = coalesce(i.if_wakes, q.wakes)
    AND i.close = 1 AND q.token < clock.now
  RETURNING i.place, q.wakes
)
SELECT place::int, ${asNumber('wakes')} FROM saved
UNION ALL
SELECT place::int, ${asNumber('wakes')} FROM removed`;
}
