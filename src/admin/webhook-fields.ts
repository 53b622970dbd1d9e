/** How each field of a webhook is read: one function per field, so that creating and changing follow the same rules. */

import { type BatchLimits, defaultBatchLimits } from '../domain/batch.ts';
import { numberIn, oneOf, plainObject, stringIn } from '../domain/check.ts';
import { checkPatterns } from '../domain/event-pattern.ts';
import { checkFilter } from '../domain/filter-check.ts';
import { checkTenantId } from '../domain/ids.ts';
import type { RateLimit } from '../domain/rate-limit.ts';
import { checkRetryPolicyData, type RetryPolicyData } from '../domain/retry-policy.ts';
import type { DeliveryMode, Signing, WebhookRecord } from '../domain/webhook.ts';
import { InvalidInputError, quote } from '../errors.ts';
import { checkEndpointUrl, type EndpointPolicy } from '../http/endpoint.ts';
import { checkHeaders } from '../http/headers.ts';

/** What the options say about webhooks. */
export interface WebhookPolicy {
  readonly endpoints: EndpointPolicy;
  /** The longest `timeoutMs` that a lease covers. */
  readonly maxTimeoutMs: number;
}

/** Fields that a webhook may lack. */
export const optionalFields = [
  'ownerId',
  'name',
  'description',
  'filter',
  'headers',
  'retry',
  'timeoutMs',
  'maxInFlight',
  'rateLimit',
] as const;

type FieldName = 'url' | 'events' | 'tenantId' | (typeof optionalFields)[number];

/** Reads one value. Throws `InvalidInputError` or, for `url`, `ForbiddenEndpointError`. */
type Reader<Value> = (value: unknown, policy: WebhookPolicy) => Value;

/** The reader of each field that is stored as it is given. */
export const readers: { readonly [Name in FieldName]: Reader<NonNullable<WebhookRecord[Name]>> } = {
  url: (value, { endpoints }) => checkEndpointUrl(value, endpoints),
  events: (value) => checkPatterns('events', value),
  tenantId: (value) => checkTenantId('tenantId', value),
  ownerId: (value) => stringIn('ownerId', value, { max: 256 }),
  name: (value) => stringIn('name', value, { max: 200 }),
  description: (value) => stringIn('description', value, { max: 2_000, multiline: true }),
  filter: (value) => checkFilter('filter', value),
  headers: (value) => checkHeaders('headers', value, InvalidInputError),
  retry: readRetry,
  timeoutMs: (value, { maxTimeoutMs }) =>
    numberIn('timeoutMs', value, { min: 1, max: maxTimeoutMs, integer: true }),
  maxInFlight: (value) => numberIn('maxInFlight', value, { min: 1, max: 65_536, integer: true }),
  rateLimit: readRate,
};

function readRetry(value: unknown): RetryPolicyData {
  if (typeof value !== 'function') return checkRetryPolicyData('retry', value);
  throw new InvalidInputError(
    'retry',
    `retry of a webhook must be made by retrySchedule or retryExponential, not ${quote(value)}: code cannot be stored`,
  );
}

/** One request in ten weeks is the slowest: what a bucket owes stays an instant that every store can hold. */
function readRate(value: unknown): RateLimit {
  const { perMinute, burst = 1 } = plainObject('rateLimit', value, { keys: ['perMinute', 'burst'] as const });
  return {
    perMinute: numberIn('rateLimit.perMinute', perMinute, { min: 0.00001, max: 600_000 }),
    burst: numberIn('rateLimit.burst', burst, { min: 1, max: 10_000, integer: true }),
  };
}

/** Reads how a webhook signs. */
export function readSigning(value: unknown): Signing {
  return oneOf('signing', value, { choices: ['hmac-sha256', 'ed25519'] });
}

/** Reads the parts of `delivery` that are given; absent ones stay absent. */
export function readDelivery(value: unknown): Partial<DeliveryMode> {
  const { semantics, mode, ordered, batch } = plainObject('delivery', value, {
    keys: ['semantics', 'mode', 'ordered', 'batch'],
  });
  const choices = ['at-least-once', 'at-most-once'] as const;
  const modes = ['single', 'batched'] as const;
  return {
    ...(semantics === undefined ? {} : { semantics: oneOf('delivery.semantics', semantics, { choices }) }),
    ...(mode === undefined ? {} : { mode: oneOf('delivery.mode', mode, { choices: modes }) }),
    ...(batch === undefined ? {} : { batch: readBatch(batch) }),
    ...(ordered === undefined ? {} : readOrdered(ordered)),
  };
}

/** `true`, `false`, or how it is ordered. */
function readOrdered(value: unknown): Pick<DeliveryMode, 'ordered' | 'onExhausted'> {
  if (typeof value === 'boolean') return value ? { ordered: true, onExhausted: 'block' } : { ordered: false };
  const { onExhausted = 'block' } = plainObject('delivery.ordered', value, { keys: ['onExhausted'] });
  const choices = ['block', 'skip'] as const;
  return { ordered: true, onExhausted: oneOf('delivery.ordered.onExhausted', onExhausted, { choices }) };
}

/** The limits of a batched webhook; those that are not given are the defaults. */
function readBatch(value: unknown): BatchLimits {
  const given = plainObject('delivery.batch', value, {
    keys: ['maxEvents', 'maxBytes', 'maxWaitMs'] as const,
  });
  const { maxEvents, maxBytes, maxWaitMs } = defaultBatchLimits;
  return {
    maxEvents: numberIn('delivery.batch.maxEvents', given.maxEvents ?? maxEvents, {
      min: 1,
      max: 1_000,
      integer: true,
    }),
    maxBytes: numberIn('delivery.batch.maxBytes', given.maxBytes ?? maxBytes, {
      min: 1,
      max: 16_777_216,
      integer: true,
    }),
    maxWaitMs: numberIn('delivery.batch.maxWaitMs', given.maxWaitMs ?? maxWaitMs, {
      min: 0,
      max: 3_600_000,
      integer: true,
    }),
  };
}
