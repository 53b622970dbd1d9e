import { DatabaseSync } from 'node:sqlite';
import { BUSY_TIMEOUT_MS } from './connection.ts';
import { fileOf } from './handle.ts';
import type { Home } from './host-transaction.ts';
import { migrate } from './migrate.ts';
import { isBusy } from './sqlite-errors.ts';
import { Statements } from './statements.ts';

/** How a database is opened. */
export interface Opening {
  readonly synchronous: 'NORMAL' | 'FULL';
  /** Epoch ms. */
  readonly now: number;
}

/** How long opening waits for other processes, blocking: in tries of this length. */
const OPENING_TIMEOUT_MS = 100;
const TRIES = 50;

/** A checkpoint per 16 MB of log, where the pages that every batch writes have been written often; and 8 MB of pages in memory. */
const TUNING = 'PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = -8000';

/** Opens the connection to work on, with all tables. `isOwn`: opened here, to be closed by us. */
export function openHome(
  database: string | DatabaseSync,
  opening: Opening,
): { readonly home: Home; readonly isOwn: boolean } {
  const file = typeof database === 'string' ? database : fileOf(database);
  if (file === undefined && typeof database !== 'string') {
    migrate(new Statements(database), opening.now);
    return { home: { db: database, file }, isOwn: false };
  }
  const db = new DatabaseSync(file ?? ':memory:');
  try {
    prepare(db, opening);
    return { home: { db, file: fileOf(db) }, isOwn: true };
  } catch (error) {
    db.close();
    throw error;
  }
}

function prepare(db: DatabaseSync, { synchronous, now }: Opening): void {
  db.exec(`PRAGMA busy_timeout = ${OPENING_TIMEOUT_MS}; PRAGMA synchronous = ${synchronous}`);
  patiently(() => {
    db.exec('PRAGMA journal_mode = WAL');
    migrate(new Statements(db), now);
  });
  db.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}; ${TUNING}`);
}

/** SQLite answers some clashes at once, without waiting for its time-out. */
function patiently(attempt: () => void): void {
  const nobodysLock = new Int32Array(new SharedArrayBuffer(4));
  for (let tries = 1; ; tries += 1) {
    try {
      attempt();
      return;
    } catch (error) {
      if (!isBusy(error) || tries >= TRIES) throw error;
    }
    Atomics.wait(nobodysLock, 0, 0, BUSY_TIMEOUT_MS);
  }
}
