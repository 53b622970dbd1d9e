import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isSealed, Seal, type SealedPlace } from '../../src/http/sealed-text.ts';
import { systemRandom } from '../../src/random.ts';

const place: SealedPlace = { webhookId: 'whk_1', field: 'secret' };
const keyOf = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const sealOf = (...bytes: readonly number[]): Seal => new Seal(bytes.map(keyOf), systemRandom);

const texts = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.base64String({ minLength: 32 }).map(whsec),
  fc.constant(''),
);
const places = fc.record({ webhookId: fc.string(), field: fc.string() });

function whsec(base64: string): string {
  return `whsec_${base64}`;
}

describe('a sealed text', () => {
  it('opens again in its place, in this process and in others', () => {
    fc.assert(
      fc.property(texts, places, (text, where) => {
        fc.pre(text.isWellFormed());
        const seal = sealOf(1);
        const sealed = seal.seal(text, where);
        expect(isSealed(sealed)).toBe(true);
        expect([seal.open(sealed, where), seal.open(sealed, where)]).toEqual([text, text]);
        expect(sealOf(1).open(sealed, where)).toBe(text);
      }),
    );
  });

  it('is another each time', () => {
    const seal = sealOf(1);
    expect(new Set(Array.from({ length: 1_000 }, () => seal.seal('a secret', place))).size).toBe(1_000);
  });

  it('shows its version, its key and how its webhook signs, and nothing else', () => {
    const form = /^sealed1\.[0-9a-f]{8}\.[\w-]+$/;
    expect(sealOf(1).seal('Bearer whsec_', place)).toMatch(form);
    for (const kind of ['whsec_', 'whsk_']) {
      const sealed = sealOf(1).seal(`${kind}secretsecret`, place);
      expect(sealed.startsWith(kind)).toBe(true);
      expect(sealed.slice(kind.length)).toMatch(form);
    }
  });

  it('does not open with any character changed', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.'.split('');
    for (const text of ['whsec_a secret', 'whsec_a secret.', 'whsec_a secret..']) {
      const sealed = sealOf(1).seal(text, place);
      for (let index = 0; index < sealed.length; index += 1) {
        for (const character of alphabet.filter((one) => one !== sealed[index])) {
          const altered = sealed.slice(0, index) + character + sealed.slice(index + 1);
          expect(sealOf(1).open(altered, place)).toBe(altered);
        }
      }
    }
  });

  it('does not open in another place, also where it has been opened before', () => {
    const seal = sealOf(1);
    const sealed = seal.seal('whsec_a secret', place);
    expect(seal.open(sealed, place)).toBe('whsec_a secret');
    const others = [
      { ...place, webhookId: 'whk_2' },
      { ...place, field: 'header authorization' },
      { webhookId: 'whk_1","secret', field: '' },
    ];
    for (const other of others) expect(seal.open(sealed, other)).toBe(sealed);
    const exchanged = sealed.replace('whsec_', 'whsk_');
    expect(seal.open(exchanged, place)).toBe(exchanged);
    expect(seal.open(sealed.slice('whsec_'.length), place)).toBe(sealed.slice('whsec_'.length));
  });

  it('opens with any of the keys, the first of which seals', () => {
    const old = sealOf(1).seal('a secret', place);
    const both = sealOf(2, 1);
    expect(both.open(old, place)).toBe('a secret');
    const fresh = both.seal('a secret', place);
    expect(sealOf(2).open(fresh, place)).toBe('a secret');
    expect(sealOf(1).open(fresh, place)).toBe(fresh);
    expect(sealOf(3).open(old, place)).toBe(old);
  });

  it('is not sealed again', () => {
    const sealed = sealOf(1).seal('a secret', place);
    expect(sealOf(2).seal(sealed, place)).toBe(sealed);
  });
});

describe('a seal', () => {
  it('leaves readable texts as they are, and without a key everything', () => {
    for (const text of ['whsec_q/Zt+8yR', '', 'sealed1.', 'sealed1.0a1b2c3d.short', 'whsec_sealed1.'])
      expect(sealOf(1).open(text, place)).toBe(text);
    expect(sealOf().seal('a secret', place)).toBe('a secret');
  });

  it('goes on opening after very many texts', () => {
    const seal = sealOf(1);
    const first = seal.seal('first', place);
    for (let n = 0; n < 17_000; n += 1) seal.open(seal.seal(`${n}`, place), place);
    expect(seal.open(first, place)).toBe('first');
  });

  it('refuses nonces of another length than it needs', () => {
    const seal = new Seal([keyOf(1)], { next: () => 0, bytes: () => new Uint8Array(16) });
    expect(() => seal.seal('a secret', place)).toThrow(TypeError);
  });

  it('shows neither its keys nor what it has opened', () => {
    const seal = sealOf(0x41);
    seal.open(seal.seal('a canary', place), place);
    expect(inspect(seal, { depth: Number.POSITIVE_INFINITY, showHidden: true })).toBe('Seal {}');
  });
});
