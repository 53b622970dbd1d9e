import type { Random } from '../random.ts';

/** A wait that grows by a factor with every step, up to a bound. */
export interface Growth {
  readonly baseMs: number;
  readonly factor: number;
  readonly maxMs: number;
}

/** `baseMs * factor ^ steps`, at most `maxMs`, however many steps; in ms, before jitter. */
export function grown(growth: Growth, steps: number): number {
  if (growth.baseMs === 0) return 0; // 0 times an overflowed power is NaN
  return Math.min(growth.maxMs, growth.baseMs * growth.factor ** steps);
}

/**
 * Spreads a wait evenly over ± `jitter` of itself, so that what failed together is not tried together again. Whole ms, never
 * negative; up to `jitter` above any bound that the wait was held to.
 */
export function jittered(delayMs: number, jitter: number, random: Random): number {
  return Math.max(0, Math.round(delayMs * (1 + jitter * (2 * random.next() - 1))));
}
