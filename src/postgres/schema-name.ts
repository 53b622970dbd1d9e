import { quote } from '../errors.ts';

/** The schema that is used unless told otherwise. */
const defaultSchema: string = 'surehook';

/** Plain characters only, at most 63 bytes: the longest name that PostgreSQL keeps whole. */
const PLAIN = /^[A-Za-z_][A-Za-z0-9_]{0,62}$/;

/** Reads the option `schema`. Throws `TypeError` or `RangeError`. */
export function checkSchema(value: unknown): string {
  if (value === undefined) return defaultSchema;
  if (typeof value !== 'string') throw new TypeError(`schema must be a string, not ${quote(value)}`);
  if (PLAIN.test(value) && !value.toLowerCase().startsWith('pg_')) return value;
  throw new RangeError(
    `schema must be 1 to 63 of A-Z a-z 0-9 _, not begin with a digit or "pg_", not ${quote(value)}`,
  );
}

/** A checked name as statements have it: in quotes, so that its case counts and no keyword is one. */
export function quoted(name: string): string {
  return `"${name}"`;
}
