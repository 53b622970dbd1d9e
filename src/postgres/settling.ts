import type { AttemptData } from '../domain/delivery.ts';
import type { Settlement, SettleResult } from '../repos.ts';
import { attemptKinds, attemptText } from '../sql/attempt-columns.ts';
import { queueCodes, reasonCodes, statusCodes } from '../sql/codes.ts';
import { type Database, rowsOf } from './database.ts';
import type { PostgresQueryable } from './driver.ts';
import { type Placed, roundsOf } from './rounds.ts';
import { asNumber } from './rows.ts';
import type { Tables } from './tables.ts';

/** Ends claims: one statement for all that hold their token, as nearly all do, and one short transaction for each that does not. */
export class Settling {
  readonly #database: Database;
  readonly #sql: Statements;

  constructor(database: Database, tables: Tables) {
    this.#database = database;
    this.#sql = statementsFor(tables);
  }

  /** See `EventRepo.settle`. */
  async settle(settlements: readonly Settlement[], now: number): Promise<readonly SettleResult[]> {
    const results: SettleResult[] = settlements.map(() => 'applied');
    for (const round of roundsOf(settlements, ({ deliveryId }) => deliveryId)) {
      for (const { item, index } of await this.#apply(round, now)) {
        results[index] = await this.#database.transaction((tx) => this.#tooLate(tx, item));
      }
    }
    return results;
  }

  /** Returns those that were not applied. */
  async #apply(round: readonly Placed<Settlement>[], now: number): Promise<readonly Placed<Settlement>[]> {
    const items = round.map(({ item }) => item);
    const rows = await this.#database.rows<{ place: number }>(this.#sql.apply, [
      items.map(({ deliveryId }) => deliveryId),
      items.map(({ token }) => token),
      items.map(({ next }) => (next.status === 'waiting' ? statusCodes.pending : statusCodes[next.status])),
      items.map(({ next }) => (next.status === 'exhausted' ? reasonCodes[next.reason] : null)),
      items.map(({ next }) => (next.status === 'waiting' ? Math.round(next.dueAt) : null)),
      items.map(({ next }) => (next.status === 'waiting' ? queueCodes[next.queue] : null)),
      items.map(({ attempt }) => (attempt?.counted ? 1 : 0)),
      items.map(({ attempt }) => (attempt === undefined ? null : attemptText(attempt))),
      now,
    ]);
    return rows.flatMap(({ place }) => round[place - 1] ?? []);
  }

  /**
   * Every token below the present one, and the present one once it has been settled, either settled the delivery or left an
   * attempt that is lost or, reported since, late.
   */
  async #tooLate(tx: PostgresQueryable, { deliveryId, token, attempt }: Settlement): Promise<SettleResult> {
    const [delivery] = await rowsOf<{ token: number }>(tx, this.#sql.lock, [deliveryId]);
    if (delivery === undefined) return 'unknown';
    const [known] = await rowsOf<{ number: number; kind: number }>(tx, this.#sql.find, [deliveryId, token]);
    const wasGiven = token >= 1 && token <= delivery.token;
    if (wasGiven && (known === undefined || known.kind === attemptKinds.settled)) return 'repeated';
    if (attempt !== undefined) await this.#recordLate(tx, { deliveryId, token, attempt, known });
    return 'late';
  }

  async #recordLate(tx: PostgresQueryable, { deliveryId, token, attempt, known }: LateReport): Promise<void> {
    if (known === undefined) await rowsOf(tx, this.#sql.addLate, [deliveryId, token, attemptText(attempt)]);
    else if (known.kind === attemptKinds.lost) {
      await rowsOf(tx, this.#sql.replaceLost, [deliveryId, known.number, attemptText(attempt)]);
    }
  }
}

interface LateReport {
  readonly deliveryId: string;
  readonly token: number;
  readonly attempt: AttemptData;
  readonly known: { readonly number: number; readonly kind: number } | undefined;
}

interface Statements {
  readonly apply: string;
  readonly lock: string;
  readonly find: string;
  readonly addLate: string;
  readonly replaceLost: string;
}

/**
 * `apply` names the ids twice, and the status by a column, for the planner's sake: it then takes them for few, and goes by the
 * key also where it has no statistics and would read the whole table.
 */
function statementsFor({ deliveries, attempts }: Tables): Statements {
  return {
    apply: `
WITH given AS MATERIALIZED (
  SELECT *, 1::smallint AS held FROM unnest($1::text[], $2::bigint[], $3::smallint[], $4::smallint[], $5::bigint[], $6::smallint[], $7::int[], $8::text[])
    WITH ORDINALITY AS i(id, token, status, reason, due_at, queue, tries, data, place)
), settled AS (
  UPDATE ${deliveries} d
  SET status = CASE WHEN i.status = 0 AND d.tries + i.tries > 0 THEN 2 ELSE i.status END, reason = i.reason,
    due_at = coalesce(i.due_at, d.due_at), wake_at = i.due_at, queue = coalesce(i.queue, d.queue),
    lease_until = NULL, claimed_at = NULL, completed_at = CASE WHEN i.due_at IS NULL THEN $9::bigint END,
    attempts = d.attempts + (i.data IS NOT NULL)::int, tries = d.tries + i.tries
  FROM given i
  WHERE d.id = ANY (ARRAY(SELECT id FROM given)) AND d.id = i.id AND d.token = i.token AND d.status = i.held
  RETURNING i.place, d.id, d.attempts, d.token, i.data
), recorded AS (
  INSERT INTO ${attempts} (delivery_id, number, token, kind, data)
  SELECT id, attempts, token, ${attemptKinds.settled}, data FROM settled WHERE data IS NOT NULL
)
SELECT place::int FROM given WHERE place NOT IN (SELECT place FROM settled) ORDER BY place`,
    lock: `SELECT ${asNumber('token')} FROM ${deliveries} WHERE id = $1::text FOR UPDATE`,
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
