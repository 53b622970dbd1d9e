import { InvalidInputError, quote } from '../../errors.ts';

const UNITS_MS: ReadonlyMap<string, number> = new Map([
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);
const SPAN = /^(\d{1,9})([smhd])$/;
/** A query turns the `+` of an offset into a space. */
const INSTANT = /^(\d{4}-\d\d-\d\d)(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[-+ ]\d\d:\d\d))?$/;

/** Reads a span such as `90s`, `30m`, `1h` or `7d` as ms; `undefined` where it is none. */
function spanMs(text: string): number | undefined {
  const [, count, unit = ''] = SPAN.exec(text) ?? [];
  const unitMs = UNITS_MS.get(unit);
  return unitMs === undefined ? undefined : Number(count) * unitMs;
}

/** Reads a span as ms. Throws `InvalidInputError`. */
export function readSpan(field: string, text: string): number {
  const ms = spanMs(text);
  if (ms !== undefined) return ms;
  throw new InvalidInputError(field, `${field} must be a span such as "30m" or "7d", not ${quote(text)}`);
}

/** Reads an ISO 8601 instant (a date alone is its midnight in UTC), or a span back from `now`. Throws `InvalidInputError`. */
export function readInstant(field: string, value: unknown, now: number): Date {
  const ms = typeof value === 'string' ? instantMs(value, now) : Number.NaN;
  if (!Number.isNaN(ms)) return new Date(ms);
  throw new InvalidInputError(
    field,
    `${field} must be an instant such as "2026-01-31T12:00:00Z", or a span back from now such as "1h", not ${quote(value)}`,
  );
}

function instantMs(text: string, now: number): number {
  const span = spanMs(text);
  if (span !== undefined) return Math.max(0, now - span);
  const [, day] = INSTANT.exec(text) ?? [];
  if (day === undefined || !exists(day)) return Number.NaN;
  return Date.parse(text.replace(' ', '+'));
}

/** The 30th of February would be read as the 2nd of March. */
function exists(day: string): boolean {
  const ms = Date.parse(day);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(day);
}
