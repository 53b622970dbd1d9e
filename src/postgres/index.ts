import type { Clock } from '../clock.ts';
import { systemClock } from '../clock.ts';
import { quote } from '../errors.ts';
import type { Repos, WebhookStore } from '../repos.ts';
import type { PostgresPool } from './driver.ts';
import { openRepos } from './open.ts';
import { checkSchema } from './schema-name.ts';
import { tablesOf } from './tables.ts';

export type { NamedStatement, PostgresClient, PostgresPool, PostgresQueryable } from './driver.ts';
export { type MigrateResult, migrate } from './migrate.ts';
export { type PostgresTransaction, type PostgresValue, transactionOf } from './transaction.ts';

/** How the PostgreSQL repos work. */
export interface PostgresReposOptions {
  /**
   * The schema that `migrate` made: 1 to 63 of `A-Z a-z 0-9 _`.
   * @default 'surehook'
   */
  readonly schema?: string;
  /**
   * Wake-ups across processes by LISTEN and NOTIFY, which take one connection of the pool while surehook runs. Turn them off behind a PgBouncer in transaction
   * mode: processes then find each other's work by their polls.
   * @default true
   */
  readonly notifications?: boolean;
  /**
   * Connections keep what they have parsed and planned, which about halves what a statement costs the server. Turn it off behind a PgBouncer in
   * transaction mode that does not carry prepared statements (before 1.21, or with `max_prepared_statements = 0`).
   * @default as `notifications`
   */
  readonly preparedStatements?: boolean;
  /**
   * Paces the attempts to get the LISTEN connection back.
   * @default the system's clock
   */
  readonly clock?: Clock;
  /** Told of errors of idle connections and of the LISTEN connection, which are survived. */
  readonly onError?: (error: unknown) => void;
}

/** The three repos on PostgreSQL; webhooks can be managed through surehook. */
export interface PostgresRepos extends Repos {
  readonly webhooks: WebhookStore;
  /** Gives the LISTEN connection back. The pool stays open: it is the host's. */
  close(): Promise<void>;
}

/**
 * Repos in a PostgreSQL database (15 or newer) through a `Pool` of `pg`, or a single `Client`, connected, that nobody else uses. Run
 * `migrate` first. Due times and leases are judged by the server's clock. Throws `TypeError` or `RangeError` for wrong options.
 */
export function postgresRepos(pool: PostgresPool, options: PostgresReposOptions = {}): PostgresRepos {
  const {
    notifications = true,
    preparedStatements = notifications,
    clock = systemClock,
    onError = () => {},
  } = options;
  const schema = checkSchema(options.schema);
  checkPool(pool);
  if (typeof notifications !== 'boolean') {
    throw new TypeError(`notifications must be true or false, not ${quote(notifications)}`);
  }
  if (typeof preparedStatements !== 'boolean') {
    throw new TypeError(`preparedStatements must be true or false, not ${quote(preparedStatements)}`);
  }
  if (typeof onError !== 'function') throw new TypeError(`onError must be a function, not ${quote(onError)}`);
  return openRepos(pool, tablesOf(schema), { notifications, preparedStatements, clock, onError });
}

function checkPool(pool: unknown): void {
  const isPool =
    typeof pool === 'object' &&
    pool !== null &&
    typeof Reflect.get(pool, 'query') === 'function' &&
    typeof Reflect.get(pool, 'connect') === 'function';
  if (!isPool) throw new TypeError(`pool must be a Pool or a Client of pg, not ${quote(pool)}`);
}
