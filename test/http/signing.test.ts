import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { hmacSigner, standardSigner } from '../../src/http/signing.ts';

const secretOf = (fill: number) => `whsec_${Buffer.alloc(32, fill).toString('base64')}`;
const text = new TextEncoder();
const timestamp = 1_700_000_000;

/** The rule of the specification, spelled out once more. */
function expected(id: string, body: Uint8Array, fill: number): string {
  const hmac = createHmac('sha256', Buffer.alloc(32, fill)).update(`${id}.${timestamp}.`).update(body);
  return `v1,${hmac.digest('base64')}`;
}

describe.each([
  ['standardSigner', standardSigner()],
  ['hmacSigner', hmacSigner()],
])('%s', (_name, signer) => {
  it('signs text, and bytes that are no text, as the specification says', () => {
    const body = fc.oneof(
      fc.string({ unit: 'binary' }).map((s) => text.encode(s)),
      fc.uint8Array({ maxLength: 300 }),
    );
    fc.assert(
      fc.property(body, fc.integer({ min: 0, max: 255 }), (bytes, fill) => {
        const message = { id: 'evt_1', timestamp, body: bytes, secrets: [secretOf(fill)] };
        expect(signer.sign(message)).toBe(expected('evt_1', bytes, fill));
      }),
    );
  });

  it('signs a large body, such as a batch, so that the package verifies it', () => {
    const body = text.encode(JSON.stringify('x'.repeat(100_000)));
    const now = Math.floor(Date.now() / 1000);
    const signature = signer.sign({ id: 'bat_1', timestamp: now, body, secrets: [secretOf(7)] });
    const headers = {
      'webhook-id': 'bat_1',
      'webhook-timestamp': String(now),
      'webhook-signature': String(signature),
    };
    expect(new Webhook(secretOf(7)).verify(new TextDecoder().decode(body), headers)).toBe(
      'x'.repeat(100_000),
    );
  });

  it('keeps a byte order mark and everything else in the text', () => {
    const body = text.encode('\ufeff{"a":"é😀\u2028"}');
    expect(signer.sign({ id: 'evt_1', timestamp, body, secrets: [secretOf(1)] })).toBe(
      expected('evt_1', body, 1),
    );
  });

  it('signs a part of a larger buffer', () => {
    const body = text.encode('xx{"a":1}xx').subarray(2, 9);
    expect(signer.sign({ id: 'evt_1', timestamp, body, secrets: [secretOf(1)] })).toBe(
      expected('evt_1', body, 1),
    );
  });

  it('gives one entry per secret, newest first (K6)', () => {
    const body = text.encode('{}');
    const signature = signer.sign({ id: 'evt_1', timestamp, body, secrets: [secretOf(2), secretOf(1)] });
    expect(signature).toBe(`${expected('evt_1', body, 2)} ${expected('evt_1', body, 1)}`);
  });

  it('satisfies a receiver that uses the standardwebhooks package, with either secret', () => {
    const now = Math.floor(Date.now() / 1000);
    const body = '{"type":"invoice.paid"}';
    const message = {
      id: 'evt_1',
      timestamp: now,
      body: text.encode(body),
      secrets: [secretOf(2), secretOf(1)],
    };
    const headers = {
      'webhook-id': 'evt_1',
      'webhook-timestamp': String(now),
      'webhook-signature': String(signer.sign(message)),
    };
    for (const fill of [1, 2])
      expect(new Webhook(secretOf(fill)).verify(body, headers)).toEqual({ type: 'invoice.paid' });
    expect(() => new Webhook(secretOf(3)).verify(body, headers)).toThrow();
    expect(() => new Webhook(secretOf(1)).verify(`${body} `, headers)).toThrow();
  });

  it('goes on signing right when it has met more secrets than it keeps', () => {
    const body = text.encode('{}');
    for (let i = 0; i < 5000; i++) {
      const secret = `whsec_${Buffer.alloc(24, String(i).padStart(6, '0')).toString('base64')}`;
      signer.sign({ id: 'a', timestamp, body, secrets: [secret] });
    }
    expect(signer.sign({ id: 'evt_1', timestamp, body, secrets: [secretOf(1)] })).toBe(
      expected('evt_1', body, 1),
    );
  });
});
