/** What a host gives to create or change a webhook. */
import type { BatchLimits } from '../domain/batch.ts';
import type { Filter } from '../domain/filter.ts';
import type { RetryPolicyData } from '../domain/retry-policy.ts';
import type { DeliveryMode, Signing } from '../domain/webhook.ts';

/** How a webhook wants its deliveries, in any part. */
export interface DeliveryInput {
  readonly semantics?: DeliveryMode['semantics'] | undefined;
  /** `batched`: one request for several events, up to the limits of `batch`. */
  readonly mode?: DeliveryMode['mode'] | undefined;
  /** Of a batched webhook. @default 100 events, 256 KiB, no waiting */
  readonly batch?: { readonly [Limit in keyof BatchLimits]?: BatchLimits[Limit] | undefined } | undefined;
  /**
   * Its events go one at a time, in the order of publishing, for each `orderingKey`. `onExhausted`: whether those behind one that is given up wait until it
   * is replayed or cancelled (`block`, the default), or go on without it (`skip`). Counts for events published from then on.
   */
  readonly ordered?: boolean | { readonly onExhausted?: 'block' | 'skip' | undefined } | undefined;
}

/**
 * How many requests it gets in a time, by all processes together. A batch, a retry and a test event are one request each. What is over it waits in its
 * queue, and slows nobody else. A changed rate counts for requests that start afterwards, and begins with a full burst.
 */
export interface RateInput {
  /** 0.00001 to 600 000; 0.5 is one in two minutes. */
  readonly perMinute: number;
  /** How many may go at once after a pause: a whole number, 1 to 10 000. @default 1: evenly spaced */
  readonly burst?: number | undefined;
}

/**
 * A new webhook. Fields that are not here are refused by name; a wrong one rejects with `InvalidInputError`, a URL that may
 * not be called with `ForbiddenEndpointError`.
 */
export interface NewWebhook<Kind extends Signing = Signing> {
  /** Where events are posted: `https:`, a public host, no credentials, no fragment, 2 048 characters at most. */
  readonly url: string;
  /** What it is subscribed to, 1 to 100: types (`invoice.paid`), categories (`invoice.*`: all below), or `*` for everything. */
  readonly events: readonly string[];
  /** The only tenant whose events it gets: 1 to 128 characters. @default 'default' */
  readonly tenantId?: string | undefined;
  /** Whose it is in the host's terms: 1 to 256 characters, seen by nobody but the host. */
  readonly ownerId?: string | undefined;
  /** 1 to 200 characters. */
  readonly name?: string | undefined;
  /** 1 to 2 000 characters, line breaks allowed. */
  readonly description?: string | undefined;
  /** Which of those events it gets. @default all */
  readonly filter?: Filter | undefined;
  /** Headers of every request: 100 at most, ASCII. Those that surehook sets itself are refused. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Any part of `{ semantics: 'at-least-once', mode: 'single', ordered: false }`, which are the defaults. */
  readonly delivery?: DeliveryInput | undefined;
  /** Made by `retrySchedule` or `retryExponential`; a function cannot be stored. @default the `retry` option */
  readonly retry?: RetryPolicyData | undefined;
  /** One request, ms: 1 to what `leaseMs` leaves room for. @default the `timeoutMs` option */
  readonly timeoutMs?: number | undefined;
  /** Requests under way at a time, per process: 1 to 65 536. @default the `maxInFlightPerWebhook` option */
  readonly maxInFlight?: number | undefined;
  /** Requests per minute, by all processes together. @default no limit */
  readonly rateLimit?: RateInput | undefined;
  /** `hmac-sha256`: with a secret that the receiver knows too; `ed25519`: with a private key of which it knows the public half. @default 'hmac-sha256' */
  readonly signing?: Kind | undefined;
  /**
   * `whsec_` and the base64 of 24 to 64 bytes; with `signing: 'ed25519'` `whsk_` and the base64 of a private key, 32 bytes or with
   * its public key 64. @default a new one of 32 random bytes
   */
  readonly secret?: string | undefined;
}

/**
 * A change of a webhook: `undefined` (or nothing) leaves a field as it is, `null` clears one that is optional. The fields mean what
 * they mean in `NewWebhook`; `delivery` may be partial. The tenant is fixed, the secret changes by `rotateSecret`, the status by `enable` and `disable`.
 */
export interface WebhookPatch {
  readonly url?: string | undefined;
  readonly events?: readonly string[] | undefined;
  readonly ownerId?: string | null | undefined;
  readonly name?: string | null | undefined;
  readonly description?: string | null | undefined;
  readonly filter?: Filter | null | undefined;
  readonly headers?: Readonly<Record<string, string>> | null | undefined;
  readonly delivery?: Partial<DeliveryMode> | undefined;
  readonly retry?: RetryPolicyData | null | undefined;
  readonly timeoutMs?: number | null | undefined;
  readonly maxInFlight?: number | null | undefined;
  readonly rateLimit?: RateInput | null | undefined;
}
