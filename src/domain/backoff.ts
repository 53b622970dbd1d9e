import type { Random } from '../random.ts';
import { type Growth, grown, jittered } from './delay.ts';

/** How long a webhook is left alone while it fails, whatever the retry policies of its deliveries say. */
export interface BackoffPolicy extends Growth {
  /** The wait after the second failure in a row, ms. */
  readonly baseMs: number;
  /** What each further failure multiplies the wait by. */
  readonly factor: number;
  /** The longest wait, ms, before jitter. */
  readonly maxMs: number;
  /** The share by which a wait is made longer or shorter at random, 0 to 1. */
  readonly jitter: number;
}

/** 1 s, doubling up to 10 minutes, ±10 %. */
export const defaultBackoff: BackoffPolicy = { baseMs: 1_000, factor: 2, maxMs: 600_000, jitter: 0.1 };

/**
 * The wait in whole ms before the next probe of a webhook that has failed `failures` times in a row. None after the
 * first failure, which may be the event's fault or a moment's; from the second on it grows.
 */
export function backoffMs(policy: BackoffPolicy, failures: number, random: Random): number {
  if (failures <= 1) return 0;
  return jittered(grown(policy, failures - 2), policy.jitter, random);
}
