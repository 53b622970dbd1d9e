import { quote } from '../errors.ts';
import { rowsOf } from './database.ts';
import { errorCode, type PostgresQueryable } from './driver.ts';

/**
 * A transaction of the host's, as `publish({ tx })` takes it: a `pg` client between its `BEGIN` and `COMMIT` is one. For others see
 * `transactionOf`.
 */
export interface PostgresTransaction {
  query(text: string, values?: unknown[]): Promise<{ readonly rows: unknown[] }>;
}

/** What a statement is given for a parameter. */
export type PostgresValue = string | number | null | Uint8Array | (string | number | null)[];

/**
 * Makes a transaction of whatever runs a statement with `$1`, `$2`… parameters in one and resolves to its rows, such as postgres.js:
 *
 *     transactionOf((text, values) => sql.unsafe(text, values))
 *
 * The README has the same for Kysely, Drizzle and Prisma. Make one handle per transaction and use it for all its publishes.
 */
export function transactionOf(
  run: (text: string, values: PostgresValue[]) => PromiseLike<readonly unknown[]>,
): PostgresTransaction {
  return {
    query: async (text, values = []) => ({ rows: [...(await run(text, values as PostgresValue[]))] }),
  };
}

const NO_TRANSACTION = '25P01';

/** Appends of one transaction go one after another: the savepoint of one would otherwise undo the other. */
const turns = new WeakMap<object, Promise<unknown>>();

/**
 * Runs `run` in the host's transaction. When it rejects, what it did is undone and the transaction lives on. Rejects with
 * `TypeError` for what is no transaction.
 */
export async function inTransactionOf<T>(tx: unknown, run: (tx: HostTransaction) => Promise<T>): Promise<T> {
  const handle = checkHandle(tx);
  const result = (turns.get(handle) ?? Promise.resolve()).then(() => behindSavepoint(handle, run));
  turns.set(
    handle,
    result.catch(() => {}),
  );
  return result;
}

/** The host's transaction, from a savepoint on. */
export class HostTransaction {
  readonly #handle: PostgresQueryable;

  constructor(handle: PostgresQueryable) {
    this.#handle = handle;
  }

  /** Runs one statement. When it fails, no other can follow but `undo`. */
  rows<Row>(text: string, values: unknown[]): Promise<readonly Row[]> {
    return rowsOf<Row>(this.#handle, text, values);
  }

  /** Goes back to the savepoint. */
  async undo(): Promise<void> {
    await this.rows('ROLLBACK TO SAVEPOINT surehook_append', []);
  }
}

async function behindSavepoint<T>(
  handle: PostgresQueryable,
  run: (tx: HostTransaction) => Promise<T>,
): Promise<T> {
  const tx = new HostTransaction(handle);
  await save(tx);
  try {
    const result = await run(tx);
    await tx.rows('RELEASE SAVEPOINT surehook_append', []);
    return result;
  } catch (error) {
    await tx.undo().catch(() => {});
    await tx.rows('RELEASE SAVEPOINT surehook_append', []).catch(() => {});
    throw error;
  }
}

async function save(tx: HostTransaction): Promise<void> {
  try {
    await tx.rows('SAVEPOINT surehook_append', []);
  } catch (error) {
    if (errorCode(error) !== NO_TRANSACTION) throw error;
    throw new TypeError('tx is not in a transaction: give the client that ran BEGIN, before its COMMIT', {
      cause: error,
    });
  }
}

function checkHandle(tx: unknown): PostgresQueryable {
  if (typeof tx === 'object' && tx !== null && 'query' in tx && typeof tx.query === 'function') {
    return tx as PostgresQueryable;
  }
  throw new TypeError(
    `tx must be a client of pg in a transaction, or what transactionOf makes, not ${quote(tx)}`,
  );
}
