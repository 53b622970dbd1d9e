import {
  errorCode,
  errorConstraint,
  type PostgresClient,
  type PostgresPool,
  type PostgresQueryable,
} from './driver.ts';
import { nameOf } from './statement-names.ts';

/** Conflicts between transactions that running again resolves: serialization failure, deadlock. */
const PASSING: readonly string[] = ['40001', '40P01'];
const RUNS = 5;

/** Runs statements on a pool, or, one at a time, on a single client. */
export class Database {
  readonly #pool: PostgresPool;
  /** Set for a single client: settles when the work before is done, for no other statement may come into a transaction. */
  #turn: Promise<unknown> | undefined;
  readonly #onError: (error: unknown) => void;
  readonly #prepares: boolean;

  /** `prepares`: connections keep what they have parsed and planned. */
  constructor(pool: PostgresPool, onError: (error: unknown) => void, prepares: boolean = false) {
    this.#pool = pool;
    this.#prepares = prepares;
    this.#turn = isSingleClient(pool) ? Promise.resolve() : undefined;
    this.#onError = onError;
    // The server ends idle connections when it stops: without a listener that would end the process.
    pool.on?.('error', onError);
    lending(pool).on?.('acquire', this.#guard);
  }

  /** Runs one statement, as a transaction of its own; again where it met a passing conflict. */
  rows<Row>(text: string, values: unknown[]): Promise<readonly Row[]> {
    const on = this.#preparing(this.#pool);
    return this.#inTurn(() => runAgain(() => rowsOf(on, text, values)));
  }

  /** Runs several statements as one transaction; again where it met a passing conflict. */
  transaction<T>(run: (tx: PostgresQueryable) => Promise<T>): Promise<T> {
    return this.#inTurn(() => runAgain(() => this.#transaction(run)));
  }

  /** A connection for as long as the caller wants, and what gives it back (broken or not). */
  async borrow(): Promise<{ client: PostgresClient; giveBack: (isBroken: boolean) => void }> {
    if (this.#turn !== undefined)
      return { client: this.#pool as PostgresQueryable as PostgresClient, giveBack: () => {} };
    const client = (await this.#pool.connect()) as PostgresClient;
    client.on?.('error', this.#onError);
    return {
      client,
      giveBack: (isBroken) => {
        client.removeListener?.('error', this.#onError);
        client.release?.(isBroken);
      },
    };
  }

  /** Stops listening to the pool, which stays open. */
  detach(): void {
    this.#pool.removeListener?.('error', this.#onError);
    lending(this.#pool).removeListener?.('acquire', this.#guard);
  }

  /**
   * A pool takes its own listener off the connection that it lends, and the borrower can put one on only once its promise has resolved. The server
   * may end the connection in the very packet that made it ready, and an error without a listener would end the process.
   */
  readonly #guard = (client: PostgresClient): void => {
    client.on?.('error', this.#onError);
    queueMicrotask(() => client.removeListener?.('error', this.#onError));
  };

  async #transaction<T>(run: (tx: PostgresQueryable) => Promise<T>): Promise<T> {
    const { client, giveBack } = await this.borrow();
    let isBroken = true;
    try {
      await client.query('BEGIN ISOLATION LEVEL READ COMMITTED');
      const result = await run(this.#preparing(client));
      await client.query('COMMIT');
      isBroken = false;
      return result;
    } catch (error) {
      isBroken = !(await rolledBack(client));
      throw withoutContents(error);
    } finally {
      giveBack(isBroken);
    }
  }

  /** The same connection or pool, where every statement is one that it keeps. */
  #preparing(on: PostgresPool | PostgresClient): PostgresQueryable {
    if (!this.#prepares) return on;
    const { query } = on as PostgresPool;
    return { query: (text, values) => query.call(on, { name: nameOf(text), text }, values) };
  }

  async #inTurn<T>(run: () => Promise<T>): Promise<T> {
    if (this.#turn === undefined) return run();
    const result = this.#turn.then(run);
    this.#turn = result.catch(() => {});
    return result;
  }
}

/** Runs one statement on whatever can. */
export function rowsOf<Row>(on: PostgresQueryable, text: string, values: unknown[]): Promise<readonly Row[]> {
  return rowsFrom(() => on.query(text, values));
}

async function rowsFrom<Row>(query: () => Promise<{ readonly rows: unknown[] }>): Promise<readonly Row[]> {
  try {
    const { rows } = await query();
    return rows as readonly Row[];
  } catch (error) {
    throw withoutContents(error);
  }
}

async function runAgain<T>(run: () => Promise<T>): Promise<T> {
  for (let runs = 1; ; runs += 1) {
    try {
      return await run();
    } catch (error) {
      if (runs >= RUNS || !PASSING.includes(errorCode(error) ?? '')) throw error;
    }
  }
}

async function rolledBack(client: PostgresClient): Promise<boolean> {
  try {
    await client.query('ROLLBACK');
    return true;
  } catch {
    return false;
  }
}

/** The server, or a library around the driver, puts whole rows and parameters, secrets included, into these fields of its errors. */
const FIELDS_WITH_CONTENTS: readonly string[] = [
  'detail',
  'where',
  'internalQuery',
  'parameters',
  'args',
  'query',
  'params',
];
const DEEPEST = 5;

/** Of an error that wraps another only the other: Drizzle puts all parameters into the message of its own. */
function withoutContents(thrown: unknown): unknown {
  let error = thrown;
  for (let depth = 0; depth < DEEPEST && error instanceof Error && error.cause instanceof Error; depth += 1)
    error = error.cause;
  if (typeof error !== 'object' || error === null) return error;
  let isClean = true;
  for (const field of FIELDS_WITH_CONTENTS)
    if (Object.hasOwn(error, field)) isClean = Reflect.deleteProperty(error, field) && isClean;
  return isClean ? error : retold(error);
}

/** For errors that do not let go of a field, such as those of postgres.js. */
function retold(error: object): Error {
  const told = new Error('message' in error ? String(error.message) : 'a statement failed');
  return Object.assign(told, { code: errorCode(error), constraint: errorConstraint(error) });
}

/** What a pool of `pg` tells besides. */
interface Lending {
  on?(event: 'acquire', listener: (client: PostgresClient) => void): unknown;
  removeListener?(event: 'acquire', listener: (client: PostgresClient) => void): unknown;
}

function lending(pool: PostgresQueryable): Lending {
  return pool as Lending;
}

/** A `pg` `Client` lends nothing, it is the connection; unlike a pool it can quote literals. */
function isSingleClient(pool: PostgresPool): boolean {
  return 'escapeLiteral' in pool;
}
