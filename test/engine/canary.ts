/** Secrets that are known again wherever they come to light, and what looks for them. */
import { inspect } from 'node:util';
import { expect } from 'vitest';

const bytes = Buffer.from('canary-secret-x???>>>wren~~dunlin');
const seed = Buffer.from('canary-pair?>?>kestrel~~heron>>?');

/** Of 33 bytes, with every character of base64 that somebody escapes. */
export const SECRET: string = `whsec_${bytes.toString('base64')}`;
/** Of the bytes of an ed25519 seed. */
export const PAIR: string = `whsk_${seed.toString('base64')}`;
/** Of a header `authorization`. */
export const TOKEN = 'tok_canary/8c1f+0b7e4d==';
/** Of other headers. */
export const KEY = 'key_canary_5d2a9e41';
export const COOKIE = 'sid=canary_c00c1e77';
/** In the query of a URL. */
export const QUERY = 'url_canary_31f~9-d2';
/** In a URL, before its host. */
export const PASSWORD = 'pw_canary_77aa31';
/** What secrets are sealed with. */
export const SECRET_KEY: Uint8Array = Buffer.from('canary-of-the-sealing-key-32-byt');

/** The headers of a webhook with credentials. */
export const HEADERS: Readonly<Record<string, string>> = {
  authorization: `Bearer ${TOKEN}`,
  'x-api-key': KEY,
  'x-auth-user': KEY,
  'x-hub-token': KEY,
  'client-secret': KEY,
  'x-password': KEY,
  'x-signature': KEY,
  cookie: COOKIE,
  'x-plain': 'plain',
};

const canaries = [
  SECRET.slice('whsec_'.length),
  PAIR.slice('whsk_'.length),
  TOKEN,
  KEY,
  COOKIE,
  QUERY,
  PASSWORD,
];

/** Everything that can be made of a value: as JSON, and inspected to any depth, hidden fields and causes included. */
export function shown(value: unknown): string {
  const options = { depth: Number.POSITIVE_INFINITY, maxArrayLength: null, maxStringLength: null } as const;
  const plain = inspect(value, { ...options, showHidden: true, getters: true, showProxy: true });
  return [plain, inspect(value, options), json(value), String((value as Error | undefined)?.stack)].join(
    '\n',
  );
}

function json(value: unknown): string {
  try {
    return JSON.stringify(value) ?? '';
  } catch {
    return '';
  }
}

/** A text in every form in which it may have gone somewhere. */
function forms(text: string | Uint8Array): string[] {
  const raw = Buffer.from(text);
  const plain = raw.toString();
  // Within a longer text base64 begins at any of three places; the characters at its ends depend on what is around.
  const shifted = [0, 1, 2].map((shift) => {
    const base64 = Buffer.concat([Buffer.alloc(shift), raw])
      .toString('base64')
      .replaceAll('=', '');
    return base64.slice(shift === 0 ? 0 : shift + 1, -1);
  });
  return [
    plain,
    JSON.stringify(plain).slice(1, -1),
    plain.replaceAll('/', '\\/'),
    encodeURIComponent(plain),
    encodeURIComponent(plain).toLowerCase(),
    ...shifted,
    ...shifted.map((base64) => base64.replaceAll('+', '-').replaceAll('/', '_')),
    raw.toString('hex'),
    raw.toString('hex').toUpperCase(),
    raw.toString('hex').replace(/(..)(?!$)/g, '$1 '),
    [...raw].join(','),
  ];
}

/** Where any of the canaries, or of `more`, is in a text: its forms, not the text. */
export function found(text: string, more: readonly (string | Uint8Array)[] = []): string[] {
  const heads = canaries.map((canary) => canary.slice(0, 14));
  const sought = [...canaries, ...heads, bytes, seed, SECRET_KEY, ...more].flatMap(forms);
  // Bytes as JSON and `inspect` write them, in lines and with the index of each.
  const packed = text.replaceAll(/"\d+":|\s+/g, '');
  return [...new Set(sought)].filter((form) => text.includes(form) || packed.includes(form));
}

/** Nothing of the canaries is in what these values show. */
export function expectNoCanary(
  values: readonly unknown[],
  more: readonly (string | Uint8Array)[] = [],
): void {
  expect(found(values.map(shown).join('\n'), more)).toEqual([]);
}
