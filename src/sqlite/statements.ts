import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** What can be bound to a parameter. */
export type Value = string | number | null | Uint8Array;

/**
 * The prepared statements of one connection, by their text: each is compiled once, at its first use. How the host set up its own
 * connection (64-bit integers, rows as arrays) has no effect on what these return.
 */
export class Statements {
  readonly db: DatabaseSync;
  readonly #prepared = new Map<string, StatementSync>();

  constructor(db: DatabaseSync) {
    this.db = db;
  }

  /** Every row. The caller vouches for the columns. */
  all<Row>(sql: string, ...values: readonly Value[]): Row[] {
    return this.#statement(sql).all(...values) as Row[];
  }

  /** The first row, if there is one. */
  get<Row>(sql: string, ...values: readonly Value[]): Row | undefined {
    return this.#statement(sql).get(...values) as Row | undefined;
  }

  /** Runs a statement without rows; returns how many rows it changed. */
  run(sql: string, ...values: readonly Value[]): number {
    return Number(this.#statement(sql).run(...values).changes);
  }

  /** Runs statements that need no preparing: transactions and pragmas. */
  exec(sql: string): void {
    this.db.exec(sql);
  }

  #statement(sql: string): StatementSync {
    const known = this.#prepared.get(sql);
    if (known !== undefined) return known;
    const statement: StatementSync & { setReturnArrays?(enabled: boolean): void } = this.db.prepare(sql);
    statement.setReadBigInts(false);
    statement.setReturnArrays?.(false);
    this.#prepared.set(sql, statement);
    return statement;
  }
}
