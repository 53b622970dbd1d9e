import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { latencyClass, PERIOD_MS, percentile, periodOf } from '../../src/domain/tally.ts';

const duration = fc.oneof(
  fc.double({ min: 0, max: 3_600_000, noNaN: true }),
  fc.double({ min: 0, max: 50, noNaN: true }),
  fc.nat({ max: 15_000 }),
);
const share = fc.oneof(fc.double({ min: 0.01, max: 1, noNaN: true }), fc.constantFrom(0.5, 0.95, 0.99));

/** Counts by class, as a tally has them. */
function counted(durations: readonly number[]): number[] {
  const counts: number[] = [];
  for (const ms of durations) {
    const index = latencyClass(ms);
    while (counts.length <= index) counts.push(0);
    counts[index] = (counts[index] ?? 0) + 1;
  }
  return counts;
}

describe('a percentile', () => {
  it('is a tenth and a rounding off the exact one at most', () => {
    fc.assert(
      fc.property(fc.array(duration, { minLength: 1, maxLength: 200 }), share, (durations, part) => {
        const sorted = durations.toSorted((a, b) => a - b);
        const exact = sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN;
        const found = percentile(counted(durations), part) ?? Number.NaN;
        expect(Number.isInteger(found)).toBe(true);
        if (exact <= 1) expect(found).toBe(1);
        else expect(Math.abs(found - exact)).toBeLessThanOrEqual(0.1 * exact + 0.5);
      }),
    );
  });

  it.each([[[]], [[0, 0, 0]]])('of nothing is nothing: %j', (latencies) => {
    expect(percentile(latencies, 0.5)).toBeUndefined();
  });

  test.each([
    [[1], 0.5, 1],
    [[1, 0, 0, 0, 0, 0, 0, 0, 0, 1], 0.5, 1],
    [[1, 0, 0, 0, 0, 0, 0, 0, 0, 1], 0.51, 5],
    [[99, 0, 0, 0, 0, 0, 0, 0, 0, 1], 0.99, 1],
    [[99, 0, 0, 0, 0, 0, 0, 0, 0, 1], 1, 5],
  ])('of %j at %d is %d', (latencies, part, expected) => {
    expect(percentile(latencies, part)).toBe(expected);
  });
});

describe('the class of a duration', () => {
  test.each([
    [0, 0],
    [0.3, 0],
    [1, 0],
    [1.1, 1],
    [100, 26],
    [15_000, 53],
    [3_600_000, 83],
  ])('of %d ms is %d', (ms, expected) => {
    expect(latencyClass(ms)).toBe(expected);
  });

  it('rises with it', () => {
    fc.assert(
      fc.property(duration, duration, (a, b) => {
        expect(latencyClass(Math.min(a, b))).toBeLessThanOrEqual(latencyClass(Math.max(a, b)));
      }),
    );
  });
});

describe('the period of an instant', () => {
  it('is the quarter of an hour that it lies in', () => {
    const quarter = Date.UTC(2026, 10, 21, 19, 15);
    const instants = [quarter, quarter + 1, quarter + PERIOD_MS - 1, quarter + PERIOD_MS];
    expect(instants.map(periodOf)).toEqual([quarter, quarter, quarter, quarter + PERIOD_MS]);
  });
});
