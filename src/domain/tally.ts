/** What attempts of a webhook came to, counted by quarters of an hour: what its health is told from. */
import type { AttemptErrorKind } from './delivery.ts';

/** The length of a period, ms. */
export const PERIOD_MS = 900_000;

/** How long tallies are kept, ms: the longest window that health can be asked for. */
export const TALLIES_KEPT_MS: number = 7 * 86_400_000;

/** The beginning of the period that an instant lies in, epoch ms. */
export function periodOf(at: number): number {
  return at - (at % PERIOD_MS);
}

/** The last attempt that failed. */
export interface FailureNote {
  /** When it ended, epoch ms. */
  readonly at: number;
  /** 0 when there was no response. */
  readonly httpStatus: number;
  readonly kind?: AttemptErrorKind;
  readonly message?: string;
}

/** What one process saw of one webhook in one period. */
export interface OutcomeTally {
  readonly webhookId: string;
  /** Which process counted, by an id that it takes at its start: a later tally of the same webhook, period and writer takes the earlier one's place. */
  readonly writer: string;
  /** The beginning of the period, epoch ms: see `periodOf`. */
  readonly startsAt: number;
  readonly succeeded: number;
  readonly failed: number;
  /** How many attempts took how long, by `latencyClass`, without trailing zeros. */
  readonly latencies: readonly number[];
  /** When the last success ended, epoch ms. */
  readonly lastSuccessAt?: number;
  readonly lastFailure?: FailureNote;
}

/** Each class reaches this much further than the one before, so that the middle of one is off by a tenth at most, and by the rounding to whole ms. */
const CLASS_FACTOR = 1.2;

/** The class of a duration in ms: up to 1 ms is class 0, above that n reaches up to 1.2 to the power of n; an hour is class 83. */
export function latencyClass(durationMs: number): number {
  return durationMs <= 1 ? 0 : Math.ceil(Math.log(durationMs) / Math.log(CLASS_FACTOR));
}

/**
 * The duration in whole ms that a share (0.95 for 95 %) of the attempts did not exceed, from counts by class: the middle of the class it falls into, at least 1. `undefined`
 * where nothing was counted.
 */
export function percentile(latencies: readonly number[], share: number): number | undefined {
  const total = latencies.reduce((sum, count) => sum + count, 0);
  if (total === 0) return undefined;
  let left = Math.max(1, Math.ceil(total * share));
  for (const [index, count] of latencies.entries()) {
    left -= count;
    if (left <= 0) return index === 0 ? 1 : Math.round(CLASS_FACTOR ** (index - 0.5));
  }
  return undefined;
}
