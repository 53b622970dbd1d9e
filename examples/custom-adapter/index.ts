/**
 * Surehook's three ports over an ordered key-value store: an example to start an adapter of your own from.
 *
 * 1. `store.ts`: what a store must be able to do, and the simplest that can, in memory. Yours takes its place.
 * 2. `database.ts`: transactions over it, one after the other. If several processes share your store, use its own, and
 *    judge due times and leases by its clock (see the ports' comments).
 * 3. `keys.ts`: what is kept where. `places.ts`: where a delivery is found, and the turns of ordering keys.
 * 4. `append.ts`, `claims.ts`, `deliveries.ts`: what becomes of it. `tokens.ts`, `tallies.ts`: what is counted.
 * 5. `events.ts` with `reads.ts`, `webhooks.ts`, `state.ts`: the ports. 6. `check.ts`: whether all of it is right.
 */
import type { Repos, WebhookStore } from 'surehook';
import { Database } from './database.ts';
import { keyValueEvents } from './events.ts';
import { keyValueState } from './state.ts';
import type { KeyValueStore } from './store.ts';
import { keyValueWebhooks } from './webhooks.ts';

/** Repos for one process over this store, which nobody else writes to. Due times and leases are judged by each caller's `now`. */
export function keyValueRepos(store: KeyValueStore): Repos & { readonly webhooks: WebhookStore } {
  const db = new Database(store);
  return { webhooks: keyValueWebhooks(db), events: keyValueEvents(db), state: keyValueState(db) };
}
