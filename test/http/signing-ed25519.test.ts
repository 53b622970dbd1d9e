/** Asymmetric signatures: the vectors that others published, and verifiers that are not the code under test. */
import * as noble from '@noble/ed25519';
import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { generateSecret, secretFace } from '../../src/http/secret.ts';
import { hmacSigner, type SignedMessage, standardSigner } from '../../src/http/signing.ts';
import { seededRandom } from '../../src/testing/index.ts';

const text = new TextEncoder();
const shared = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
const privateKey = (seed: number): string => generateSecret(seededRandom(seed), 'ed25519');
const publicKey = (key: string): string => secretFace(key).publicKey ?? '';

const message = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', timestamp: 1_614_265_330 };
const body = text.encode('{"test": 2432232314}');

describe.each([
  ['standardSigner', standardSigner()],
  ['hmacSigner', hmacSigner()],
])('%s', (_name, signer) => {
  const signed = (given: Partial<SignedMessage>): string =>
    String(signer.sign({ ...message, body, secrets: [], ...given }));

  it.each([
    // The second entry of the example in the specification (standard-webhooks, spec/standard-webhooks.md); what it signs, and with which key,
    // is in svix/svix-webhooks, server/svix-server: test_asymmetric_key_signing.
    [
      'the specification, key of 64 bytes',
      'whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==',
      'v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==',
    ],
    // standard-webhooks, libraries/go: TestAsymmetricWebhookSign.
    [
      'the Go library, key of 32 bytes',
      'whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=',
      'v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag==',
    ],
  ])('signs as %s does', (_whose, key, expected) => {
    expect(signed({ secrets: [key] })).toBe(expected);
  });

  it('signs what WebCrypto verifies with the public key, whatever the bytes are', async () => {
    const bytes = fc.oneof(
      fc.string({ unit: 'binary' }).map((s) => text.encode(s)),
      fc.uint8Array({ maxLength: 300 }),
    );
    await fc.assert(
      fc.asyncProperty(bytes, fc.nat(50), async (content, seed) => {
        const key = privateKey(seed);
        const signature = signed({ body: content, secrets: [key] });
        expect(await isValid(signature, content, publicKey(key))).toBe(true);
        const other = new Uint8Array([...content, 120]);
        expect(await isValid(signature, other, publicKey(key))).toBe(false);
        expect(await isValid(signature, content, publicKey(privateKey(seed + 1)))).toBe(false);
      }),
      { numRuns: 50 },
    );
  });

  it('signs a part of a larger buffer', () => {
    const part = text.encode('xx{"a":1}xx').subarray(2, 9);
    const secrets = [privateKey(1)];
    expect(signed({ body: part, secrets })).toBe(signed({ body: text.encode('{"a":1}'), secrets }));
  });

  it('gives one entry per secret of either kind, newest first, each for its own receiver', async () => {
    const now = Math.floor(Date.now() / 1000);
    const [newer, older] = [privateKey(2), privateKey(1)];
    const header = signed({ timestamp: now, secrets: [newer, shared, older] });
    const entries = header.split(' ');
    expect(entries.map((entry) => entry.split(',')[0])).toEqual(['v1a', 'v1', 'v1a']);
    expect(await isValid(entries[0] ?? '', body, publicKey(newer), now)).toBe(true);
    expect(await isValid(entries[2] ?? '', body, publicKey(older), now)).toBe(true);
    const headers = {
      'webhook-id': message.id,
      'webhook-timestamp': String(now),
      'webhook-signature': header,
    };
    expect(new Webhook(shared).verify(Buffer.from(body), headers)).toEqual({ test: 2432232314 });
  });

  it.each([
    ['a public key', publicKey(privateKey(1))],
    ['a private key cut short', privateKey(1).slice(0, -8)],
    ['a private key of 24 bytes', `whsk_${Buffer.alloc(24, 1).toString('base64')}`],
    ['the prefix alone', 'whsk_'],
  ])('refuses to sign with %s, and never as a shared secret (V10)', (_what, secret) => {
    const sign = (): string => signed({ secrets: [shared, secret] });
    expect(sign).toThrow(TypeError);
    expect(sign).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining(secret.slice(5, 20) || 'whsk_AA') }),
    );
  });
});

it('another implementation verifies it, and makes the same signature', async () => {
  const secrets = [privateKey(9)];
  const signature = String(standardSigner().sign({ ...message, body, secrets }));
  const bytes = Buffer.from(signature.slice('v1a,'.length), 'base64');
  const content = Buffer.concat([text.encode(`${message.id}.${message.timestamp}.`), body]);
  const seed = Buffer.from(privateKey(9).slice('whsk_'.length), 'base64').subarray(0, 32);
  expect(await noble.verifyAsync(bytes, content, keyBytes(publicKey(privateKey(9))))).toBe(true);
  expect(await noble.verifyAsync(bytes, content, keyBytes(publicKey(privateKey(8))))).toBe(false);
  expect(Buffer.from(await noble.signAsync(content, seed))).toEqual(bytes);
  expect(Buffer.from(await noble.getPublicKeyAsync(seed))).toEqual(keyBytes(publicKey(privateKey(9))));
});

async function isValid(
  signature: string,
  content: Uint8Array,
  key: string,
  timestamp = message.timestamp,
): Promise<boolean> {
  const [version, base64 = ''] = signature.split(',');
  if (version !== 'v1a') return false;
  const imported = await crypto.subtle.importKey('raw', keyBytes(key), 'Ed25519', false, ['verify']);
  const all = Buffer.concat([text.encode(`${message.id}.${timestamp}.`), content]);
  return await crypto.subtle.verify('Ed25519', imported, Buffer.from(base64, 'base64'), all);
}

function keyBytes(key: string): Buffer<ArrayBuffer> {
  return Buffer.from(key.replace(/^whpk_/, ''), 'base64');
}
