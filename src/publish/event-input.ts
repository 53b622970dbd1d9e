import type { EventRecord } from '../domain/event.ts';
import { newId } from '../domain/ids.ts';
import { InvalidEventError, messageOf, quote, SurehookError } from '../errors.ts';
import { checkContentType } from '../http/headers.ts';
import type { CatalogMap } from '../options/publishing.ts';
import type { Random } from '../random.ts';
import { bodyContent, type Content, dataContent, type Envelope } from './content.ts';
import { type Fields, ownFields } from './event-fields.ts';
import { fingerprint, type Head, isKeyed, readHead } from './event-head.ts';
import { ownCopy } from './own-copy.ts';
import { checkBySchema, type SchemaOutput } from './schema-check.ts';

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
   * The payload as receivers will parse it, for filters; `undefined` when the body is not JSON. Parsed from the stored text when first asked for, so that it is a
   * copy of its own and runs no code of the host's.
   */
  readonly data: () => unknown;
  /** The JSON of `data`, or the bytes of `body`: what an event was given as. */
  readonly inner: string | Uint8Array;
}

/**
 * Reads what `publish` was given, at once and in whole, into the record that is stored. Throws `InvalidEventError` or
 * `PayloadTooLargeError`, and nothing else, whatever the input is.
 */
export function parseEvent(input: unknown, context: PublishContext): ParsedEvent {
  return typed(() => {
    const { given, head, envelope } = readStart(input, context);
    return parsedEvent(head, readContent(given, envelope, context), context);
  });
}

/**
 * The same for one of the types of a catalogue: the content is what the type's schema makes of `data`. At once, and later where the schema is async; it has its own
 * copy by then. Throws or rejects with `HostCodeError` too.
 */
export function parseCatalogued(
  input: unknown,
  context: PublishContext,
  catalog: CatalogMap,
): ParsedEvent | Promise<ParsedEvent> {
  return typed(() => {
    const { given, head, envelope } = readStart(input, context);
    const schema = catalog.get(head.type);
    if (schema === undefined)
      throw new InvalidEventError('type', `type ${quote(head.type)} is not in the catalogue`);
    const data = readData(given);
    const finish = (output: SchemaOutput): ParsedEvent => {
      const content = dataContent(output.data, envelope, context.maxPayloadBytes);
      return parsedEvent(head, content, { ...context, given: givenText });
    };
    const givenText = isKeyed(head) ? jsonOf(data) : undefined;
    const checked = checkBySchema(schema, head.type, data);
    return checked instanceof Promise ? checked.then(finish) : finish(checked);
  });
}

interface Start {
  readonly given: Fields;
  readonly head: Head;
  readonly envelope: Envelope;
}

function readStart(input: unknown, { now }: PublishContext): Start {
  const given = ownFields(input);
  const head = readHead(given);
  return { given, head, envelope: { type: head.type, timestamp: head.timestamp ?? now } };
}

/** What a schema judges: never a body, whose bytes nobody could promise anything of. */
function readData({ data, body, contentType }: Fields): unknown {
  if (body !== undefined || contentType !== undefined) {
    const field = body === undefined ? 'contentType' : 'body';
    throw new InvalidEventError(field, `${field} cannot be given for a type of the catalogue, only data`);
  }
  try {
    return ownCopy(data);
  } catch (cause) {
    if (cause instanceof InvalidEventError) throw cause;
    throw new InvalidEventError('data', `data cannot be read: ${messageOf(cause)}`, { cause });
  }
}

/** `undefined` where JSON has no text for it: what comes before a schema need not be JSON. */
function jsonOf(data: unknown): string | undefined {
  try {
    return JSON.stringify(data);
  } catch {
    return undefined;
  }
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

/** `given`: what the host gave in place of the content, for the fingerprint. */
function parsedEvent(
  head: Head,
  content: Content,
  { now, random, given }: PublishContext & { readonly given?: string | undefined },
): ParsedEvent {
  const id = head.id ?? newId('evt', now, random);
  const { body, contentType, data, inner } = content;
  const made = {
    id,
    timestamp: head.timestamp ?? now,
    createdAt: now,
    fingerprint: isKeyed(head) ? fingerprint(head, contentType, given ?? inner) : '',
  };
  return { event: { ...head, ...made, body, contentType }, data, inner };
}
