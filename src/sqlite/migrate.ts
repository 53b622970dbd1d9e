import { migrations } from './schema.ts';
import type { Statements } from './statements.ts';

const TABLE = "SELECT 1 AS found FROM sqlite_schema WHERE type = 'table' AND name = 'surehook_migrations'";
const LAST = 'SELECT max(number) AS number FROM surehook_migrations';

/**
 * Brings the tables up to this version. Safe when several processes do it at once: the steps run under the write lock, and what
 * another has done is not done again. Throws for tables of a newer version, which this one would not understand.
 */
export function migrate(sql: Statements, now: number): void {
  if (appliedSteps(sql) === migrations.length) return;
  sql.exec('BEGIN IMMEDIATE');
  try {
    sql.exec(
      'CREATE TABLE IF NOT EXISTS surehook_migrations (number INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL)',
    );
    for (let number = appliedSteps(sql) + 1; number <= migrations.length; number += 1) {
      sql.exec(migrations[number - 1] ?? '');
      sql.run('INSERT INTO surehook_migrations VALUES (?, ?)', number, now);
    }
    sql.exec('COMMIT');
  } catch (error) {
    rollBack(sql);
    throw error;
  }
}

function rollBack(sql: Statements): void {
  try {
    sql.exec('ROLLBACK');
  } catch {
    // A full disk has ended the transaction already; the error that counts is the first one.
  }
}

function appliedSteps(sql: Statements): number {
  if (sql.get(TABLE) === undefined) return 0;
  const applied = sql.get<{ number: number | null }>(LAST)?.number ?? 0;
  if (applied <= migrations.length) return applied;
  throw new Error(
    `The tables of surehook are at step ${applied}, made by a newer version; this one knows ${migrations.length}`,
  );
}
