import { Buffer } from 'node:buffer';
import { hash } from 'node:crypto';

/** Everything that the host gave for an event, as it was read; `null` for what it left out. */
export interface Given {
  readonly type: string;
  readonly tenantId: string;
  readonly source: string | null;
  readonly headers: Readonly<Record<string, string>> | null;
  readonly idempotencyKey: string | null;
  readonly id: string | null;
  /** Epoch ms. */
  readonly timestamp: number | null;
  /** Epoch ms. */
  readonly deliverAt: number | null;
  readonly orderingKey: string | null;
  /** `null` with `data`. */
  readonly contentType: string | null;
  /** The JSON of `data`, or the bytes of `body`. */
  readonly content: string | Uint8Array;
}

/**
 * SHA-256 in base64url of everything the host gave: what surehook made itself (id, timestamp) is left out, so that the same
 * publish made twice has one fingerprint. The text hashed is a JSON array of the fields, a line feed (which JSON text has
 * none of), and the content: no two different events share it. `data` counts as its JSON text, so that the order of its keys matters, as
 * it does for the bytes that are signed.
 */
export function fingerprintOf(given: Given): string {
  const { type, tenantId, source, idempotencyKey, id, timestamp, deliverAt, orderingKey } = given;
  const { contentType, content } = given;
  const headers = given.headers === null ? null : Object.entries(given.headers).sort(byName);
  const times = [timestamp, deliverAt];
  const fields = [type, tenantId, source, headers, idempotencyKey, id, ...times, orderingKey, contentType];
  const head = `${JSON.stringify(fields)}\n`;
  const text = typeof content === 'string' ? head + content : Buffer.concat([Buffer.from(head), content]);
  return hash('sha256', text, 'base64url');
}

function byName([a]: readonly [string, string], [b]: readonly [string, string]): number {
  return a < b ? -1 : 1;
}
