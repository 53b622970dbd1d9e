import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Signing } from '../../src/domain/webhook.ts';
import { InvalidInputError } from '../../src/errors.ts';
import { checkSecret, generateSecret, secretFace } from '../../src/http/secret.ts';
import { type Random, systemRandom } from '../../src/random.ts';

const secretOf = (size: number) => `whsec_${Buffer.alloc(size, 7).toString('base64')}`;

describe('generateSecret', () => {
  it('makes 32 random bytes that checkSecret accepts', () => {
    const made = generateSecret(fixed(255), 'hmac-sha256');
    expect(made).toBe(`whsec_${Buffer.alloc(32, 255).toString('base64')}`);
    const secrets = Array.from({ length: 100 }, () => generateSecret(systemRandom, 'hmac-sha256'));
    expect(new Set(secrets.map((secret) => checkSecret(secret, 'hmac-sha256'))).size).toBe(100);
  });
});

describe('checkSecret', () => {
  it('accepts 24 to 64 bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 24, maxLength: 64 }), (bytes) => {
        const secret = `whsec_${Buffer.from(bytes).toString('base64')}`;
        expect(checkSecret(secret, 'hmac-sha256')).toBe(secret);
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
    expectRefusal(value, 'hmac-sha256', /^secret must be "whsec_" followed by the base64 of 24 to 64 bytes/);
  });
});

// The example of the specification (spec/standard-webhooks.md, "Webhook headers") is signed with this key; the key itself is in the
// tests of the server it comes from: svix/svix-webhooks, server/svix-server, test_asymmetric_key_signing.
const SEED = '6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc=';
const PAIR = 'whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==';
const PUBLIC = 'whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=';

describe('a key pair', () => {
  it('is generated as 64 bytes: 32 random ones, and the public key that they make', () => {
    const seed = Buffer.from(SEED, 'base64');
    expect(generateSecret({ next: () => 0, bytes: () => seed }, 'ed25519')).toBe(PAIR);
    const keys = Array.from({ length: 20 }, () => generateSecret(systemRandom, 'ed25519'));
    expect(new Set(keys.map((key) => checkSecret(key, 'ed25519'))).size).toBe(20);
  });

  it('is accepted as 64 bytes, or as the 32 of its seed, and kept as 64', () => {
    expect(checkSecret(PAIR, 'ed25519')).toBe(PAIR);
    expect(checkSecret(`whsk_${SEED}`, 'ed25519')).toBe(PAIR);
  });

  it.each([
    ['empty', ''],
    ['the prefix alone', 'whsk_'],
    ['a shared secret', secretOf(32)],
    ['the public key', PUBLIC],
    ['31 bytes', `whsk_${Buffer.alloc(31, 7).toString('base64')}`],
    ['33 bytes', `whsk_${Buffer.alloc(33, 7).toString('base64')}`],
    ['63 bytes', `whsk_${Buffer.from(PAIR.slice(5), 'base64').subarray(1).toString('base64')}`],
    ['a megabyte', `whsk_${Buffer.alloc(1 << 20, 7).toString('base64')}`],
    ['halves that are strangers', `whsk_${Buffer.alloc(64, 7).toString('base64')}`],
    ['PKCS #8', `whsk_302e020100300506032b657004220420${SEED}`],
    ['no padding', PAIR.replaceAll('=', '')],
    ['URL-safe base64', PAIR.replace('/', '_')],
    ['an upper-case prefix', PAIR.replace('whsk', 'WHSK')],
    ['a line break after', `${PAIR}\n`],
    ['a number', 5],
    ['nothing', undefined],
  ])('is refused when it is %s, without showing it (K1, V10)', (_what, value) => {
    expectRefusal(
      value,
      'ed25519',
      /^secret must be "whsk_" followed by the base64 of an ed25519 private key/,
    );
  });
});

describe('secretFace', () => {
  it('shows the last four characters of a shared secret', () => {
    expect(secretFace('whsec_abcdefgh')).toEqual({ signing: 'hmac-sha256', secretHint: 'efgh' });
  });

  it('shows the public key of a pair, and hints at that', () => {
    const face = { signing: 'ed25519', publicKey: PUBLIC, secretHint: 'ir4=' };
    expect(secretFace(PAIR)).toEqual(face);
    expect(secretFace(`whsk_${SEED}`)).toEqual(face);
  });

  it('shows nothing of a private key that a host has stored wrong', () => {
    expect(secretFace('whsk_abcdefgh')).toEqual({ signing: 'ed25519', secretHint: '' });
  });
});

function fixed(byte: number): Random {
  return { next: () => 0, bytes: (size) => new Uint8Array(size).fill(byte) };
}

function expectRefusal(value: unknown, signing: Signing, message: RegExp): void {
  const thrown = (() => {
    try {
      return checkSecret(value, signing);
    } catch (error) {
      return error;
    }
  })();
  expect(thrown).toBeInstanceOf(InvalidInputError);
  expect((thrown as InvalidInputError).field).toBe('secret');
  expect((thrown as InvalidInputError).message).toMatch(message);
  // Of what was given not even a part.
  const given = String(value).replace(/^whs(ec|k)_/, '');
  if (given.length >= 8) expect((thrown as InvalidInputError).message).not.toContain(given.slice(0, 8));
}
