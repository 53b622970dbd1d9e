/**
 * The three ports. The engine speaks to storage through these interfaces and nothing else; an adapter that keeps the
 * laws in these comments is correct, and `surehook/testing` tells when it does.
 *
 * - Instants are epoch milliseconds. A caller passes its own `now` and an absolute `leaseUntil`; a store with a clock of
 *   its own (a shared database) judges due times and leases by that clock and takes `leaseUntil - now` as the length of
 *   the lease, so that skew between processes cannot end a lease early.
 * - A method either applies in whole and resolves, or rejects; after a rejection the caller does not know which, and may
 *   call again with the same arguments. Every method but `takeTokens` and `returnTokens` is safe to repeat.
 * - Only `append` (an event with its deliveries) and `settle` (a delivery with its attempt) change more than one record
 *   atomically. Batches otherwise may be applied item by item.
 * - Nothing here speaks SQL. Ids, types and tenants are opaque strings.
 */
import type { EventRepo } from './repos/event-repo.ts';
import type { StateRepo } from './repos/state-repo.ts';
import type { WebhookRepo, WebhookStore } from './repos/webhook-repo.ts';

export type { SettledState } from './domain/delivery.ts';
export type * from './repos/claims.ts';
export type * from './repos/event-repo.ts';
export type * from './repos/state-repo.ts';
export type * from './repos/webhook-repo.ts';

/** The repos that a surehook works on. They may come from different adapters. */
export interface Repos {
  /** A plain `WebhookRepo` is enough to deliver; managing webhooks through surehook needs a `WebhookStore`. */
  readonly webhooks: WebhookRepo | WebhookStore;
  readonly events: EventRepo;
  readonly state: StateRepo;
}
