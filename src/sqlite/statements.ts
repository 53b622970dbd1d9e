import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** A statement that can be told to return arrays: Node 24, and 22 from 22.16 on. */
type ArrayStatement = StatementSync & { setReturnArrays?(enabled: boolean): void };

/** What can be bound to a parameter. */
export type Value = string | number | null | Uint8Array;

/**
 * The prepared statements of one connection, by their text: each is compiled once, at its first use. How the host set up its own
 * connection (64-bit integers, rows as arrays) has no effect on what these return.
 */
export class Statements {
  readonly db: DatabaseSync;
  readonly #prepared = new Map<string, StatementSync>();
  readonly #ofRows = new Map<string, ArrayStatement>();

  constructor(db: DatabaseSync) {
    this.db = db;
  }

  /** Every row. The caller vouches for the columns. */
  all<Row>(sql: string, ...values: readonly Value[]): Row[] {
    return this.#statement(sql).all(...values) as Row[];
  }

  /**
   * Every row as an array of its columns, no two of one name (before 22.16 Node gives objects only): what is read often costs half as much without an
   * object for each row.
   */
  rows<Row extends readonly unknown[]>(sql: string, ...values: readonly Value[]): Row[] {
    let statement = this.#ofRows.get(sql);
    if (statement === undefined) {
      statement = this.db.prepare(sql) as ArrayStatement;
      statement.setReadBigInts(false);
      statement.setReturnArrays?.(true);
      this.#ofRows.set(sql, statement);
    }
    const rows: readonly unknown[] = statement.all(...values);
    return (statement.setReturnArrays === undefined ? rows.map(columnsOf) : rows) as Row[];
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
    const statement: ArrayStatement = this.db.prepare(sql);
    statement.setReadBigInts(false);
    statement.setReturnArrays?.(false);
    this.#prepared.set(sql, statement);
    return statement;
  }
}

function columnsOf(row: unknown): unknown[] {
  return Object.values(row as object);
}
