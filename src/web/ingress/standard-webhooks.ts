import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { checkSecret } from '../../http/secret.ts';
import { standardSigner } from '../../http/signing.ts';
import { sameText } from './comparing.ts';
import { parsedJson, textField } from './content.ts';
import type { IngressVerifier } from './message.ts';
import { readKeys, readOptions, readSecrets } from './secrets.ts';
import { checkTolerance, isTimely } from './signed-at.ts';

/** What a sender of Standard Webhooks signs with: at least one secret or public key, at most five of either. */
export interface StandardWebhooksOptions {
  /** `whsec_` and the base64 of 24 to 64 bytes. */
  readonly secret?: string | undefined;
  /** Several, in place of `secret`: while the sender changes it. */
  readonly secrets?: readonly string[] | undefined;
  /** `whpk_` and the base64 of 32 bytes: the sender's ed25519 keys. */
  readonly publicKeys?: readonly string[] | undefined;
  /** How far the timestamp may be from now, before or after, in ms. @default 300_000 */
  readonly toleranceMs?: number | undefined;
}

/** An id has no dot: the signed text joins id, timestamp and body by dots, so that `a.1` would be one id or another with a different body. */
const ID = /^[\x21-\x2d\x2f-\x7e]{1,256}$/;
/** More entries than that are not looked at, so that a refusal takes no longer than a match. */
const MAX_SIGNATURES = 10;
const ED25519_MARK = 'v1a,';
const SIGNATURE_BYTES = 64;
const PUBLIC_KEY = /^whpk_([A-Za-z0-9+/]{43}=)$/;

/** SubjectPublicKeyInfo of an ed25519 key up to the key, which ends it (RFC 8410, section 4). */
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex');

/**
 * Verifies Standard Webhooks: `webhook-id`, `webhook-timestamp` and `webhook-signature`, over the bytes as they came. A secret matches `v1` entries
 * only and a public key `v1a` entries only; the first ten entries count. The id is `webhook-id`, the type is `type` of a JSON body.
 * Throws `TypeError` or `RangeError` naming the option that is wrong.
 */
export function standardWebhooks(options: StandardWebhooksOptions): IngressVerifier {
  const given = readOptions(options, ['secret', 'secrets', 'publicKeys', 'toleranceMs']);
  const secrets = readSecrets(given, readSecret);
  const keys = readKeys('publicKeys', given.publicKeys, readPublicKey).map(verifyingKey);
  if (secrets.length + keys.length === 0) throw new TypeError('secret, secrets or publicKeys is required');
  const toleranceMs = checkTolerance(given.toleranceMs);
  const signer = standardSigner();
  return async ({ headers, body, now }) => {
    const id = headers.get('webhook-id') ?? '';
    const seconds = headers.get('webhook-timestamp') ?? '';
    if (!ID.test(id) || !isTimely(seconds, now, toleranceMs)) return false;
    const entries = (headers.get('webhook-signature') ?? '').split(' ', MAX_SIGNATURES);
    const message = { id, timestamp: Number(seconds), body };
    const expected = await Promise.all(
      secrets.map((secret) => signer.sign({ ...message, secrets: [secret] })),
    );
    const isSigned = expected.some((one) => entries.some((entry) => sameText(entry, one)));
    const content = (): Uint8Array => Buffer.concat([Buffer.from(`${id}.${seconds}.`), body]);
    if (!isSigned && (keys.length === 0 || !isSignedWith(keys, entries, content()))) return false;
    return { id, type: textField(parsedJson(body), 'type'), source: 'standard-webhooks' };
  };
}

function isSignedWith(keys: readonly KeyObject[], entries: readonly string[], content: Uint8Array): boolean {
  const signatures = entries.filter((entry) => entry.startsWith(ED25519_MARK)).map(signatureIn);
  return signatures.some(
    (signature) => signature !== undefined && keys.some((key) => verify(null, content, key, signature)),
  );
}

/** In its one spelling: base64 with other bits at its end would be the same signature. */
function signatureIn(entry: string): Uint8Array | undefined {
  const base64 = entry.slice(ED25519_MARK.length);
  const bytes = Buffer.from(base64, 'base64');
  return bytes.length === SIGNATURE_BYTES && bytes.toString('base64') === base64 ? bytes : undefined;
}

function readSecret(field: string, value: unknown): string {
  try {
    return checkSecret(value, 'hmac-sha256');
  } catch {
    const message = `${field} must be "whsec_" followed by the base64 of 24 to 64 bytes`;
    throw typeof value === 'string' ? new RangeError(message) : new TypeError(message);
  }
}

function readPublicKey(field: string, value: unknown): string {
  const base64 = typeof value === 'string' ? PUBLIC_KEY.exec(value)?.[1] : undefined;
  if (base64 !== undefined && Buffer.from(base64, 'base64').toString('base64') === base64) return base64;
  const message = `${field} must be "whpk_" followed by the base64 of 32 bytes`;
  throw typeof value === 'string' ? new RangeError(message) : new TypeError(message);
}

function verifyingKey(base64: string): KeyObject {
  const key = Buffer.concat([SPKI_HEAD, Buffer.from(base64, 'base64')]);
  return createPublicKey({ key, format: 'der', type: 'spki' });
}
