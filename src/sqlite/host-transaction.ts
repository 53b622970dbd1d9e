import { DatabaseSync } from 'node:sqlite';
import type { Clock } from '../clock.ts';
import { quote } from '../errors.ts';
import { fileOf, isInTransaction } from './handle.ts';
import { Statements } from './statements.ts';

/** The database that a transaction of the host's must be of. */
export interface Home {
  /** The connection that the repos were given, or their own. */
  readonly db: DatabaseSync;
  /** Undefined for a database in memory, which only its own connection reaches. */
  readonly file: string | undefined;
}

const prepared = new WeakMap<DatabaseSync, Statements>();

/**
 * The statements of the host's connection. Throws `TypeError` unless `tx` is a `DatabaseSync` on the same database that is in a
 * transaction.
 */
export function statementsOf(tx: unknown, home: Home): Statements {
  if (!(tx instanceof DatabaseSync)) {
    throw new TypeError(`tx must be a DatabaseSync that is in a transaction, not ${quote(tx)}`);
  }
  const { file, inTransaction } = lookAt(tx);
  if (tx !== home.db && (file === undefined || file !== home.file)) {
    throw new TypeError('tx must be a DatabaseSync on the same file as the repos; this one is on another');
  }
  if (!inTransaction)
    throw new TypeError('tx must be a DatabaseSync that is in a transaction: BEGIN one first');
  const statements = prepared.get(tx) ?? new Statements(tx);
  prepared.set(tx, statements);
  return statements;
}

/** The same, or `undefined` for what is no transaction here: of another store, or of none. */
export function statementsWithin(tx: unknown, home: Home): Statements | undefined {
  try {
    return statementsOf(tx, home);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

function lookAt(tx: DatabaseSync): { readonly file: string | undefined; readonly inTransaction: boolean } {
  try {
    return { file: fileOf(tx), inTransaction: isInTransaction(tx) };
  } catch (cause) {
    // What SQLite itself says (busy, a full disk) is no mistake of the host's.
    if ((cause as { code?: unknown } | null)?.code !== 'ERR_INVALID_STATE') throw cause;
    throw new TypeError('tx must be an open DatabaseSync that is in a transaction', { cause });
  }
}

/** Runs work inside the host's transaction: when it throws, what it did is undone, and the transaction goes on. */
export function withSavepoint<T>(sql: Statements, work: () => T): T {
  sql.exec('SAVEPOINT surehook');
  try {
    const result = work();
    sql.exec('RELEASE surehook');
    return result;
  } catch (error) {
    undo(sql);
    throw error;
  }
}

function undo(sql: Statements): void {
  try {
    sql.exec('ROLLBACK TO surehook; RELEASE surehook');
  } catch {
    // A full disk or a failed write has ended the whole transaction; the error that counts is the first one.
  }
}

const LONGEST_WAIT_MS = 50;
/** A transaction that is open for longer is found by the poll. */
const PATIENCE_MS = 60_000;

/** Calls `then` once the connection's transaction is over, committed or not: at the next turn of the event loop, then in ever longer steps. */
export function afterTransaction(db: DatabaseSync, clock: Clock, then: () => void): void {
  let [waitedMs, waitMs] = [0, 0];
  const look = (): void => {
    if (!isOver(db)) {
      if (waitedMs >= PATIENCE_MS) return;
      waitedMs += waitMs;
      waitMs = Math.min(waitMs * 2 + 1, LONGEST_WAIT_MS);
      clock.schedule(waitMs, look);
      return;
    }
    then();
  };
  clock.schedule(0, look);
}

function isOver(db: DatabaseSync): boolean {
  try {
    return !isInTransaction(db);
  } catch {
    // Closed, which ends it; or busy, and then somebody else's write comes first.
    return true;
  }
}
