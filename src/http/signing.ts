import { isUtf8 } from 'node:buffer';
import { createHmac, createSecretKey, sign } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { isPrivateKey, isPublicKey, signingKey } from './ed25519.ts';
import { isSealed } from './sealed-text.ts';

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
  /** Every secret that is active, newest first: `whsec_…` (HMAC-SHA256, marked `v1`) or `whsk_…` (ed25519, marked `v1a`). */
  readonly secrets: readonly string[];
}

/** A body of more bytes than that would hold the event loop up: the package hashes in JavaScript, about 8 µs a KiB. */
const LARGE_BYTES = 8_192;

/**
 * Signs with the `standardwebhooks` package, and `whsk_` keys with `node:crypto`. That package signs text only, so a body that is not
 * UTF-8 is signed as `hmacSigner` does, and so is a large one, such as a batch; for text the two agree.
 */
export function standardSigner(): Signer {
  return signerWith((secret) => {
    const webhook = new Webhook(secret);
    const raw = hmac(secret);
    return (message) => {
      if (message.body.byteLength > LARGE_BYTES || !isUtf8(message.body)) return raw(message);
      const at = new Date(message.timestamp * 1000);
      return webhook.sign(message.id, at, asBuffer(message.body).toString());
    };
  });
}

/** The same signatures by `node:crypto` alone: HMAC-SHA256 over the bytes as they are, base64, marked `v1`. Takes any body, and a third of the time. */
export function hmacSigner(): Signer {
  return signerWith(hmac);
}

/** Makes one entry of `webhook-signature` with one secret. */
type Sign = (message: SignedMessage) => string;

/** The secret says by its prefix how it signs; a key of one kind never serves the other. */
function signerWith(symmetric: (secret: string) => Sign): Signer {
  const signs = cache((secret) => {
    if (isSealed(secret)) throw new TypeError('a sealed secret cannot sign');
    if (isPrivateKey(secret)) return ed25519(secret);
    if (isPublicKey(secret)) throw new TypeError('a public key verifies, it cannot sign');
    return symmetric(secret);
  });
  return {
    sign(message) {
      const { secrets } = message;
      const [only] = secrets;
      if (secrets.length === 1 && only !== undefined) return signs(only)(message);
      return secrets.map((secret) => signs(secret)(message)).join(' ');
    },
  };
}

function hmac(secret: string): Sign {
  const key = createSecretKey(Buffer.from(secret.replace(/^whsec_/, ''), 'base64'));
  return ({ id, timestamp, body }) =>
    `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')}`;
}

/**
 * The algorithm reads its message twice, so it gets it in one piece. Signed on this thread: an answer of another one would come at a
 * time that the injected clock does not rule.
 */
function ed25519(secret: string): Sign {
  const key = signingKey(secret);
  return ({ id, timestamp, body }) => {
    const content = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
    return `v1a,${sign(null, content, key).toString('base64')}`;
  };
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
