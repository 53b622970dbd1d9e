import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/testing/index.ts';

const take = (seed: number, count: number): number[] => {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => random.next());
};

describe('seededRandom', () => {
  it('repeats itself from the same seed, number for number and byte for byte', () => {
    expect(take(42, 100)).toEqual(take(42, 100));
    expect(seededRandom(42).bytes(64)).toEqual(seededRandom(42).bytes(64));
  });

  it('does not change from version to version, so that a failing seed can be replayed', () => {
    expect(take(1, 3)).toMatchInlineSnapshot(`
      [
        0.5150678458157927,
        0.35080243763513863,
        0.09066245891153812,
      ]
    `);
    expect(Buffer.from(seededRandom(1).bytes(8)).toString('hex')).toMatchInlineSnapshot(`"835917081cee5a11"`);
  });

  it('has nothing in common between close seeds', () => {
    const all = [0, 1, 2, 3, -1].flatMap((seed) => take(seed, 200));
    expect(new Set(all).size).toBe(all.length);
  });

  it('gives numbers from 0 up to but not including 1, evenly', () => {
    const numbers = take(7, 20_000);
    expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true);
    for (let tenth = 0; tenth < 10; tenth += 1) {
      const share = numbers.filter((number) => Math.floor(number * 10) === tenth).length / numbers.length;
      expect(share).toBeGreaterThan(0.09);
      expect(share).toBeLessThan(0.11);
    }
  });

  it('gives as many bytes as asked for, of every value', () => {
    const bytes = seededRandom(3).bytes(10_000);
    expect(bytes).toHaveLength(10_000);
    expect(new Set(bytes).size).toBe(256);
    expect(seededRandom(3).bytes(0)).toHaveLength(0);
  });
});
