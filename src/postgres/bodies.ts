import { isUtf8 } from 'node:buffer';
import type { Tables } from './tables.ts';

/**
 * How a body comes from the server: as text where it is text, for drivers get bytes as hex, which costs both ends twice as much. `events.is_text` tells; it is
 * decided at append, when the body is at hand, and is false of all in a database whose encoding is not UTF-8. A delivery's own body always comes as bytes.
 */
export type BodyColumns =
  | { readonly body: Uint8Array; readonly body_text: null }
  | { readonly body: null; readonly body_text: string };

/** Columns of a row as they come from the server. */
export type Sent<Columns extends { readonly body: unknown }> = Omit<Columns, 'body'> & BodyColumns;

/** Whether all of a body comes back from the server as text: PostgreSQL keeps no NUL in text, and some drivers drop the byte order mark in front. */
export function isText(body: Uint8Array): boolean {
  return isUtf8(body) && !hasNul(body) && !(body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf);
}

/** The search of a `Buffer` takes a fifth of the time of an array's own, and any bytes. */
function hasNul(body: Uint8Array): boolean {
  return Buffer.prototype.includes.call(body, 0);
}

/** The body of a row, byte for byte. */
export function bodyIn({ body, body_text }: BodyColumns): Uint8Array {
  return body_text === null ? body : Buffer.from(body_text);
}

/** The select list of a body: `BodyColumns`. `text` is the expression to read where `isText` holds. */
export function bodyList(isText: string, body: string, text: string = body): string {
  return `CASE WHEN ${isText} THEN convert_from(${text}, 'UTF8') END AS body_text, CASE WHEN NOT ${isText} THEN ${body} END AS body`;
}

/** What a delivery `d` sends: its own body, or that of its event `e`. */
export function bodyOf({ listings }: Tables, d: string, e: string): string {
  const own = `(SELECT l.body FROM ${listings} l WHERE l.webhook_id = ${d}.webhook_id AND l.created_at = ${d}.created_at AND l.delivery_id = ${d}.id)`;
  return `CASE WHEN ${d}.body_length IS NULL THEN ${e}.body ELSE ${own} END`;
}

/** Whether what a delivery `d` of an event `e` sends comes as text. */
export function isTextOf(d: string, e: string): string {
  return `(${d}.body_length IS NULL AND ${e}.is_text)`;
}
