import type { PublishedEvent } from '../views.ts';

/** What `publish` resolves with. */
export interface Published {
  readonly event: PublishedEvent;
  /** One per webhook that gets it. Those of an unavailable webhook are stored as exhausted, for a later replay. */
  readonly deliveries: readonly { readonly id: string; readonly webhookId: string }[];
  /** Subscribed webhooks that do not get it because their filter, or the `shape` option, says so. For a duplicate 0. */
  readonly filtered: number;
  /** True when an event with this id or `idempotencyKey` and the same content was stored before: it is returned, and nothing was stored. */
  readonly duplicate: boolean;
}

/** How `publish` is made. */
export interface PublishOptions {
  /** The host's own database transaction: the event is stored in it, and exists exactly when it commits. */
  readonly tx?: unknown;
}
