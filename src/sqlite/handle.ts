/** What a `DatabaseSync` tells about itself, by means that every Node since 22.13 has. */
import type { DatabaseSync } from 'node:sqlite';
import { isNestedBegin } from './sqlite-errors.ts';
import { Statements } from './statements.ts';

/** The canonical path of a connection's main file; undefined for a database in memory or a temporary one. Throws when the connection is closed. */
export function fileOf(db: DatabaseSync): string | undefined {
  const databases = new Statements(db).all<{ name: string; file: string | null }>('PRAGMA database_list');
  return databases.find(({ name }) => name === 'main')?.file || undefined;
}

/** Whether the connection is in a transaction: it refuses to begin one then. Throws when the connection is closed. */
export function isInTransaction(db: DatabaseSync): boolean {
  const { isTransaction }: { readonly isTransaction?: boolean } = db;
  if (isTransaction !== undefined) return isTransaction;
  try {
    db.exec('BEGIN');
  } catch (error) {
    if (isNestedBegin(error)) return true;
    throw error;
  }
  db.exec('COMMIT');
  return false;
}
