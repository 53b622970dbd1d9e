import { retryExponential, retrySchedule, type SurehookOptions } from '../../src/index.ts';
import { HOUR } from '../engine/harness.ts';

/** The predecessor's waits: the first retry at once, then 10 ms, doubling to 1 h; D is 7 days in both. What has ended is kept, to be looked at weeks later. */
export const likePredecessor: Partial<SurehookOptions> = {
  retry: retrySchedule([0, 0, 10, 20, 40, 80], { jitter: 0 }),
  backoff: { baseMs: 10, factor: 2, maxMs: HOUR, jitter: 0 },
  retention: { deliveredMs: Number.POSITIVE_INFINITY, deadLetterMs: Number.POSITIVE_INFINITY },
};

/** The same for days of failure: more attempts than fit into D. */
export const forDays: Partial<SurehookOptions> = {
  ...likePredecessor,
  retry: retryExponential({ baseMs: 10, factor: 2, maxMs: HOUR, attempts: 1_000, jitter: 0 }),
  pollMs: HOUR,
  leaseMs: 2 * HOUR,
};
