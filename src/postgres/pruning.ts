import type { PruneRequest, PruneResult } from '../repos.ts';
import { statusCodes } from '../sql/codes.ts';
import { type Database, rowsOf } from './database.ts';
import type { PostgresQueryable } from './driver.ts';
import type { Folds } from './folds.ts';
import { openedBy } from './line.ts';
import type { Tables } from './tables.ts';

/** Removes what has ended. Each kind is a transaction of its own, and passes over rows that somebody else holds. */
export class Pruning {
  readonly #database: Database;
  readonly #sql: Statements;
  readonly #folds: Folds;

  constructor(database: Database, tables: Tables, folds: Folds) {
    this.#database = database;
    this.#folds = folds;
    this.#sql = statementsFor(tables);
  }

  /** See `EventRepo.prune`. */
  async prune({
    deliveredBefore,
    exhaustedBefore,
    attemptsBefore,
    limit,
  }: PruneRequest): Promise<PruneResult> {
    const { delivered, exhausted } = statusCodes;
    const steps = [
      await this.#remove(delivered, deliveredBefore, limit),
      await this.#remove(exhausted, exhaustedBefore, limit),
      await this.#strip(delivered, attemptsBefore, limit),
      await this.#strip(exhausted, attemptsBefore, limit),
      await this.#removeUnheard(deliveredBefore, limit),
    ];
    const total = (kind: keyof Step): number => steps.reduce((sum, step) => sum + step[kind], 0);
    const more = steps.some(({ touched }) => touched >= limit);
    return { deliveries: total('deliveries'), events: total('events'), attempts: total('attempts'), more };
  }

  async #remove(status: number, before: number | undefined, limit: number): Promise<Step> {
    if (before === undefined) return NOTHING;
    return this.#fitting(() =>
      this.#database.transaction(async (tx) => {
        const [gone] = await rowsOf<Gone>(tx, this.#sql.remove, [status, before, limit]);
        if (gone === undefined || gone.deliveries === 0) return { ...NOTHING, ...gone };
        return { ...gone, events: await this.#removeEvents(tx, gone.event_ids) };
      }),
    );
  }

  /** A fold goes as one. One that is larger than the limit is undone, and its members go one by one. */
  async #fitting(step: () => Promise<Step & TooLarge>): Promise<Step> {
    for (;;) {
      const { too_large, ...done } = await step();
      if (too_large === undefined || too_large === null) return done;
      await this.#folds.unfold([too_large]);
    }
  }

  /**
   * The events are locked first: then the next statement sees what others have removed, and of several that remove the
   * deliveries of one event the last one finds none left.
   */
  async #removeEvents(tx: PostgresQueryable, ids: readonly string[]): Promise<number> {
    await rowsOf(tx, this.#sql.lockEvents, [ids]);
    const [row] = await rowsOf<{ events: number }>(tx, this.#sql.removeEvents, [ids]);
    return row?.events ?? 0;
  }

  async #strip(status: number, before: number | undefined, limit: number): Promise<Step> {
    if (before === undefined) return NOTHING;
    const values = [status, before, limit];
    return this.#fitting(async () => {
      const [row] = await this.#database.rows<Stripped>(this.#sql.strip, values);
      return { ...NOTHING, ...row };
    });
  }

  async #removeUnheard(before: number | undefined, limit: number): Promise<Step> {
    if (before === undefined) return NOTHING;
    const [row] = await this.#database.rows<{ events: number }>(this.#sql.removeUnheard, [before, limit]);
    const events = row?.events ?? 0;
    return { ...NOTHING, events, touched: events };
  }
}

interface TooLarge {
  /** A delivery in a fold that is next and larger than the limit, where nothing was done for that. */
  readonly too_large?: string | null;
}

type Stripped = Pick<Step, 'attempts' | 'touched'> & TooLarge;

interface Gone extends Stripped {
  readonly deliveries: number;
  readonly event_ids: readonly string[];
}

interface Step {
  readonly deliveries: number;
  readonly events: number;
  readonly attempts: number;
  /** What the limit counts; no less than the limit where more is left. */
  readonly touched: number;
}

const NOTHING: Step = { deliveries: 0, events: 0, attempts: 0, touched: 0 };

interface Statements {
  readonly remove: string;
  readonly lockEvents: string;
  readonly removeEvents: string;
  readonly strip: string;
  readonly removeUnheard: string;
}

/**
 * Attempts and events are found by an array that is made on the way: the planner takes that for short, and goes by the key whatever
 * statistics it has.
 */
function statementsFor({ schema, deliveries, folds, listings, attempts, events }: Tables): Statements {
  const chosen = (
    stripped: boolean,
  ): string => `stripped = ${stripped} AND completed_at IS NOT NULL AND completed_at < $2::bigint
    ORDER BY completed_at LIMIT $3::int FOR UPDATE SKIP LOCKED`;
  const ended = (stripped: boolean): string => `ended_${stripped} AS MATERIALIZED (
  SELECT ARRAY[id] AS members, NULL::bigint AS fold, false AS has_data, completed_at FROM ${deliveries} WHERE status = $1::smallint AND ${chosen(stripped)}
), folds_${stripped} AS MATERIALIZED (
  SELECT members, nr AS fold, data IS NOT NULL AS has_data, completed_at FROM ${folds} WHERE $1::smallint = ${statusCodes.delivered} AND ${chosen(stripped)}
)`;
  const all = (stripped: boolean): string =>
    `SELECT * FROM ended_${stripped} UNION ALL SELECT * FROM folds_${stripped}`;
  const oldest = `oldest AS MATERIALIZED (
  SELECT * FROM (SELECT *, sum(cardinality(members)) OVER (ORDER BY completed_at ROWS UNBOUNDED PRECEDING) AS total FROM units) summed WHERE total <= $3::int
)`;
  const ids = 'ARRAY(SELECT unnest(members) FROM oldest)';
  const shared = '(SELECT coalesce(sum(cardinality(members)), 0) FROM oldest WHERE has_data)';
  const touched = `CASE WHEN (SELECT count(*) FROM oldest) < (SELECT count(*) FROM units) THEN $3::int ELSE cardinality(${ids}) END AS touched,
  (SELECT members[1] FROM units WHERE NOT EXISTS (SELECT FROM oldest) ORDER BY completed_at LIMIT 1) AS too_large`;
  return {
    remove: `
WITH ${ended(true)}, ${ended(false)},
units AS MATERIALIZED (${all(true)} UNION ALL ${all(false)}),
${oldest}, gone_folds AS (
  DELETE FROM ${folds} WHERE nr = ANY (ARRAY(SELECT fold FROM oldest WHERE fold IS NOT NULL))
), gone AS (
  DELETE FROM ${deliveries} d WHERE d.id = ANY (${ids}) RETURNING d.id, d.webhook_id, d.created_at, d.event_id, d.ordering_key, d.line_place
), gone_listings AS (
  DELETE FROM ${listings} l USING gone g
  WHERE l.webhook_id = g.webhook_id AND l.created_at = g.created_at AND l.delivery_id = g.id
), gone_attempts AS (
  DELETE FROM ${attempts} WHERE delivery_id = ANY (ARRAY(SELECT id FROM gone)) RETURNING 1
), blockers AS MATERIALIZED (
  SELECT webhook_id, ordering_key, NULL::smallint AS line_place, NULL::bigint AS seq FROM gone WHERE line_place IS NOT NULL
), ${openedBy(schema, 'blockers')}
SELECT (SELECT count(*) FROM gone)::int AS deliveries, (SELECT count(*) FROM opened)::int AS lines, ((SELECT count(*) FROM gone_attempts) + ${shared})::int AS attempts,
  (SELECT coalesce(array_agg(DISTINCT event_id), '{}') FROM gone) AS event_ids, ${touched}`,
    lockEvents: `SELECT 1 FROM ${events} WHERE id = ANY (ARRAY(SELECT unnest($1::text[]))) ORDER BY id FOR UPDATE`,
    removeEvents: `
WITH gone AS (
  DELETE FROM ${events} e
  WHERE e.id = ANY (ARRAY(SELECT unnest($1::text[]))) AND NOT EXISTS (
    SELECT 1 FROM jsonb_array_elements_text(e.delivery_ids::jsonb) AS i(id) JOIN ${deliveries} d ON d.id = i.id)
  RETURNING 1
)
SELECT count(*)::int AS events FROM gone`,
    strip: `
WITH ${ended(false)},
units AS MATERIALIZED (${all(false)}),
${oldest}, stripped AS (
  UPDATE ${deliveries} d SET stripped = true WHERE d.id = ANY (ARRAY(SELECT members[1] FROM oldest WHERE fold IS NULL))
), stripped_folds AS (
  UPDATE ${folds} SET stripped = true, data = NULL WHERE nr = ANY (ARRAY(SELECT fold FROM oldest WHERE fold IS NOT NULL))
), gone AS (
  DELETE FROM ${attempts} WHERE delivery_id = ANY (${ids}) RETURNING 1
)
SELECT ((SELECT count(*) FROM gone) + ${shared})::int AS attempts, ${touched}`,
    removeUnheard: `
WITH oldest AS MATERIALIZED (
  SELECT id FROM ${events} WHERE delivery_ids = '[]' AND created_at < $1::bigint
  ORDER BY created_at LIMIT $2::int FOR UPDATE SKIP LOCKED
), gone AS (
  DELETE FROM ${events} e USING oldest o WHERE e.id = o.id RETURNING 1
)
SELECT count(*)::int AS events FROM gone`,
  };
}
