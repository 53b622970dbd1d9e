import type { Random } from '../../src/random.ts';

/** Chance that always answers `next`, and bytes that count up from 0. */
export function fixedRandom(next: number): Random {
  return { next: () => next, bytes: (size) => Uint8Array.from({ length: size }, (_, index) => index) };
}
