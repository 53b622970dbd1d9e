import { randomFillSync } from 'node:crypto';

/** The source of chance: jitter, ids and secrets. Nothing in the core calls `Math.random` or `crypto` on its own. */
export interface Random {
  /** A number in [0, 1), for jitter. */
  next(): number;
  /** `size` unpredictable bytes, for ids and secrets: a weak source makes weak secrets. */
  bytes(size: number): Uint8Array;
}

const POOL_BYTES = 4096;

/** The real source: the system's cryptographic generator, read in pools because a call for a few bytes is slow. */
export const systemRandom: Random = {
  next: () => Math.random(),
  bytes: pooledBytes(),
};

function pooledBytes(): (size: number) => Uint8Array {
  const pool = new Uint8Array(POOL_BYTES);
  let used = POOL_BYTES;
  return (size) => {
    if (size > POOL_BYTES) return randomFillSync(new Uint8Array(size));
    if (used + size > POOL_BYTES) {
      randomFillSync(pool);
      used = 0;
    }
    used += size;
    return pool.slice(used - size, used);
  };
}
