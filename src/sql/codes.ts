/**
 * Small numbers for the closed sets of words that deliveries are made of: shorter rows, shorter indexes, and conditions of
 * partial indexes that no collation can change. A code that was once stored keeps its meaning for ever: add, never renumber.
 */
import type { DeliveryStatus, ExhaustedReason, Queue } from '../domain/delivery.ts';

/** What is stored for each status. `pending`, `delivering` and `failed` are the open ones: 0 to 2. */
export const statusCodes: Readonly<Record<DeliveryStatus, number>> = {
  pending: 0,
  delivering: 1,
  failed: 2,
  delivered: 3,
  exhausted: 4,
  replaying: 5,
};

/** What is stored for each reason. */
export const reasonCodes: Readonly<Record<ExhaustedReason, number>> = {
  'attempts-used-up': 0,
  'webhook-unavailable': 1,
  'webhook-gone': 2,
  'webhook-deleted': 3,
  'at-most-once-failed': 4,
  'outcome-unknown': 5,
  cancelled: 6,
  'not-sendable': 7,
};

/** What is stored for each queue. */
export const queueCodes: Readonly<Record<Queue, number>> = { express: 0, own: 1 };

const STATUSES = byCode(statusCodes);
const REASONS = byCode(reasonCodes);
const QUEUES = byCode(queueCodes);

/** The status of a code. Throws `RangeError` for a number that no version of surehook stored. */
export function statusOfCode(code: number): DeliveryStatus {
  return STATUSES[code] ?? unknownCode('status', code);
}

/** The reason of a code. Throws like `statusOfCode`. */
export function reasonOfCode(code: number): ExhaustedReason {
  return REASONS[code] ?? unknownCode('reason', code);
}

/** The queue of a code. Throws like `statusOfCode`. */
export function queueOfCode(code: number): Queue {
  return QUEUES[code] ?? unknownCode('queue', code);
}

function byCode<Word extends string>(codes: Readonly<Record<Word, number>>): readonly Word[] {
  const words: Word[] = [];
  for (const word in codes) words[codes[word]] = word;
  return words;
}

function unknownCode(what: string, code: number): never {
  throw new RangeError(`The store holds a ${what} ${code}, which this version of surehook does not know`);
}

/** The `wake_at` of a delivery that waits for its turn: later than every instant, so that it stands behind all others of its queue. */
export const HELD_BACK: number = Number.MAX_SAFE_INTEGER;
