import type { Signing } from '../domain/webhook.ts';
import { InvalidInputError } from '../errors.ts';
import type { Random } from '../random.ts';
import { isPrivateKey, privateKeyOf, publicKeyOf, readPrivateKey } from './ed25519.ts';
import { isSealed } from './sealed-text.ts';

const PREFIX = 'whsec_';
const SECRET_BYTES = 32;
const MIN_BYTES = 24;
const MAX_BYTES = 64;
const HINT_LENGTH = 4;

/** Longest base64 of `MAX_BYTES`: longer texts are not even decoded. */
const MAX_BASE64_LENGTH = Math.ceil(MAX_BYTES / 3) * 4;

/** A new signing secret, of 32 random bytes: `whsec_` and their base64, or the `whsk_` key that they make. */
export function generateSecret(random: Random, signing: Signing): string {
  const bytes = random.bytes(SECRET_BYTES);
  if (signing === 'ed25519') return privateKeyOf(bytes);
  return `${PREFIX}${Buffer.from(bytes).toString('base64')}`;
}

/**
 * A signing secret as Standard Webhooks has them, in the form that is stored: `whsec_` and padded base64 of 24 to 64 bytes in its one
 * canonical spelling, or for `ed25519` a `whsk_` key of 32 or 64 bytes. Throws `InvalidInputError` for field `secret`, without showing the value.
 */
export function checkSecret(value: unknown, signing: Signing): string {
  const secret = typeof value === 'string' ? readSecret(value, signing) : undefined;
  if (secret !== undefined) return secret;
  throw new InvalidInputError('secret', `secret must be ${wanted(signing)}`);
}

function readSecret(value: string, signing: Signing): string | undefined {
  if (signing === 'ed25519') return readPrivateKey(value);
  return isSecret(value) ? value : undefined;
}

function wanted(signing: Signing): string {
  if (signing === 'ed25519')
    return '"whsk_" followed by the base64 of an ed25519 private key, of 32 bytes or with its public key of 64';
  return `"${PREFIX}" followed by the base64 of ${MIN_BYTES} to ${MAX_BYTES} bytes where signing is "hmac-sha256"`;
}

function isSecret(value: string): boolean {
  if (!value.startsWith(PREFIX) || value.length > PREFIX.length + MAX_BASE64_LENGTH) return false;
  const base64 = value.slice(PREFIX.length);
  const bytes = Buffer.from(base64, 'base64');
  return bytes.length >= MIN_BYTES && bytes.length <= MAX_BYTES && bytes.toString('base64') === base64;
}

/** What may be shown of a secret at any time. */
export interface SecretFace {
  readonly signing: Signing;
  /** The last four characters: of the secret itself, or of the public key where there is one. Empty where the secret could not be opened. */
  readonly secretHint: string;
  /** `whpk_…`; for `ed25519` only. */
  readonly publicKey?: string;
}

/** What may be shown of a stored secret. Nothing of a private key is, however malformed, nor of a sealed text. */
export function secretFace(secret: string): SecretFace {
  if (!isPrivateKey(secret))
    return { signing: 'hmac-sha256', secretHint: isSealed(secret) ? '' : secret.slice(-HINT_LENGTH) };
  const publicKey = publicKeyOf(secret);
  if (publicKey === undefined) return { signing: 'ed25519', secretHint: '' };
  return { signing: 'ed25519', secretHint: publicKey.slice(-HINT_LENGTH), publicKey };
}
