import { invalidInput, numberIn, stringIn } from '../domain/check.ts';
import { InvalidInputError, quote } from '../errors.ts';
import type { PagePosition } from '../repos.ts';

/** One page of a listing. */
export interface Page<T> {
  readonly items: T[];
  /** Give it to the next call for the page after this one; absent on the last page. */
  readonly cursor?: string;
}

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 1_000;
const CURSOR = /^([0-9a-z]{1,11})\.([A-Za-z0-9_-]{1,128})$/;

/** Reads `cursor` and `limit` of a query. Throws `InvalidInputError`. */
export function readPage(given: { readonly cursor?: unknown; readonly limit?: unknown }): {
  readonly after?: PagePosition;
  readonly limit: number;
} {
  const limit =
    given.limit === undefined
      ? DEFAULT_LIMIT
      : numberIn('limit', given.limit, { min: 1, max: MAX_LIMIT, integer: true, refuse: invalidInput });
  return given.cursor === undefined ? { limit } : { limit, after: readCursor(given.cursor) };
}

/** Makes a page of one record more than it holds: whether that one exists tells whether there is a next page. */
export function toPage<Row extends PagePosition, T>(
  rows: readonly Row[],
  limit: number,
  show: (row: Row) => T,
): Page<T> {
  const items = rows.slice(0, limit).map((row) => show(row));
  const last = rows[limit - 1];
  return rows.length > limit && last !== undefined ? { items, cursor: cursorOf(last) } : { items };
}

/** A cursor is a place in the order, in a form that is not meant to be read. */
function cursorOf({ createdAt, id }: PagePosition): string {
  return Buffer.from(`${createdAt.toString(36)}.${id}`).toString('base64url');
}

function readCursor(value: unknown): PagePosition {
  const text = Buffer.from(stringIn('cursor', value, { max: 256 }), 'base64url').toString();
  const [, instant, id] = CURSOR.exec(text) ?? [];
  const createdAt = Number.parseInt(instant ?? '', 36);
  if (id === undefined || !Number.isSafeInteger(createdAt)) {
    throw new InvalidInputError('cursor', `cursor must be one that a listing gave, not ${quote(value)}`);
  }
  return { createdAt, id };
}
