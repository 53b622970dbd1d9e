import { isUtf8 } from 'node:buffer';
import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { Webhook } from 'standardwebhooks';

/** Makes the signatures of a request. A host may supply its own: asymmetric, or with keys that it does not hand out. */
export interface Signer {
  /** The whole value of `webhook-signature`: one entry per secret, in their order, separated by a space. */
  sign(message: SignedMessage): string | Promise<string>;
}

/** What is signed: `id.timestamp.body` (Standard Webhooks). */
export interface SignedMessage {
  /** The value of `webhook-id`. */
  readonly id: string;
  /** The value of `webhook-timestamp`: epoch SECONDS, whole. */
  readonly timestamp: number;
  /** Exactly the bytes that are sent. */
  readonly body: Uint8Array;
  /** Every secret that is active, newest first. */
  readonly secrets: readonly string[];
}

/**
 * Signs with the `standardwebhooks` package. That package signs text only, so a body that is not UTF-8 is signed by
 * `hmacSigner`; for text the two agree.
 */
export function standardSigner(): Signer {
  const webhooks = cache((secret) => new Webhook(secret));
  const raw = hmacSigner();
  return {
    sign(message) {
      if (!isUtf8(message.body)) return raw.sign(message);
      const text = asBuffer(message.body).toString();
      const at = new Date(message.timestamp * 1000);
      return join(message.secrets, (secret) => webhooks(secret).sign(message.id, at, text));
    },
  };
}

/** The same signatures by `node:crypto`: HMAC-SHA256 over the bytes as they are, base64, marked `v1`. Takes any body, and a third of the time. */
export function hmacSigner(): Signer {
  const keys = cache(secretKey);
  return {
    sign(message) {
      const prefix = `${message.id}.${message.timestamp}.`;
      return join(message.secrets, (secret) => {
        const hmac = createHmac('sha256', keys(secret));
        return `v1,${hmac.update(prefix).update(message.body).digest('base64')}`;
      });
    },
  };
}

function secretKey(secret: string): KeyObject {
  return createSecretKey(Buffer.from(secret.replace(/^whsec_/, ''), 'base64'));
}

function join(secrets: readonly string[], sign: (secret: string) => string): string {
  const [only] = secrets;
  return secrets.length === 1 && only !== undefined ? sign(only) : secrets.map(sign).join(' ');
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const MAX_CACHED = 4096;

/** Decoding a key costs more than finding it. Emptied when full: simpler than the order of use, and as good for this. */
function cache<T>(make: (secret: string) => T): (secret: string) => T {
  const made = new Map<string, T>();
  return (secret) => {
    const known = made.get(secret);
    if (known !== undefined) return known;
    const fresh = make(secret);
    if (made.size >= MAX_CACHED) made.clear();
    made.set(secret, fresh);
    return fresh;
  };
}
