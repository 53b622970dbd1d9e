import type { Statements, Value } from './statements.ts';

/** How many rows one statement stores: calling it costs about as much as storing a row does, and they share that. */
export const ROWS_AT_ONCE = 16;

/** A statement that stores one row, and the same for `ROWS_AT_ONCE`. */
export interface RowsInsert {
  readonly one: string;
  readonly many: string;
  /** Values of a row. */
  readonly width: number;
}

/**
 * An insert of rows that each are `row`, a list of values with parameters among them. It is to be run where a failure is undone with all that came before it. OR FAIL
 * leaves that to the caller: SQLite itself would copy every page before it changes, to be able to undo this statement alone.
 */
export function rowsInsert(into: string, row: string, tail: string = ''): RowsInsert {
  const text = (rows: number): string =>
    `INSERT OR FAIL INTO ${into} VALUES ${Array(rows).fill(row).join(', ')}${tail}`;
  return { one: text(1), many: text(ROWS_AT_ONCE), width: row.split('?').length - 1 };
}

/** Stores rows, given as their values one after the other. Returns how many were stored. */
export function insertRows(
  sql: Statements,
  { one, many, width }: RowsInsert,
  values: readonly Value[],
): number {
  const block = width * ROWS_AT_ONCE;
  let [stored, from] = [0, 0];
  for (; values.length - from >= block; from += block)
    stored += sql.run(many, ...values.slice(from, from + block));
  for (; from < values.length; from += width) stored += sql.run(one, ...values.slice(from, from + width));
  return stored;
}
