import { InvalidEventError } from '../errors.ts';
import { maxDataDepth } from './content.ts';

/**
 * A copy of the plain objects and arrays in a value, which the host may change again at once; what is of a class (dates, maps, models) stays what it is:
 * a schema may ask for the class. What is shared inside stays shared, so that no copy is larger than its original. Throws `InvalidEventError` where it
 * is nested deeper than data may be, and whatever accessors of the host's throw.
 */
export function ownCopy(value: unknown): unknown {
  return copied(value, 0, new Map());
}

function copied(value: unknown, depth: number, made: Map<object, unknown>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const known = made.get(value);
  if (known !== undefined) return known;
  if (depth >= maxDataDepth) {
    throw new InvalidEventError('data', `data is nested more than ${maxDataDepth} deep`);
  }
  const copy = copyOf(value, (inner) => copied(inner, depth + 1, made));
  made.set(value, copy);
  return copy;
}

function copyOf(value: object, inside: (inner: unknown) => unknown): object {
  if (Array.isArray(value)) return Array.from(value, inside);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, inside(inner)]));
}
