/**
 * Which events a webhook wants, beside their types: plain data, made of rules about single fields and of combinations of
 * filters. No code, no regular expressions, no coercion.
 *
 *     { all: [
 *       { field: 'data.total', gte: 100 },
 *       { any: [{ field: 'source', eq: 'shop' }, { field: 'headers.x-region', prefix: 'eu-' }] },
 *       { not: { field: 'data.customer.tags', contains: 'internal' } },
 *     ] }
 *
 * `all` of nothing holds, `any` of nothing does not. Filters that come from outside go through `checkFilter`.
 */
export type Filter =
  | FilterRule
  | { readonly all: readonly Filter[] }
  | { readonly any: readonly Filter[] }
  | { readonly not: Filter };

/**
 * What a rule looks at: the event's `type` or `source`, a header (lower case), the whole payload `data`, or a value inside it:
 * names and array indexes joined by dots, such as `data.items.0.sku`. Only own properties count; of an array only its
 * elements. A name that contains a dot cannot be reached.
 */
export type FilterField = 'type' | 'source' | 'data' | `headers.${string}` | `data.${string}`;

/** What a field can be compared with. */
export type FilterScalar = string | number | boolean | null;

/**
 * The operators. A value of another type than the operand never matches, and neither does a field that is missing, save that
 * `ne` and `exists: false` are the exact opposites of `eq` and `exists: true`.
 */
export interface FilterOperators {
  /** Is this very value: same type, same value. Objects and arrays equal nothing. */
  readonly eq: FilterScalar;
  /** Is missing or another value. */
  readonly ne: FilterScalar;
  /** Equals one of these, 1 to 100. */
  readonly in: readonly FilterScalar[];
  /** Whether the field is there at all; null is. */
  readonly exists: boolean;
  /** A string that begins so. */
  readonly prefix: string;
  /** A string that ends so. */
  readonly suffix: string;
  /** A string with this part, or an array with an element equal to this. */
  readonly contains: FilterScalar;
  /** Above: numbers by value, strings by UTF-16 code units (right for ISO 8601 instants in UTC). */
  readonly gt: number | string;
  /** The same, or equal. */
  readonly gte: number | string;
  /** Below. */
  readonly lt: number | string;
  /** Below, or equal. */
  readonly lte: number | string;
}

/** One field and exactly one operator. */
export type FilterRule = {
  [Operator in keyof FilterOperators]: { readonly field: FilterField } & {
    readonly [Name in Operator]: FilterOperators[Operator];
  };
}[keyof FilterOperators];

/** The event as filters see it. */
export interface FilterSubject {
  readonly type: string;
  readonly source?: string | undefined;
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** The payload as its receiver will parse it; asked for only when a rule needs it. `undefined`: there is none. */
  readonly data?: (() => unknown) | undefined;
}

/**
 * Whether the event passes. Never throws and runs no code of the payload's. The cost is bounded by the filter and, for `contains`, by
 * one array or string; the depth of the payload does not matter.
 */
export function matchesFilter(filter: Filter, subject: FilterSubject): boolean {
  if ('field' in filter) return holds(filter, valueAt(filter.field, subject));
  if ('all' in filter) return filter.all.every((part) => matchesFilter(part, subject));
  if ('any' in filter) return filter.any.some((part) => matchesFilter(part, subject));
  return !matchesFilter(filter.not, subject);
}

/** `undefined` stands for a field that is missing: JSON knows no such value. */
function valueAt(field: FilterField, subject: FilterSubject): unknown {
  if (field === 'type') return subject.type;
  if (field === 'source') return subject.source;
  if (field === 'data') return subject.data?.();
  if (field.startsWith('headers.')) return ownValue(subject.headers, field.slice('headers.'.length));
  const [, ...path] = field.split('.');
  return path.reduce(ownValue, subject.data?.());
}

const INDEX = /^(?:0|[1-9]\d*)$/;

function ownValue(holder: unknown, name: string): unknown {
  if (typeof holder !== 'object' || holder === null) return undefined;
  if (Array.isArray(holder) && !INDEX.test(name)) return undefined;
  return Object.getOwnPropertyDescriptor(holder, name)?.value;
}

function holds(rule: FilterRule, value: unknown): boolean {
  if ('eq' in rule) return value === rule.eq;
  if ('ne' in rule) return value !== rule.ne;
  if ('in' in rule) return isScalar(value) && rule.in.includes(value);
  if ('exists' in rule) return (value !== undefined) === rule.exists;
  if ('prefix' in rule) return typeof value === 'string' && value.startsWith(rule.prefix);
  if ('suffix' in rule) return typeof value === 'string' && value.endsWith(rule.suffix);
  if ('contains' in rule) return containsValue(value, rule.contains);
  if ('gt' in rule) return isComparable(value, rule.gt) && value > rule.gt;
  if ('gte' in rule) return isComparable(value, rule.gte) && value >= rule.gte;
  if ('lt' in rule) return isComparable(value, rule.lt) && value < rule.lt;
  return isComparable(value, rule.lte) && value <= rule.lte;
}

function containsValue(value: unknown, part: FilterScalar): boolean {
  if (typeof value === 'string') return typeof part === 'string' && value.includes(part);
  return Array.isArray(value) && value.includes(part);
}

function isScalar(value: unknown): value is FilterScalar {
  return (
    value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
  );
}

function isComparable(value: unknown, operand: number | string): value is number | string {
  return typeof value === typeof operand;
}
