const SECONDS_PATTERN = /^[0-9]{1,9}$/;

/** Length of an IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT`. */
const FIXDATE_LENGTH = 29;

/**
 * How long an endpoint asks us to wait, in ms from `now` (epoch ms): the value of `Retry-After` (RFC 9110 10.2.3) as 1 to 9 digits of seconds or
 * as an IMF-fixdate (5.6.7) to come. Anything else, a date that has passed included, asks for nothing: `undefined`. Not
 * clamped.
 */
export function parseRetryAfter(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  if (SECONDS_PATTERN.test(value)) return Number(value) * 1000;
  const at = parseFixdate(value);
  return at !== undefined && at > now ? at - now : undefined;
}

/** `Date.parse` takes almost anything; a date that is written back exactly as it came is an IMF-fixdate, weekday included. */
function parseFixdate(value: string): number | undefined {
  if (value.length !== FIXDATE_LENGTH) return undefined;
  const at = Date.parse(value);
  return !Number.isNaN(at) && new Date(at).toUTCString() === value ? at : undefined;
}
