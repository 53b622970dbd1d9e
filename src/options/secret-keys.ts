import { isUint8Array } from 'node:util/types';

const KEY_BYTES = 32;
const MAX_KEYS = 10;

/** Reads `secretKey` as copies, the sealing key first; none where it is not given. Throws `TypeError` or `RangeError`, which show nothing of it. */
export function checkSecretKeys(value: unknown): readonly Uint8Array[] {
  if (value === undefined) return [];
  const keys: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (keys.length === 0 || keys.length > MAX_KEYS)
    throw new RangeError(`secretKey must be 1 to ${MAX_KEYS} keys, not ${keys.length}`);
  return keys.map((key) => {
    if (!isUint8Array(key))
      throw new TypeError(`secretKey must be a Uint8Array of ${KEY_BYTES} bytes, or a list of them`);
    if (key.byteLength === KEY_BYTES) return new Uint8Array(key);
    throw new RangeError(`secretKey must have ${KEY_BYTES} bytes, not ${key.byteLength}`);
  });
}
