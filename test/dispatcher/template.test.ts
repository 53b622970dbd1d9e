import { describe, expect, test } from 'vitest';
import { Template } from '../../src/dispatcher/template.ts';
import type { EventRecord } from '../../src/domain/event.ts';
import type { WebhookRecord } from '../../src/domain/webhook.ts';
import { maskParts } from '../../src/http/redact.ts';

const SECRET = `whsec_${Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')}`;
const OLDER = `whsec_${Buffer.from('fedcba9876543210fedcba9876543210').toString('base64')}`;

const webhook = (fields: Partial<WebhookRecord> = {}): WebhookRecord => ({
  id: 'whk_1',
  tenantId: 'default',
  url: 'https://example.com/hook?token=tok_3141592653&x=1',
  events: ['*'],
  status: { state: 'enabled' },
  delivery: { semantics: 'at-least-once', mode: 'single', ordered: false },
  headers: { authorization: 'Bearer abcdefghijkl' },
  secrets: [{ secret: SECRET }],
  createdAt: 0,
  updatedAt: 0,
  revision: 1,
  ...fields,
});

const event = (fields: Partial<EventRecord> = {}): EventRecord => ({
  id: 'evt_1',
  tenantId: 'default',
  type: 'a.b',
  body: Buffer.from('{}'),
  contentType: 'application/json',
  timestamp: 0,
  createdAt: 0,
  fingerprint: '',
  ...fields,
});

describe('the headers', () => {
  test('are ours, then the webhook’s, then the event’s', () => {
    const template = new Template(webhook({ headers: { 'x-a': 'webhook', 'x-b': 'webhook' } }), 'surehook/0');
    expect(template.headers(event({ headers: { 'x-a': 'event', 'x-c': 'event' } }), 7, 'v1,sig')).toEqual({
      'x-a': 'webhook',
      'x-b': 'webhook',
      'x-c': 'event',
      'user-agent': 'surehook/0',
      'content-type': 'application/json',
      'webhook-id': 'evt_1',
      'webhook-timestamp': '7',
      'webhook-signature': 'v1,sig',
    });
  });

  test('that are reserved are not sent, though a host of its own webhooks table may keep them', () => {
    const headers = { Host: 'internal', 'Webhook-Id': 'evt_forged', 'content-length': '3', 'X-Fine': 'yes' };
    const sent = new Template(webhook({ headers }), 'surehook/0').headers(event(), 7, 'v1,sig');
    expect(sent).toMatchObject({ 'webhook-id': 'evt_1', 'x-fine': 'yes' });
    expect(Object.keys(sent)).not.toEqual(expect.arrayContaining(['host']));
    expect(Object.keys(sent)).not.toEqual(expect.arrayContaining(['content-length']));
  });

  test('as stored with an attempt show no credential, no signature and no token', () => {
    const template = new Template(webhook(), 'surehook/0');
    const shown = JSON.stringify([
      template.shownUrl,
      template.shown(template.headers(event(), 7, 'v1,sig'), event()),
    ]);
    expect(shown).not.toMatch(/abcdefghijkl|tok_3141592653|v1,/);
    expect(shown).toContain('"webhook-id":"evt_1"');
  });
});

describe('what is hidden in answers', () => {
  const mask = (text: string, signature: string): string =>
    maskParts(text, new Template(webhook(), 'surehook/0').hidden(event(), signature));

  test.each([
    ['the secret', `echo ${SECRET}`],
    ['the secret without its prefix', `echo ${SECRET.slice(6)}`],
    ['a credential', 'echo abcdefghijkl'],
    ['a token of the URL', 'Cannot POST /hook?token=tok_3141592653&x=1'],
    ['the signature', 'echo AAAABBBBCCCCDDDD'],
    ['the second of two signatures', 'echo EEEEFFFFGGGGHHHH'],
  ])('%s', (_, text) => {
    expect(mask(text, 'v1,AAAABBBBCCCCDDDD v1,EEEEFFFFGGGGHHHH')).toMatch(/\*\*\*/);
  });

  test('nothing else', () => {
    expect(mask('Cannot POST /hook', 'v1,AAAABBBBCCCCDDDD')).toBe('Cannot POST /hook');
  });

  test('a URL that is none does no harm', () => {
    expect(() => new Template(webhook({ url: 'nonsense' }), 'surehook/0')).not.toThrow();
  });
});

test('secrets sign until they expire, newest first', () => {
  const template = new Template(
    webhook({ secrets: [{ secret: SECRET }, { secret: OLDER, expiresAt: 1_000 }] }),
    'surehook/0',
  );
  expect(template.secrets(999)).toEqual([SECRET, OLDER]);
  expect(template.secrets(1_000)).toEqual([SECRET]);
});

describe('the headers of an answer', () => {
  const template = new Template(webhook(), 'surehook/0');
  const masked = (value: string): string => value.replaceAll('secret', '***');
  const never = (): string => {
    throw new Error('looked through again');
  };

  test('are copied, masked; what is no text is left out', () => {
    const given = { a: 'a secret', 'retry-after': '7', n: 7, ['__proto__']: 'x' };
    const { shown, retryAfter } = template.answer(given, event(), masked);
    expect(shown).toEqual({ a: 'a ***', 'retry-after': '7' });
    expect(retryAfter).toBe('7');
    for (const none of [undefined, null, 7, 'text']) {
      expect(template.answer(none, event(), masked)).toEqual({ shown: {} });
    }
  });

  test('are looked through once where they cannot change and come again', () => {
    const given = Object.freeze({ a: 'a secret', 'retry-after': '7' });
    const first = template.answer(given, event(), masked);
    expect(template.answer(given, event(), never)).toBe(first);
    expect(Object.isFrozen(first.shown)).toBe(true);
  });

  test('are looked through again where a transport may have changed them', () => {
    const given = { a: 'a secret' };
    expect(template.answer(given, event(), masked).shown).toEqual({ a: 'a ***' });
    given.a = 'another secret';
    expect(template.answer(given, event(), masked).shown).toEqual({ a: 'another ***' });
  });

  test('are looked through for themselves where an event has credentials of its own', () => {
    const given = Object.freeze({ b: 'a secret' });
    const own = event({ headers: { 'x-api-key': 'secret' } });
    expect(template.answer(given, event(), (value) => value).shown).toEqual({ b: 'a secret' });
    expect(template.answer(given, own, masked).shown).toEqual({ b: 'a ***' });
    expect(template.answer(given, event(), never).shown).toEqual({ b: 'a secret' });
  });
});
