import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateLimitedError } from '../../src/errors.ts';
import {
  ConflictError,
  HostCodeError,
  InvalidEventError,
  PayloadTooLargeError,
  StorageError,
} from '../../src/index.ts';
import { manualClock } from '../../src/testing/index.ts';
import { github } from '../../src/web/ingress/github.ts';
import { ingressHandler } from '../../src/web/ingress/handler.ts';
import type { IngressOptions } from '../../src/web/ingress/options.ts';
import { standardWebhooks } from '../../src/web/ingress/standard-webhooks.ts';
import { stripe } from '../../src/web/ingress/stripe.ts';
import {
  bytesOf,
  githubHeaders,
  ingress,
  post,
  secretOf,
  standardHeaders,
  stripeHeaders,
} from './ingress-harness.ts';

const body = bytesOf('{"type":"invoice.paid","data":{"n":1}}');
const standard = { verify: standardWebhooks({ secret: secretOf(1) }) };
const genuine = { headers: standardHeaders(body), body };
const anything =
  (found: object = { type: 'a' }): IngressOptions['verify'] =>
  () =>
    found;

describe('a genuine webhook', () => {
  it('is published byte for byte, and then answered', async () => {
    const { handler, published } = await ingress(standard);
    const answer = await post(handler, genuine);
    const [event] = await published();
    expect(answer.status).toBe(202);
    expect(answer.body).toEqual({ id: event?.id, duplicate: false });
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(event).toMatchObject({
      type: 'invoice.paid',
      tenantId: 'default',
      source: 'standard-webhooks',
      contentType: 'application/json',
    });
    expect(event?.headers).toBeUndefined();
    expect(new Uint8Array(event?.body ?? [])).toEqual(body);
  });

  it.each([
    ['stripe', { verify: stripe({ secret: 'whsec_stripe' }) }, stripeHeaders(body), 'invoice.paid'],
    ['github', { verify: github({ secret: 'octo secret' }) }, githubHeaders(body), 'github.push'],
  ])('of %s is published under its type', async (source, options, headers, type) => {
    const { handler, published } = await ingress(options);
    expect(await post(handler, { headers, body })).toMatchObject({ status: 202 });
    expect(await published()).toMatchObject([{ type, source }]);
  });

  it('keeps bytes that are no text, and their content type', async () => {
    const { handler, published } = await ingress({ ...standard, type: 'raw' });
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 500 }), fc.uuid(), async (given, id) => {
        const bytes = new Uint8Array(given);
        const headers = { ...standardHeaders(bytes, { id }), 'content-type': 'application/x-odd; v="1"' };
        expect((await post(handler, { headers, body: bytes })).status).toBe(202);
        const event = (await published()).at(-1);
        expect(event?.contentType).toBe('application/x-odd; v="1"');
        expect(Buffer.from(event?.body ?? []).equals(bytes)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it('without a content type is published as bytes', async () => {
    const { handler, published } = await ingress({ verify: anything() });
    const answer = await handler(new Request('http://localhost/', { method: 'POST', body }));
    expect(answer.status).toBe(202);
    expect(await published()).toMatchObject([{ contentType: 'application/octet-stream' }]);
  });

  it('is not answered before it is stored', async () => {
    let store: (() => void) | undefined;
    const stored = new Promise<void>((resolve) => {
      store = resolve;
    });
    const publish = () => stored.then(() => ({ event: { id: 'evt_1' } as never, duplicate: false }));
    let isAnswered = false;
    const handler = ingressHandler({ publish }, { verify: anything(), clock: manualClock() });
    const answer = post(handler, { body }).finally(() => {
      isAnswered = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(isAnswered).toBe(false);
    store?.();
    expect(await answer).toMatchObject({ status: 202, body: { id: 'evt_1', duplicate: false } });
  });
});

describe('a webhook that is sent again', () => {
  it('is stored once, whatever its timestamp and signature are then', async () => {
    const { handler, published, clock } = await ingress(standard);
    const first = await post(handler, genuine);
    await clock.advance(600_000);
    const later = standardHeaders(body, { seconds: clock.now() / 1000 });
    const again = await post(handler, { headers: later, body });
    expect(again.status).toBe(202);
    expect(again.body).toEqual({ id: first.body.id, duplicate: true });
    expect(await published()).toHaveLength(1);
  });

  it.each([
    ['stripe', { verify: stripe({ secret: 'whsec_stripe' }) }, stripeHeaders],
    ['github', { verify: github({ secret: 'octo secret' }) }, githubHeaders],
  ])('by %s is known by its id', async (_name, options, sign) => {
    const event = bytesOf('{"id":"evt_1","type":"a.b"}');
    const { handler } = await ingress(options);
    const send = { headers: sign(event), body: event };
    const answers = [await post(handler, send), await post(handler, send)];
    expect(answers.map((answer) => answer.body.duplicate)).toEqual([false, true]);
  });

  it('at the same time is stored once', async () => {
    const { handler, published } = await ingress(standard);
    const answers = await Promise.all(Array.from({ length: 20 }, () => post(handler, genuine)));
    expect(answers.every(({ status }) => status === 202)).toBe(true);
    expect(answers.filter((answer) => answer.body.duplicate === false)).toHaveLength(1);
    expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(1);
    expect(await published()).toHaveLength(1);
  });

  it('with other content gets 409, and the host is told', async () => {
    const { handler, published, errors } = await ingress(standard);
    await post(handler, genuine);
    const other = bytesOf('{"type":"invoice.paid","data":{"n":2}}');
    const answer = await post(handler, { headers: standardHeaders(other), body: other });
    expect(answer).toMatchObject({ status: 409, body: { error: { code: 'conflict' } } });
    expect(errors).toEqual([expect.any(ConflictError)]);
    expect(await published()).toHaveLength(1);
  });

  it('is told apart from one of another source, tenant or id', async () => {
    const { surehook, clock, published } = await ingress(standard);
    const verify = ({ headers }: { readonly headers: Headers }) => ({
      id: headers.get('x-id') ?? '',
      type: 'a',
    });
    const handlers = [{ source: 'a' }, { source: 'b' }, { source: 'a', tenantId: 'acme' }, {}].map(
      (options) => ingressHandler(surehook, { verify, clock, ...options }),
    );
    for (const handler of handlers)
      for (const id of ['1', '2', 'x'.repeat(5_000), `${'x'.repeat(5_000)}y`])
        expect(await post(handler, { headers: { 'x-id': id }, body })).toMatchObject({
          status: 202,
          body: { duplicate: false },
        });
    expect(await published()).toHaveLength(16);
  });

  it('is stored for the one tenant whose face of the surehook was given', async () => {
    const { surehook, clock, published } = await ingress(standard);
    const handler = ingressHandler(surehook.forTenant('acme'), { ...standard, clock });
    expect(await post(handler, genuine)).toMatchObject({ status: 202, body: { duplicate: false } });
    expect(await post(handler, genuine)).toMatchObject({ status: 202, body: { duplicate: true } });
    expect(await published()).toMatchObject([{ tenantId: 'acme' }]);
  });

  it('without an id is stored again', async () => {
    const { handler } = await ingress({ verify: anything() });
    const answers = [await post(handler, { body }), await post(handler, { body })];
    expect(answers.map((answer) => answer.body.duplicate)).toEqual([false, false]);
  });
});

describe('what is refused', () => {
  const refusal = (status: number, code: string): object => ({ status, body: { error: { code } } });

  it.each(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS'])('%s: 405', async (method) => {
    const { handler } = await ingress(standard);
    const answer = await post(handler, { method });
    expect(answer).toMatchObject(refusal(405, 'method-not-allowed'));
    expect(answer.headers.get('allow')).toBe('POST');
  });

  it('a wrong signature, an old one, an unknown secret and none at all: 401, and one text (no oracle)', async () => {
    const { handler, published, clock, errors } = await ingress(standard);
    const { 'webhook-signature': _gone, ...unsigned } = standardHeaders(body);
    const texts = [];
    for (const headers of [
      standardHeaders(bytesOf('{}')),
      standardHeaders(body, { seconds: clock.now() / 1000 - 301 }),
      standardHeaders(body, { secrets: [secretOf(2)] }),
      unsigned,
      {},
    ]) {
      const answer = await post(handler, { headers, body });
      expect(answer).toMatchObject(refusal(401, 'unauthorized'));
      texts.push(answer.text);
    }
    expect(new Set(texts).size).toBe(1);
    expect(await published()).toEqual([]);
    expect(errors).toEqual([]);
  });

  it.each(['application/json\u0009x', 'json', 'text/html; charset', ''])(
    'the content type %j: 415',
    async (type) => {
      const { handler } = await ingress({ verify: anything() });
      const answer = await post(handler, { headers: { 'content-type': type }, body });
      expect(answer).toMatchObject(refusal(415, 'unsupported-media-type'));
    },
  );

  it.each(['gzip', 'br', 'gzip, identity'])('the content encoding %s: 415', async (encoding) => {
    const { handler } = await ingress({ verify: anything() });
    const answer = await post(handler, { headers: { 'content-encoding': encoding }, body });
    expect(answer).toMatchObject(refusal(415, 'unsupported-media-type'));
  });

  it.each(['-1', '1e3', '0x10', 'many', '1, 2', '9'.repeat(20)])(
    'the content length %s: 400',
    async (length) => {
      const { handler } = await ingress({ verify: anything() });
      const answer = await post(handler, { headers: { 'content-length': length }, body });
      expect(answer).toMatchObject(refusal(400, 'invalid-input'));
    },
  );

  it('headers that are missing or wrong: 400 naming the header, 401 without a word', async () => {
    const { handler } = await ingress({
      verify: anything(),
      requiredHeaders: { 'X-Key': 'sesame', 'x-plain': 'b' },
    });
    const named = await ingress({ verify: anything(), requiredHeaders: ['X-Trace'] });
    const missing = await post(handler, { headers: { 'x-plain': 'b' }, body });
    expect(missing).toMatchObject(refusal(400, 'invalid-input'));
    expect(missing.text).toContain('x-key');
    for (const key of ['Sesame', 'sesame, sesame', 'sesam', '']) {
      const wrong = await post(handler, { headers: { 'x-key': key, 'x-plain': 'b' }, body });
      expect(wrong).toMatchObject(refusal(401, 'unauthorized'));
      expect(wrong.text).not.toMatch(/key|sesame/i);
    }
    expect(await post(handler, { headers: { 'x-key': 'sesame', 'x-plain': 'b' }, body })).toMatchObject({
      status: 202,
    });
    expect(await post(named.handler, { body })).toMatchObject(refusal(400, 'invalid-input'));
    expect(await post(named.handler, { headers: { 'x-trace': 'a' }, body })).toMatchObject({ status: 202 });
  });

  it.each<[string, number, object, string | undefined]>([
    ['a type that is none', 422, { type: '...' }, undefined],
    ['no type', 422, {}, undefined],
    ['too long a type', 422, { type: 'a'.repeat(129) }, undefined],
    ['too many segments', 422, { type: Array(21).fill('a').join('.') }, undefined],
    ['blanks in it', 202, { type: 'Invoice Paid!' }, 'Invoice_Paid_'],
    ['empty segments', 202, { type: '.a..b.' }, 'a.b'],
    ['other letters', 202, { type: 'invoice.payé' }, 'invoice.pay_'],
    ['slashes', 202, { type: 'orders/create' }, 'orders_create'],
  ])('or mapped: %s: %i', async (_what, status, found, type) => {
    const { handler, published } = await ingress({ verify: anything(found) });
    expect(await post(handler, { body })).toMatchObject({ status });
    expect((await published()).map((event) => event.type)).toEqual(type === undefined ? [] : [type]);
  });
});

describe('the size of a body', () => {
  const chunks = (count: number, size: number): { stream: ReadableStream; pulled: () => number } => {
    let pulled = 0;
    const stream = new ReadableStream(
      {
        pull(controller) {
          if (pulled === count) return controller.close();
          pulled += 1;
          controller.enqueue(new Uint8Array(size));
        },
      },
      { highWaterMark: 0 },
    );
    return { stream, pulled: () => pulled };
  };

  it('is 256 KiB unless told otherwise', async () => {
    const { handler, published } = await ingress({ verify: anything() });
    expect((await post(handler, { body: new Uint8Array(262_144) })).status).toBe(202);
    expect((await post(handler, { body: new Uint8Array(262_145) })).status).toBe(413);
    expect(await published()).toHaveLength(1);
  });

  it('is judged by content-length before anything is read', async () => {
    const { handler } = await ingress({ verify: anything() });
    const { stream, pulled } = chunks(10, 10);
    const answer = await post(handler, { headers: { 'content-length': '262145' }, body: stream });
    expect(answer).toMatchObject({ status: 413, body: { error: { code: 'body-too-large' } } });
    expect(pulled()).toBe(0);
  });

  it('is judged while it is read, whatever content-length says', async () => {
    const { handler } = await ingress({ verify: anything(), maxBytes: 1_000 });
    const { stream, pulled } = chunks(1_000_000, 100);
    const answer = await post(handler, { headers: { 'content-length': '5' }, body: stream });
    expect(answer.status).toBe(413);
    expect(pulled()).toBeLessThan(20);
  });

  it('is that of the surehook as well', async () => {
    const { handler, errors } = await ingress({ verify: anything() }, { maxPayloadBytes: 100 });
    expect((await post(handler, { body: new Uint8Array(101) })).status).toBe(413);
    expect(errors).toEqual([expect.any(PayloadTooLargeError)]);
  });

  it('may come in pieces', async () => {
    const { handler, published } = await ingress({ verify: anything(), maxBytes: 1_000 });
    expect((await post(handler, { body: chunks(10, 100).stream })).status).toBe(202);
    expect((await published())[0]?.body.byteLength).toBe(1_000);
  });
});

describe('a body', () => {
  it('that does not come in gets 408', async () => {
    const { handler, clock } = await ingress({ verify: anything(), readTimeoutMs: 5_000 });
    let isCancelled = false;
    const stream = new ReadableStream({
      start: (controller) => controller.enqueue(new Uint8Array(1)),
      cancel: () => {
        isCancelled = true;
      },
    });
    const answer = post(handler, { body: stream });
    await clock.advance(4_999);
    expect(isCancelled).toBe(false);
    await clock.advance(1);
    expect(await answer).toMatchObject({ status: 408, body: { error: { code: 'body-too-slow' } } });
    expect(isCancelled).toBe(true);
    expect(clock.pending).toBe(0);
  });

  it.each([
    [
      'that breaks off',
      () => new ReadableStream({ pull: (controller) => controller.error(new Error('gone')) }),
    ],
    ['that is no bytes', () => new ReadableStream({ pull: (controller) => controller.enqueue('text') })],
  ])('%s gets 400', async (_what, make) => {
    const { handler, published } = await ingress({ verify: anything() });
    expect(await post(handler, { body: make() })).toMatchObject({
      status: 400,
      body: { error: { code: 'body-broken' } },
    });
    expect(await published()).toEqual([]);
  });

  it('that somebody has read before is the fault of the host', async () => {
    const { handler, errors } = await ingress({ verify: anything() });
    const request = new Request('http://localhost/', { method: 'POST', body });
    await request.text();
    expect((await handler(request)).status).toBe(500);
    expect(errors).toEqual([expect.objectContaining({ message: expect.stringContaining('before parsers') })]);
  });
});

describe('the sender', () => {
  const allow = ['192.0.2.0/24', '2001:db8::1'];
  const from = (remoteAddress: string) => ({ body, context: { remoteAddress } });

  it('is judged by the address of the peer', async () => {
    const { handler } = await ingress({ verify: anything(), allow });
    for (const address of ['192.0.2.7', '::ffff:192.0.2.7', '2001:db8::1'])
      expect((await post(handler, from(address))).status).toBe(202);
    for (const address of ['192.0.3.7', '::1', 'nonsense', ''])
      expect(await post(handler, from(address))).toMatchObject({
        status: 403,
        body: { error: { code: 'forbidden' } },
      });
  });

  it('cannot say who it is', async () => {
    const { handler } = await ingress({ verify: anything(), allow });
    const headers = { 'x-forwarded-for': '192.0.2.7', 'x-real-ip': '192.0.2.7', forwarded: 'for=192.0.2.7' };
    expect((await post(handler, { ...from('203.0.113.1'), headers })).status).toBe(403);
  });

  it('is named by trusted proxies', async () => {
    const { handler } = await ingress({ verify: anything(), allow, trustedHops: 2 });
    const status = async (value: string | undefined): Promise<number> => {
      const headers = value === undefined ? {} : { 'x-forwarded-for': value };
      return (await post(handler, { ...from('192.0.2.99'), headers })).status;
    };
    expect(await status('203.0.113.1, 192.0.2.7, 10.0.0.1')).toBe(202);
    expect(await status('192.0.2.7, 203.0.113.1, 10.0.0.1')).toBe(403);
    for (const other of ['192.0.2.7', '192.0.2.7, unknown', 'unknown, 10.0.0.1', '', undefined])
      expect(await status(other)).toBe(403);
  });

  it('is named by the option remoteAddress before all', async () => {
    const remoteAddress = (request: Request) => request.headers.get('cf-connecting-ip') ?? undefined;
    const { handler } = await ingress({ verify: anything(), allow, remoteAddress });
    const headers = { 'cf-connecting-ip': '203.0.113.1' };
    expect((await post(handler, { ...from('192.0.2.7'), headers })).status).toBe(403);
    expect((await post(handler, { body, headers: { 'cf-connecting-ip': '192.0.2.7' } })).status).toBe(202);
  });

  it('that nobody can name is not let in, and the host is told', async () => {
    const { handler, errors, published } = await ingress({ verify: anything(), allow });
    expect((await post(handler, { body })).status).toBe(500);
    expect(errors).toEqual([expect.objectContaining({ message: expect.stringContaining('toNodeHandler') })]);
    expect(await published()).toEqual([]);
  });

  it('is judged before its body is read', async () => {
    const { handler } = await ingress({ verify: anything(), allow });
    const request = new Request('http://localhost/', { method: 'POST', body });
    expect((await handler(request, { remoteAddress: '203.0.113.1' })).status).toBe(403);
    expect(request.bodyUsed).toBe(false);
  });
});

describe("the host's functions", () => {
  it('see what was verified and shape the event', async () => {
    const timestamp = new Date(1_700_000_000_000);
    const { handler, published, clock } = await ingress({
      verify: async ({ headers, body: bytes, url, now }) => {
        expect([bytes.byteLength, url, now]).toEqual([
          body.byteLength,
          'http://localhost/in?from=test',
          clock.now(),
        ]);
        return { id: headers.get('x-id') ?? undefined, type: 'paid', timestamp, source: 'bank' };
      },
      type: ({ type, source, id }) => `${source}.${type}.${id}`,
      tenantId: async ({ url }) => new URL(url).searchParams.get('from') ?? undefined,
      forwardHeaders: ['X-Trace', 'x-none'],
    });
    expect(
      (await post(handler, { headers: { 'x-id': '7', 'x-trace': 't1', 'x-other': 'o' }, body })).status,
    ).toBe(202);
    expect(await published()).toMatchObject([
      {
        type: 'bank.paid.7',
        tenantId: 'test',
        source: 'bank',
        timestamp: timestamp.getTime(),
        headers: { 'x-trace': 't1' },
      },
    ]);
    expect(Object.keys((await published())[0]?.headers ?? {})).toEqual(['x-trace']);
  });

  it('come after a type, tenant and source that are given', async () => {
    const options = { type: 'raw.event', tenantId: 'acme', source: 'meter' };
    const { handler, published } = await ingress({
      verify: anything({ type: 'a', source: 'b' }),
      ...options,
    });
    expect((await post(handler, { body })).status).toBe(202);
    expect(await published()).toMatchObject([options]);
  });

  it('may let everything pass', async () => {
    const { handler, published } = await ingress({ verify: () => true, type: 'raw' });
    expect((await post(handler, { body })).status).toBe(202);
    expect((await published())[0]?.source).toBeUndefined();
  });

  it.each<[string, Partial<IngressOptions>]>([
    ['type', { type: () => undefined }],
    ['tenantId', { tenantId: () => undefined }],
  ])('may find no %s: 422', async (field, options) => {
    const { handler, published, errors } = await ingress({ verify: anything(), ...options });
    expect(await post(handler, { body })).toMatchObject({
      status: 422,
      body: { error: { code: 'invalid-event' } },
    });
    expect(errors).toEqual([expect.objectContaining({ field, code: 'invalid-event' })]);
    expect(await published()).toEqual([]);
  });

  const fail = (): never => {
    throw new Error('canary-hook');
  };
  it.each<[string, string, Partial<IngressOptions>]>([
    ['throw', 'verify', { verify: fail }],
    ['reject', 'verify', { verify: async () => fail() }],
    ['throw', 'type', { type: fail }],
    ['reject', 'tenantId', { tenantId: async () => fail() }],
    ['throw', 'remoteAddress', { remoteAddress: fail, allow: ['192.0.2.7'] }],
    ['answer nothing', 'verify', { verify: (() => {}) as never }],
    ['answer 1', 'verify', { verify: (() => 1) as never }],
    ['answer a text', 'verify', { verify: (() => 'yes') as never }],
    ['answer null', 'verify', { verify: (() => null) as never }],
    ['answer a number for an id', 'verify', { verify: (() => ({ id: 7 })) as never }],
    ['answer an empty id', 'verify', { verify: () => ({ id: '' }) }],
    ['answer no date', 'verify', { verify: () => ({ timestamp: new Date(Number.NaN) }) }],
    ['answer an unknown field', 'verify', { verify: (() => ({ ok: false })) as never }],
    ['answer a number', 'type', { type: (() => 7) as never }],
    ['answer a tenant that is none', 'tenantId', { tenantId: () => '*' }],
  ])('that %s: 500 without detail (%s)', async (_how, part, options) => {
    const { handler, published, errors } = await ingress({ verify: anything(), ...options });
    const answer = await post(handler, { body });
    expect(answer).toMatchObject({
      status: 500,
      body: { error: { code: 'internal', message: 'Internal error' } },
    });
    expect(answer.text).not.toContain('canary');
    expect(errors).toEqual([expect.objectContaining({ part, code: 'host-code' })]);
    expect(await published()).toEqual([]);
  });

  it.each<[string, Partial<IngressOptions>]>([
    ['verify', { verify: () => new Promise(() => {}) }],
    ['type', { type: () => new Promise(() => {}) }],
    ['tenantId', { tenantId: () => new Promise(() => {}) }],
  ])('that never settle end after 10 s: %s', async (part, options) => {
    const { handler, clock, errors } = await ingress({ verify: anything(), ...options });
    const answer = post(handler, { body });
    await clock.advance(9_999);
    expect(errors).toEqual([]);
    await clock.advance(1);
    expect((await answer).status).toBe(500);
    expect(errors).toEqual([expect.any(HostCodeError)]);
    expect(errors).toMatchObject([{ part }]);
  });

  it.each([
    ['throws', fail],
    ['rejects', async () => fail()],
  ])('change no answer where onError %s', async (_how, onError) => {
    const { handler } = await ingress({ verify: fail, onError });
    expect((await post(handler, { body })).status).toBe(500);
  });

  it('leave no timer behind', async () => {
    const { handler, clock } = await ingress({ ...standard, type: () => 'a', tenantId: () => 'b' });
    expect((await post(handler, genuine)).status).toBe(202);
    expect(clock.pending).toBe(0);
  });
});

describe('what publish rejects with', () => {
  const canary = 'canary-detail';
  it.each<[number, Error, string, string | null]>([
    [413, new PayloadTooLargeError(2, 1), 'body-too-large', null],
    [422, new InvalidEventError('headers', canary), 'invalid-event', null],
    [409, new ConflictError(canary), 'conflict', null],
    [429, new RateLimitedError(canary, 1_200), 'rate-limited', '2'],
    [429, new RateLimitedError(canary, 0), 'rate-limited', '1'],
    [503, new StorageError('events.append', canary), 'storage', '5'],
    [500, new HostCodeError('shape'), 'internal', null],
    [500, new TypeError(canary), 'internal', null],
  ])('is answered with %i, and told to the host: %o', async (status, error, code, retryAfter) => {
    const errors: unknown[] = [];
    const publish = () => Promise.reject(error);
    const onError = (told: unknown) => void errors.push(told);
    const handler = ingressHandler({ publish }, { verify: anything(), onError, clock: manualClock() });
    const answer = await post(handler, { body });
    expect(answer).toMatchObject({ status, body: { error: { code } } });
    expect(answer.headers.get('retry-after')).toBe(retryAfter);
    expect(answer.text).not.toContain('canary');
    expect(errors).toEqual([error]);
  });

  it('keeps the secret, the signature and the body to itself', async () => {
    const secret = secretOf(99);
    const marked = bytesOf('{"type":"canary.type","data":"canary-body"}');
    const { handler, errors } = await ingress({
      verify: standardWebhooks({ secret }),
      forwardHeaders: ['x-odd'],
    });
    const headers = standardHeaders(marked, { secrets: [secret] });
    const answers = [
      await post(handler, { headers: { ...headers, 'x-odd': 'é' }, body: marked }),
      await post(handler, { headers: { ...headers, 'webhook-id': 'msg_2' }, body: marked }),
      await post(handler, { headers, body: marked }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([422, 401, 202]);
    const shown = inspect([answers, errors], { depth: 10, showHidden: true });
    expect(shown).not.toContain('canary');
    expect(shown).not.toContain(secret.slice(6, 20));
    expect(shown).not.toContain(headers['webhook-signature']?.slice(3, 20));
  });
});
