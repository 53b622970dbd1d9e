/** Token buckets: of each the instant at which it is full again, and nothing of one that is full. */
import { returnTokens, type TokenGrant, type TokenRequest, type TokenReturn, takeTokens } from 'surehook';
import type { Transaction } from './database.ts';
import { type Key, key, keys, type Order, upTo } from './keys.ts';

const FULL: Order = ['full'];

/** Grants one wish. */
export async function take(
  tx: Transaction,
  { bucket, wanted, atLeast, ...limit }: TokenRequest,
  now: number,
): Promise<TokenGrant> {
  const before = await tx.get(keys.bucket(bucket));
  const { fullAt, ...grant } = takeTokens(limit, before ?? now, { now, wanted, atLeast });
  if (grant.granted > 0) put(tx, bucket, before, fullAt);
  return grant;
}

/** Puts tokens back. */
export async function giveBack(tx: Transaction, { bucket, count, ...rate }: TokenReturn): Promise<void> {
  const before = await tx.get(keys.bucket(bucket));
  if (before !== undefined) put(tx, bucket, before, Math.max(0, returnTokens(rate, before, count)));
}

/** Forgets up to `limit` buckets that are full, and resolves with how many those were. */
export async function pruneBuckets(tx: Transaction, now: number, limit: number): Promise<number> {
  const full = await tx.range(upTo(FULL, now), limit);
  for (const [place, bucket] of full) {
    tx.delete(place);
    tx.delete(keys.bucket(bucket));
  }
  return full.length;
}

function put(tx: Transaction, bucket: string, before: number | undefined, fullAt: number): void {
  tx.move(bucket, before === undefined ? [] : [placeOf(bucket, before)], [placeOf(bucket, fullAt)]);
  tx.put(keys.bucket(bucket), fullAt);
}

function placeOf(bucket: string, fullAt: number): Key<string> {
  return key(...FULL, Math.ceil(fullAt), bucket);
}
