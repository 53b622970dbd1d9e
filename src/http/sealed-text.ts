import { createCipheriv, createDecipheriv, createSecretKey, hash, type KeyObject } from 'node:crypto';
import type { Random } from '../random.ts';

const VERSION = 'sealed1';

/**
 * `sealed1.`, the id of the key, `.`, and the base64url of nonce, ciphertext and tag. In front, readable, is the prefix of a signing secret, which
 * says how its webhook signs; it is bound to the rest.
 */
const FORM = /^(wh(?:sec|sk)_|)sealed1\.([0-9a-f]{8})\.([\w-]{38,})$/;
const KIND = /^wh(?:sec|sk)_/;

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The hash that names a key is of no use for anything else. */
const ID_DOMAIN = Buffer.from('surehook: id of a key that seals secrets\0');
const ID_LENGTH = 8;

/** Where a text is kept: it opens nowhere else. */
export interface SealedPlace {
  readonly webhookId: string;
  /** `secret`, or `header` and its name. */
  readonly field: string;
}

/** Whether a text is sealed: of no use to anybody before it has been opened. */
export function isSealed(text: string): boolean {
  return FORM.test(text);
}

interface Key {
  readonly id: string;
  readonly key: KeyObject;
}

interface Opened extends SealedPlace {
  readonly text: string;
}

/** More than an engine keeps webhooks. Emptied when full: simpler than the order of use, and as good for this. */
const MAX_OPENED = 16_384;

/** Seals texts with AES-256-GCM, and opens them. */
export class Seal {
  readonly #keys: readonly Key[];
  readonly #random: Random;
  /** By sealed text. Finding costs less than opening, and webhooks are read at every publish. */
  readonly #opened = new Map<string, Opened>();

  /** @param keys 32 bytes each: the first seals, all open. None: texts stay as they are. */
  constructor(keys: readonly Uint8Array[], random: Random) {
    this.#keys = keys.map((bytes) => ({ id: idOf(bytes), key: createSecretKey(bytes) }));
    this.#random = random;
  }

  /** The text sealed, each time differently. One that is sealed already stays as it is: it could not be opened, and may be another time. */
  seal(text: string, place: SealedPlace): string {
    const [first] = this.#keys;
    if (first === undefined || isSealed(text)) return text;
    const nonce = this.#random.bytes(NONCE_BYTES);
    // Of another length it would be taken apart wrongly, and the text would be lost.
    if (nonce.byteLength !== NONCE_BYTES)
      throw new TypeError('random.bytes must give as many as it is asked for');
    const kind = KIND.exec(text)?.[0] ?? '';
    const cipher = createCipheriv(CIPHER, first.key, nonce).setAAD(Buffer.from(contextOf(kind, place)));
    const bytes = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return `${kind}${VERSION}.${first.id}.${bytes.toString('base64url')}`;
  }

  /** What was sealed. A text that never was comes back as it is; so does one that was altered, belongs elsewhere or is of an unknown key. */
  open(text: string, place: SealedPlace): string {
    const known = this.#opened.get(text);
    if (known?.webhookId === place.webhookId && known.field === place.field) return known.text;
    const [, kind = '', id, payload = ''] = FORM.exec(text) ?? [];
    if (id === undefined) return text;
    const bytes = Buffer.from(payload, 'base64url');
    // One spelling only: the last character has bits to spare.
    if (bytes.toString('base64url') !== payload) return text;
    const context = contextOf(kind, place);
    for (const { key } of this.#keys.filter((one) => one.id === id)) {
      const opened = decrypted(bytes, key, context);
      if (opened !== undefined) return this.#keep(text, { ...place, text: opened });
    }
    return text;
  }

  #keep(sealed: string, opened: Opened): string {
    if (this.#opened.size >= MAX_OPENED) this.#opened.clear();
    this.#opened.set(sealed, opened);
    return opened.text;
  }
}

function idOf(key: Uint8Array): string {
  return hash('sha256', Buffer.concat([ID_DOMAIN, key]), 'hex').slice(0, ID_LENGTH);
}

/** What a sealed text is bound to. */
function contextOf(kind: string, { webhookId, field }: SealedPlace): string {
  return JSON.stringify([VERSION, kind, webhookId, field]);
}

function decrypted(bytes: Buffer, key: KeyObject, context: string): string | undefined {
  const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES));
  decipher.setAAD(Buffer.from(context)).setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    const text = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8');
    return text + decipher.final('utf8');
  } catch {
    // The tag is not that of these bytes, this key and this place.
    return undefined;
  }
}
