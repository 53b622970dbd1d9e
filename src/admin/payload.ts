import { isJson } from '../domain/content-type.ts';
import type { EventRecord } from '../domain/event.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * The payload of a stored event as filters saw it when it was published: `data` of the envelope, or the whole body where the host gave that as
 * JSON; `undefined` where it is none.
 */
export function payloadOf({ type, timestamp, contentType, body }: EventRecord): unknown {
  if (!isJson(contentType)) return undefined;
  try {
    const text = utf8.decode(body);
    const value: unknown = JSON.parse(text);
    // What stands in front of `data` in every envelope, and in hardly anything else.
    const head = `{"type":"${type}","timestamp":"${new Date(timestamp).toISOString()}","data":`;
    return text.startsWith(head) ? (value as { readonly data: unknown }).data : value;
  } catch {
    return undefined;
  }
}
