import type { Random } from '../random.ts';
import {
  invalidInput,
  listIn,
  misuse,
  numberIn,
  oneOf,
  plainObject,
  type Refuse,
  type Refusing,
} from './check.ts';
import { grown, jittered } from './delay.ts';
import type { AttemptErrorKind } from './delivery.ts';

/** A retry policy as plain data, so that it can be stored with a webhook. Make one with `retrySchedule` or `retryExponential`. */
export type RetryPolicyData =
  | { readonly kind: 'schedule'; readonly delaysMs: readonly number[]; readonly jitter: number }
  | {
      readonly kind: 'exponential';
      readonly baseMs: number;
      readonly factor: number;
      readonly maxMs: number;
      readonly attempts: number;
      readonly jitter: number;
    };

/** What a retry function may decide by. */
export interface RetryContext {
  readonly eventType: string;
  /** Of the attempt that failed; 0 when there was no response. */
  readonly httpStatus: number;
  /** Why there was no usable response; absent when there was one. */
  readonly errorKind?: AttemptErrorKind;
  /** Since the event was published, ms. */
  readonly elapsedMs: number;
}

/**
 * A retry policy as code: called after a failed attempt with the number of the next one (2 and up), it returns the wait
 * before that in ms, or `undefined` when there is to be none. A function cannot be stored with a webhook.
 */
export type RetryFunction = (attempt: number, context: RetryContext) => number | undefined;

/** How often a delivery is attempted, and when. */
export type RetryPolicy = RetryPolicyData | RetryFunction;

/** The longest wait of a policy: 30 days in ms. */
export const maxRetryDelayMs: number = 30 * 24 * 3_600_000;
const MAX_SCHEDULE_ENTRIES = 100;
const MAX_ATTEMPTS = 1_000;
const MAX_FACTOR = 1_000;
const DEFAULT_JITTER = 0.1;
const DEFAULT_FACTOR = 2;

/** What `retryExponential` takes. */
export interface ExponentialOptions {
  /** The wait before attempt 2, ms: a whole number from 0 to 30 days. */
  readonly baseMs: number;
  /** What each further wait is multiplied by, 1 to 1 000. @default 2 */
  readonly factor?: number;
  /** The longest wait, ms, before jitter: a whole number from `baseMs` to 30 days. */
  readonly maxMs: number;
  /** Attempts in all, 1 to 1 000. */
  readonly attempts: number;
  /** The share by which each wait is made longer or shorter at random, 0 to 1. @default 0.1 */
  readonly jitter?: number;
}

/**
 * A policy of fixed waits: entry n is the wait before attempt n, so that n entries are n attempts. 1 to 100 whole numbers of
 * ms from 0 to 30 days each. `jitter` (0 to 1, default 0.1) is the share by which each wait is made longer or shorter at random.
 * Throws `TypeError` or `RangeError`.
 */
export function retrySchedule(
  delaysMs: readonly number[],
  options: { readonly jitter?: number } = {},
): RetryPolicyData {
  const given = plainObject('options', options, { keys: ['jitter'], refuse: misuse, path: '' });
  const { jitter = DEFAULT_JITTER } = given;
  return parsePolicy('', { kind: 'schedule', delaysMs, jitter }, misuse);
}

/**
 * A policy of growing waits: attempt 1 at once, attempt k + 1 after `baseMs * factor ^ (k - 1)`, at most `maxMs`.
 * Throws `TypeError` or `RangeError`.
 */
export function retryExponential(options: ExponentialOptions): RetryPolicyData {
  const keys = ['baseMs', 'factor', 'maxMs', 'attempts', 'jitter'] as const;
  const given = plainObject('options', options, { keys, refuse: misuse, path: '' });
  const { factor = DEFAULT_FACTOR, jitter = DEFAULT_JITTER, ...rest } = given;
  return parsePolicy('', { ...rest, kind: 'exponential', factor, jitter }, misuse);
}

/** Five attempts: at once, then after 10 s, 1 min, 10 min and 1 h, each wait ±10 %. */
export const defaultRetry: RetryPolicyData = {
  kind: 'schedule',
  delaysMs: [0, 10_000, 60_000, 600_000, 3_600_000],
  jitter: DEFAULT_JITTER,
};

/**
 * The wait in whole ms before attempt `attempt` (1 is the first), jitter included; `undefined` when the policy has no such
 * attempt.
 */
export function delayBefore(policy: RetryPolicyData, attempt: number, random: Random): number | undefined {
  const delayMs = plainDelay(policy, attempt);
  return delayMs === undefined ? undefined : jittered(delayMs, policy.jitter, random);
}

function plainDelay(policy: RetryPolicyData, attempt: number): number | undefined {
  switch (policy.kind) {
    case 'schedule':
      return policy.delaysMs[attempt - 1];
    case 'exponential':
      if (attempt < 1 || attempt > policy.attempts) return undefined;
      return attempt === 1 ? 0 : grown(policy, attempt - 2);
  }
}

/**
 * Reads a policy from outside (an input, a store): plain data with exactly the fields of its kind, all present, within the
 * bounds that the makers enforce. Errors name the path under `field` and are made by `refuse` (default `InvalidInputError`).
 */
export function checkRetryPolicyData(field: string, value: unknown, options: Refusing = {}): RetryPolicyData {
  return parsePolicy(field, value, options.refuse ?? invalidInput);
}

function parsePolicy(field: string, value: unknown, refuse: Refuse): RetryPolicyData {
  const path = (name: string): string => (field === '' ? name : `${field}.${name}`);
  const { kind: givenKind } = plainObject(field, value, { refuse });
  const kind = oneOf(path('kind'), givenKind, { choices: ['schedule', 'exponential'], refuse });
  switch (kind) {
    case 'schedule':
      return parseSchedule(
        path,
        plainObject(field, value, { keys: ['kind', 'delaysMs', 'jitter'], refuse }),
        refuse,
      );
    case 'exponential': {
      const keys = ['kind', 'baseMs', 'factor', 'maxMs', 'attempts', 'jitter'] as const;
      return parseExponential(path, plainObject(field, value, { keys, refuse }), refuse);
    }
  }
}

type Given = Readonly<Record<string, unknown>>;
type Path = (name: string) => string;

function parseSchedule(path: Path, given: Given, refuse: Refuse): RetryPolicyData {
  const delays = listIn(path('delaysMs'), given.delaysMs, { min: 1, max: MAX_SCHEDULE_ENTRIES, refuse });
  const entry = { min: 0, max: maxRetryDelayMs, integer: true, refuse };
  return {
    kind: 'schedule',
    delaysMs: delays.map((delay, index) => numberIn(`${path('delaysMs')}[${index}]`, delay, entry)),
    jitter: numberIn(path('jitter'), given.jitter, { min: 0, max: 1, refuse }),
  };
}

function parseExponential(path: Path, given: Given, refuse: Refuse): RetryPolicyData {
  const wait = { max: maxRetryDelayMs, integer: true, refuse };
  const baseMs = numberIn(path('baseMs'), given.baseMs, { min: 0, ...wait });
  return {
    kind: 'exponential',
    baseMs,
    factor: numberIn(path('factor'), given.factor, { min: 1, max: MAX_FACTOR, refuse }),
    maxMs: numberIn(path('maxMs'), given.maxMs, { min: baseMs, ...wait }),
    attempts: numberIn(path('attempts'), given.attempts, {
      min: 1,
      max: MAX_ATTEMPTS,
      integer: true,
      refuse,
    }),
    jitter: numberIn(path('jitter'), given.jitter, { min: 0, max: 1, refuse }),
  };
}
