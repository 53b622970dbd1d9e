import { invalidEvent, stringIn } from '../domain/check.ts';
import { checkEventType } from '../domain/event-pattern.ts';
import { checkEventId, checkTenantId, defaultTenantId } from '../domain/ids.ts';
import { instantOf } from '../domain/instant.ts';
import { InvalidEventError } from '../errors.ts';
import { checkHeaders } from '../http/headers.ts';
import type { Fields } from './event-fields.ts';
import { fingerprintOf } from './fingerprint.ts';

/** All of an event but its content; what was left out is absent. */
export interface Head {
  readonly type: string;
  readonly tenantId: string;
  readonly source?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly idempotencyKey?: string;
  readonly orderingKey?: string;
  readonly id?: string;
  readonly timestamp?: number;
  readonly deliverAt?: number;
}

/** Reads it. Throws `InvalidEventError`. */
export function readHead(given: Fields): Head {
  const head: { -readonly [Name in keyof Head]: Head[Name] } = {
    type: checkEventType(given.type),
    tenantId: readTenant(given.tenantId),
  };
  if (given.source !== undefined) head.source = stringIn('source', given.source, text);
  if (given.headers !== undefined) head.headers = checkHeaders('headers', given.headers, InvalidEventError);
  if (given.idempotencyKey !== undefined) {
    head.idempotencyKey = stringIn('idempotencyKey', given.idempotencyKey, text);
  }
  if (given.orderingKey !== undefined) head.orderingKey = stringIn('orderingKey', given.orderingKey, text);
  if (given.id !== undefined) head.id = checkEventId(given.id);
  if (given.timestamp !== undefined)
    head.timestamp = instantOf('timestamp', given.timestamp, { refuse: invalidEvent });
  if (given.deliverAt !== undefined)
    head.deliverAt = instantOf('deliverAt', given.deliverAt, { refuse: invalidEvent });
  return head;
}

const text = { max: 256, refuse: invalidEvent };

function readTenant(value: unknown): string {
  return value === undefined ? defaultTenantId : checkTenantId('tenantId', value, { refuse: invalidEvent });
}

/**
 * Only a host's own id or key can meet an event that is stored already; without them the digest is left empty, which halves
 * the cost of reading an event of 1 KiB.
 */
export function isKeyed({ id, idempotencyKey }: Head): boolean {
  return id !== undefined || idempotencyKey !== undefined;
}

/** A digest of what was given, and not what a schema made of it: that may have the time in it, or chance. */
export function fingerprint(head: Head, contentType: string, content: string | Uint8Array): string {
  const { source = null, headers = null, idempotencyKey = null, id = null } = head;
  const { timestamp = null, deliverAt = null, orderingKey = null, type, tenantId } = head;
  return fingerprintOf({
    type,
    tenantId,
    source,
    headers,
    idempotencyKey,
    id,
    timestamp,
    deliverAt,
    orderingKey,
    contentType: typeof content === 'string' ? null : contentType,
    content,
  });
}
