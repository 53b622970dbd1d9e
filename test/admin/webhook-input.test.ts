import { describe, expect, test } from 'vitest';
import type { NewWebhook } from '../../src/admin/new-webhook.ts';
import type { WebhookPolicy } from '../../src/admin/webhook-fields.ts';
import { parseNewWebhook, parseWebhookPatch, withChanges } from '../../src/admin/webhook-input.ts';
import { retrySchedule } from '../../src/domain/retry-policy.ts';
import type { WebhookRecord } from '../../src/domain/webhook.ts';
import { ForbiddenEndpointError, InvalidInputError } from '../../src/errors.ts';
import { generateSecret } from '../../src/http/secret.ts';
import { seededRandom } from '../../src/testing/index.ts';

const policy: WebhookPolicy = {
  endpoints: { allowHttp: false, allowPrivateAddresses: false, ports: undefined },
  maxTimeoutMs: 21_000,
};
const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
const pair = generateSecret(seededRandom(1), 'ed25519');
const least = { url: 'https://example.com/hooks', events: ['invoice.*'] };
const full = {
  ...least,
  tenantId: 't1',
  ownerId: 'o1',
  name: 'Invoices',
  description: 'two\nlines',
  filter: { field: 'data.total', gt: 1 },
  headers: { 'x-a': '1' },
  delivery: { semantics: 'at-most-once', mode: 'single', ordered: false },
  retry: retrySchedule([0, 5]),
  timeoutMs: 21_000,
  maxInFlight: 3,
  rateLimit: { perMinute: 0.5, burst: 2 },
  signing: 'hmac-sha256',
  secret,
} as const satisfies NewWebhook;

function thrownBy(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}

describe('a new webhook', () => {
  test('needs a URL and events; the rest takes its default or stays absent', () => {
    const delivery = { semantics: 'at-least-once', mode: 'single', ordered: false };
    expect(parseNewWebhook(least, policy)).toEqual({
      ...least,
      tenantId: 'default',
      delivery,
      signing: 'hmac-sha256',
    });
    expect(Object.keys(parseNewWebhook(least, policy)).sort()).toEqual([
      'delivery',
      'events',
      'signing',
      'tenantId',
      'url',
    ]);
  });

  test('keeps everything that is given', () => {
    expect(parseNewWebhook(full, policy)).toEqual(full);
  });

  test('signs with a key pair where that is asked for, given or not', () => {
    const signing = 'ed25519';
    expect(parseNewWebhook({ ...least, signing }, policy)).toMatchObject({ signing });
    expect(parseNewWebhook({ ...least, signing }, policy)).not.toHaveProperty('secret');
    expect(parseNewWebhook({ ...least, signing, secret: pair }, policy)).toMatchObject({
      signing,
      secret: pair,
    });
  });

  test('undefined is as if absent, for everything that is optional', () => {
    const { url, events, ...optional } = full;
    const blank = Object.fromEntries(Object.keys(optional).map((name) => [name, undefined]));
    expect(parseNewWebhook({ url, events, ...blank }, policy)).toEqual(parseNewWebhook(least, policy));
  });

  test('is stored in canonical form: URL, header names, patterns', () => {
    const given = { url: 'HTTPS://EXAMPLE.com:443/a/../b', events: ['a', 'a'], headers: { 'X-A': ' 1 ' } };
    expect(parseNewWebhook(given, policy)).toMatchObject({
      url: 'https://example.com/b',
      events: ['a'],
      headers: { 'x-a': '1' },
    });
  });

  test('a rate is evenly spaced unless it is given a burst', () => {
    const { rateLimit } = parseNewWebhook({ ...least, rateLimit: { perMinute: 60 } }, policy);
    expect(rateLimit).toEqual({ perMinute: 60, burst: 1 });
  });

  test('delivery may be given in part', () => {
    const { delivery } = parseNewWebhook({ ...least, delivery: { semantics: 'at-most-once' } }, policy);
    expect(delivery).toEqual({ semantics: 'at-most-once', mode: 'single', ordered: false });
  });

  test('shares nothing with the input', () => {
    const given = structuredClone(full) as { events: string[]; headers: Record<string, string> };
    const parsed = parseNewWebhook(given, policy);
    given.events.push('*');
    given.headers['x-b'] = '2';
    expect(parsed).toEqual(full);
  });

  test.each([
    'http://example.com/',
    'https://127.0.0.1/',
    'https://user:pass@example.com/',
    'nowhere',
    undefined,
    7,
  ])('the URL %s is refused', (url) => {
    expect(thrownBy(() => parseNewWebhook({ ...least, url }, policy))).toBeInstanceOf(ForbiddenEndpointError);
    expect(thrownBy(() => parseWebhookPatch({ url: url ?? null }, policy))).toBeInstanceOf(
      ForbiddenEndpointError,
    );
  });
});

/** Each field wrong: the path that the error names, the input's field, and what the message shows. */
const wrong: readonly [string, Record<string, unknown>, string][] = [
  ['events', { events: [] }, '0'],
  ['events', { events: 'invoice.*' }, '"invoice.*"'],
  ['events[1]', { events: ['a', '**'] }, '"**"'],
  ['ownerId', { ownerId: '' }, '""'],
  ['ownerId', { ownerId: 'x'.repeat(257) }, '257'],
  ['name', { name: 7 }, '7'],
  ['name', { name: 'a\nb' }, '"a\\nb"'],
  ['name', { name: 'x'.repeat(201) }, '201'],
  ['description', { description: ['a'] }, '[array of 1]'],
  ['description', { description: 'a\u0000' }, '"a\\u0000"'],
  ['description', { description: 'x'.repeat(2_001) }, '2001'],
  ['filter.regex', { filter: { field: 'type', regex: 'a' } }, '"regex"'],
  ['filter', { filter: () => true }, '[function]'],
  ['headers', { headers: ['a'] }, '[array of 1]'],
  ['headers.webhook-signature', { headers: { 'Webhook-Signature': 'v1' } }, '"Webhook-Signature"'],
  ['delivery', { delivery: 'at-most-once' }, '"at-most-once"'],
  ['delivery.semantics', { delivery: { semantics: 'exactly-once' } }, '"exactly-once"'],
  ['delivery.mode', { delivery: { mode: 'bulk' } }, '"bulk"'],
  ['delivery.batch.maxEvents', { delivery: { mode: 'batched', batch: { maxEvents: 0 } } }, '0'],
  ['delivery.batch.maxEvents', { delivery: { mode: 'batched', batch: { maxEvents: 1_001 } } }, '1001'],
  ['delivery.batch.maxBytes', { delivery: { mode: 'batched', batch: { maxBytes: 1.5 } } }, '1.5'],
  ['delivery.batch.maxWaitMs', { delivery: { mode: 'batched', batch: { maxWaitMs: -1 } } }, '-1'],
  ['delivery.batch.size', { delivery: { mode: 'batched', batch: { size: 5 } } }, 'maxEvents'],
  ['delivery.ordered', { delivery: { ordered: 1 } }, '1'],
  ['delivery.ordered.onExhausted', { delivery: { ordered: { onExhausted: 'wait' } } }, 'wait'],
  ['delivery.ordered.fifo', { delivery: { ordered: { fifo: true } } }, 'onExhausted'],
  ['delivery.fifo', { delivery: { fifo: true } }, 'ordered'],
  ['retry', { retry: () => 1 }, '[function]'],
  ['retry.delaysMs[0]', { retry: { kind: 'schedule', delaysMs: [-1], jitter: 0 } }, '-1'],
  ['timeoutMs', { timeoutMs: 0 }, '0'],
  ['timeoutMs', { timeoutMs: 21_001 }, '21001'],
  ['timeoutMs', { timeoutMs: '500' }, '"500"'],
  ['maxInFlight', { maxInFlight: 0 }, '0'],
  ['maxInFlight', { maxInFlight: 1.5 }, '1.5'],
  ['rateLimit', { rateLimit: 60 }, '60'],
  ['rateLimit.perMinute', { rateLimit: {} }, 'undefined'],
  ['rateLimit.perMinute', { rateLimit: { perMinute: 0 } }, '0'],
  ['rateLimit.perMinute', { rateLimit: { perMinute: Number.POSITIVE_INFINITY } }, 'Infinity'],
  ['rateLimit.perMinute', { rateLimit: { perMinute: 600_001 } }, '600001'],
  ['rateLimit.burst', { rateLimit: { perMinute: 1, burst: 1.5 } }, '1.5'],
  ['rateLimit.burst', { rateLimit: { perMinute: 1, burst: 0 } }, '0'],
  ['rateLimit.burst', { rateLimit: { perMinute: 1, burst: 10_001 } }, '10001'],
  ['rateLimit.perSecond', { rateLimit: { perMinute: 1, perSecond: 1 } }, 'perMinute'],
  ['localAddress', { localAddress: '10.0.0.1' }, 'localAddress'],
  ['socketPath', { socketPath: '/x' }, 'socketPath'],
  ['status', { status: { state: 'enabled' } }, 'status'],
  ['__proto__', JSON.parse('{"__proto__":{"name":"a"}}'), '__proto__'],
];
const wrongWhenNew: typeof wrong = [
  ['tenantId', { tenantId: '*' }, '"*"'],
  ['tenantId', { tenantId: null }, 'null'],
  ['name', { name: null }, 'null'],
  ['secret', { secret: 'whsec_AA==' }, 'whsec_'],
  ['secret', { secret: null }, 'whsec_'],
  // A key of one kind never serves the other.
  ['secret', { secret: pair }, 'whsec_'],
  ['secret', { secret: pair, signing: 'hmac-sha256' }, 'whsec_'],
  ['secret', { secret, signing: 'ed25519' }, 'whsk_'],
  ['signing', { signing: 'rsa' }, '"rsa"'],
  ['signing', { signing: null }, 'null'],
];
const wrongInPatch: typeof wrong = [
  ['tenantId', { tenantId: 't2' }, 'tenantId'],
  ['secret', { secret }, 'known are'],
  ['signing', { signing: 'ed25519' }, 'known are'],
  ['events', { events: null }, 'null'],
  ['delivery', { delivery: null }, 'null'],
];

function expectRefusal(error: unknown, field: string, shown: string): void {
  expect(error).toBeInstanceOf(InvalidInputError);
  expect((error as InvalidInputError).field).toBe(field);
  expect((error as InvalidInputError).message).toContain(shown);
}

describe('a wrong field is refused by name and value', () => {
  const named = ([field, part, shown]: (typeof wrong)[number]): [string, string, Record<string, unknown>] => [
    field,
    shown,
    part,
  ];

  test.each([...wrong, ...wrongWhenNew].map(named))('at creation: %s, showing %s', (field, shown, part) => {
    const input = Object.defineProperties({ ...least }, Object.getOwnPropertyDescriptors(part));
    expectRefusal(
      thrownBy(() => parseNewWebhook(input, policy)),
      field,
      shown,
    );
  });

  test.each([...wrong, ...wrongInPatch].map(named))('in a patch: %s, showing %s', (field, shown, part) => {
    expectRefusal(
      thrownBy(() => parseWebhookPatch(part, policy)),
      field,
      shown,
    );
  });

  test.each([null, undefined, 'https://example.com', [], new Map()])(
    '%j is no webhook and no patch',
    (input) => {
      expectRefusal(
        thrownBy(() => parseNewWebhook(input, policy)),
        'webhook',
        'must be a plain object',
      );
      expectRefusal(
        thrownBy(() => parseWebhookPatch(input, policy)),
        'patch',
        'must be a plain object',
      );
    },
  );

  test('a refused secret is never shown, nor the value of a header', () => {
    for (const secret of ['whsec_hunter2', 'whsk_hunter2']) {
      for (const signing of ['hmac-sha256', 'ed25519']) {
        const bad = { ...least, secret, signing };
        expect((thrownBy(() => parseNewWebhook(bad, policy)) as Error).message).not.toContain('hunter2');
      }
    }
    const header = { ...least, headers: { authorization: 'hunter2\n' } };
    expect((thrownBy(() => parseNewWebhook(header, policy)) as Error).message).not.toContain('hunter2');
  });

  test('an accessor is refused without being run', () => {
    const input = Object.defineProperty({ ...least }, 'name', {
      enumerable: true,
      get: () => expect.fail('ran'),
    });
    expectRefusal(
      thrownBy(() => parseNewWebhook(input, policy)),
      'name',
      'accessor',
    );
  });
});

describe('a patch', () => {
  const { secret: _given, signing: _signing, ...fields } = parseNewWebhook(full, policy);
  const record: WebhookRecord = {
    ...fields,
    id: 'whk_1',
    status: { state: 'enabled' },
    secrets: [{ secret }],
    createdAt: 1,
    updatedAt: 1,
    revision: 1,
  };
  const patched = (patch: unknown): WebhookRecord => withChanges(record, parseWebhookPatch(patch, policy));

  test('of nothing, or of undefined, changes nothing', () => {
    const blank = {
      url: undefined,
      events: undefined,
      name: undefined,
      delivery: undefined,
      retry: undefined,
    };
    expect(patched({})).toEqual(record);
    expect(patched(blank)).toEqual(record);
  });

  test('sets what it names and leaves the rest', () => {
    const patch = { url: 'https://example.org/', events: ['*'], name: 'New', timeoutMs: 5 };
    expect(patched(patch)).toEqual({ ...record, ...patch });
  });

  test.each([
    'ownerId',
    'name',
    'description',
    'filter',
    'headers',
    'retry',
    'timeoutMs',
    'maxInFlight',
    'rateLimit',
  ] as const)('null clears %s', (name) => {
    const { [name]: _cleared, ...rest } = record;
    expect(patched({ [name]: null })).toEqual(rest);
    expect(Object.hasOwn(patched({ [name]: null }), name)).toBe(false);
  });

  test('changes only the given part of delivery', () => {
    expect(patched({ delivery: { mode: 'single' } }).delivery).toEqual(record.delivery);
    expect(patched({ delivery: { semantics: 'at-least-once' } }).delivery.semantics).toBe('at-least-once');
  });
});
