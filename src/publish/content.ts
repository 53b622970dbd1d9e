import { Buffer } from 'node:buffer';
import { isUint8Array } from 'node:util/types';
import { isJson } from '../domain/content-type.ts';
import { InvalidEventError, messageOf, PayloadTooLargeError, quote } from '../errors.ts';

/** The content of an event: its bytes, and the same as a value. */
export interface Content {
  readonly body: Uint8Array;
  readonly contentType: string;
  /** What a receiver will parse: `data` of the envelope, or the whole body where that is JSON; else `undefined`. Parsed once, when first asked for. */
  readonly data: () => unknown;
  /** The JSON of `data`, or the body's bytes. */
  readonly inner: string | Uint8Array;
}

/** How deep `data` may be nested. Many parsers stop at about this depth, and some crash. */
export const maxDataDepth: number = 1_000;
/** The content type of the envelope. */
const JSON_TYPE = 'application/json';

/** What stands around `data` in the envelope. */
export interface Envelope {
  readonly type: string;
  /** Epoch ms. */
  readonly timestamp: number;
}

/** The envelope `{"type","timestamp","data"}`, serialised once. */
export function dataContent(data: unknown, envelope: Envelope, maxBytes: number): Content {
  const json = toJson(data);
  // First, so that the answer is the same where `JSON.stringify` has no limit of its own (Node 26).
  checkDepth(json);
  if (json.length > maxBytes) throw new PayloadTooLargeError(Buffer.byteLength(json), maxBytes);
  const text = `{"type":"${envelope.type}","timestamp":"${isoInstant(envelope.timestamp)}","data":${json}}`;
  const body = encode(text, maxBytes);
  return { body, contentType: JSON_TYPE, data: parsedOnce(() => json), inner: json };
}

/** The host's own bytes, copied: it may use its buffer again. */
export function bodyContent(body: unknown, contentType: string, maxBytes: number): Content {
  const bytes = typeof body === 'string' ? encodeBody(body, maxBytes) : copyBytes(body, maxBytes);
  const data = isJson(contentType) ? parsedOnce(() => decode(bytes)) : noData;
  return { body: bytes, contentType, data, inner: bytes };
}

function toJson(data: unknown): string {
  let json: string | undefined;
  try {
    json = JSON.stringify(data);
  } catch (cause) {
    throw new InvalidEventError('data', `data cannot be made into JSON: ${messageOf(cause)}`, { cause });
  }
  if (json !== undefined) return json;
  throw new InvalidEventError('data', `data must be something that JSON has a text for, not ${quote(data)}`);
}

/** A text of n characters is nested n / 2 deep at most, so that short ones need no count. */
function checkDepth(json: string): void {
  if (json.length <= 2 * maxDataDepth || depthOf(json) <= maxDataDepth) return;
  throw new InvalidEventError('data', `data is nested more than ${maxDataDepth} deep`);
}

const QUOTE = 34;
const BACKSLASH = 92;
const OPEN_LIST = 91;
const CLOSE_LIST = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;

/** The depth of a valid JSON text: brackets outside strings. */
function depthOf(json: string): number {
  let deepest = 0;
  let depth = 0;
  let inString = false;
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (code === QUOTE) inString = !inString;
    else if (inString) at += code === BACKSLASH ? 1 : 0;
    else if (code === OPEN_LIST || code === OPEN_OBJECT) deepest = Math.max(deepest, ++depth);
    else if (code === CLOSE_LIST || code === CLOSE_OBJECT) depth--;
  }
  return deepest;
}

/** Text of the last instant asked for: many events are published within one millisecond. */
const lastInstant = { ms: Number.NaN, text: '' };

function isoInstant(ms: number): string {
  if (ms !== lastInstant.ms) {
    lastInstant.text = new Date(ms).toISOString();
    lastInstant.ms = ms;
  }
  return lastInstant.text;
}

function encodeBody(body: string, maxBytes: number): Uint8Array {
  if (body.isWellFormed()) return encode(body, maxBytes);
  throw new InvalidEventError(
    'body',
    'body has lone surrogates, which UTF-8 cannot carry: give bytes instead',
  );
}

/** From Node's pool, which is several times faster than `TextEncoder` for a small text; as a plain view, so that nobody sees a Buffer. */
function encode(text: string, maxBytes: number): Uint8Array {
  if (text.length > maxBytes) throw new PayloadTooLargeError(Buffer.byteLength(text), maxBytes);
  const { buffer, byteOffset, byteLength } = Buffer.from(text);
  if (byteLength > maxBytes) throw new PayloadTooLargeError(byteLength, maxBytes);
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function copyBytes(body: unknown, maxBytes: number): Uint8Array {
  if (!isUint8Array(body)) {
    throw new InvalidEventError('body', `body must be a string or a Uint8Array, not ${quote(body)}`);
  }
  if (body.byteLength > maxBytes) throw new PayloadTooLargeError(body.byteLength, maxBytes);
  return new Uint8Array(body);
}

const noData = (): undefined => undefined;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Throws for bytes that are not UTF-8. */
function decode(bytes: Uint8Array): string {
  return utf8.decode(bytes);
}

/** What does not parse is missing: a body is the host's to shape, so that is no error. */
function parsedOnce(text: () => string): () => unknown {
  let result: { readonly value: unknown } | undefined;
  return () => {
    result ??= { value: parsed(text) };
    return result.value;
  };
}

function parsed(text: () => string): unknown {
  try {
    return JSON.parse(text());
  } catch {
    return undefined;
  }
}
