import { InvalidEventError, quote } from '../errors.ts';
import type { Random } from '../random.ts';
import { invalidInput, type Refusing, stringIn } from './check.ts';

/** What an id names: an event, a delivery, a webhook or a batch. */
export type IdPrefix = 'evt' | 'dlv' | 'whk' | 'bat';

/** Crockford's base 32, in lower case: no i, l, o, u. In ASCII order, so that the text sorts like the number. */
const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';
/** Every pair of digits: ten bits at a time. */
const PAIRS: readonly string[] = Array.from(
  { length: 1024 },
  (_, bits) => DIGITS.charAt(bits >> 5) + DIGITS.charAt(bits & 31),
);
const LATEST = 2 ** 48 - 1;

/**
 * A new id: `evt_` and 26 digits, the first 10 of the instant (48 bits of epoch ms), the other 16 of chance (80 bits). Ids
 * of different milliseconds sort by time, as text and in any store.
 */
export function newId(prefix: IdPrefix, now: number, random: Random): string {
  const bytes = random.bytes(10);
  return `${prefix}_${timeDigits(now)}${fortyBits(bytes, 0)}${fortyBits(bytes, 5)}`;
}

/** The digits of the last instant: many ids are made within one millisecond. */
const last = { now: -1, digits: '' };

function timeDigits(now: number): string {
  if (now !== last.now) {
    last.digits = encodeTime(Math.min(LATEST, Math.max(0, Math.floor(now))));
    last.now = now;
  }
  return last.digits;
}

function encodeTime(ms: number): string {
  let digits = '';
  for (let rest = ms, pairs = 0; pairs < 5; pairs++, rest = Math.floor(rest / 1024)) {
    digits = PAIRS[rest % 1024] + digits;
  }
  return digits;
}

function fortyBits(bytes: Uint8Array, at: number): string {
  const high = ((bytes[at] ?? 0) << 12) | ((bytes[at + 1] ?? 0) << 4) | ((bytes[at + 2] ?? 0) >> 4);
  const low = (((bytes[at + 2] ?? 0) & 15) << 16) | ((bytes[at + 3] ?? 0) << 8) | (bytes[at + 4] ?? 0);
  return `${PAIRS[high >> 10]}${PAIRS[high & 1023]}${PAIRS[low >> 10]}${PAIRS[low & 1023]}`;
}

const EVENT_ID = /^[A-Za-z0-9_-]{1,128}$/;

/**
 * Reads an event id that the host gave: 1 to 128 of `A-Z a-z 0-9 _ -`. No dots, because the signed text joins id, timestamp and body by
 * dots (Standard Webhooks), and nothing that a header, a log or a store could read differently. Throws `InvalidEventError`.
 */
export function checkEventId(value: unknown): string {
  if (typeof value === 'string' && EVENT_ID.test(value)) return value;
  throw new InvalidEventError('id', `id must be 1 to 128 of A-Z a-z 0-9 _ -, not ${quote(value)}`);
}

/** The tenant of whatever is given none. */
export const defaultTenantId = 'default';

/** `*` means every tenant elsewhere; the others are what a missing value becomes when it is put into a string. */
const NO_TENANT: readonly string[] = ['*', 'null', 'undefined'];

/**
 * Reads a tenant id: 1 to 128 characters without control characters, and none of `*`, `null`, `undefined`. Throws what `refuse`
 * makes (default `InvalidInputError`).
 */
export function checkTenantId(field: string, value: unknown, options: Refusing = {}): string {
  const refuse = options.refuse ?? invalidInput;
  const tenantId = stringIn(field, value, { max: 128, refuse });
  if (!NO_TENANT.includes(tenantId)) return tenantId;
  throw refuse(field, `${field} must name one tenant, which ${quote(tenantId)} does not`, 'range');
}
