import type { Signing } from '../domain/webhook.ts';
import type { Delivery, Webhook } from '../views.ts';
import type { NewWebhook, WebhookPatch } from './new-webhook.ts';
import type { Page } from './pages.ts';
import type { HealthQuery, WebhookHealth } from './webhook-health.ts';
import type { KeyedWebhook, SecretRotation } from './webhook-secrets.ts';

/** Which webhooks to list, newest first. */
export interface WebhookListQuery {
  readonly tenantId?: string | undefined;
  /** From the page before. */
  readonly cursor?: string | undefined;
  /** 1 to 1 000. @default 50 */
  readonly limit?: number | undefined;
}

/** Everything about webhooks, as a host sees it. */
export interface WebhookAdmin {
  /**
   * Stores a new webhook, Enabled. `secret` is given back here and never again; with `signing: 'ed25519'` it is the `publicKey` instead, at any time.
   * Rejects with `InvalidInputError` (which field, which value), `ForbiddenEndpointError` (the URL) or `StorageError`.
   */
  create<Kind extends Signing = 'hmac-sha256'>(input: NewWebhook<Kind>): Promise<KeyedWebhook<Kind>>;
  /** Resolves `undefined` for an unknown id. */
  get(id: string): Promise<Webhook | undefined>;
  /** A page of webhooks, newest first. */
  list(query?: WebhookListQuery): Promise<Page<Webhook>>;
  /** Changes the given fields: `undefined` leaves one, `null` clears an optional one. In force for every request that starts afterwards. */
  update(id: string, patch: WebhookPatch): Promise<Webhook>;
  /**
   * Gives it a new key, in force for every request that starts afterwards; the older ones stop at once, or sign beside it for `overlapMs`: the
   * signature header has an entry per key, newest first. `signing` changes from one kind to the other. `ConflictError` where too many overlap.
   */
  rotateSecret<Kind extends Signing = Signing>(
    id: string,
    rotation?: SecretRotation<Kind>,
  ): Promise<KeyedWebhook<Kind>>;
  /** Deletes it; what waits for it becomes `exhausted` (`webhook-deleted`). The history stays. */
  delete(id: string): Promise<void>;
  /** From Disabled or Unavailable to Enabled: what was held continues. Nothing happens when it is Enabled; `ConflictError` when it is Retrying. */
  enable(id: string): Promise<Webhook>;
  /** No new events, and what waits is held. No request starts once this has resolved (in other processes: `webhookCacheMs` later, unless the repo tells of changes). */
  disable(id: string): Promise<Webhook>;
  /**
   * Publishes a `webhook.test` event to this webhook only, whatever it is subscribed to, and resolves with its delivery without waiting for it.
   * `ConflictError` when it is Disabled or Unavailable.
   */
  sendTest(id: string): Promise<Delivery>;
  /** How it fares, and what waits for it. Needs no start. Rejects with `InvalidInputError`, `NotFoundError` or `StorageError`. */
  health(id: string, query?: HealthQuery): Promise<WebhookHealth>;
}
