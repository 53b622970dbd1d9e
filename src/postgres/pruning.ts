import type { PruneRequest, PruneResult } from '../repos.ts';
import { statusCodes } from '../sql/codes.ts';
import { type Database, rowsOf } from './database.ts';
import type { PostgresQueryable } from './driver.ts';
import { openedBy } from './line.ts';
import type { Tables } from './tables.ts';

/** Removes what has ended. Each kind is a transaction of its own, and passes over rows that somebody else holds. */
export class Pruning {
  readonly #database: Database;
  readonly #sql: Statements;

  constructor(database: Database, tables: Tables) {
    this.#database = database;
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
    return this.#database.transaction(async (tx) => {
      const [gone] = await rowsOf<Gone>(tx, this.#sql.remove, [status, before, limit]);
      if (gone === undefined || gone.deliveries === 0) return NOTHING;
      const events = await this.#removeEvents(tx, gone.event_ids);
      return { deliveries: gone.deliveries, events, attempts: gone.attempts, touched: gone.deliveries };
    });
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
    const [row] = await this.#database.rows<{ touched: number; attempts: number }>(this.#sql.strip, [
      status,
      before,
      limit,
    ]);
    return { ...NOTHING, ...row };
  }

  async #removeUnheard(before: number | undefined, limit: number): Promise<Step> {
    if (before === undefined) return NOTHING;
    const [row] = await this.#database.rows<{ events: number }>(this.#sql.removeUnheard, [before, limit]);
    const events = row?.events ?? 0;
    return { ...NOTHING, events, touched: events };
  }
}

interface Gone {
  readonly deliveries: number;
  readonly attempts: number;
  readonly event_ids: readonly string[];
}

interface Step {
  readonly deliveries: number;
  readonly events: number;
  readonly attempts: number;
  /** What the limit counts. */
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
function statementsFor({ schema, deliveries, listings, attempts, events }: Tables): Statements {
  const ended = (stripped: boolean): string =>
    `(SELECT id, completed_at FROM ${deliveries}
      WHERE status = $1::smallint AND stripped = ${stripped} AND completed_at IS NOT NULL AND completed_at < $2::bigint
      ORDER BY completed_at LIMIT $3::int FOR UPDATE SKIP LOCKED)`;
  return {
    remove: `
WITH stripped AS MATERIALIZED ${ended(true)}, whole AS MATERIALIZED ${ended(false)},
oldest AS MATERIALIZED (
  SELECT id FROM (SELECT * FROM stripped UNION ALL SELECT * FROM whole) both_kinds ORDER BY completed_at LIMIT $3::int
), gone AS (
  DELETE FROM ${deliveries} d USING oldest o WHERE d.id = o.id RETURNING d.id, d.webhook_id, d.created_at, d.event_id, d.ordering_key, d.line_place
), gone_listings AS (
  DELETE FROM ${listings} l USING gone g
  WHERE l.webhook_id = g.webhook_id AND l.created_at = g.created_at AND l.delivery_id = g.id
), gone_attempts AS (
  DELETE FROM ${attempts} WHERE delivery_id = ANY (ARRAY(SELECT id FROM gone)) RETURNING 1
), blockers AS MATERIALIZED (
  SELECT webhook_id, ordering_key, NULL::smallint AS line_place, NULL::bigint AS seq FROM gone WHERE line_place IS NOT NULL
), ${openedBy(schema, 'blockers')}
SELECT (SELECT count(*) FROM gone)::int AS deliveries, (SELECT count(*) FROM opened)::int AS lines, (SELECT count(*) FROM gone_attempts)::int AS attempts,
  (SELECT coalesce(array_agg(DISTINCT event_id), '{}') FROM gone) AS event_ids`,
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
WITH whole AS MATERIALIZED ${ended(false)}, stripped AS (
  UPDATE ${deliveries} d SET stripped = true FROM whole w WHERE d.id = w.id RETURNING d.id
), gone AS (
  DELETE FROM ${attempts} WHERE delivery_id = ANY (ARRAY(SELECT id FROM stripped)) RETURNING 1
)
SELECT (SELECT count(*) FROM stripped)::int AS touched, (SELECT count(*) FROM gone)::int AS attempts`,
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
