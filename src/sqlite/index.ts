import { DatabaseSync } from 'node:sqlite';
import { type Clock, systemClock } from '../clock.ts';
import { quote } from '../errors.ts';
import type { EventRepo, Repos, StateRepo, WebhookStore } from '../repos.ts';
import { Connection } from './connection.ts';
import { SqliteEventRepo } from './event-repo.ts';
import { hubOf } from './hub.ts';
import { openHome } from './open.ts';
import { SqliteStateRepo } from './state-repo.ts';
import { SqliteWebhookStore } from './webhook-store.ts';

/** How the SQLite repos work. */
export interface SqliteReposOptions {
  /**
   * When a commit is on the disk. `NORMAL`: it survives the end of the process, however sudden, but a power cut or a crash of the
   * operating system can undo the last moments; nothing is ever half stored. `FULL`: it survives those too, and each batch
   * waits for the disk. A database in memory has none.
   * @default 'NORMAL'
   */
  readonly synchronous?: 'NORMAL' | 'FULL';
  /** Measures waits for a lock. @default systemClock */
  readonly clock?: Clock;
}

/** The three SQLite repos; webhooks can be managed through surehook. */
export interface SqliteRepos extends Repos, Disposable {
  readonly webhooks: WebhookStore;
  readonly events: EventRepo;
  readonly state: StateRepo;
  /** Closes what was opened here; a `DatabaseSync` of the host's stays open. Calls after this reject. May be called again. */
  close(): void;
}

/**
 * Repos in an SQLite database, over `node:sqlite`: a path (which is created where there is none), or a `DatabaseSync` of the
 * host's. The tables, named `surehook_…`, are created or brought up to date here and now, which waits a few seconds at most for
 * other processes; throws SQLite's error when that fails.
 *
 * The file is put into WAL mode. For a handle on a file a second connection is opened, so that a transaction of the host's that is
 * left open over an `await` takes nothing of ours with it; a database in memory is shared, and there our writes wait for the end of
 * the host's transaction. Any number of processes of one machine can work on one file, by the machine's clock.
 *
 * `publish(event, { tx })` takes a `DatabaseSync` on the same file that is in a transaction, and joins that.
 *
 * Throws `TypeError` and `RangeError` for wrong arguments.
 */
export function sqliteRepos(database: string | DatabaseSync, options: SqliteReposOptions = {}): SqliteRepos {
  checkDatabase(database);
  const { synchronous = 'NORMAL', clock = systemClock } = checkOptions(options);
  const { home, isOwn } = openHome(database, { synchronous, now: clock.now() });
  const connection = new Connection(home.db, { clock, isOwn });
  const { work, changes } = hubOf(home.file);
  const close = (): void => connection.close();
  return {
    webhooks: new SqliteWebhookStore(connection, changes),
    events: new SqliteEventRepo({ connection, home, listeners: work, clock }),
    state: new SqliteStateRepo(connection, home),
    close,
    [Symbol.dispose]: close,
  };
}

function checkDatabase(database: unknown): void {
  if (database instanceof DatabaseSync) return;
  if (typeof database === 'string' && database !== '') return;
  throw new TypeError(`database must be a path or a DatabaseSync, not ${quote(database)}`);
}

function checkOptions(options: SqliteReposOptions): SqliteReposOptions {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`options must be an object, not ${quote(options)}`);
  }
  const { synchronous, clock }: { synchronous?: unknown; clock?: Partial<Clock> } = options;
  if (synchronous !== undefined && synchronous !== 'NORMAL' && synchronous !== 'FULL') {
    const message = `synchronous must be 'NORMAL' or 'FULL', not ${quote(synchronous)}`;
    throw typeof synchronous === 'string' ? new RangeError(message) : new TypeError(message);
  }
  if (clock !== undefined && (typeof clock?.now !== 'function' || typeof clock.schedule !== 'function')) {
    throw new TypeError(`clock must have now() and schedule(), not ${quote(clock)}`);
  }
  return options;
}
