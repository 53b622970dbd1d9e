/** What handlers share about the host's part in them. */
import { type Clock, systemClock } from '../clock.ts';
import { quote } from '../errors.ts';

/** Reads a function of the host's that may be left out. Throws `TypeError`. */
export function hook<Hook>(field: string, value: unknown): Hook | undefined {
  if (value === undefined || typeof value === 'function') return value as Hook | undefined;
  throw new TypeError(`${field} must be a function, not ${quote(value)}`);
}

/** Reads the option `clock`; the system clock where there is none. Throws `TypeError`. */
export function checkClock(value: unknown = systemClock): Clock {
  const { now, schedule } = Object(value) as Partial<Record<keyof Clock, unknown>>;
  if (typeof now === 'function' && typeof schedule === 'function') return value as Clock;
  throw new TypeError(`clock must be an object with now and schedule, not ${quote(value)}`);
}

/** Tells the host of an error. Its listener may throw, now or later: that changes no answer. */
export function report(error: unknown, onError: ((error: unknown) => unknown) | undefined): void {
  (async () => onError?.(error))().catch(() => {});
}

/** Ends a request with an answer: thrown by what reads it. */
export class Refusal extends Error {
  readonly answer: Response;

  constructor(answer: Response) {
    super('refused');
    this.answer = answer;
  }
}
