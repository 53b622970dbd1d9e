import { Buffer } from 'node:buffer';
import { isJson } from './content-type.ts';
import type { EventRecord } from './event.ts';

/** The batch that a delivery is in: one request for several events. */
export interface BatchMembership {
  /** `bat_…`: the `webhook-id` of every attempt of the batch. */
  readonly id: string;
  /** How many deliveries are in it. One that is not whole any more is dissolved: its id always stands for the same bytes. */
  readonly size: number;
  /** How often it was refused (`isRefusal`); the halves of a batch go on counting. */
  readonly refusals: number;
}

/** How a batched webhook's events are put together. */
export interface BatchLimits {
  /** Events in one request at most: 1 to 1 000. @default 100 */
  readonly maxEvents: number;
  /** Of the body of one request, in bytes; a single event may be larger. @default 262 144 */
  readonly maxBytes: number;
  /** How long the first event waits for others, ms. @default 0 */
  readonly maxWaitMs: number;
}

/** What a webhook with `mode: 'batched'` gets where it says nothing else. */
export const defaultBatchLimits: BatchLimits = { maxEvents: 100, maxBytes: 262_144, maxWaitMs: 0 };

/** What stands around the id, the type and the body of an event that is given bytes and not data: `,{"id":"","type":"","timestamp":"+275760-09-13T00:00:00.000Z","data":}`. */
export const ELEMENT_BYTES = 70;

/** What an event takes up in the body of a batch at most, in bytes. One that is an envelope already takes up what its type and time do less. */
export function bytesInBatch({
  id,
  type,
  body,
}: {
  readonly id: string;
  readonly type: string;
  readonly body: { readonly byteLength: number };
}): number {
  return body.byteLength + id.length + type.length + ELEMENT_BYTES;
}

/** What nearly all events are. */
const JSON_WITHOUT_HEADERS = '["application/json",[]]';

/** Events go into one batch where this is equal: content type and headers, which a request has once. */
export function batchKind({ contentType, headers }: Pick<EventRecord, 'contentType' | 'headers'>): string {
  if (headers === undefined && contentType === 'application/json') return JSON_WITHOUT_HEADERS;
  const sorted = Object.entries(headers ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([contentType.toLowerCase().replaceAll(/\s/g, ''), sorted]);
}

/** What a delivery that could go into a batch is judged by. */
export interface BatchCandidate {
  /** By `bytesInBatch`. */
  readonly bytes: number;
  /** By `batchKind`. */
  readonly kind: string;
  readonly tries: number;
  /** Whether it is in a batch that is whole. */
  readonly isTaken: boolean;
}

/**
 * How many of the candidates, in their order, make a batch with the first of them, which fits always; and whether nothing more could come to it. Give one more than
 * `maxEvents`, or all there are.
 */
export function batchOf(
  candidates: readonly BatchCandidate[],
  { maxEvents, maxBytes }: BatchLimits,
): { readonly length: number; readonly isFull: boolean } {
  const [first] = candidates;
  if (first === undefined) return { length: 0, isFull: false };
  let length = 1;
  let { bytes } = first;
  for (const next of candidates.slice(1)) {
    bytes += next.bytes;
    const fits = length < maxEvents && bytes <= maxBytes;
    if (!fits || next.isTaken || next.kind !== first.kind || next.tries !== first.tries) break;
    length += 1;
  }
  return { length, isFull: length === maxEvents || length < candidates.length };
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * The event that a batch is sent as: its id is the batch's, its body the JSON array of `{id, type, timestamp, data}` in order. Events whose
 * content type is not JSON are put one behind the other. The same members make the same bytes.
 */
export function batchEvent(id: string, members: readonly EventRecord[]): EventRecord {
  const [first] = members;
  if (first === undefined) throw new RangeError('A batch has at least one event');
  const body = isJson(first.contentType) ? arrayOf(members) : joined(members.map((event) => event.body));
  return { ...first, id, body };
}

/** Bytes as they are, or text: of ids, types and instants, which are ASCII, so that a character is a byte. */
type Piece = Uint8Array | string;

function arrayOf(members: readonly EventRecord[]): Uint8Array {
  const pieces: Piece[] = [];
  for (const event of members) addElement(pieces, event, pieces.length === 0 ? '[' : ',');
  pieces.push(']');
  return joined(pieces);
}

/** An envelope gets the id in front; any other JSON becomes the `data` of one, and what is no JSON its text. */
function addElement(pieces: Piece[], { id, type, timestamp, body }: EventRecord, before: string): void {
  const head = headOf(type, timestamp);
  const open = `${before}{"id":"${id}",`;
  if (startsWith(body, head)) pieces.push(open, body.subarray(1));
  else pieces.push(open, head.slice(1), jsonOf(body), '}');
}

function jsonOf(body: Uint8Array): Uint8Array {
  const text = decoder.decode(body);
  try {
    JSON.parse(text);
    return body;
  } catch {
    return Buffer.from(JSON.stringify(text));
  }
}

/** The events of a batch often have type and instant in common. */
let last = { type: '', at: 0, head: '' };

/** What stands before the data of an envelope. */
function headOf(type: string, at: number): string {
  if (type !== last.type || at !== last.at)
    last = { type, at, head: `{"type":"${type}","timestamp":"${new Date(at).toISOString()}","data":` };
  return last.head;
}

function startsWith(bytes: Uint8Array, start: string): boolean {
  if (bytes.length <= start.length) return false;
  for (let at = 0; at < start.length; at++) if (bytes[at] !== start.charCodeAt(at)) return false;
  return true;
}

/** `Buffer` writes short texts several times faster than an encoder makes bytes of them. */
function joined(pieces: readonly Piece[]): Uint8Array {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  const whole = Buffer.allocUnsafe(length);
  let at = 0;
  for (const piece of pieces) {
    if (typeof piece === 'string') whole.write(piece, at, 'latin1');
    else whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** A refusal says that something in the request is wrong, not that the endpoint is: a 4xx but for those that ask to come again. */
export function isRefusal(httpStatus: number): boolean {
  return httpStatus >= 400 && httpStatus <= 499 && ![408, 410, 425, 429].includes(httpStatus);
}

/** A batch that was refused so often is split. */
const REFUSALS_TO_SPLIT = 2;

/**
 * What an attempt that did not deliver makes of a batch. `stays`: it failed for reasons that are not its own; `refused`: that is noted; `splits`: it is split in halves, because it
 * was refused again, or was refused and has no try left: some of it may be good.
 */
export function afterFailure(
  batch: BatchMembership,
  { httpStatus, isUsedUp }: { readonly httpStatus: number; readonly isUsedUp: boolean },
): 'stays' | 'refused' | 'splits' {
  if (!isRefusal(httpStatus)) return 'stays';
  const isEnough = isUsedUp || batch.refusals + 1 >= REFUSALS_TO_SPLIT;
  return batch.size > 1 && isEnough ? 'splits' : 'refused';
}
