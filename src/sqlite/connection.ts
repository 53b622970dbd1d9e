import type { DatabaseSync } from 'node:sqlite';
import { type Clock, sleep } from '../clock.ts';
import { isBusy, isNestedBegin } from './sqlite-errors.ts';
import { Statements } from './statements.ts';

/** How long a call waits for the lock before it rejects, ms. */
const PATIENCE_MS = 4_000;
const FIRST_WAIT_MS = 1;
const LONGEST_WAIT_MS = 32;
/** How long SQLite itself waits, blocking the event loop, ms. */
export const BUSY_TIMEOUT_MS = 10;

/** Whose a connection is. */
export interface Ownership {
  readonly clock: Clock;
  /** Ours alone: closed by us. Otherwise the host works on it too, and its transactions must not be mixed with ours. */
  readonly isOwn: boolean;
}

/**
 * One connection and the way we write on it: every batch is one transaction that takes the write lock at its beginning, and is
 * rolled back in whole when anything in it fails. A batch runs in one go, without an await, so that no other call comes between.
 * Where the lock is taken the call waits without blocking the event loop, and rejects with SQLite's own error in the end.
 */
export class Connection {
  readonly statements: Statements;
  readonly #clock: Clock;
  readonly #isOwn: boolean;
  #isClosed = false;

  constructor(db: DatabaseSync, { clock, isOwn }: Ownership) {
    this.statements = new Statements(db);
    this.#clock = clock;
    this.#isOwn = isOwn;
  }

  /** Runs statements that only read. More than one see one state only where nobody else writes. */
  async read<T>(work: (statements: Statements) => T): Promise<T> {
    return this.#patiently(() => work(this.statements));
  }

  /** Runs a batch in a transaction of its own. */
  async write<T>(work: (statements: Statements) => T): Promise<T> {
    return this.#patiently(() => this.#transaction(work));
  }

  /** Closes a connection of our own; calls after this reject. May be called again. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#isOwn) this.statements.db.close();
  }

  /** Repeats what came to nothing because the lock was taken. */
  async #patiently<T>(attempt: () => T): Promise<T> {
    let waitMs = FIRST_WAIT_MS;
    for (let waitedMs = 0; ; waitedMs += waitMs + BUSY_TIMEOUT_MS) {
      if (this.#isClosed) throw new Error('These SQLite repos are closed');
      try {
        return attempt();
      } catch (error) {
        if (waitedMs >= PATIENCE_MS || !(isBusy(error) || isNestedBegin(error))) throw error;
      }
      await sleep(this.#clock, waitMs);
      waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
    }
  }

  #transaction<T>(work: (statements: Statements) => T): T {
    this.#begin();
    try {
      const result = work(this.statements);
      this.statements.exec('COMMIT');
      return result;
    } catch (error) {
      this.#rollBack();
      throw error;
    }
  }

  #begin(): void {
    try {
      this.statements.exec('BEGIN IMMEDIATE');
    } catch (error) {
      // On a connection of our own only a transaction that could not be rolled back can still be open.
      if (!(this.#isOwn && isNestedBegin(error))) throw error;
      this.statements.exec('ROLLBACK');
      this.statements.exec('BEGIN IMMEDIATE');
    }
  }

  #rollBack(): void {
    try {
      this.statements.exec('ROLLBACK');
    } catch {
      // A full disk or a failed write has ended the transaction already; the error that counts is the first one.
    }
  }
}
