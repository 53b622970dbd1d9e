import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidInputError } from '../../src/errors.ts';
import { checkSecret, generateSecret, secretHint } from '../../src/http/secret.ts';
import { systemRandom } from '../../src/random.ts';

const secretOf = (size: number) => `whsec_${Buffer.alloc(size, 7).toString('base64')}`;

describe('generateSecret', () => {
  it('makes 32 random bytes that checkSecret accepts', () => {
    const made = generateSecret({ next: () => 0, bytes: (size) => new Uint8Array(size).fill(255) });
    expect(made).toBe(`whsec_${Buffer.alloc(32, 255).toString('base64')}`);
    const secrets = Array.from({ length: 100 }, () => generateSecret(systemRandom));
    expect(new Set(secrets.map(checkSecret)).size).toBe(100);
  });
});

describe('checkSecret', () => {
  it('accepts 24 to 64 bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 24, maxLength: 64 }), (bytes) => {
        const secret = `whsec_${Buffer.from(bytes).toString('base64')}`;
        expect(checkSecret(secret)).toBe(secret);
      }),
    );
  });

  it.each([
    ['empty', ''],
    ['the prefix alone', 'whsec_'],
    ['one byte', 'whsec_AA=='],
    ['23 bytes', secretOf(23)],
    ['65 bytes', secretOf(65)],
    ['a megabyte', secretOf(1 << 20)],
    ['no prefix', secretOf(32).slice(6)],
    ['another prefix', `whsk_${secretOf(32).slice(6)}`],
    ['an upper-case prefix', secretOf(32).replace('whsec', 'WHSEC')],
    ['no padding', secretOf(32).replace('=', '')],
    ['URL-safe base64', `whsec_${Buffer.alloc(24, 255).toString('base64url').replace('_', '-')}`],
    ['stray bits', `whsec_${'A'.repeat(42)}B=`],
    ['a blank inside', secretOf(32).replace('whsec_B', 'whsec_ B')],
    ['a line break after', `${secretOf(32)}\n`],
    ['no base64', `whsec_${'!'.repeat(44)}`],
    ['a number', 5],
    ['nothing', undefined],
  ])('refuses %s without showing it (K1, V10)', (_what, value) => {
    const thrown = (() => {
      try {
        return checkSecret(value);
      } catch (error) {
        return error;
      }
    })();
    expect(thrown).toBeInstanceOf(InvalidInputError);
    expect((thrown as InvalidInputError).field).toBe('secret');
    expect((thrown as InvalidInputError).message).toBe(
      'secret must be "whsec_" followed by the base64 of 24 to 64 bytes',
    );
  });
});

describe('secretHint', () => {
  it('is the last four characters', () => {
    expect(secretHint('whsec_abcdefgh')).toBe('efgh');
  });
});
