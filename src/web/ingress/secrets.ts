/** Readers of secrets. Their errors name the option and never show its value, whatever was given by mistake. */
import { createHmac } from 'node:crypto';
import { listIn, misuse, plainObject } from '../../domain/check.ts';

/** What a sender signs with. While the sender changes it, both are given: each may have signed. */
export type SharedSecrets =
  | { readonly secret: string; readonly secrets?: undefined }
  | { readonly secret?: undefined; readonly secrets: readonly string[] };

const MAX_KEYS = 5;
const MAX_SECRET_LENGTH = 1024;

/** Reads one secret or key. */
type ReadKey = (field: string, value: unknown) => string;

/** The fields of options. Throws `TypeError`. */
export function readOptions<Key extends string>(
  value: unknown,
  keys: readonly Key[],
): { readonly [Name in Key]?: unknown } {
  // A bare secret in place of the options must not end in an error message.
  if (typeof value !== 'object') throw new TypeError('the options must be a plain object');
  return plainObject('the options', value, { keys, path: '', refuse: misuse });
}

/** One to five of `secret` or `secrets`; none where neither is given. Throws `TypeError` or `RangeError`. */
export function readSecrets(
  { secret, secrets }: { readonly secret?: unknown; readonly secrets?: unknown },
  read: ReadKey,
): readonly string[] {
  if (secret === undefined) return readKeys('secrets', secrets, read);
  if (secrets !== undefined) throw new TypeError('secret and secrets cannot both be given');
  return [read('secret', secret)];
}

/** One to five of an option that is a list; none where it is not given. Throws `TypeError` or `RangeError`. */
export function readKeys(field: string, value: unknown, read: ReadKey): readonly string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new TypeError(`${field} must be an array`);
  const list = listIn(field, value, { min: 1, max: MAX_KEYS, refuse: misuse });
  return list.map((key, index) => read(`${field}[${index}]`, key));
}

/** The options `secret` and `secrets` where a secret is any text, used as its UTF-8. At least one is required. */
export function readSharedSecrets(given: {
  readonly secret?: unknown;
  readonly secrets?: unknown;
}): readonly string[] {
  const secrets = readSecrets(given, readText);
  if (secrets.length === 0) throw new TypeError('secret or secrets is required');
  return secrets;
}

function readText(field: string, value: unknown): string {
  const message = `${field} must be a string of 1 to ${MAX_SECRET_LENGTH} characters`;
  if (typeof value !== 'string') throw new TypeError(message);
  if (value === '' || value.length > MAX_SECRET_LENGTH) throw new RangeError(message);
  return value;
}

/** HMAC-SHA256 in lower-case hex of a text and the bytes after it. */
export function hexHmac(secret: string, head: string, body: Uint8Array): string {
  return createHmac('sha256', secret).update(head).update(body).digest('hex');
}
