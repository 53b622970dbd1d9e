/** How each field of a webhook is read: one function per field, so that creating and changing follow the same rules. */
import { numberIn, oneOf, plainObject, stringIn } from '../domain/check.ts';
import { checkPatterns } from '../domain/event-pattern.ts';
import { checkFilter } from '../domain/filter-check.ts';
import { checkTenantId } from '../domain/ids.ts';
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
};

function readRetry(value: unknown): RetryPolicyData {
  if (typeof value !== 'function') return checkRetryPolicyData('retry', value);
  throw new InvalidInputError(
    'retry',
    `retry of a webhook must be made by retrySchedule or retryExponential, not ${quote(value)}: code cannot be stored`,
  );
}

/** Reads how a webhook signs. */
export function readSigning(value: unknown): Signing {
  return oneOf('signing', value, { choices: ['hmac-sha256', 'ed25519'] });
}

/** Reads the parts of `delivery` that are given; absent ones stay absent. */
export function readDelivery(value: unknown): Partial<DeliveryMode> {
  const { semantics, mode, ordered } = plainObject('delivery', value, {
    keys: ['semantics', 'mode', 'ordered'],
  });
  const choices = ['at-least-once', 'at-most-once'] as const;
  if (mode !== undefined && mode !== 'single') throw notYet('delivery.mode', mode, 'single');
  return {
    ...(semantics === undefined ? {} : { semantics: oneOf('delivery.semantics', semantics, { choices }) }),
    ...(mode === undefined ? {} : { mode }),
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

function notYet(field: string, value: unknown, only: unknown): InvalidInputError {
  return new InvalidInputError(field, `${field} must be ${quote(only)} in this version, not ${quote(value)}`);
}
