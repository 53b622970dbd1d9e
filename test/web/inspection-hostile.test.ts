/** What nobody should send to the inspection API. */
import { array, assert, asyncProperty, constantFrom, oneof, option, record, string, tuple } from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { manualClock } from '../../src/testing/index.ts';
import { ask, type Inspection, inspection } from './harness.ts';

let still: Inspection;
let handler: (request: Request) => Promise<Response>;
beforeAll(async () => {
  still = await inspection();
  handler = still.handler();
});

const invalid = (field: string) => ({ status: 400, body: { error: { code: 'invalid-input', field } } });

describe('queries', () => {
  it.each<[query: string, field: string]>([
    ['colour=red', 'colour'],
    ['__proto__=1', '__proto__'],
    ['constructor=1', 'constructor'],
    ['toString', 'toString'],
    ['Status=pending', 'Status'],
    ['status[]=pending', 'status[]'],
    ['=1', ''],
    ['status=pending&status=failed', 'status'],
    ['limit=1&limit=1', 'limit'],
    ['status=', 'status'],
    ['status=gone', 'status'],
    ['status=__proto__', 'status'],
    ['tenantId=', 'tenantId'],
    ['tenantId=*', 'tenantId'],
    ['eventType=%00', 'eventType'],
    ['webhookId=%0d%0ax-own:1', 'webhookId'],
    ['webhookId=%ff%fe%00', 'webhookId'],
    ['limit=', 'limit'],
    ['limit=0', 'limit'],
    ['limit=1001', 'limit'],
    ['limit=-1', 'limit'],
    ['limit=1.5', 'limit'],
    ['limit=1e2', 'limit'],
    ['limit=0x10', 'limit'],
    ['limit=%2010', 'limit'],
    ['limit=Infinity', 'limit'],
    ['limit=99999999999999999999', 'limit'],
    ['since=', 'since'],
    ['since=h', 'since'],
    ['since=-1h', 'since'],
    ['since=1.5h', 'since'],
    ['since=1y', 'since'],
    ['since=1hh', 'since'],
    ['since=1767225600', 'since'],
    ['since=1767225600000', 'since'],
    ['since=yesterday', 'since'],
    ['since=2026-01-01T00:00:00', 'since'],
    ['since=2026-01-01 00:00:00Z', 'since'],
    ['since=2026-02-30', 'since'],
    ['since=2026-02-29T00:00:00Z', 'since'],
    ['since=2026-13-01', 'since'],
    ['since=2026-01-01T25:00:00Z', 'since'],
    ['since=1969-12-31', 'since'],
    ['until=+275760-09-13T00:00:00Z', 'until'],
    ['until=99999999999999d', 'until'],
    ['cursor=', 'cursor'],
    ['cursor=eyJvZmZzZXQiOjB9', 'cursor'],
    ["cursor=' OR 1=1--", 'cursor'],
  ])('%s is refused and named', async (query, field) => {
    expect(await ask(handler, `GET /v1/deliveries?${query.replaceAll(' ', '%20')}`)).toMatchObject(
      invalid(field),
    );
  });

  it('are known to some routes only', async () => {
    for (const path of [
      'webhooks/a',
      'webhooks/a/health',
      'deliveries/a',
      'deliveries/a/attempts',
      'explain',
    ]) {
      expect(await ask(handler, `GET /v1/${path}?limit=1`)).toMatchObject(invalid('limit'));
    }
    for (const path of ['deliveries/replay', 'deliveries/a/replay', 'webhooks/a/enable']) {
      expect(await ask(handler, `POST /v1/${path}?dryRun=true`)).toMatchObject(invalid('dryRun'));
    }
  });

  it.each(['', 'h', '1', '-1h', '1w', 'Infinity', '24%20h', '1s', '8d'])(
    '?window=%s is none',
    async (window) => {
      const path = `/v1/webhooks/${still.good.id}/health?window=${window}`;
      expect(await ask(handler, `GET ${path}`)).toMatchObject(invalid('window'));
    },
  );

  it.each(['', 'eventId=evt_1', 'webhookId=whk_1', 'eventId=&webhookId=', `eventId=${'e'.repeat(200)}`])(
    'explain needs both ids: %s',
    async (query) => {
      const { status, body } = await ask(handler, `GET /v1/explain?${query}`);
      expect({ status, code: body.error?.code }).toEqual({ status: 400, code: 'invalid-input' });
    },
  );

  it.each([
    ['a cursor of 10 000 characters', `cursor=${'A'.repeat(10_000)}`],
    ['a megabyte of one value', `status=${'a'.repeat(1_000_000)}`],
    ['a hundred thousand parameters', 'status=failed&'.repeat(100_000)],
    ['a name of a megabyte', 'n'.repeat(1_000_000)],
  ])('%s gets a short answer', async (_, query) => {
    const { status, text } = await ask(handler, `GET /v1/deliveries?${query}`);
    expect(status).toBe(400);
    expect(text.length).toBeLessThan(1_000);
  });
});

describe('paths', () => {
  it.each([
    '/',
    '/v1',
    '/v1/',
    '/V1/webhooks',
    '//v1/webhooks',
    '/v1//webhooks',
    '/v1/webhooks/',
    '/v1/deliveries/',
    '/v1/deliveries//attempts',
    '/v1/deliveries/a/attempts/',
    '/v1/deliveries/a/attempts/1',
    '/v1/__proto__',
    '/v1/constructor/name',
    '/v1/webhooks/a/constructor',
    '/v1/webhooks/a/secret',
    '/v1/webhooks/a%2fhealth/x',
    '/v2/webhooks',
    '/v1/%77ebhooks',
    '/v1/webhooks/../../v2',
  ])('GET %s leads nowhere', async (path) => {
    expect(await ask(handler, `GET ${path}`)).toMatchObject({
      status: 404,
      body: { error: { code: 'not-found', message: 'There is no such route' } },
    });
  });

  it('POST with an empty id is not the replay of many', async () => {
    expect(await ask(handler, 'POST /v1/deliveries//replay')).toMatchObject({ status: 404 });
  });

  it.each(['%', '%zz', '%ff', '%c0%ae', 'a%'])('an id that is no UTF-8 is refused: %s', async (id) => {
    expect(await ask(handler, `GET /v1/deliveries/${id}`)).toMatchObject(invalid('id'));
  });

  it.each(['%00', 'a%0d%0ax-own:%201', '%7f', 'a'.repeat(129), '%1b%5b2J'])(
    'an id that cannot be one is refused, and makes no header: %s',
    async (id) => {
      const answer = await ask(handler, `GET /v1/webhooks/${id}`);
      expect(answer).toMatchObject(invalid('id'));
      expect(answer.headers.has('x-own')).toBe(false);
    },
  );

  it.each([
    ['__proto__', '__proto__'],
    ['constructor', 'constructor'],
    ['..%2f..%2fwebhooks', '../../webhooks'],
    ["'%20OR%201=1--", "' OR 1=1--"],
    ['%2525', '%25'],
    ['%3Cscript%3E', '<script>'],
    ['a%2Fattempts', 'a/attempts'],
    ['replay', 'replay'],
    ['%F0%9F%98%80', '😀'],
  ])('an id is opaque, and decoded once: %s', async (id, read) => {
    expect(await ask(handler, `GET /v1/deliveries/${id}`)).toMatchObject({
      status: 404,
      body: { error: { code: 'not-found', message: `There is no delivery ${JSON.stringify(read)}` } },
    });
  });
});

describe('methods', () => {
  it.each<[what: string, allow: string]>([
    ['DELETE /v1/webhooks', 'GET, HEAD'],
    ['PUT /v1/webhooks/a', 'GET, HEAD'],
    ['PATCH /v1/deliveries/a', 'GET, HEAD'],
    ['OPTIONS /v1/deliveries', 'GET, HEAD'],
    ['POST /v1/webhooks', 'GET, HEAD'],
    ['GET /v1/deliveries/a/replay', 'POST'],
    ['HEAD /v1/webhooks/a/enable', 'POST'],
    ['PROPFIND /v1/explain', 'GET, HEAD'],
    ['constructor /v1/explain', 'GET, HEAD'],
  ])('%s is not there, and the answer says what is', async (what, allow) => {
    const { status, headers } = await ask(handler, what);
    expect({ status, allow: headers.get('allow') }).toEqual({ status: 405, allow });
  });

  it('a path that is an id to GET is still a verb to POST', async () => {
    expect((await ask(handler, 'DELETE /v1/deliveries/replay')).headers.get('allow')).toBe('GET, HEAD, POST');
  });
});

describe('bodies', () => {
  const path = 'POST /v1/deliveries/replay';
  const type = { 'content-type': 'application/json' };

  it.each<[body: string, field: string]>([
    ['{', 'body'],
    ['nonsense', 'body'],
    ['{"webhookId":"a"}}', 'body'],
    ['[]', 'body'],
    ['null', 'body'],
    ['"text"', 'body'],
    ['{"__proto__":{"dryRun":true},"webhookId":"a"}', '__proto__'],
    ['{"constructor":1}', 'constructor'],
    ['{"dryrun":true,"webhookId":"a"}', 'dryrun'],
    ['{"webhookId":"a","dryRun":"true"}', 'dryRun'],
    ['{"since":1767225600000}', 'since'],
    ['{"since":null}', 'since'],
    ['{"since":{"valueOf":1}}', 'since'],
    ['{"webhookId":{"a":1}}', 'webhookId'],
    ['{"tenantId":"*"}', 'tenantId'],
    ['{"reason":"because"}', 'reason'],
  ])('%s is refused', async (body, field) => {
    expect(await ask(handler, path, { body, headers: type })).toMatchObject(invalid(field));
  });

  it('an empty filter is refused: nobody replays everything by a slip', async () => {
    expect(await ask(handler, path)).toMatchObject({ status: 400 });
    expect(await ask(handler, path, { json: {} })).toMatchObject({ status: 400 });
    expect(await ask(handler, path, { json: { dryRun: true } })).toMatchObject({ status: 400 });
  });

  it('that are no UTF-8 are refused', async () => {
    const body = new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]);
    expect(await ask(handler, path, { body, headers: type })).toMatchObject(invalid('body'));
  });

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp', 'text/json', ''])(
    'of type "%s" are refused, whatever is in them',
    async (contentType) => {
      const answer = await ask(handler, path, {
        body: new TextEncoder().encode('{"webhookId":"a","dryRun":true}'),
        headers: contentType === '' ? {} : { 'content-type': contentType },
      });
      expect(answer).toMatchObject({ status: 415, body: { error: { code: 'unsupported-media-type' } } });
    },
  );

  it.each(['application/json', 'Application/JSON; charset=utf-8', 'application/json ;charset=utf-8'])(
    'of type "%s" are read',
    async (contentType) => {
      const asked = { body: '{"webhookId":"a","dryRun":true}', headers: { 'content-type': contentType } };
      expect(await ask(handler, path, asked)).toMatchObject({ status: 200, body: { count: 0 } });
    },
  );

  it('of more than 64 KiB are refused: by what they say, and by what comes', async () => {
    const tooLarge = { status: 413, body: { error: { code: 'body-too-large' } } };
    const fits = JSON.stringify({ webhookId: 'a', dryRun: true }).padEnd(65_536);
    expect(await ask(handler, path, { body: fits, headers: type })).toMatchObject({ status: 200 });
    expect(await ask(handler, path, { body: `${fits} `, headers: type })).toMatchObject(tooLarge);
    const said = { ...type, 'content-length': '65537' };
    expect(await ask(handler, path, { body: '{}', headers: said })).toMatchObject(tooLarge);
    let pulls = 0;
    const endless = new ReadableStream({
      pull: (controller) => {
        pulls += 1;
        controller.enqueue(new Uint8Array(10_000).fill(0x20));
      },
    });
    expect(await ask(handler, path, { body: endless, headers: type })).toMatchObject(tooLarge);
    expect(pulls).toBeLessThan(12);
  });

  it('that never end are given up after 10 s', async () => {
    const clock = manualClock();
    const silent = new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array([0x7b])) });
    const answer = ask(still.handler({ clock }), path, { body: silent, headers: type });
    await clock.advance(10_000);
    expect(await answer).toMatchObject({ status: 408, body: { error: { code: 'body-too-slow' } } });
  });

  it('that break are refused', async () => {
    const broken = new ReadableStream({ start: (controller) => controller.error(new Error('gone')) });
    const answer = await ask(handler, path, { body: broken, headers: type });
    expect(answer).toMatchObject({ status: 400, body: { error: { code: 'body-broken' } } });
  });

  it('leave no timer behind', async () => {
    const clock = manualClock();
    await ask(still.handler({ clock }), path, { json: { webhookId: 'a', dryRun: true } });
    expect(clock.nextAt).toBeUndefined();
  });
});

describe('pages of other sites', () => {
  const path = (): string => `POST /v1/webhooks/${still.good.id}/enable`;

  it.each(['cross-site', 'same-site', 'whatever'])('cannot change anything: %s', async (site) => {
    for (const contentType of [undefined, 'text/plain', 'application/x-www-form-urlencoded']) {
      const headers = { 'sec-fetch-site': site, ...(contentType && { 'content-type': contentType }) };
      expect(await ask(handler, path(), { headers })).toMatchObject({
        status: 403,
        body: { error: { code: 'forbidden' } },
      });
    }
  });

  it.each(['same-origin', 'none'])('own pages and clients that are no pages can: %s', async (site) => {
    expect(await ask(handler, path(), { headers: { 'sec-fetch-site': site } })).toMatchObject({
      status: 200,
    });
  });

  it('can with the content type for which the browser asks the host first', async () => {
    const headers = { 'sec-fetch-site': 'same-site', 'content-type': 'application/json' };
    expect(await ask(handler, path(), { headers })).toMatchObject({ status: 200 });
  });
});

describe('whatever is sent', () => {
  const word = oneof(
    constantFrom(
      'v1',
      'deliveries',
      'webhooks',
      'replay',
      'explain',
      'health',
      'attempts',
      'test',
      '..',
      '%',
      '',
    ),
    string({ unit: 'binary', maxLength: 12 }).map((text) => text.replaceAll(/[?#]/g, '')),
    constantFrom('ID', 'FOREIGN'),
  );
  const real = ['deliveries', 'webhooks', 'explain', 'deliveries/replay'].concat(
    ['', '/health', '/enable', '/disable', '/test'].flatMap((rest) => [
      `webhooks/ID${rest}`,
      `webhooks/FOREIGN${rest}`,
    ]),
  );
  const parameter = tuple(
    oneof(constantFrom('status', 'since', 'limit', 'cursor', 'tenantId', 'window', 'eventId'), string()),
    oneof(constantFrom('1h', '10', 'pending', 'other', 'ID', 'FOREIGN'), string({ unit: 'binary' })),
  );
  const requests = record({
    method: constantFrom('GET', 'GET', 'POST', 'HEAD', 'PUT', 'DELETE'),
    words: oneof(
      array(word, { maxLength: 5 }),
      constantFrom(...real).map((path) => path.split('/')),
    ),
    parameters: array(parameter, { maxLength: 3 }),
    body: option(
      oneof(string({ unit: 'binary' }), constantFrom('{}', '{"since":"1h"}', '{"tenantId":"other"}')),
    ),
  });

  it('the answer is a short JSON below 500 that shows nothing of another tenant', async () => {
    const { handler, foreign, good, secrets } = await inspection();
    const told: unknown[] = [];
    const seen = new Set<number>();
    const authorize = () => ({ tenantId: 'acme' });
    const acme = handler({ authorize, onError: (error) => told.push(error) });
    await assert(
      asyncProperty(requests, async ({ method, words, parameters, body }) => {
        const filled = (text: string): string => text.replace('ID', good.id).replace('FOREIGN', foreign.id);
        const query = new URLSearchParams(
          parameters.map(([name, value]): [string, string] => [name, filled(value)]),
        );
        const path = `/v1/${words.map(filled).join('/')}`;
        const { status, text } = await ask(acme, `${method} ${path.replaceAll(/\s/g, '+')}?${query}`, {
          headers: { 'content-type': 'application/json' },
          ...(body !== null && method !== 'GET' && method !== 'HEAD' && { body: body.toWellFormed() }),
        });
        seen.add(status);
        expect(text).not.toContain('foreign.example.com');
        for (const secret of secrets) expect(text).not.toContain(secret);
      }),
      { numRuns: 2_000 },
    );
    expect([...seen]).toEqual(expect.arrayContaining([200, 400, 404, 405]));
    expect(told).toEqual([]);
  });
});
