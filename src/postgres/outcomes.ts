import type { OutcomeTally } from '../domain/tally.ts';
import { type TallyColumns, tallyOf, tallyText } from '../sql/tally-columns.ts';
import type { Database } from './database.ts';
import { roundsOf } from './rounds.ts';
import { asNumber } from './rows.ts';
import type { Tables } from './tables.ts';

/** What attempts came to, in a table: a row for each webhook, period and writer. */
export class Outcomes {
  readonly #database: Database;
  readonly #sql: Statements;

  constructor(database: Database, tables: Tables) {
    this.#database = database;
    this.#sql = statementsFor(tables);
  }

  /** See `StateRepo.recordOutcomes`. */
  async record(tallies: readonly OutcomeTally[]): Promise<void> {
    for (const round of roundsOf(tallies, keyOf)) {
      const items = round.map(({ item }) => item);
      await this.#database.rows(this.#sql.record, [
        items.map(({ webhookId }) => webhookId),
        items.map(({ startsAt }) => startsAt),
        items.map(({ writer }) => writer),
        items.map(tallyText),
      ]);
    }
  }

  /** See `StateRepo.outcomes`. */
  async of({
    webhookId,
    since,
  }: {
    readonly webhookId: string;
    readonly since: number;
  }): Promise<readonly OutcomeTally[]> {
    const rows = await this.#database.rows<TallyColumns>(this.#sql.of, [webhookId, since]);
    return rows.map(tallyOf);
  }

  /** Removes tallies of periods that started before an instant. Resolves whether there may be more of them. */
  async prune(before: number, limit: number): Promise<boolean> {
    const [row] = await this.#database.rows<{ gone: number }>(this.#sql.prune, [before, limit]);
    return row !== undefined && row.gone >= limit;
  }
}

function keyOf({ webhookId, startsAt, writer }: OutcomeTally): string {
  return JSON.stringify([webhookId, startsAt, writer]);
}

interface Statements {
  /** `$1` webhooks, `$2` periods, `$3` writers, `$4` data; each key once. */
  readonly record: string;
  /** `$1` webhook, `$2` since. */
  readonly of: string;
  /** `$1` before, `$2` limit. */
  readonly prune: string;
}

function statementsFor({ outcomes }: Tables): Statements {
  return {
    record: `
INSERT INTO ${outcomes} (webhook_id, starts_at, writer, data)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[])
ON CONFLICT (webhook_id, starts_at, writer) DO UPDATE SET data = excluded.data`,
    of: `
SELECT webhook_id, ${asNumber('starts_at')}, writer, data FROM ${outcomes} WHERE webhook_id = $1::text AND starts_at >= $2::bigint`,
    // By their places, as buckets.
    prune: `
WITH oldest AS MATERIALIZED (
  SELECT ctid FROM ${outcomes} WHERE starts_at < $1::bigint ORDER BY starts_at LIMIT $2::int FOR UPDATE SKIP LOCKED
), gone AS (
  DELETE FROM ${outcomes} WHERE ctid = ANY (ARRAY(SELECT ctid FROM oldest)) RETURNING 1
)
SELECT count(*)::int AS gone FROM gone`,
  };
}
