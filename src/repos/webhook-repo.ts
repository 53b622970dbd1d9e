/** The port of webhooks. */
import type { WebhookRecord, WebhookStatus } from '../domain/webhook.ts';

/** What the engine needs of webhooks. A host that keeps its own webhooks table implements this and no more. */
export interface WebhookRepo {
  /** The webhooks with these ids; unknown ids are left out. Any order. */
  getMany(ids: readonly string[]): Promise<readonly WebhookRecord[]>;
  /**
   * Every webhook of the tenant that may be subscribed to the type, whatever its status. More than those is allowed (the
   * engine matches `events` and `filter` itself), fewer is not.
   */
  subscribers(tenantId: string, eventType: string): Promise<readonly WebhookRecord[]>;
  /**
   * Optional: the same for several tenants and types in one step, each webhook once, in any order. Without it a batch of events asks once for
   * each tenant and type in it.
   */
  subscribersOfAll?(
    pairs: readonly { readonly tenantId: string; readonly eventType: string }[],
  ): Promise<readonly WebhookRecord[]>;
  /**
   * The engine's only write: sets the status where the present one equals `from` in every field (`sameStatus`).
   * One result per change, in order: whether it was applied. An unknown id is not applied.
   */
  setStatus(changes: readonly StatusChange[]): Promise<readonly boolean[]>;
  /**
   * Optional: calls `listener` with the ids of webhooks after each committed change, and returns what ends that. Without
   * it the engine notices changes made elsewhere after `webhookCacheMs`.
   */
  onChange?(listener: (ids: readonly string[]) => void): () => void;
}

/** A compare-and-set of one webhook's status. */
export interface StatusChange {
  readonly webhookId: string;
  readonly from: WebhookStatus;
  readonly to: WebhookStatus;
}

/** The second half of webhook storage: create, change, delete, list. */
export interface WebhookStore extends WebhookRepo {
  /** Stores a new webhook. Resolves false, changing nothing, when the id exists. */
  insert(webhook: WebhookRecord): Promise<boolean>;
  /**
   * Replaces everything but the status where the stored `revision` equals `expectedRevision`. Resolves false, changing
   * nothing, when it does not or the webhook is unknown.
   */
  update(webhook: WebhookRecord, expectedRevision: number): Promise<boolean>;
  /** Resolves whether there was one. */
  delete(id: string): Promise<boolean>;
  /** Newest first (`createdAt`, then `id`, both descending). */
  list(query: WebhookQuery): Promise<readonly WebhookRecord[]>;
}

/** Which webhooks to list. */
export interface WebhookQuery {
  readonly tenantId?: string;
  /** Only those after this place in the order. */
  readonly after?: PagePosition;
  readonly limit: number;
}

/** A place in an order by age: stable while rows come and go. */
export interface PagePosition {
  readonly createdAt: number;
  readonly id: string;
}
