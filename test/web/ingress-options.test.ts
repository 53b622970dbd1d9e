import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createSurehook, memoryRepos } from '../../src/index.ts';
import { github } from '../../src/web/ingress/github.ts';
import { type IngressTarget, ingressHandler } from '../../src/web/ingress/handler.ts';
import type { IngressOptions } from '../../src/web/ingress/options.ts';
import { standardWebhooks } from '../../src/web/ingress/standard-webhooks.ts';
import { stripe } from '../../src/web/ingress/stripe.ts';
import { secretOf } from './ingress-harness.ts';

const target: IngressTarget = { publish: () => Promise.reject(new Error('never called')) };
const verify = (): boolean => true;
const make = (options: unknown): unknown => ingressHandler(target, options as IngressOptions);

describe('the options of ingressHandler', () => {
  it.each<[string, Record<string, unknown>, new () => Error]>([
    ['verify', { verify: undefined }, TypeError],
    ['verify', { verify: 'stripe' }, TypeError],
    ['type', { type: 7 }, TypeError],
    ['type', { type: 'a..b' }, RangeError],
    ['type', { type: 'invoice.*' }, RangeError],
    ['tenantId', { tenantId: '' }, RangeError],
    ['tenantId', { tenantId: '*' }, RangeError],
    ['tenantId', { tenantId: ['a'] }, TypeError],
    ['source', { source: '' }, RangeError],
    ['source', { source: 7 }, TypeError],
    ['requiredHeaders', { requiredHeaders: [] }, RangeError],
    ['requiredHeaders', { requiredHeaders: ['x a'] }, RangeError],
    ['requiredHeaders', { requiredHeaders: [7] }, TypeError],
    ['requiredHeaders', { requiredHeaders: ['X-A', 'x-a'] }, RangeError],
    ['requiredHeaders', { requiredHeaders: { 'x-a': 7 } }, TypeError],
    ['requiredHeaders', { requiredHeaders: { 'x-a': ' a' } }, RangeError],
    ['requiredHeaders', { requiredHeaders: { 'x-a': '' } }, RangeError],
    ['requiredHeaders', { requiredHeaders: 'x-a' }, TypeError],
    ['allow', { allow: '10.0.0.0/8' }, TypeError],
    ['allow', { allow: [] }, RangeError],
    ['allow[0]', { allow: ['localhost'] }, RangeError],
    ['trustedHops', { trustedHops: 0 }, RangeError],
    ['trustedHops', { trustedHops: 1.5 }, RangeError],
    ['trustedHops', { trustedHops: true }, TypeError],
    ['trustedHops', { trustedHops: 1, remoteAddress: () => '' }, TypeError],
    ['remoteAddress', { remoteAddress: '127.0.0.1' }, TypeError],
    ['maxBytes', { maxBytes: 0 }, RangeError],
    ['maxBytes', { maxBytes: 2 ** 40 }, RangeError],
    ['readTimeoutMs', { readTimeoutMs: 0 }, RangeError],
    ['readTimeoutMs', { readTimeoutMs: Number.NaN }, RangeError],
    ['forwardHeaders', { forwardHeaders: ['webhook-signature'] }, RangeError],
    ['forwardHeaders', { forwardHeaders: ['a\r\nb'] }, RangeError],
    ['onError', { onError: {} }, TypeError],
    ['clock', { clock: {} }, TypeError],
    ['clock', { clock: null }, TypeError],
    ['secret', { secret: 'a' }, TypeError],
    ['the options', Object.create({ verify }), TypeError],
  ])('refuse a wrong %s: %o', (name, options, kind) => {
    const given = Object.getPrototypeOf(options) === Object.prototype ? { verify, ...options } : options;
    const error = thrownBy(() => make(given));
    expect(error).toBeInstanceOf(kind);
    expect(error.message.startsWith(name)).toBe(true);
  });

  it('need a surehook', () => {
    for (const none of [undefined, null, {}, { publish: 1 }])
      expect(() => ingressHandler(none as never, { verify })).toThrow(
        'surehook must have the method publish',
      );
  });

  it('do not take a surehook with a catalogue, which publishes no bodies', () => {
    const validate = (value: unknown) => ({ value });
    const catalog = { a: { '~standard': { version: 1, vendor: 'test', validate } } } as const;
    const surehook = createSurehook({ repos: memoryRepos(), catalog });
    // @ts-expect-error its publish takes data only
    expect(ingressHandler(surehook, { verify })).toBeTypeOf('function');
  });

  it('are taken as they are documented', () => {
    const all: IngressOptions = {
      verify,
      type: 'stripe.event',
      tenantId: 'acme',
      source: 'billing',
      requiredHeaders: ['User-Agent', 'content-type'],
      allow: ['192.0.2.0/24', '2001:db8::1'],
      trustedHops: 2,
      maxBytes: 1,
      readTimeoutMs: 1,
      forwardHeaders: ['X-Trace'],
      onError: () => {},
    };
    expect(ingressHandler(target, all)).toBeTypeOf('function');
  });
});

describe('the options of a verifier', () => {
  const canary = 'canary-secret-canary-secret';

  it.each<[string, () => unknown]>([
    ['stripe: a bare secret', () => stripe(canary as never)],
    ['stripe: secrets that are one text', () => stripe({ secrets: canary as never })],
    ['stripe: both', () => stripe({ secret: canary, secrets: [canary] } as never)],
    ['stripe: too long a secret', () => stripe({ secret: canary.repeat(40) })],
    ['stripe: a list of a list', () => stripe({ secrets: [[canary]] as never })],
    ['stripe: more than five', () => stripe({ secrets: Array(6).fill(canary) })],
    ['github: a bare secret', () => github(canary as never)],
    ['standardWebhooks: no whsec_', () => standardWebhooks({ secret: canary })],
    ['standardWebhooks: not base64', () => standardWebhooks({ secret: `whsec_${canary}!` })],
    ['standardWebhooks: a private key', () => standardWebhooks({ secret: `whsk_${canary}` })],
    ['standardWebhooks: a secret as public key', () => standardWebhooks({ publicKeys: [`whsec_${canary}`] })],
    [
      'standardWebhooks: public keys that are one text',
      () => standardWebhooks({ publicKeys: canary as never }),
    ],
    ['requiredHeaders: a value', () => make({ verify, requiredHeaders: { 'x-a': `${canary}\n` } })],
    ['requiredHeaders: a text', () => make({ verify, requiredHeaders: `x-a: ${canary}` })],
    ['verify: a secret', () => make({ verify: canary })],
    ['ingressHandler: a bare secret', () => make(canary)],
  ])('are refused without being shown: %s', (_what, attempt) => {
    const error = thrownBy(attempt);
    expect(error instanceof TypeError || error instanceof RangeError).toBe(true);
    expect(inspect(error).split('\n    at ')[0]).not.toContain('canary');
  });

  it.each([1, 16, 23, 65, 1_000_000])('refuse a secret of %i bytes (K1)', (length) => {
    expect(() => standardWebhooks({ secret: secretOf(1, length) })).toThrow(
      'secret must be "whsec_" followed by the base64 of 24 to 64 bytes',
    );
  });

  it.each([24, 32, 64])('take a secret of %i bytes', (length) => {
    expect(standardWebhooks({ secrets: [secretOf(1), secretOf(2, length)] })).toBeTypeOf('function');
  });

  it.each([
    'whpk_',
    `whpk_${'A'.repeat(44)}`,
    `whpk_${Buffer.alloc(31).toString('base64')}`,
    `whpk_${'A'.repeat(42)}B=`,
  ])('refuse the public key %s', (key) => {
    expect(() => standardWebhooks({ publicKeys: [key] })).toThrow(
      'publicKeys[0] must be "whpk_" followed by the base64 of 32 bytes',
    );
  });

  it.each<[string, () => unknown]>([
    ['secret, secrets or publicKeys is required', () => standardWebhooks({})],
    ['secret or secrets is required', () => stripe({} as never)],
    ['secret or secrets is required', () => github({ secret: undefined } as never)],
    ['secrets must have 1 to 5 elements, not 0', () => github({ secrets: [] })],
    ['secret must be a string of 1 to 1024 characters', () => github({ secret: '' })],
    [
      'toleranceMs must be a whole number from 0 to 86400000, not Infinity',
      () => stripe({ secret: 'a', toleranceMs: Infinity }),
    ],
    [
      'toleranceMs is not a field of the options: known are secret, secrets',
      () => github({ secret: 'a', toleranceMs: 1 } as never),
    ],
    ['the options must be a plain object', () => github(undefined as never)],
  ])('throw %s', (message, attempt) => {
    expect(attempt).toThrow(message);
  });
});

function thrownBy(attempt: () => unknown): Error {
  try {
    attempt();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('It threw no error');
}
