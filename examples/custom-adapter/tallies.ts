/** What attempts of webhooks came to. */
import type { OutcomeTally } from 'surehook';
import type { Transaction } from './database.ts';
import { type Key, key, keys, type Order, upTo } from './keys.ts';

const BY_PERIOD: Order = ['tallies'];

/** Stores a tally in the place of the earlier one. */
export function putTally(tx: Transaction, tally: OutcomeTally): void {
  const { webhookId, startsAt, writer } = tally;
  const own = keys.tally(webhookId, startsAt, writer);
  tx.put(own, tally);
  tx.put<string>(key(...BY_PERIOD, startsAt, webhookId, writer), own);
}

/** Removes up to `limit` whose period started before an instant, and resolves with how many those were. */
export async function pruneTallies(tx: Transaction, before: number, limit: number): Promise<number> {
  const old = await tx.range<Key<string>>(upTo(BY_PERIOD, before - 1), limit);
  for (const [place, own] of old) {
    tx.delete(place);
    tx.delete(own);
  }
  return old.length;
}
