import { quote } from '../errors.ts';
import { invalidInput, type Refusing } from './check.ts';

/** The end of the year 9999 in epoch ms: the last that ISO 8601 writes with four digits. */
const LATEST = 253_402_300_799_999;

/** Reads a `Date` from 1970 to 9999 as epoch ms. Throws what `refuse` makes (default `InvalidInputError`). */
export function instantOf(field: string, value: unknown, options: Refusing = {}): number {
  const refuse = options.refuse ?? invalidInput;
  const ms = timeOf(value);
  if (ms === undefined) throw refuse(field, `${field} must be a Date, not ${quote(value)}`, 'type');
  if (ms >= 0 && ms <= LATEST) return ms;
  throw refuse(field, `${field} must be a valid Date from 1970 to 9999, not one of ${ms} ms`, 'range');
}

/** The built-in method sees a Date of any realm, and no method that a subclass put in its place. */
function timeOf(value: unknown): number | undefined {
  try {
    return Date.prototype.getTime.call(value);
  } catch {
    return undefined;
  }
}
