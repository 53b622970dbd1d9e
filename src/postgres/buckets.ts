import { ROUNDING_MS, ROUNDING_TOKENS, takeTokens, tokenMsOf } from '../domain/rate-limit.ts';
import type { TokenGrant, TokenRequest, TokenReturn } from '../repos.ts';
import type { Database } from './database.ts';
import { roundsOf } from './rounds.ts';
import { asNumber } from './rows.ts';
import type { Tables } from './tables.ts';

/** What the index that buckets are pruned by tells apart: a bucket's row moves there once a minute at most. */
const MINUTE_MS = 60_000;

/** Token buckets in a table, by the server's clock. One statement locks what it takes from, in the order of names. */
export class Buckets {
  readonly #database: Database;
  readonly #sql: Statements;

  constructor(database: Database, tables: Tables) {
    this.#database = database;
    this.#sql = statementsFor(tables);
  }

  /** See `StateRepo.takeTokens`. */
  async take(requests: readonly TokenRequest[]): Promise<readonly TokenGrant[]> {
    const grants: TokenGrant[] = requests.map(() => ({ granted: 0, availableAt: 0 }));
    for (const round of roundsOf(requests, bucketOf)) {
      const items = round.map(({ item }) => item);
      const rows = await this.#database.rows<TakenRow>(this.#sql.take, [
        items.map(bucketOf),
        items.map(tokenMsOf),
        items.map(({ burst }) => burst),
        items.map(({ wanted }) => wanted),
        items.map(({ atLeast }) => atLeast),
      ]);
      const byName = new Map(rows.map((row) => [row.name, row]));
      for (const { item, index } of round) {
        const row = byName.get(item.bucket);
        if (row !== undefined) grants[index] = grantOf(item, row);
      }
    }
    return grants;
  }

  /** See `StateRepo.returnTokens`. */
  async giveBack(entries: readonly TokenReturn[]): Promise<void> {
    if (entries.length === 0) return;
    await this.#database.rows(this.#sql.giveBack, [
      entries.map(bucketOf),
      entries.map((entry) => entry.count * tokenMsOf(entry)),
    ]);
  }

  /** Removes buckets that are full. Resolves whether there may be more of them. */
  async prune(limit: number): Promise<boolean> {
    const [row] = await this.#database.rows<{ gone: number }>(this.#sql.prune, [limit]);
    return row !== undefined && row.gone >= limit;
  }
}

interface TakenRow {
  readonly name: string;
  readonly granted: number;
  /** After this. */
  readonly full_at: number;
  /** The store's time. */
  readonly now: number;
}

/** A bucket that gave nothing is as it was: when it can give is told as everywhere. */
function grantOf(request: TokenRequest, { granted, full_at, now }: TakenRow): TokenGrant {
  if (granted > 0) return { granted, availableAt: now };
  const { wanted, atLeast } = request;
  return { granted, availableAt: takeTokens(request, full_at, { now, wanted, atLeast }).availableAt };
}

function bucketOf({ bucket }: Pick<TokenRequest, 'bucket'>): string {
  return bucket;
}

interface Statements {
  /** `$1` names, each once, `$2` ms for a token, `$3` bursts, `$4` how many are wanted, `$5` how many at least. */
  readonly take: string;
  /** `$1` names, `$2` by how many ms each is full earlier. */
  readonly giveBack: string;
  /** `$1` limit. */
  readonly prune: string;
}

const ASKED = 'token_ms, burst, wanted, at_least';

/**
 * What the request `g` makes of a bucket that is full at an instant: the columns `full_at`, `full_minute`, `granted`. As `takeTokens` of
 * domain/rate-limit.ts.
 */
function taken(g: string, fullAt: string): string {
  return `SELECT f.full_at, ${minuteOf('f.full_at')}, t.granted
  FROM (SELECT greatest(${fullAt}, clock.now::float8) AS origin) o
    CROSS JOIN LATERAL (SELECT least(${g}.wanted, ${g}.burst, floor(${g}.burst - (o.origin - clock.now) / ${g}.token_ms + greatest(${ROUNDING_TOKENS}::float8, ${ROUNDING_MS} / ${g}.token_ms))) AS most) m
    CROSS JOIN LATERAL (SELECT CASE WHEN m.most >= ${g}.at_least THEN m.most ELSE 0 END AS granted) t
    CROSS JOIN LATERAL (SELECT CASE WHEN t.granted > 0 THEN o.origin + t.granted * ${g}.token_ms ELSE ${fullAt} END AS full_at) f`;
}

/** The beginning of the minute of an instant. */
function minuteOf(instant: string): string {
  return `floor(${instant} / ${MINUTE_MS}) * ${MINUTE_MS}`;
}

function statementsFor({ buckets, nowMs }: Tables): Statements {
  const clock = `clock AS MATERIALIZED (SELECT ${nowMs} AS now)`;
  return {
    take: `
WITH ${clock}, given AS MATERIALIZED (
  SELECT * FROM unnest($1::text[], $2::float8[], $3::float8[], $4::float8[], $5::float8[]) AS i(name, ${ASKED})
), taken AS (
  INSERT INTO ${buckets} AS b (name, ${ASKED}, full_at, full_minute, granted)
  SELECT g.*, t.* FROM clock, given g CROSS JOIN LATERAL (${taken('g', 'clock.now')}) t
  ORDER BY g.name
  ON CONFLICT (name) DO UPDATE SET
    (${ASKED}) = ROW (excluded.token_ms, excluded.burst, excluded.wanted, excluded.at_least),
    (full_at, full_minute, granted) = (SELECT t.* FROM clock CROSS JOIN LATERAL (${taken('excluded', 'b.full_at')}) t)
  RETURNING b.name, b.full_at, b.granted
)
SELECT taken.*, ${asNumber('clock.now', 'now')} FROM taken, clock`,
    // The conditions, which always hold, make the planner take what is locked for little, and go by the key.
    giveBack: `
WITH given AS MATERIALIZED (
  SELECT name, sum(ms) AS ms FROM unnest($1::text[], $2::float8[]) AS i(name, ms) GROUP BY name ORDER BY name
), locked AS MATERIALIZED (
  SELECT b.name, g.ms FROM given g CROSS JOIN LATERAL (SELECT b.name FROM ${buckets} b WHERE b.name = g.name LIMIT 1 FOR UPDATE) b
)
UPDATE ${buckets} b SET full_at = b.full_at - l.ms, full_minute = ${minuteOf('(b.full_at - l.ms)')}
FROM locked l WHERE b.name = l.name AND l.ms >= 0 AND l.ms + l.ms >= 0 AND l.name >= ''`,
    // By their places, which no lack of statistics makes a search of the whole table.
    prune: `
WITH ${clock}, full_ones AS MATERIALIZED (
  SELECT ctid FROM ${buckets}
  WHERE full_minute <= (SELECT now FROM clock) AND full_at <= (SELECT now FROM clock)
  ORDER BY full_minute LIMIT $1::int FOR UPDATE SKIP LOCKED
), gone AS (
  DELETE FROM ${buckets} WHERE ctid = ANY (ARRAY(SELECT ctid FROM full_ones)) RETURNING 1
)
SELECT count(*)::int AS gone FROM gone`,
  };
}
