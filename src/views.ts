/** What a host reads: the public face of the stored records. Instants are `Date`s here; secrets have no place in these types. */
import type {
  AttemptErrorKind,
  AttemptRecord,
  DeliveryRecord,
  DeliveryStatus,
  ExhaustedReason,
} from './domain/delivery.ts';
import type { EventRecord } from './domain/event.ts';
import type { Filter } from './domain/filter.ts';
import type { RateLimit } from './domain/rate-limit.ts';
import type { RetryPolicyData } from './domain/retry-policy.ts';
import type { DeliveryMode, Signing, WebhookRecord, WebhookStatus } from './domain/webhook.ts';
import { maskHeaders } from './http/redact.ts';
import { secretFace } from './http/secret.ts';

/** Where a webhook stands; see "Webhook status" in the README. */
export type PublicWebhookStatus =
  | { readonly state: 'enabled' }
  | { readonly state: 'disabled'; readonly reason?: string }
  /** `since`: the first failure after the last success. */
  | { readonly state: 'retrying'; readonly since: Date }
  | { readonly state: 'unavailable'; readonly since: Date };

/** One subscriber endpoint, as it is read back. Its secret is shown once, when it is made, and is not a field of it. */
export interface Webhook {
  /** `whk_…` */
  readonly id: string;
  readonly tenantId: string;
  readonly ownerId?: string;
  readonly name?: string;
  /** In canonical form. */
  readonly url: string;
  readonly description?: string;
  /** Subscribed event types: `invoice.paid`, `invoice.*`, `*`. */
  readonly events: readonly string[];
  readonly filter?: Filter;
  /** Static headers; the values of those that look like credentials are masked. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly status: PublicWebhookStatus;
  readonly delivery: DeliveryMode;
  readonly retry?: RetryPolicyData;
  readonly timeoutMs?: number;
  readonly maxInFlight?: number;
  /** Requests per minute, and how many at once, by all processes together. */
  readonly rateLimit?: RateLimit;
  /** How its requests are signed: the kind of its newest key. */
  readonly signing: Signing;
  /** `whpk_…`, what receivers verify with: no secret. Set exactly when `signing` is `ed25519`. */
  readonly publicKey?: string;
  /** The last four characters of the signing secret, or of the public key. */
  readonly secretHint: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** One event for one webhook, as it is read back. */
export interface Delivery {
  /** `dlv_…` */
  readonly id: string;
  readonly eventId: string;
  readonly webhookId: string;
  readonly tenantId: string;
  readonly eventType: string;
  readonly status: DeliveryStatus;
  /** Set exactly when `status` is `exhausted`. */
  readonly reason?: ExhaustedReason;
  /** Of a delivery of an ordered webhook: the key in which it waits for its turn; empty where its event has none. */
  readonly orderingKey?: string;
  /** `bat_…`: the batch that it is or was sent in last, the `webhook-id` of that request. */
  readonly batchId?: string;
  /** Set while it is `exhausted` and those behind it in its ordering key wait for it to be replayed or cancelled. */
  readonly blocks?: true;
  /** Attempts recorded so far, lost and aborted ones included. */
  readonly attempts: number;
  readonly createdAt: Date;
  /** Set while it waits (`pending`, `failed`): not tried before this, and later where its webhook is backing off. */
  readonly nextAttemptAt?: Date;
  /** Set exactly when `delivered` or `exhausted`. */
  readonly completedAt?: Date;
}

/** One HTTP request of a delivery, as it is read back. */
export interface Attempt {
  /** 1 for the first. */
  readonly number: number;
  readonly startedAt: Date;
  readonly durationMs: number;
  /** 0 when there was no response. */
  readonly httpStatus: number;
  /** Truncated to 4 KiB of valid text. */
  readonly responseBody: string;
  readonly responseHeaders?: Readonly<Record<string, string>>;
  /** What was sent, with credentials masked. Empty for a lost attempt, of which nothing is known. */
  readonly request: { readonly url: string; readonly headers: Readonly<Record<string, string>> };
  readonly error?: { readonly kind: AttemptErrorKind; readonly message: string };
  /** True when it was reported after its worker had lost the delivery to another; it did not count. */
  readonly late: boolean;
}

/** An event as `publish` returns it; the body is what is sent. */
export interface PublishedEvent {
  /** `evt_…`; the `webhook-id` of every attempt. */
  readonly id: string;
  readonly tenantId: string;
  readonly type: string;
  readonly source?: string;
  readonly contentType: string;
  /** Size of the body, in bytes. */
  readonly bytes: number;
  readonly timestamp: Date;
  readonly createdAt: Date;
  readonly deliverAt?: Date;
  readonly orderingKey?: string;
}

/** The public face of a status. */
export function publicStatus(status: WebhookStatus): PublicWebhookStatus {
  switch (status.state) {
    case 'enabled':
      return { state: 'enabled' };
    case 'disabled':
      return status.reason === undefined
        ? { state: 'disabled' }
        : { state: 'disabled', reason: status.reason };
    case 'retrying':
    case 'unavailable':
      return { state: status.state, since: new Date(status.since) };
  }
}

/** The public face of a delivery. */
export function toDelivery(record: DeliveryRecord): Delivery {
  const waits = record.status === 'pending' || record.status === 'failed';
  return {
    id: record.id,
    eventId: record.eventId,
    webhookId: record.webhookId,
    tenantId: record.tenantId,
    eventType: record.eventType,
    status: record.status,
    ...(record.reason !== undefined && { reason: record.reason }),
    ...(record.orderingKey !== undefined && { orderingKey: record.orderingKey }),
    ...(record.batch !== undefined && { batchId: record.batch.id }),
    ...(record.blocks && { blocks: true }),
    attempts: record.attempts,
    createdAt: new Date(record.createdAt),
    ...(waits && { nextAttemptAt: new Date(record.dueAt) }),
    ...(record.completedAt !== undefined && { completedAt: new Date(record.completedAt) }),
  };
}

/** The public face of an attempt. */
export function toAttempt(record: AttemptRecord): Attempt {
  return {
    number: record.number,
    startedAt: new Date(record.startedAt),
    durationMs: record.durationMs,
    httpStatus: record.httpStatus,
    responseBody: record.responseBody,
    ...(record.responseHeaders !== undefined && { responseHeaders: record.responseHeaders }),
    request: record.request,
    ...(record.error !== undefined && { error: record.error }),
    late: record.late,
  };
}

/** The public face of a webhook: everything but its secrets. */
export function toWebhook(record: WebhookRecord): Webhook {
  const { secrets, status, headers, createdAt, updatedAt, revision: _revision, ...open } = record;
  return {
    ...open,
    ...(headers !== undefined && { headers: maskHeaders(headers) }),
    status: publicStatus(status),
    ...secretFace(secrets[0]?.secret ?? ''),
    createdAt: new Date(createdAt),
    updatedAt: new Date(updatedAt),
  };
}

/** The public face of an event. */
export function toPublishedEvent(record: EventRecord): PublishedEvent {
  return {
    id: record.id,
    tenantId: record.tenantId,
    type: record.type,
    ...(record.source !== undefined && { source: record.source }),
    contentType: record.contentType,
    bytes: record.body.byteLength,
    timestamp: new Date(record.timestamp),
    createdAt: new Date(record.createdAt),
    ...(record.deliverAt !== undefined && { deliverAt: new Date(record.deliverAt) }),
    ...(record.orderingKey !== undefined && { orderingKey: record.orderingKey }),
  };
}
