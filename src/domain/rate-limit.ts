/**
 * A token bucket, kept as one instant (the generic cell rate algorithm): when the bucket will be full again. A bucket that is full needs no
 * record, and what is stored of one is worth nothing once that instant has passed.
 */

/** So many per minute, and so many at once after a pause. */
export interface RateLimit {
  /** Above 0; 0.5 is one in two minutes. */
  readonly perMinute: number;
  /** How many may come at once: a whole number, 1 or more. */
  readonly burst: number;
}

const MINUTE_MS = 60_000;

/** Doubles keep an instant of today to within a quarter of a thousandth of a ms, so a sum of two may be off by that much. */
export const ROUNDING_MS = 0.001;
/** The same where there are so many tokens, or one takes so long, that what they are computed from has no digits to spare. */
export const ROUNDING_TOKENS = 1e-6;

/** How long it takes until there is one more token, ms; not a whole number. */
export function tokenMsOf({ perMinute }: Pick<RateLimit, 'perMinute'>): number {
  return MINUTE_MS / perMinute;
}

/** What was taken of a bucket. */
export interface Taken {
  readonly granted: number;
  /** The instant at which the bucket is full again, after this; as it was where nothing was granted. Not a whole number of ms. */
  readonly fullAt: number;
  /** When `atLeast` can be had, a whole number of ms: `now` where it was. */
  readonly availableAt: number;
}

/**
 * Takes up to `wanted` tokens, or none where fewer than `atLeast` are there. `fullAt` is what is stored of the bucket, at or before `now` for a full one.
 * More than `burst` can never be had at once: `availableAt` is then infinite.
 */
export function takeTokens(
  limit: RateLimit,
  fullAt: number,
  { now, wanted, atLeast }: { readonly now: number; readonly wanted: number; readonly atLeast: number },
): Taken {
  const { burst } = limit;
  const tokenMs = tokenMsOf(limit);
  const from = Math.max(fullAt, now);
  // Rounding must not make of a whole token a little less than one: what is promised for an instant can be had then.
  const slack = Math.max(ROUNDING_TOKENS, ROUNDING_MS / tokenMs);
  const present = Math.min(burst, Math.floor(burst - (from - now) / tokenMs + slack));
  const granted = Math.min(wanted, present);
  if (granted >= atLeast) return { granted, fullAt: from + granted * tokenMs, availableAt: now };
  const availableAt =
    atLeast > burst ? Number.POSITIVE_INFINITY : Math.ceil(from + (atLeast - burst) * tokenMs);
  return { granted: 0, fullAt, availableAt };
}

/** Puts tokens back that were not used. A bucket with too many is simply full. */
export function returnTokens(rate: Pick<RateLimit, 'perMinute'>, fullAt: number, count: number): number {
  return fullAt - count * tokenMsOf(rate);
}
