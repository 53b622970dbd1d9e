/**
 * Readers for values that come from outside: options, inputs, rows that a store gives back. Each returns the value it was
 * given, typed, or throws what `refuse` makes, naming the field and quoting the value. None of them coerces, and none runs
 * code of the value: accessors and proxies are refused, only own properties are read, and what is returned of an object or an array is a copy.
 */
import { isProxy } from 'node:util/types';
import { InvalidEventError, InvalidInputError, quote } from '../errors.ts';

/**
 * Makes the error for a refused value. `fault` is `type` when the value is of the wrong kind, `range` when it is of the
 * right kind but its size, form or choice is wrong.
 */
export type Refuse = (field: string, message: string, fault: 'type' | 'range') => Error;

/** Misuse of an option or an argument: `TypeError` or `RangeError`. */
export const misuse: Refuse = (_field, message, fault) =>
  fault === 'type' ? new TypeError(message) : new RangeError(message);

/** A wrong field of a webhook, an id or a query: `InvalidInputError`. The default of every reader. */
export const invalidInput: Refuse = (field, message) => new InvalidInputError(field, message);

/** A wrong field of an event: `InvalidEventError`. */
export const invalidEvent: Refuse = (field, message) => new InvalidEventError(field, message);

/** Who makes the error of a reader; `invalidInput` unless given. */
export interface Refusing {
  readonly refuse?: Refuse;
}

/** What a number must be. */
export interface NumberSpec extends Refusing {
  readonly min: number;
  readonly max: number;
  /** Whole numbers only. */
  readonly integer?: boolean;
}

/** A number from `min` to `max`, both included; never NaN. An infinity passes only where a bound is that infinity. */
export function numberIn(field: string, value: unknown, spec: NumberSpec): number {
  const { min, max, integer = false, refuse = invalidInput } = spec;
  const isNumber = typeof value === 'number';
  if (isNumber && value >= min && value <= max && (!integer || Number.isInteger(value))) return value;
  const kind = integer ? 'a whole number' : 'a number';
  throw refuse(
    field,
    `${field} must be ${kind} from ${min} to ${max}, not ${quote(value)}`,
    isNumber ? 'range' : 'type',
  );
}

/** What a string must be. Lengths count UTF-16 code units. */
export interface StringSpec extends Refusing {
  /** @default 1 */
  readonly min?: number;
  readonly max: number;
  /** Allow tabs and line breaks: for texts that people write. @default false */
  readonly multiline?: boolean;
}

/** C0 and C1 control characters and DEL: NUL breaks stores, line breaks break logs and headers. */
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
const CONTROL_BUT_LINES = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/;

/**
 * A string within its length, without control characters and without lone surrogates (no store can keep those as UTF-8,
 * and two different ids would become one).
 */
export function stringIn(field: string, value: unknown, spec: StringSpec): string {
  const { min = 1, max, multiline = false, refuse = invalidInput } = spec;
  if (typeof value !== 'string') {
    throw refuse(field, `${field} must be a string, not ${quote(value)}`, 'type');
  }
  if (value.length < min || value.length > max) {
    const message = `${field} must have ${min} to ${max} characters, not the ${value.length} of ${quote(value)}`;
    throw refuse(field, message, 'range');
  }
  if ((multiline ? CONTROL_BUT_LINES : CONTROL).test(value) || !value.isWellFormed()) {
    const message = `${field} must not contain control characters or lone surrogates: ${quote(value)}`;
    throw refuse(field, message, 'range');
  }
  return value;
}

/** What a choice must be. */
export interface ChoiceSpec<Choice extends string | number | boolean> extends Refusing {
  readonly choices: readonly Choice[];
}

/** One of the given values, compared with `===`. */
export function oneOf<const Choice extends string | number | boolean>(
  field: string,
  value: unknown,
  spec: ChoiceSpec<Choice>,
): Choice {
  const { choices, refuse = invalidInput } = spec;
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  const message = `${field} must be ${choices.map(quote).join(' or ')}, not ${quote(value)}`;
  throw refuse(field, message, choices.some((choice) => typeof choice === typeof value) ? 'range' : 'type');
}

/** What an object must be. */
export interface ObjectSpec<Key extends string> extends Refusing {
  /** The only names allowed; absent: any name. */
  readonly keys?: readonly Key[];
  /** The path its fields are named under; `''` for the outermost input. @default the object's own field */
  readonly path?: string;
}

/**
 * The own fields of a plain object (its prototype is `Object.prototype` or null), copied into an object without a prototype.
 * Accessors, symbols and names that are not in `keys` are refused.
 */
export function plainObject<Key extends string>(
  field: string,
  value: unknown,
  spec: ObjectSpec<Key> = {},
): { readonly [Name in Key]?: unknown } {
  const { keys, path = field, refuse = invalidInput } = spec;
  if (!isPlainObject(value))
    throw refuse(field, `${field} must be a plain object, not ${quote(value)}`, 'type');
  const copy: Record<string, unknown> = Object.create(null);
  for (const key of Reflect.ownKeys(value)) {
    const name = fieldPath(path, String(key));
    if (typeof key === 'symbol' || (keys !== undefined && !(keys as readonly string[]).includes(key))) {
      const known = keys === undefined ? 'only strings are' : `known are ${keys.join(', ')}`;
      throw refuse(name, `${name} is not a field of ${field}: ${known}`, 'type');
    }
    copy[key] = ownValue(value, key, { field: name, refuse });
  }
  return copy as { readonly [Name in Key]?: unknown };
}

/** How long a list may be. */
export interface ListSpec extends Refusing {
  readonly min: number;
  readonly max: number;
}

/** The elements of an array of `min` to `max` elements, copied. Holes and accessors are refused. */
export function listIn(field: string, value: unknown, spec: ListSpec): unknown[] {
  const { min, max, refuse = invalidInput } = spec;
  if (isProxy(value) || !Array.isArray(value)) {
    throw refuse(field, `${field} must be an array, not ${kindOf(value)}`, 'type');
  }
  const { length } = value;
  if (length < min || length > max) {
    throw refuse(field, `${field} must have ${min} to ${max} elements, not ${length}`, 'range');
  }
  return Array.from({ length }, (_, index) =>
    ownValue(value, String(index), { field: `${field}[${index}]`, refuse }),
  );
}

const FIELD_NAME = /^[\w$-]{1,64}$/;

/** The path of a field inside `path`: `retry.jitter`, or `retry["odd name"]`; the name alone where `path` is empty. */
export function fieldPath(path: string, name: string): string {
  if (!FIELD_NAME.test(name)) return `${path}[${quote(name)}]`;
  return path === '' ? name : `${path}.${name}`;
}

function kindOf(value: unknown): string {
  return isProxy(value) ? 'a proxy' : quote(value);
}

function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || isProxy(value) || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype || isForeignRoot(prototype as object);
}

/** `Object.prototype` of another realm, where the test runners with contexts of their own get some objects from. */
function isForeignRoot(prototype: object): boolean {
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'hasOwnProperty');
}

function ownValue(holder: object, key: string, report: { field: string; refuse: Refuse }): unknown {
  const property = Object.getOwnPropertyDescriptor(holder, key);
  if (property !== undefined && 'value' in property) return property.value;
  const fault = property === undefined ? 'is missing' : 'must be a value, not an accessor';
  throw report.refuse(report.field, `${report.field} ${fault}`, 'type');
}
