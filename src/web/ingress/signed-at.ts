import { misuse, numberIn } from '../../domain/check.ts';

const DEFAULT_TOLERANCE_MS = 300_000;
const LONGEST_TOLERANCE_MS = 86_400_000;

/** Digits alone, without leading zeros: one spelling for one instant, and nothing that `parseInt` would read in part. */
const SECONDS = /^[1-9][0-9]{0,11}$/;

/** Whether a text is an instant in epoch seconds that is at most `toleranceMs` before or after `now` (epoch ms), both included. */
export function isTimely(seconds: string, now: number, toleranceMs: number): boolean {
  return SECONDS.test(seconds) && Math.abs(now - Number(seconds) * 1000) <= toleranceMs;
}

/** Reads the option `toleranceMs`. Throws `TypeError` or `RangeError`. */
export function checkTolerance(value: unknown): number {
  if (value === undefined) return DEFAULT_TOLERANCE_MS;
  const bounds = { min: 0, max: LONGEST_TOLERANCE_MS, integer: true };
  return numberIn('toleranceMs', value, { ...bounds, refuse: misuse });
}
