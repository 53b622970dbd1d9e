import { returnTokens, takeTokens } from '../domain/rate-limit.ts';
import type { TokenGrant, TokenRequest, TokenReturn } from '../repos.ts';

/** When each bucket that was taken from is full again. */
export class TokenBuckets {
  readonly #fullAt = new Map<string, number>();

  /** Grants one wish. */
  take({ bucket, wanted, atLeast, ...limit }: TokenRequest, now: number): TokenGrant {
    const taken = takeTokens(limit, this.#fullAt.get(bucket) ?? now, { now, wanted, atLeast });
    const { granted, fullAt, availableAt } = taken;
    if (granted > 0) this.#fullAt.set(bucket, fullAt);
    return { granted, availableAt };
  }

  /** Puts tokens back. */
  giveBack({ bucket, count, ...rate }: TokenReturn): void {
    const fullAt = this.#fullAt.get(bucket);
    if (fullAt !== undefined) this.#fullAt.set(bucket, returnTokens(rate, fullAt, count));
  }

  /** Forgets up to `limit` buckets that are full, and returns how many those were. */
  prune(now: number, limit: number): number {
    let removed = 0;
    for (const [bucket, fullAt] of this.#fullAt) {
      if (removed === limit) break;
      if (fullAt > now) continue;
      this.#fullAt.delete(bucket);
      removed += 1;
    }
    return removed;
  }
}
