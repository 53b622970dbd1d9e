/**
 * Event types and the patterns that subscribe to them.
 *
 *     type     = segment *( "." segment )       1 to 20 segments, 128 characters in all
 *     segment  = 1*( A-Z / a-z / 0-9 / "_" / "-" )
 *     pattern  = "*" / type / type ".*"         "*" is every type; "invoice.*" is every type below invoice, at any depth,
 *                                               but not the type "invoice" itself
 *
 * Types are compared code point by code point: `Invoice.Paid` is not `invoice.paid`. Only ASCII is allowed, so that no two
 * types look alike. Patterns are never made into regular expressions.
 */
import { InvalidEventError, quote } from '../errors.ts';
import { invalidInput, listIn, type Refusing } from './check.ts';

/** The longest event type, in characters. */
const maxTypeLength: number = 128;
/** The most patterns of one webhook. */
const maxPatterns: number = 100;

const TYPE = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){0,19}$/;
const CATEGORY = '.*';

/** Reads an event type. Throws `InvalidEventError`. */
export function checkEventType(value: unknown): string {
  if (isEventType(value)) return value;
  throw new InvalidEventError(
    'type',
    `type must be 1 to 20 segments of A-Z a-z 0-9 _ - joined by dots, ${maxTypeLength} characters at most, not ${quote(value)}`,
  );
}

/** Whether a value is an event type by the grammar above. */
export function isEventType(value: unknown): value is string {
  return typeof value === 'string' && value.length <= maxTypeLength && TYPE.test(value);
}

/**
 * Reads the patterns of a webhook: 1 to 100 of them; repeated ones are dropped. Throws what `refuse` makes (default
 * `InvalidInputError`), naming the element, such as `events[2]`.
 */
export function checkPatterns(field: string, value: unknown, options: Refusing = {}): readonly string[] {
  const refuse = options.refuse ?? invalidInput;
  const given = listIn(field, value, { min: 1, max: maxPatterns, refuse });
  const patterns = given.map((pattern, index) => {
    if (isPattern(pattern)) return pattern;
    const name = `${field}[${index}]`;
    const message = `${name} must be an event type, a category such as "invoice.*", or "*", not ${quote(pattern)}`;
    throw refuse(name, message, typeof pattern === 'string' ? 'range' : 'type');
  });
  return [...new Set(patterns)];
}

function isPattern(value: unknown): value is string {
  if (typeof value !== 'string') return false;
  return value === '*' || isEventType(value.endsWith(CATEGORY) ? value.slice(0, -CATEGORY.length) : value);
}

/** Whether one of the (checked) patterns covers the (checked) type. */
export function matchesAny(patterns: readonly string[], type: string): boolean {
  for (const pattern of patterns) {
    if (pattern === type || pattern === '*') return true;
    if (pattern.endsWith(CATEGORY) && type.startsWith(pattern.slice(0, -1))) return true;
  }
  return false;
}
