/** How what a host gives to create or change a webhook is read. */
import { defaultBatchLimits } from '../domain/batch.ts';
import { plainObject } from '../domain/check.ts';
import { defaultTenantId } from '../domain/ids.ts';
import type { DeliveryMode, Signing, WebhookRecord } from '../domain/webhook.ts';
import { checkSecret } from '../http/secret.ts';
import type { WebhookPatch } from './new-webhook.ts';
import { optionalFields, readDelivery, readers, readSigning, type WebhookPolicy } from './webhook-fields.ts';

/** What of a webhook's record comes from its owner and may change. */
type Owned = Pick<WebhookRecord, keyof WebhookPatch>;

/** A new webhook as it was read: the part of its record that comes from its owner, how it signs, and the secret where one was given. */
export interface ParsedWebhook extends Owned {
  readonly tenantId: string;
  readonly signing: Signing;
  readonly secret?: string;
}

/** A patch as it was read: new values, `null` for what is cleared; what is absent stays. */
export type WebhookChanges = {
  readonly [Name in Exclude<keyof Owned, 'delivery'>]?: Owned[Name] | null;
} & { readonly delivery?: Partial<DeliveryMode> };

const patchNames = ['url', 'events', ...optionalFields, 'delivery'] as const;
const newNames = [...patchNames, 'tenantId', 'signing', 'secret'] as const;

const defaultDelivery: DeliveryMode = { semantics: 'at-least-once', mode: 'single', ordered: false };

/** Reads what `webhooks.create` was given. Throws `InvalidInputError` or `ForbiddenEndpointError`. */
export function parseNewWebhook(input: unknown, policy: WebhookPolicy): ParsedWebhook {
  const given = plainObject('webhook', input, { keys: newNames, path: '' });
  const { tenantId = defaultTenantId, delivery = {}, signing: kind = 'hmac-sha256', secret } = given;
  const signing = readSigning(kind);
  const parsed: ParsedWebhook = {
    url: readers.url(given.url, policy),
    events: readers.events(given.events, policy),
    tenantId: readers.tenantId(tenantId, policy),
    delivery: settled({ ...defaultDelivery, ...readDelivery(delivery) }),
    signing,
    ...(secret !== undefined && { secret: checkSecret(secret, signing) }),
  };
  const rest = optionalFields.filter((name) => given[name] !== undefined);
  return { ...parsed, ...Object.fromEntries(rest.map((name) => [name, readers[name](given[name], policy)])) };
}

/** Reads what `webhooks.update` was given. Throws `InvalidInputError` or `ForbiddenEndpointError`. */
export function parseWebhookPatch(input: unknown, policy: WebhookPolicy): WebhookChanges {
  const { delivery, ...given } = plainObject('patch', input, { keys: patchNames, path: '' });
  const isCleared = (name: string): boolean => given[name as keyof typeof given] === null && isOptional(name);
  const names = ['url', 'events', ...optionalFields] as const;
  const changed = names.filter((name) => given[name] !== undefined);
  const read = changed.map((name) => [name, isCleared(name) ? null : readers[name](given[name], policy)]);
  return {
    ...Object.fromEntries(read),
    ...(delivery === undefined ? {} : { delivery: readDelivery(delivery) }),
  };
}

function isOptional(name: string): boolean {
  return (optionalFields as readonly string[]).includes(name);
}

/** The webhook with the changes made: cleared fields are absent, not null. */
export function withChanges(webhook: WebhookRecord, changes: WebhookChanges): WebhookRecord {
  const { delivery, ...fields } = changes;
  const changed = { ...webhook, ...fields, delivery: settled({ ...webhook.delivery, ...delivery }) };
  const kept = Object.entries(changed).filter(([, value]) => value !== null);
  return Object.fromEntries(kept) as unknown as WebhookRecord;
}

/** What an order does about failures belongs to ordered webhooks only, limits of batches to batched ones. */
function settled({ onExhausted, batch, ...delivery }: DeliveryMode): DeliveryMode {
  return {
    ...delivery,
    ...(delivery.ordered && onExhausted !== undefined && { onExhausted }),
    ...(delivery.mode === 'batched' && { batch: batch ?? defaultBatchLimits }),
  };
}
