/**
 * Key pairs as Standard Webhooks writes them: `whsk_` and the base64 of the private key, `whpk_` and the base64 of the 32 bytes
 * of the public key. The specification does not say which bytes a private key has, and its implementations differ: Svix, whose
 * example it shows, has 64 (the seed, then the public key), its Go library 32 (the seed). Both are read; 64 are written, so that
 * the public key is there without a calculation.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';

const PRIVATE = 'whsk_';
const PUBLIC = 'whpk_';
const SEED_BYTES = 32;
const PAIR_BYTES = 64;

/** Longest base64 of a private key: longer texts are not even decoded. */
const MAX_BASE64_LENGTH = 88;

/** PKCS #8 of an ed25519 key up to its seed, which ends it (RFC 8410, section 7). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');

/** Whether it says that it is a private key of a pair. */
export function isPrivateKey(secret: string): boolean {
  return secret.startsWith(PRIVATE);
}

/** Whether it says that it is a public key, which everybody may know: nothing may ever be signed with it. */
export function isPublicKey(secret: string): boolean {
  return secret.startsWith(PUBLIC);
}

/** The private key that 32 unpredictable bytes make, in the form that is stored. */
export function privateKeyOf(seed: Uint8Array): string {
  return `${PRIVATE}${Buffer.concat([seed, publicBytes(seed)]).toString('base64')}`;
}

/**
 * A private key in either form and in canonical base64, in the form that is stored. `undefined` for anything else, and for a pair
 * whose halves do not belong together: nobody could verify what it signs.
 */
export function readPrivateKey(text: string): string | undefined {
  const bytes = decoded(text);
  if (bytes === undefined) return undefined;
  const stored = privateKeyOf(bytes.subarray(0, SEED_BYTES));
  return bytes.length === SEED_BYTES || stored === text ? stored : undefined;
}

/** The key to sign with. Throws a `TypeError` that does not show the text. */
export function signingKey(privateKey: string): KeyObject {
  const bytes = decoded(privateKey);
  if (bytes !== undefined) return keyOf(bytes.subarray(0, SEED_BYTES));
  throw new TypeError(`a private key must be "${PRIVATE}" followed by the base64 of 32 or 64 bytes`);
}

/** The public half, `whpk_…`; `undefined` where the text is no private key. */
export function publicKeyOf(privateKey: string): string | undefined {
  const bytes = decoded(privateKey);
  if (bytes === undefined) return undefined;
  const half = bytes.length === PAIR_BYTES ? bytes.subarray(SEED_BYTES) : publicBytes(bytes);
  return `${PUBLIC}${Buffer.from(half).toString('base64')}`;
}

function decoded(text: string): Buffer | undefined {
  if (!isPrivateKey(text) || text.length > PRIVATE.length + MAX_BASE64_LENGTH) return undefined;
  const base64 = text.slice(PRIVATE.length);
  const bytes = Buffer.from(base64, 'base64');
  const isKey = bytes.length === SEED_BYTES || bytes.length === PAIR_BYTES;
  return isKey && bytes.toString('base64') === base64 ? bytes : undefined;
}

function keyOf(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, seed]), format: 'der', type: 'pkcs8' });
}

function publicBytes(seed: Uint8Array): Uint8Array {
  const spki = createPublicKey(keyOf(seed)).export({ format: 'der', type: 'spki' });
  return spki.subarray(-SEED_BYTES);
}
