import { attemptKinds } from '../sql/attempt-columns.ts';
import { openedBy } from './line.ts';
import { oneByOne, UNITS } from './one-by-one.ts';
import { asNumber } from './rows.ts';
import type { Tables } from './tables.ts';

/** What `applyWhole` fails with: a division by zero, for a statement has no other way to take back what it did. */
export const NOT_WHOLE = '22012';

/** The statements of `Settling`. */
export interface SettleStatements {
  /** Of deliveries with neither a key nor a batch: all others are not applied. `$1` to `$6` the ends, `$7` now, `$8` deliveries, `$9` tokens. */
  readonly applyPlain: string;
  /** `$1` to `$10` the ends, see `ENDS`; `$11` now, `$12` deliveries, `$13` tokens. Tells which were not applied. */
  readonly apply: string;
  /** The same for batches, all of which are whole; fails with `NOT_WHOLE` where one is not, and nothing is applied. Its values are those of `applyBatches`. */
  readonly applyWhole: string;
  /** The same for batches, each applied in whole or not at all: `$12` to `$14` are the deliveries, tokens and ends of all members, `$15` how many each end has. */
  readonly applyBatches: string;
  readonly lock: string;
  readonly find: string;
  readonly addLate: string;
  readonly replaceLost: string;
}

/** What becomes of deliveries: arrays of equal length, or null where all of one would be. */
const ENDS =
  '$1::smallint[], $2::smallint[], $3::bigint[], $4::smallint[], $5::int[], $6::text[], $7::boolean[], $8::text[], $9::int[], $10::int[]';
const END_COLUMNS = 'status, reason, due_at, queue, tries, data, blocks, batch_id, batch_size, refusals';

/** What an end `i` makes of a row `d`. Only one that waits has a `due_at`. */
const plainSets = (now: string): string => `
  SET status = CASE WHEN i.status = 0 AND d.tries + i.tries > 0 THEN 2 ELSE i.status END, reason = i.reason,
    due_at = coalesce(i.due_at, d.due_at), wake_at = i.due_at, queue = coalesce(i.queue, d.queue),
    lease_until = NULL, claimed_at = NULL, completed_at = CASE WHEN i.due_at IS NULL THEN ${now}::bigint END,
    attempts = d.attempts + (i.data IS NOT NULL)::int, tries = d.tries + i.tries`;

const SETS = `${plainSets('$11')},
    line_place = CASE WHEN d.ordering_key IS NOT NULL AND (i.due_at IS NOT NULL OR i.blocks) THEN 1 END,
    batch_id = CASE WHEN i.due_at IS NULL THEN d.batch_id ELSE i.batch_id END,
    batch_size = CASE WHEN i.due_at IS NULL THEN d.batch_size ELSE i.batch_size END,
    refusals = CASE WHEN i.due_at IS NULL THEN d.refusals ELSE i.refusals END`;

const SETTLED =
  'i.place, d.id, d.attempts, d.token, i.data, d.webhook_id, d.ordering_key, d.line_place, d.seq';

/**
 * The status, and whether it has a key, are compared with columns of what is given: so the planner does not take deliveries for few by them. `opened` is read by a branch of its own: it is then run whatever
 * the other one returns.
 */
export function settleStatements({ schema, deliveries, attempts }: Tables): SettleStatements {
  const recorded = `recorded AS (
  INSERT INTO ${attempts} (delivery_id, number, token, kind, data)
  SELECT id, attempts, token, ${attemptKinds.settled}, data FROM settled WHERE data IS NOT NULL
)`;
  const notApplied = 'SELECT place::int FROM given WHERE place NOT IN (SELECT place FROM settled)';
  const ended = `${recorded}, ${openedBy(schema, 'settled')}
${notApplied}
UNION ALL
SELECT NULL FROM opened`;
  return {
    applyPlain: `
WITH given AS MATERIALIZED (
  SELECT *, ${UNITS}, NULL::text AS nothing
  FROM unnest($8::text[], $9::bigint[], $1::smallint[], $2::smallint[], $3::bigint[], $4::smallint[], $5::int[], $6::text[])
    WITH ORDINALITY AS i(id, token, status, reason, due_at, queue, tries, data, place)
), settled AS (
  UPDATE ${deliveries} d ${plainSets('$7')}
  FROM given i
  WHERE ${oneByOne('i')} AND d.id = i.id AND d.token = i.token AND d.status = i.held
    AND coalesce(d.ordering_key, d.batch_id, i.nothing) IS NULL
  RETURNING i.place, d.id, d.attempts, d.token, i.data
), ${recorded}
${notApplied}`,
    apply: `
WITH given AS MATERIALIZED (
  SELECT *, ${UNITS} FROM unnest($12::text[], $13::bigint[], ${ENDS}) WITH ORDINALITY AS i(id, token, ${END_COLUMNS}, place)
), settled AS (
  UPDATE ${deliveries} d ${SETS}
  FROM given i
  WHERE ${oneByOne('i')} AND d.id = i.id AND d.token = i.token AND d.status = i.held AND d.fold IS NULL
  RETURNING ${SETTLED}
), ${ended}`,
    applyWhole: `
WITH ends AS MATERIALIZED (
  SELECT * FROM unnest($15::int[], ${ENDS}) WITH ORDINALITY AS i(members, ${END_COLUMNS}, place)
), given AS MATERIALIZED (
  SELECT p.id, p.token, e.status, e.reason, e.due_at, e.queue, e.tries, e.blocks, e.batch_id, e.batch_size, e.refusals, e.place,
    CASE WHEN e.data IS NOT NULL THEN '' END AS data, ${UNITS}
  FROM unnest($12::text[], $13::bigint[], $14::int[]) AS p(id, token, place) JOIN ends e ON e.place = p.place
), settled AS (
  UPDATE ${deliveries} d ${SETS}
  FROM given i
  WHERE ${oneByOne('i')} AND d.id = i.id AND d.token = i.token AND d.status = i.held AND d.fold IS NULL
  RETURNING ${SETTLED}
), recorded AS (
  INSERT INTO ${attempts} (delivery_id, number, token, kind, data)
  SELECT s.id, s.attempts, s.token, ${attemptKinds.settled}, e.data FROM settled s JOIN ends e ON e.place = s.place WHERE e.data IS NOT NULL
), ${openedBy(schema, 'settled')}
SELECT 1 / ((SELECT count(*) FROM settled) = (SELECT count(*) FROM given))::int
UNION ALL
SELECT NULL FROM opened`,
    applyBatches: `
WITH given AS MATERIALIZED (
  SELECT *, 1::smallint AS held FROM unnest($15::int[], ${ENDS}) WITH ORDINALITY AS i(members, ${END_COLUMNS}, place)
), parts AS MATERIALIZED (
  SELECT * FROM unnest($12::text[], $13::bigint[], $14::int[]) AS p(id, token, place)
), present AS MATERIALIZED (
  SELECT i.*, d.id
  FROM parts p JOIN given i ON i.place = p.place CROSS JOIN LATERAL (
    SELECT d.id FROM ${deliveries} d
    WHERE d.id = p.id AND d.token = p.token AND d.status = i.held AND d.fold IS NULL LIMIT 1 FOR NO KEY UPDATE
  ) d
), whole AS MATERIALIZED (
  SELECT * FROM (SELECT *, count(*) OVER (PARTITION BY place) AS found FROM present) counted WHERE found = members
), settled AS (
  UPDATE ${deliveries} d ${SETS}
  FROM whole i
  WHERE d.id = i.id AND d.status = i.held
  RETURNING ${SETTLED}
), ${ended}`,
    lock: `SELECT ${asNumber('token')}, status = 1 AS is_held FROM ${deliveries} WHERE id = $1::text FOR UPDATE`,
    find: `SELECT number, kind FROM ${attempts} WHERE delivery_id = $1::text AND token = $2::bigint`,
    addLate: `
WITH counted AS (
  UPDATE ${deliveries} SET attempts = attempts + 1 WHERE id = $1::text RETURNING attempts
)
INSERT INTO ${attempts} (delivery_id, number, token, kind, data)
SELECT $1::text, attempts, $2::bigint, ${attemptKinds.late}, $3::text FROM counted`,
    replaceLost: `
UPDATE ${attempts} SET kind = ${attemptKinds.late}, data = $3::text WHERE delivery_id = $1::text AND number = $2::int`,
  };
}
