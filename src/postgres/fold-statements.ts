import { attemptKinds } from '../sql/attempt-columns.ts';
import { oneByOne, UNITS } from './one-by-one.ts';
import type { Tables } from './tables.ts';

/** The statements of `Folds`. */
export interface FoldStatements {
  /**
   * `$1` the first delivery of each, `$2` ids and `$3` tokens of all in it, with commas between; `$4` data of attempts, `$5` what is counted, `$6` now. Tells which
   * were not settled.
   */
  readonly settle: string;
  /** `$1` deliveries: undoes the folds that they are in. */
  readonly unfold: string;
}

/** The statements for one schema. */
export function foldStatements({ deliveries, folds, attempts }: Tables): FoldStatements {
  return {
    settle: `
WITH given AS MATERIALIZED (
  SELECT *, ${UNITS} FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::smallint[]) WITH ORDINALITY AS i(first_id, members, tokens, data, tries, place)
), found AS MATERIALIZED (
  SELECT i.*, d.fold FROM given i CROSS JOIN LATERAL (SELECT d.fold FROM ${deliveries} d WHERE d.id = i.first_id AND d.fold IS NOT NULL LIMIT 1) d
), settled AS (
  UPDATE ${folds} f
  SET lease_until = NULL, completed_at = $6::bigint, attempts = (i.data IS NOT NULL)::int, tries = i.tries, data = i.data
  FROM found i
  WHERE ${oneByOne('i')} AND f.nr = i.fold AND f.completed_at IS NULL
    AND f.members = string_to_array(i.members, ',') AND f.tokens = string_to_array(i.tokens, ',')::bigint[]
  RETURNING i.place, i.first_id, i.held, i.one, i.unit
), left_queue AS (
  UPDATE ${deliveries} d SET wake_at = NULL FROM settled i WHERE ${oneByOne('i')} AND d.id = i.first_id
)
SELECT place::int FROM given WHERE place NOT IN (SELECT place FROM settled)`,
    unfold: `
WITH given AS MATERIALIZED (
  SELECT DISTINCT d.fold, ${UNITS}
  FROM unnest($1::text[]) AS i(id) CROSS JOIN LATERAL (SELECT d.fold FROM ${deliveries} d WHERE d.id = i.id AND d.fold IS NOT NULL LIMIT 1) d
), gone AS (
  DELETE FROM ${folds} f USING given i WHERE ${oneByOne('i')} AND f.nr = i.fold RETURNING f.*
), members AS MATERIALIZED (
  SELECT m.id, g.*, ${UNITS} FROM gone g CROSS JOIN LATERAL unnest(g.members) AS m(id)
), unfolded AS (
  UPDATE ${deliveries} d
  SET fold = NULL, status = CASE WHEN i.completed_at IS NULL THEN d.status ELSE 3 END, lease_until = i.lease_until, wake_at = i.lease_until,
    claimed_at = CASE WHEN i.completed_at IS NULL THEN d.claimed_at END, completed_at = i.completed_at,
    attempts = d.attempts + i.attempts, tries = d.tries + i.tries, stripped = i.stripped
  FROM members i
  WHERE ${oneByOne('i')} AND d.id = i.id AND d.fold = i.nr
  RETURNING d.id, d.attempts, d.token, i.data
), recorded AS (
  INSERT INTO ${attempts} (delivery_id, number, token, kind, data)
  SELECT id, attempts, token, ${attemptKinds.settled}, data FROM unfolded WHERE data IS NOT NULL
)
SELECT count(*)::int AS unfolded FROM unfolded`,
  };
}
