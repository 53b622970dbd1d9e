import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { type RateLimit, returnTokens, takeTokens } from '../../src/domain/rate-limit.ts';

const START_MS = Date.UTC(2026, 10, 21);
const ONE = { wanted: 1, atLeast: 1 };
/** What rounding may give too early or too late. */
const CRUMB = 1e-3;

const limits: fc.Arbitrary<RateLimit> = fc.record({
  perMinute: fc.oneof(
    fc.double({ min: 0.5, max: 60_000, noNaN: true }),
    fc.constantFrom(0.5, 7, 60, 1_000, 45_000),
  ),
  burst: fc.integer({ min: 1, max: 1_000 }),
});
/** Rates and bursts at which doubles have few digits to spare. */
const extremeLimits: fc.Arbitrary<RateLimit> = fc.record({
  perMinute: fc.oneof(fc.double({ min: 1e-4, max: 1e7, noNaN: true }), fc.constantFrom(1 / 1_440, 1e6)),
  burst: fc.oneof(fc.integer({ min: 1, max: 1e6 }), fc.constantFrom(1, 1e6)),
});
const wish = fc
  .record({ wanted: fc.integer({ min: 1, max: 1_500 }), atLeast: fc.integer({ min: 1, max: 1_500 }) })
  .map(({ wanted, atLeast }) => ({ wanted, atLeast: Math.min(wanted, atLeast) }));
const step = fc.record({ pauseMs: fc.nat({ max: 5_000 }), wish });

/** A bucket with what it remembers. */
class Bucket {
  now: number = START_MS;
  fullAt: number = START_MS;
  readonly limit: RateLimit;

  constructor(limit: RateLimit) {
    this.limit = limit;
  }

  take(wanted: number, atLeast = 1): { readonly granted: number; readonly availableAt: number } {
    const { fullAt, ...taken } = takeTokens(this.limit, this.fullAt, { now: this.now, wanted, atLeast });
    this.fullAt = fullAt;
    return taken;
  }
}

describe('a token bucket', () => {
  it('never grants more than its burst and its rate in any stretch of time', () => {
    fc.assert(
      fc.property(limits, fc.array(step, { maxLength: 40 }), (limit, steps) => {
        const bucket = new Bucket(limit);
        const taken = steps.map(({ pauseMs, wish: { wanted, atLeast } }) => {
          bucket.now += pauseMs;
          return { at: bucket.now, granted: bucket.take(wanted, atLeast).granted };
        });
        for (const [first, { at: from }] of taken.entries()) {
          let sum = 0;
          for (const { at, granted } of taken.slice(first)) {
            sum += granted;
            const most = limit.burst + ((at - from) * limit.perMinute) / 60_000;
            expect(sum).toBeLessThanOrEqual(most + CRUMB);
          }
        }
      }),
    );
  });

  it('loses no token, whatever fractions come in at a time', () => {
    fc.assert(
      fc.property(limits, fc.array(fc.nat({ max: 50 }), { maxLength: 60 }), (limit, pauses) => {
        const bucket = new Bucket({ ...limit, burst: 1_000 });
        let granted = bucket.take(1_000).granted;
        for (const pauseMs of pauses) {
          bucket.now += pauseMs;
          granted += bucket.take(1_000).granted;
        }
        const sum = 1_000 + ((bucket.now - START_MS) * limit.perMinute) / 60_000;
        expect(granted).toBeGreaterThan(sum - 1 - CRUMB);
      }),
    );
  });

  it('grants all, part or nothing, and leaves a bucket alone that grants nothing', () => {
    fc.assert(
      fc.property(limits, fc.array(step, { maxLength: 20 }), (limit, steps) => {
        const bucket = new Bucket(limit);
        for (const {
          pauseMs,
          wish: { wanted, atLeast },
        } of steps) {
          bucket.now += pauseMs;
          const before = bucket.fullAt;
          const { granted, availableAt } = bucket.take(wanted, atLeast);
          if (granted === 0) expect(bucket.fullAt).toBe(before);
          else expect([granted >= atLeast && granted <= wanted, availableAt]).toEqual([true, bucket.now]);
        }
      }),
    );
  });

  it('keeps what it promises for an instant, and promises no later one than there has to be', () => {
    fc.assert(
      fc.property(fc.oneof(limits, extremeLimits), fc.array(step, { maxLength: 20 }), (limit, steps) => {
        const bucket = new Bucket(limit);
        bucket.take(limit.burst);
        for (const {
          pauseMs,
          wish: { wanted, atLeast },
        } of steps) {
          bucket.now += pauseMs;
          const { granted, availableAt } = bucket.take(wanted, atLeast);
          if (granted > 0) continue;
          expect(availableAt > bucket.now).toBe(true);
          expect(availableAt === Number.POSITIVE_INFINITY).toBe(atLeast > limit.burst);
          if (atLeast > limit.burst) continue;
          expect(Number.isInteger(availableAt)).toBe(true);
          const later = { wanted, atLeast, now: availableAt };
          expect(takeTokens(limit, bucket.fullAt, later).granted).toBeGreaterThanOrEqual(atLeast);
          const tooEarly = { ...later, now: availableAt - 2 - Math.ceil(0.12 / limit.perMinute) };
          if (tooEarly.now >= bucket.now) expect(takeTokens(limit, bucket.fullAt, tooEarly).granted).toBe(0);
        }
      }),
    );
  });

  it('takes back what was not used, and is never more than full', () => {
    fc.assert(
      fc.property(limits, wish, fc.nat({ max: 3_000 }), (limit, { wanted }, count) => {
        const bucket = new Bucket(limit);
        const { granted } = bucket.take(wanted);
        bucket.fullAt = returnTokens(limit, bucket.fullAt, count);
        const left = Math.min(limit.burst, limit.burst - granted + count);
        expect(bucket.take(5_000).granted).toBe(left);
        expect(bucket.take(1).granted).toBe(0);
      }),
    );
  });
});

it('grants what it promised of a very large bucket that fills very slowly', () => {
  const bucket = new Bucket({ perMinute: 0.00010000000000000022, burst: 1e6 });
  bucket.take(1e6);
  bucket.now = bucket.take(1).availableAt;
  expect(bucket.take(1).granted).toBe(1);
});

it('grants no more than the burst of a bucket however fast it fills', () => {
  const bucket = new Bucket({ perMinute: 1e9, burst: 3 });
  expect([bucket.take(9).granted, bucket.take(9, 4)]).toEqual([
    3,
    { granted: 0, availableAt: Number.POSITIVE_INFINITY },
  ]);
});

describe('what was taken of a bucket', () => {
  const limit = { perMinute: 60, burst: 3 };
  const now = START_MS;

  test.each([
    ['one of a full bucket', now, ONE, { granted: 1, fullAt: now + 1_000, availableAt: now }],
    ['one of a bucket long full', 0, ONE, { granted: 1, fullAt: now + 1_000, availableAt: now }],
    [
      'all there are',
      now + 1_000,
      { wanted: 9, atLeast: 1 },
      { granted: 2, fullAt: now + 3_000, availableAt: now },
    ],
    [
      'none of an empty bucket',
      now + 3_000,
      ONE,
      { granted: 0, fullAt: now + 3_000, availableAt: now + 1_000 },
    ],
    [
      'none where half of one is there',
      now + 2_500,
      ONE,
      { granted: 0, fullAt: now + 2_500, availableAt: now + 500 },
    ],
    [
      'none where too few are there',
      now + 2_000,
      { wanted: 3, atLeast: 2 },
      { granted: 0, fullAt: now + 2_000, availableAt: now + 1_000 },
    ],
    [
      'none where that can never be',
      now,
      { wanted: 4, atLeast: 4 },
      { granted: 0, fullAt: now, availableAt: Number.POSITIVE_INFINITY },
    ],
    [
      'none by a clock that is behind',
      now + 9_000,
      ONE,
      { granted: 0, fullAt: now + 9_000, availableAt: now + 7_000 },
    ],
  ] as const)('%s', (_, fullAt, { wanted, atLeast }, expected) => {
    expect(takeTokens(limit, fullAt, { now, wanted, atLeast })).toEqual(expected);
  });
});
