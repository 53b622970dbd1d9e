/** A repo that breaks its contract is a fault of storage, not of the host. */
export function answered<T>(rows: readonly T[], length?: number): readonly T[] {
  if (Array.isArray(rows) && (length === undefined || rows.length === length)) return rows;
  throw new Error('the repo broke its contract: it did not answer with the rows that were asked for');
}
