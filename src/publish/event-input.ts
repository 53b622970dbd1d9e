import { invalidEvent, stringIn } from '../domain/check.ts';
import type { EventRecord } from '../domain/event.ts';
import { checkEventType } from '../domain/event-pattern.ts';
import { checkEventId, checkTenantId, defaultTenantId, newId } from '../domain/ids.ts';
import { instantOf } from '../domain/instant.ts';
import { InvalidEventError, messageOf, SurehookError } from '../errors.ts';
import { checkContentType, checkHeaders } from '../http/headers.ts';
import type { Random } from '../random.ts';
import { bodyContent, type Content, dataContent, type Envelope } from './content.ts';
import { type Fields, ownFields } from './event-fields.ts';
import { fingerprintOf } from './fingerprint.ts';

/** What reading an event takes besides the event. */
export interface PublishContext {
  /** Epoch ms. */
  readonly now: number;
  readonly random: Random;
  /** Of the whole serialised body. */
  readonly maxPayloadBytes: number;
}

/** An event that was read. */
export interface ParsedEvent {
  readonly event: EventRecord;
  /**
   * The payload as receivers will parse it, for filters and for shaping; `undefined` when the body is not JSON. Parsed from the stored text when
   * first asked for, so that it is a copy of its own and runs no code of the host's.
   */
  readonly data: () => unknown;
}

/**
 * Reads what `publish` was given, at once and in whole, into the record that is stored. Throws `InvalidEventError` or
 * `PayloadTooLargeError`, and nothing else, whatever the input is.
 */
export function parseEvent(input: unknown, context: PublishContext): ParsedEvent {
  const { head, content } = typed(() => {
    const given = ownFields(input);
    const read = readHead(given);
    const envelope = { type: read.type, timestamp: read.timestamp ?? context.now };
    return { head: read, content: readContent(given, envelope, context) };
  });
  return { event: eventRecord(head, content, context), data: content.data };
}

/** Some values throw even when they are only looked at: a proxy that was revoked. */
function typed<Value>(read: () => Value): Value {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof SurehookError) throw cause;
    throw new InvalidEventError('event', `event cannot be read: ${messageOf(cause)}`, { cause });
  }
}

/** All but the content; what was left out is absent. */
interface Head {
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

function readHead(given: Fields): Head {
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

/** Either `data`, or `body` with `contentType`: one of the two, never a mixture. */
function readContent(given: Fields, envelope: Envelope, { maxPayloadBytes }: PublishContext): Content {
  const { data, body, contentType } = given;
  if (body === undefined) {
    if (contentType !== undefined)
      throw new InvalidEventError('contentType', 'contentType goes with body, not with data');
    return dataContent(data, envelope, maxPayloadBytes);
  }
  if (data !== undefined) throw new InvalidEventError('data', 'data and body cannot both be given');
  return bodyContent(body, checkContentType('contentType', contentType, InvalidEventError), maxPayloadBytes);
}

function eventRecord(head: Head, content: Content, { now, random }: PublishContext): EventRecord {
  const id = head.id ?? newId('evt', now, random);
  const { body, contentType } = content;
  const made = {
    id,
    timestamp: head.timestamp ?? now,
    createdAt: now,
    fingerprint: fingerprint(head, content),
  };
  return { ...head, ...made, body, contentType };
}

/**
 * Only a host's own id or key can meet an event that is stored already; without them the digest is left empty, which halves
 * the cost of reading an event of 1 KiB.
 */
function fingerprint(head: Head, content: Content): string {
  if (head.id === undefined && head.idempotencyKey === undefined) return '';
  const { source = null, headers = null, idempotencyKey = null, id = null } = head;
  const { timestamp = null, deliverAt = null, orderingKey = null, type, tenantId } = head;
  const contentType = typeof content.given === 'string' ? null : content.contentType;
  const given = {
    type,
    tenantId,
    source,
    headers,
    idempotencyKey,
    id,
    timestamp,
    deliverAt,
    orderingKey,
    contentType,
  };
  return fingerprintOf({ ...given, content: content.given });
}
