import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  checkRetryPolicyData,
  defaultRetry,
  delayBefore,
  type ExponentialOptions,
  maxRetryDelayMs,
  type RetryPolicyData,
  retryExponential,
  retrySchedule,
} from '../../src/domain/retry-policy.ts';
import { InvalidInputError } from '../../src/errors.ts';
import { fixedRandom } from './fixed-random.ts';

const middle = fixedRandom(0.5);

function delays(policy: RetryPolicyData, upTo: number): (number | undefined)[] {
  return Array.from({ length: upTo }, (_, index) => delayBefore(policy, index + 1, middle));
}

test('the default is five attempts at 0 s, 10 s, 1 min, 10 min and 1 h', () => {
  expect(delays(defaultRetry, 6)).toEqual([0, 10_000, 60_000, 600_000, 3_600_000, undefined]);
  expect(checkRetryPolicyData('retry', defaultRetry)).toEqual(defaultRetry);
});

test('a schedule of n entries is n attempts', () => {
  expect(delays(retrySchedule([5, 0, 7]), 4)).toEqual([5, 0, 7, undefined]);
});

test('an exponential policy starts at once, grows by its factor and stops growing at its maximum', () => {
  const policy = retryExponential({ baseMs: 100, factor: 3, maxMs: 1_000, attempts: 6 });
  expect(delays(policy, 7)).toEqual([0, 100, 300, 900, 1_000, 1_000, undefined]);
});

test('its defaults are factor 2 and jitter 0.1', () => {
  const policy = { kind: 'exponential', baseMs: 1, factor: 2, maxMs: 10, attempts: 3, jitter: 0.1 };
  expect(retryExponential({ baseMs: 1, maxMs: 10, attempts: 3 })).toEqual(policy);
});

test('a thousand attempts with the largest factor do not overflow', () => {
  const steep = retryExponential({ baseMs: 1, factor: 1_000, maxMs: maxRetryDelayMs, attempts: 1_000 });
  expect(delayBefore(steep, 1_000, middle)).toBe(maxRetryDelayMs);
  const none = retryExponential({ baseMs: 0, factor: 1_000, maxMs: 5, attempts: 1_000 });
  expect(delayBefore(none, 1_000, middle)).toBe(0);
});

test('there is no attempt 0, and none between two', () => {
  const exponential = retryExponential({ baseMs: 1, maxMs: 1, attempts: 3 });
  for (const policy of [defaultRetry, exponential]) {
    expect(delayBefore(policy, 0, middle)).toBeUndefined();
    expect(delayBefore(policy, -1, middle)).toBeUndefined();
  }
});

test('the jitter reaches exactly from minus to plus its share', () => {
  const policy = retrySchedule([1_000], { jitter: 0.25 });
  expect(delayBefore(policy, 1, fixedRandom(0))).toBe(750);
  expect(delayBefore(policy, 1, middle)).toBe(1_000);
  expect(delayBefore(policy, 1, fixedRandom(1 - Number.EPSILON))).toBe(1_250);
});

const schedule = fc
  .record({
    delaysMs: fc.array(fc.integer({ min: 0, max: maxRetryDelayMs }), { minLength: 1, maxLength: 100 }),
    jitter: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ delaysMs, jitter }) => retrySchedule(delaysMs, { jitter }));
const exponential = fc
  .record({
    baseMs: fc.integer({ min: 0, max: 1_000_000 }),
    factor: fc.double({ min: 1, max: 1_000, noNaN: true }),
    maxMs: fc.integer({ min: 1_000_000, max: maxRetryDelayMs }),
    attempts: fc.integer({ min: 1, max: 1_000 }),
    jitter: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(retryExponential);
const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

test('every wait is a whole number of ms within the jitter of the unjittered one', () => {
  const attempt = fc.integer({ min: 1, max: 1_000 });
  fc.assert(
    fc.property(fc.oneof(schedule, exponential), attempt, chance, (policy, n, next) => {
      const wait = delayBefore(policy, n, fixedRandom(next));
      const plain = delayBefore({ ...policy, jitter: 0 }, n, middle);
      if (plain === undefined) {
        expect(wait).toBeUndefined();
        return;
      }
      expect(Number.isSafeInteger(wait)).toBe(true);
      // Both are rounded, by half a ms at most; what the unjittered one lost is spread like the rest of it.
      const [least, most] = [1 - policy.jitter, 1 + policy.jitter];
      expect(wait).toBeGreaterThanOrEqual(Math.max(0, (plain - 0.5) * least - 0.5));
      expect(wait).toBeLessThanOrEqual((plain + 0.5) * most + 0.5);
    }),
  );
});

test('what the makers return survives JSON and the check', () => {
  fc.assert(
    fc.property(fc.oneof(schedule, exponential), (policy) => {
      expect(checkRetryPolicyData('retry', JSON.parse(JSON.stringify(policy)))).toEqual(policy);
    }),
  );
});

test('a schedule does not follow later changes of the array it was made from', () => {
  const waits = [1, 2];
  const policy = retrySchedule(waits);
  waits[0] = 99;
  expect(delayBefore(policy, 1, middle)).toBe(1);
});

describe('what the makers refuse', () => {
  const good: ExponentialOptions = { baseMs: 1, maxMs: 10, attempts: 3 };
  const cases: readonly [string, string, typeof TypeError | typeof RangeError, () => unknown][] = [
    ['delaysMs', '"soon"', TypeError, () => retrySchedule('soon' as never)],
    ['delaysMs', '0', RangeError, () => retrySchedule([])],
    ['delaysMs', '101', RangeError, () => retrySchedule(Array(101).fill(0))],
    ['delaysMs[1]', '-1', RangeError, () => retrySchedule([0, -1])],
    ['delaysMs[0]', '1.5', RangeError, () => retrySchedule([1.5])],
    ['delaysMs[0]', 'NaN', RangeError, () => retrySchedule([Number.NaN])],
    ['delaysMs[0]', '2592000001', RangeError, () => retrySchedule([maxRetryDelayMs + 1])],
    ['delaysMs[0]', '"5"', TypeError, () => retrySchedule(['5' as never])],
    ['delaysMs[0]', '5n', TypeError, () => retrySchedule([5n as never])],
    ['delaysMs[0]', 'missing', TypeError, () => retrySchedule(new Array(1))],
    ['jitter', '1.1', RangeError, () => retrySchedule([0], { jitter: 1.1 })],
    ['jitter', '-0.1', RangeError, () => retrySchedule([0], { jitter: -0.1 })],
    ['jitter', 'null', TypeError, () => retrySchedule([0], { jitter: null as never })],
    ['jiter', 'jitter', TypeError, () => retrySchedule([0], { jiter: 1 } as never)],
    ['options', 'undefined', TypeError, () => retryExponential(undefined as never)],
    ['baseMs', '-1', RangeError, () => retryExponential({ ...good, baseMs: -1 })],
    ['factor', '0.5', RangeError, () => retryExponential({ ...good, factor: 0.5 })],
    ['factor', 'Infinity', RangeError, () => retryExponential({ ...good, factor: Number.POSITIVE_INFINITY })],
    ['maxMs', '10', RangeError, () => retryExponential({ ...good, baseMs: 20 })],
    ['maxMs', 'undefined', TypeError, () => retryExponential({ ...good, maxMs: undefined as never })],
    ['attempts', '0', RangeError, () => retryExponential({ ...good, attempts: 0 })],
    ['attempts', '1001', RangeError, () => retryExponential({ ...good, attempts: 1_001 })],
    ['attempts', '2.5', RangeError, () => retryExponential({ ...good, attempts: 2.5 })],
    ['jitter', '"0"', TypeError, () => retryExponential({ ...good, jitter: '0' as never })],
    ['retries', 'attempts', TypeError, () => retryExponential({ ...good, retries: 1 } as never)],
  ];

  test.each(cases)('%s, with %s in the message (%#)', (field, quoted, Kind, make) => {
    expect(make).toThrow(Kind);
    expect(make).toThrow(field);
    expect(make).toThrow(quoted);
  });
});

describe('what the check of stored data refuses', () => {
  const good = retrySchedule([0, 1]);
  const cases: readonly [unknown, string][] = [
    [null, 'retry'],
    [[], 'retry'],
    [() => 1, 'retry'],
    [{}, 'retry.kind'],
    [{ ...good, kind: 'linear' }, 'retry.kind'],
    [{ kind: 'schedule', delaysMs: [0] }, 'retry.jitter'],
    [{ ...good, jitter: undefined }, 'retry.jitter'],
    [{ ...good, extra: 1 }, 'retry.extra'],
    [{ ...good, baseMs: 1 }, 'retry.baseMs'],
    [{ ...good, delaysMs: [0, '1'] }, 'retry.delaysMs[1]'],
    [JSON.parse('{"kind":"schedule","delaysMs":[0],"jitter":0,"__proto__":{}}'), 'retry.__proto__'],
    [Object.create(good), 'retry'],
    [Object.defineProperty({ ...good }, 'jitter', { get: () => 0 }), 'retry.jitter'],
  ];

  test.each(cases)('%j: the error names %s', (value, field) => {
    const thrown = catchError(() => checkRetryPolicyData('retry', value));
    expect(thrown).toBeInstanceOf(InvalidInputError);
    expect((thrown as InvalidInputError).field).toBe(field);
  });
});

function catchError(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return error;
  }
}
