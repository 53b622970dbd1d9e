import { Database, rowsOf } from './database.ts';
import type { PostgresPool, PostgresQueryable } from './driver.ts';
import { migrations } from './migrations.ts';
import { checkSchema, quoted } from './schema-name.ts';

/** What `migrate` did. */
export interface MigrateResult {
  /** The number of the newest migration in place now. */
  readonly version: number;
  /** How many this call ran; 0 when there was nothing to do. */
  readonly applied: number;
}

/**
 * Creates or updates the tables in the schema (default `surehook`), in one transaction under an advisory lock: however many processes
 * start at once, each migration runs once, and one that fails leaves nothing behind. Rejects when the schema was made by a newer release, and
 * changes nothing then. The role needs the right to create the schema, or to create tables in it where it exists.
 */
export async function migrate(
  pool: PostgresPool,
  options: { readonly schema?: string } = {},
): Promise<MigrateResult> {
  const schema = checkSchema(options.schema);
  const database = new Database(pool, () => {});
  try {
    return await database.transaction((tx) => migrateIn(tx, schema));
  } finally {
    database.detach();
  }
}

async function migrateIn(tx: PostgresQueryable, schema: string): Promise<MigrateResult> {
  await rowsOf(tx, 'SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))', [`surehook:${schema}`]);
  const table = `${quoted(schema)}.migrations`;
  const found = await rowsOf(tx, 'SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1::text', [schema]);
  if (found.length === 0) await rowsOf(tx, `CREATE SCHEMA ${quoted(schema)}`, []);
  await rowsOf(
    tx,
    `CREATE TABLE IF NOT EXISTS ${table} (number integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())`,
    [],
  );
  const before = await versionOf(tx, table);
  if (before > migrations.length) {
    throw new Error(
      `The schema "${schema}" is at version ${before}, but this release of surehook knows only ${migrations.length}: update surehook`,
    );
  }
  for (const [index, migration] of migrations.entries()) {
    if (index < before) continue;
    for (const statement of statementsOf(migration(schema))) await rowsOf(tx, statement, []);
    await rowsOf(tx, `INSERT INTO ${table} (number) VALUES ($1::int)`, [index + 1]);
  }
  return { version: migrations.length, applied: migrations.length - before };
}

async function versionOf(tx: PostgresQueryable, table: string): Promise<number> {
  const rows = await rowsOf<{ version: number }>(
    tx,
    `SELECT coalesce(max(number), 0)::int AS version FROM ${table}`,
    [],
  );
  return rows[0]?.version ?? 0;
}

/** One at a time, because a statement with parameters, even none, may not be several. No literal of a migration has a semicolon. */
function statementsOf(migration: string): readonly string[] {
  return migration.split(';').filter((statement) => statement.trim() !== '');
}
