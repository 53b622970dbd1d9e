import fc from 'fast-check';
import { expect, test } from 'vitest';
import { backoffMs, defaultBackoff } from '../../src/domain/backoff.ts';
import { fixedRandom } from './fixed-random.ts';

const middle = fixedRandom(0.5);

test('the first failure is followed by a probe at once, the others by 1 s, 2 s, 4 s and so on up to 10 min', () => {
  const waits = [0, 1, 2, 3, 4, 11, 12, 13].map((failures) => backoffMs(defaultBackoff, failures, middle));
  expect(waits).toEqual([0, 0, 1_000, 2_000, 4_000, 512_000, 600_000, 600_000]);
});

const policies = fc.record({
  baseMs: fc.integer({ min: 0, max: 100_000 }),
  factor: fc.double({ min: 1, max: 100, noNaN: true }),
  maxMs: fc.integer({ min: 0, max: 10_000_000 }),
  jitter: fc.double({ min: 0, max: 1, noNaN: true }),
});
const counts = fc.oneof(
  fc.integer({ min: 0, max: 100 }),
  fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
);

test('without jitter it never falls as failures add up', () => {
  fc.assert(
    fc.property(policies, counts, counts, (policy, a, b) => {
      const steady = { ...policy, jitter: 0 };
      const [fewer, more] = [Math.min(a, b), Math.max(a, b)];
      expect(backoffMs(steady, fewer, middle)).toBeLessThanOrEqual(backoffMs(steady, more, middle));
    }),
  );
});

test('it is a whole number of ms from 0 to the maximum and its jitter, for any number of failures', () => {
  const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(policies, counts, chance, (policy, failures, next) => {
      const wait = backoffMs(policy, failures, fixedRandom(next));
      expect(Number.isSafeInteger(wait)).toBe(true);
      expect(wait).toBeGreaterThanOrEqual(0);
      expect(wait).toBeLessThanOrEqual(Math.ceil(policy.maxMs * (1 + policy.jitter)));
    }),
  );
});
