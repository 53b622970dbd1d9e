import type { Random } from '../random.ts';

/**
 * Chance that is the same on every run with the same seed (any number; its lower 32 bits count). Well mixed, and
 * predictable: never a source of real secrets. The generator is sfc32 (Chris Doty-Humphrey, PractRand).
 */
export function seededRandom(seed: number): Random {
  const next32 = sfc32(seed);
  return {
    next: () => next32() / 2 ** 32,
    bytes: (size) => Uint8Array.from({ length: size }, () => next32() >>> 24),
  };
}

/** How many numbers are thrown away so that close seeds have nothing in common. */
const WARM_UP = 15;

function sfc32(seed: number): () => number {
  let [a, b, c, counter] = [seed | 0, 0x9e3779b9 | 0, 0x243f6a88 | 0, 1];
  const next = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let round = 0; round < WARM_UP; round += 1) next();
  return next;
}
