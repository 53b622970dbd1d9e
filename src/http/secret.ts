import { InvalidInputError } from '../errors.ts';
import type { Random } from '../random.ts';

const PREFIX = 'whsec_';
const SECRET_BYTES = 32;
const MIN_BYTES = 24;
const MAX_BYTES = 64;
const HINT_LENGTH = 4;

/** Longest base64 of `MAX_BYTES`: longer texts are not even decoded. */
const MAX_BASE64_LENGTH = Math.ceil(MAX_BYTES / 3) * 4;

/** A new signing secret: `whsec_` and base64 of 32 random bytes. */
export function generateSecret(random: Random): string {
  return `${PREFIX}${Buffer.from(random.bytes(SECRET_BYTES)).toString('base64')}`;
}

/**
 * A signing secret as Standard Webhooks has them: `whsec_` and padded base64 of 24 to 64 bytes, in its one canonical spelling. Throws
 * `InvalidInputError` for field `secret`, without showing the value.
 */
export function checkSecret(value: unknown): string {
  if (typeof value === 'string' && isSecret(value)) return value;
  throw new InvalidInputError(
    'secret',
    `secret must be "${PREFIX}" followed by the base64 of ${MIN_BYTES} to ${MAX_BYTES} bytes`,
  );
}

function isSecret(value: string): boolean {
  if (!value.startsWith(PREFIX) || value.length > PREFIX.length + MAX_BASE64_LENGTH) return false;
  const base64 = value.slice(PREFIX.length);
  const bytes = Buffer.from(base64, 'base64');
  return bytes.length >= MIN_BYTES && bytes.length <= MAX_BYTES && bytes.toString('base64') === base64;
}

/** What may be shown of a secret later: its last four characters. */
export function secretHint(secret: string): string {
  return secret.slice(-HINT_LENGTH);
}
