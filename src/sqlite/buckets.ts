import { returnTokens, takeTokens } from '../domain/rate-limit.ts';
import type { TokenGrant, TokenRequest, TokenReturn } from '../repos.ts';
import type { Statements } from './statements.ts';

const FIND = 'SELECT full_at FROM surehook_buckets WHERE name = ?';
const PUT = `INSERT INTO surehook_buckets (name, full_at) VALUES (?, ?)
  ON CONFLICT (name) DO UPDATE SET full_at = excluded.full_at`;
const PRUNE = `DELETE FROM surehook_buckets WHERE name IN (
  SELECT name FROM surehook_buckets WHERE full_at <= ? ORDER BY full_at LIMIT ?)`;

/** Takes tokens of one bucket, as `StateRepo.takeTokens` says. Must be run in a transaction. */
export function take(sql: Statements, request: TokenRequest, now: number): TokenGrant {
  const { bucket, wanted, atLeast } = request;
  // One that was never seen is full, and so since ever.
  const present = find(sql, bucket) ?? 0;
  const { granted, fullAt, availableAt } = takeTokens(request, present, { now, wanted, atLeast });
  if (granted > 0) sql.run(PUT, bucket, fullAt);
  return { granted, availableAt };
}

/** Puts tokens back. Must be run in a transaction. */
export function giveBack(sql: Statements, { bucket, perMinute, count }: TokenReturn): void {
  const fullAt = find(sql, bucket);
  if (fullAt !== undefined) sql.run(PUT, bucket, returnTokens({ perMinute }, fullAt, count));
}

/** Removes buckets that are full. Returns whether there may be more of them. */
export function pruneBuckets(sql: Statements, now: number, limit: number): boolean {
  return sql.run(PRUNE, now, limit) >= limit;
}

function find(sql: Statements, bucket: string): number | undefined {
  return sql.get<{ full_at: number }>(FIND, bucket)?.full_at;
}
