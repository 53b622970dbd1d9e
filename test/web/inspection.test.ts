import { beforeAll, describe, expect, expectTypeOf, it } from 'vitest';
import {
  type Attempt,
  ConflictError,
  type Delivery,
  HostCodeError,
  type Page,
  PayloadTooLargeError,
  RateLimitedError,
  StorageError,
  type Webhook,
} from '../../src/index.ts';
import {
  type Authorize,
  type Inspectable,
  type InspectionOptions,
  inspectionHandler,
  type Json,
  type Scope,
} from '../../src/web/index.ts';
import { ask, everything, type Inspection, inspection } from './harness.ts';

type Handler = (request: Request) => Promise<Response>;

/** Nothing of these tests changes it. */
let still: Inspection;
let handler: Handler;
beforeAll(async () => {
  still = await inspection();
  handler = still.handler();
});

describe('the delivery log', () => {
  it('lists deliveries, newest first, with instants as ISO strings', async () => {
    const { status, body } = await ask<Json<Page<Delivery>>>(handler, 'GET /v1/deliveries');
    const stored = await still.deliveries();
    expect(status).toBe(200);
    expect(body).toEqual({ items: JSON.parse(JSON.stringify(stored)) });
    expect(body.items).toHaveLength(9);
    expect(body.items[0]?.createdAt).toBe(stored[0]?.createdAt.toISOString());
  });

  it.each<[query: string, count: number]>([
    ['status=exhausted', 3],
    ['status=delivered', 6],
    ['status=pending', 0],
    ['eventType=invoice.paid', 3],
    ['tenantId=other', 3],
    ['tenantId=other&status=exhausted', 0],
    ['since=0s', 0],
    // Published 3, 2 and 1 minutes ago.
    ['since=120s', 6],
    ['since=2m&status=delivered', 4],
    ['until=2m', 3],
    ['since=3m&until=2m', 3],
    ['since=1h', 9],
    ['since=9999999d', 9],
    ['since=2000-01-01', 9],
    ['since=2099-01-01T00:00:00Z', 0],
    ['until=2099-01-01T00:00:00.000%2B02:00', 9],
    ['until=2099-01-01T00:00:00+02:00', 9],
    ['limit=4', 4],
  ])('filters by %s', async (query, count) => {
    const { status, body } = await ask<Page<Delivery>>(handler, `GET /v1/deliveries?${query}`);
    expect({ status, count: body.items?.length }).toEqual({ status: 200, count });
  });

  it('filters by webhook', async () => {
    const { body } = await ask<Page<Delivery>>(handler, `GET /v1/deliveries?webhookId=${still.bad.id}`);
    expect(body.items.map(({ status }) => status)).toEqual(['exhausted', 'exhausted', 'exhausted']);
  });

  it('is paged by a cursor: each delivery once, the last page without one', async () => {
    const ids: string[] = [];
    const pages: number[] = [];
    for (let cursor: string | undefined = ''; cursor !== undefined; ) {
      const { body }: { body: Page<Delivery> } = await ask<Page<Delivery>>(
        handler,
        `GET /v1/deliveries?limit=4${cursor && `&cursor=${encodeURIComponent(cursor)}`}`,
      );
      ids.push(...body.items.map(({ id }) => id));
      pages.push(body.items.length);
      cursor = body.cursor;
    }
    expect(pages).toEqual([4, 4, 1]);
    expect(ids).toEqual((await still.deliveries()).map(({ id }) => id));
  });

  it('has one delivery, and its attempts with request and response', async () => {
    const [{ id } = { id: '' }] = await still.deliveries({ webhookId: still.bad.id });
    expect((await ask(handler, `GET /v1/deliveries/${id}`)).body).toMatchObject({ id, status: 'exhausted' });
    const { status, body } = await ask<{ items: Json<Attempt>[] }>(
      handler,
      `GET /v1/deliveries/${id}/attempts`,
    );
    expect(status).toBe(200);
    expect(body.items).toMatchObject([
      {
        number: 1,
        httpStatus: 500,
        responseBody: '<script>"bad"</script>\n',
        responseHeaders: { 'x-trace': 't1' },
        request: { url: 'https://bad.example.com/in?token=***', headers: { authorization: '***' } },
        late: false,
      },
    ]);
    expect(new Date(body.items[0]?.startedAt ?? '').getTime()).toBeGreaterThan(0);
  });

  it('explains what became of an event', async () => {
    const [delivery] = await still.deliveries({ webhookId: still.good.id });
    const query = `eventId=${delivery?.eventId}&webhookId=${still.good.id}`;
    const { status, body } = await ask(handler, `GET /v1/explain?${query}`);
    expect({ status, body }).toMatchObject({ status: 200, body: { verdict: 'delivered' } });
  });

  it('is read by HEAD as well, without a body', async () => {
    const { status, headers, text } = await ask(handler, 'HEAD /v1/deliveries');
    expect({ status, text }).toEqual({ status: 200, text: '' });
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
    const missing = await ask(handler, 'HEAD /v1/deliveries/dlv_none');
    expect([missing.status, missing.text]).toEqual([404, '']);
  });
});

describe('webhooks', () => {
  it('are listed and paged', async () => {
    const { body } = await ask<Page<Webhook>>(handler, 'GET /v1/webhooks?limit=2');
    expect(body.items.map(({ name }) => name)).toEqual(['foreign', 'bad']);
    const { body: rest } = await ask<Page<Webhook>>(handler, `GET /v1/webhooks?cursor=${body.cursor}`);
    expect(rest.items.map(({ name }) => name)).toEqual(['good']);
    const { body: others } = await ask<Page<Webhook>>(handler, 'GET /v1/webhooks?tenantId=other');
    expect(others.items.map(({ name }) => name)).toEqual(['foreign']);
  });

  it('are shown without secrets, tokens and credentials', async () => {
    const { body } = await ask<Json<Webhook>>(handler, `GET /v1/webhooks/${still.good.id}`);
    expect(body).toEqual({
      ...JSON.parse(JSON.stringify(still.good)),
      url: 'https://good.example.com/in?token=***',
      headers: { authorization: '***' },
    });
    expect(body.secretHint).toHaveLength(4);
  });

  it('have their health, over a window', async () => {
    const path = `/v1/webhooks/${still.good.id}/health`;
    expect((await ask(handler, `GET ${path}`)).body).toMatchObject({
      webhookId: still.good.id,
      succeeded: 3,
      failed: 0,
    });
    expect((await ask(handler, `GET ${path}?window=2h`)).body).toMatchObject({ windowMs: 7_200_000 });
  });
});

describe('changes', () => {
  it('replay one delivery', async () => {
    const { bad, deliveries, handler } = await inspection();
    const [{ id } = { id: '' }] = await deliveries({ webhookId: bad.id });
    const enabled = await ask(handler(), `POST /v1/webhooks/${bad.id}/enable`);
    expect([200, 409]).toContain(enabled.status);
    const { status, body } = await ask(handler(), `POST /v1/deliveries/${id}/replay`);
    expect({ status, body }).toMatchObject({ status: 202, body: { id, status: 'replaying' } });
    expect((await deliveries({ status: 'replaying' })).map((one) => one.id)).toEqual([id]);
    const again = await ask(handler(), `POST /v1/deliveries/${id}/replay`);
    expect(again).toMatchObject({ status: 409, body: { error: { code: 'conflict' } } });
  });

  it('replay many, after a dry run that replays none', async () => {
    const { bad, deliveries, handler } = await inspection();
    const filter = { webhookId: bad.id, since: '2m' };
    const many = (json: unknown) => ask(handler(), 'POST /v1/deliveries/replay', { json });
    expect(await many({ ...filter, dryRun: true })).toMatchObject({ status: 200, body: { count: 2 } });
    expect(await deliveries({ status: 'replaying' })).toHaveLength(0);
    expect(await many(filter)).toMatchObject({ status: 202, body: { count: 2 } });
    expect(await deliveries({ status: 'replaying' })).toHaveLength(2);
    expect(await many({ ...filter, since: '2000-01-01T00:00:00Z' })).toMatchObject({ body: { count: 1 } });
  });

  it('resend, disable, enable, test and cancel', async () => {
    const { good, deliveries, handler } = await inspection();
    const post = (path: string) => ask(handler(), `POST /v1/${path}`);
    const [{ id } = { id: '' }] = await deliveries({ webhookId: good.id });
    const resent = await post(`deliveries/${id}/resend`);
    expect(resent).toMatchObject({ status: 202, body: { duplicate: false, deliveries: [{}] } });
    const disabled = await post(`webhooks/${good.id}/disable`);
    expect(disabled).toMatchObject({ status: 200, body: { status: { state: 'disabled' } } });
    expect(await post(`webhooks/${good.id}/test`)).toMatchObject({ status: 409 });
    const enabled = await post(`webhooks/${good.id}/enable`);
    expect(enabled).toMatchObject({ status: 200, body: { status: { state: 'enabled' } } });
    const tested = await post(`webhooks/${good.id}/test`);
    expect(tested).toMatchObject({ status: 202, body: { eventType: 'webhook.test', status: 'pending' } });
    const cancelled = await post(`deliveries/${String(tested.body.id)}/cancel`);
    expect(cancelled).toMatchObject({ status: 200, body: { status: 'exhausted', reason: 'cancelled' } });
  });

  it('take no body, an empty one, or an object without fields', async () => {
    const { good, handler } = await inspection();
    const disable = (asked: object) => ask(handler(), `POST /v1/webhooks/${good.id}/disable`, asked);
    expect(await disable({ body: '' })).toMatchObject({ status: 200 });
    expect(await disable({ json: {} })).toMatchObject({ status: 200 });
    expect(await disable({ json: { dryRun: true } })).toMatchObject({
      status: 400,
      body: { error: { code: 'invalid-input', field: 'dryRun' } },
    });
  });
});

describe('authorize', () => {
  const withAnswer = (said: unknown): Handler => still.handler({ authorize: (() => said) as Authorize });
  const refusals = { error: { code: 'unauthorized', message: 'Not authorized' } };

  it.each([undefined, null, false, '', 0, Promise.resolve(undefined)])(
    'that says %o is a 401',
    async (said) => {
      expect(await ask(withAnswer(said), 'GET /v1/webhooks')).toMatchObject({ status: 401, body: refusals });
    },
  );

  it('is asked before anything else: routes cannot be told apart', async () => {
    for (const what of [
      'GET /',
      'DELETE /v1/webhooks',
      'POST /v1/deliveries/%ff/replay',
      'GET /v1/webhooks?x',
    ]) {
      expect(await ask(withAnswer(null), what)).toMatchObject({ status: 401, body: refusals });
    }
  });

  it.each([
    true,
    'acme',
    {},
    [],
    { tenantId: undefined },
    { tenantId: '' },
    { tenantId: '*' },
    { tenantId: ['acme'] },
    { allTenants: false },
    { allTenants: 1 },
    { allTenants: true, tenantId: 'acme' },
    { tenantId: 'acme', readonly: true },
    { tenantId: 'acme', readOnly: 'yes' },
  ])('that says %o shows nothing, and tells the host', async (said) => {
    const told: unknown[] = [];
    const authorize = (() => said) as unknown as Authorize;
    const handler = still.handler({ authorize, onError: (error) => told.push(error) });
    const { status, body } = await ask(handler, 'GET /v1/webhooks');
    expect({ status, body }).toEqual({
      status: 500,
      body: { error: { code: 'internal', message: 'Internal error' } },
    });
    expect(told).toHaveLength(1);
  });

  it('may answer by itself', async () => {
    const own = new Response('go away', { status: 418, headers: { 'x-own': '1' } });
    const response = await withAnswer(own)(new Request('http://localhost/v1/webhooks'));
    expect([response.status, response.headers.get('x-own'), await response.text()]).toEqual([
      418,
      '1',
      'go away',
    ]);
  });

  it.each([
    ['throws', () => Promise.reject(new Error('password is hunter2'))],
    [
      'throws at once',
      () => {
        throw new Error('password is hunter2');
      },
    ],
  ])('that %s is a 500 without detail', async (_, authorize) => {
    const told: unknown[] = [];
    const onError = (error: unknown): void => void told.push(error);
    const { status, text } = await ask(still.handler({ authorize, onError }), 'GET /v1/webhooks');
    expect(status).toBe(500);
    expect(text).not.toContain('hunter2');
    expect(told).toEqual([new Error('password is hunter2')]);
  });

  it('sees the request', async () => {
    const authorize: Authorize = ({ headers }) => (headers.get('x-key') === 'k' ? everything : null);
    const guarded = still.handler({ authorize });
    expect((await ask(guarded, 'GET /v1/webhooks')).status).toBe(401);
    expect((await ask(guarded, 'GET /v1/webhooks', { headers: { 'x-key': 'k' } })).status).toBe(200);
  });

  it('can forbid changes, and nothing changes', async () => {
    const reading = still.handler({ authorize: () => ({ ...everything, readOnly: true }) });
    for (const path of [
      'deliveries/replay',
      'deliveries/dlv_1/replay',
      'deliveries/dlv_1/resend',
      'deliveries/dlv_1/cancel',
      `webhooks/${still.good.id}/disable`,
      `webhooks/${still.good.id}/enable`,
      `webhooks/${still.good.id}/test`,
    ]) {
      expect(await ask(reading, `POST /v1/${path}`)).toMatchObject({
        status: 403,
        body: { error: { code: 'forbidden' } },
      });
    }
    expect((await still.surehook.webhooks.get(still.good.id))?.status.state).toBe('enabled');
    expect((await ask(reading, 'GET /v1/webhooks')).status).toBe(200);
  });
});

describe('the scope of one tenant', () => {
  const tenant = (tenantId: string): Handler => still.handler({ authorize: () => ({ tenantId }) });

  it('lists only its own, also when it asks for others', async () => {
    const { body } = await ask<Page<Delivery>>(tenant('acme'), 'GET /v1/deliveries');
    expect(body.items.map(({ tenantId }) => tenantId)).toEqual(Array(6).fill('acme'));
    const webhooks = await ask<Page<Webhook>>(tenant('other'), 'GET /v1/webhooks');
    expect(webhooks.body.items.map(({ name }) => name)).toEqual(['foreign']);
    for (const path of ['deliveries', 'webhooks']) {
      const refused = await ask(tenant('acme'), `GET /v1/${path}?tenantId=other`);
      expect(refused).toMatchObject({ status: 400, body: { error: { field: 'tenantId' } } });
    }
    const replay = await ask(tenant('acme'), 'POST /v1/deliveries/replay', { json: { tenantId: 'other' } });
    expect(replay).toMatchObject({ status: 400, body: { error: { field: 'tenantId' } } });
    const none = await ask(tenant('nobody'), 'GET /v1/deliveries');
    expect(none.body).toEqual({ items: [] });
  });

  it('gets nothing by the cursor of another', async () => {
    const { body } = await ask<Page<Delivery>>(tenant('acme'), 'GET /v1/deliveries?limit=1');
    const stolen = await ask<Page<Delivery>>(tenant('other'), `GET /v1/deliveries?cursor=${body.cursor}`);
    expect(stolen.body.items.every(({ tenantId }) => tenantId === 'other')).toBe(true);
  });

  it('cannot tell what is foreign from what is missing, by any route', async () => {
    const [{ id, eventId } = { id: '', eventId: '' }] = await still.deliveries({ tenantId: 'other' });
    const webhookId = still.foreign.id;
    const routes: [what: (id: string) => string, foreign: string][] = [
      ...['', '/attempts'].map((rest): [(one: string) => string, string] => [
        (one) => `GET /v1/deliveries/${one}${rest}`,
        id,
      ]),
      ...['replay', 'resend', 'cancel'].map((verb): [(one: string) => string, string] => [
        (one) => `POST /v1/deliveries/${one}/${verb}`,
        id,
      ]),
      ...['', '/health'].map((rest): [(one: string) => string, string] => [
        (one) => `GET /v1/webhooks/${one}${rest}`,
        webhookId,
      ]),
      ...['enable', 'disable', 'test'].map((verb): [(one: string) => string, string] => [
        (one) => `POST /v1/webhooks/${one}/${verb}`,
        webhookId,
      ]),
      [(one) => `GET /v1/explain?eventId=${eventId}&webhookId=${one}`, webhookId],
      [(one) => `GET /v1/explain?eventId=${one}&webhookId=${still.good.id}`, eventId],
    ];
    for (const [what, foreign] of routes) {
      const missing = `none_${'0'.repeat(foreign.length - 5)}`;
      const [a, b] = [await ask(tenant('acme'), what(foreign)), await ask(tenant('acme'), what(missing))];
      expect({ what: what(foreign), status: a.status }).toEqual({ what: what(foreign), status: 404 });
      expect(a.text.replaceAll(foreign, missing)).toBe(b.text);
      expect([...a.headers]).toEqual([...b.headers]);
    }
    expect((await still.surehook.webhooks.get(webhookId))?.status.state).toBe('enabled');
  });
});

describe('every answer', () => {
  it('is JSON that nobody keeps or takes for a page', async () => {
    for (const what of ['GET /v1/webhooks', 'GET /nowhere', 'PUT /v1/webhooks', 'GET /v1/webhooks?x=1']) {
      const { headers } = await ask(handler, what);
      expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
    }
  });

  it('is without secrets', async () => {
    const { handler, deliveries, good, bad, secrets } = await inspection();
    const texts: string[] = [];
    const see = async (what: string) => texts.push((await ask(handler(), what)).text);
    for (const { id } of await deliveries()) {
      await see(`GET /v1/deliveries/${id}`);
      await see(`GET /v1/deliveries/${id}/attempts`);
      await see(`POST /v1/deliveries/${id}/resend`);
      await see(`POST /v1/deliveries/${id}/replay`);
    }
    for (const { id } of [good, bad]) {
      for (const rest of ['', '/health']) await see(`GET /v1/webhooks/${id}${rest}`);
      for (const verb of ['disable', 'enable', 'test']) await see(`POST /v1/webhooks/${id}/${verb}`);
    }
    for (const path of ['webhooks', 'deliveries']) await see(`GET /v1/${path}`);
    const all = texts.join('\n');
    expect(all).toContain('bad.example.com');
    for (const secret of secrets) expect(all).not.toContain(secret);
  });

  it('is typed by what it was made of', () => {
    expectTypeOf<Json<Delivery>['createdAt']>().toEqualTypeOf<string>();
    expectTypeOf<Json<Page<Delivery>>['items'][number]['status']>().toEqualTypeOf<Delivery['status']>();
    expectTypeOf<Json<Attempt>['request']['headers']>().toEqualTypeOf<Readonly<Record<string, string>>>();
  });
});

describe('errors', () => {
  /** A surehook whose every listing of webhooks rejects with this. */
  const failing = (error: unknown): Inspectable => ({
    ...still.surehook,
    deliveries: still.surehook.deliveries,
    forTenant: still.surehook.forTenant,
    webhooks: { ...still.surehook.webhooks, list: () => Promise.reject(error) } as Inspectable['webhooks'],
  });

  it.each([
    [new ConflictError('no'), 409, 'conflict'],
    [new PayloadTooLargeError(2, 1), 413, 'payload-too-large'],
    [new RateLimitedError('acme', 1_500), 429, 'rate-limited'],
    [new StorageError('webhooks.list', 'password authentication failed for user "hunter2"'), 503, 'storage'],
    [new HostCodeError('signer', { cause: new Error('hunter2') }), 500, 'internal'],
    [new TypeError('hunter2 is not a function'), 500, 'internal'],
    ['hunter2', 500, 'internal'],
    [undefined, 500, 'internal'],
  ])('%o becomes a %i', async (error, expected, code) => {
    const told: unknown[] = [];
    const handler = inspectionHandler(failing(error), {
      authorize: () => everything,
      onError: (cause) => told.push(cause),
    });
    const { status, body, text } = await ask(handler, 'GET /v1/webhooks');
    expect({ status, code: body.error?.code }).toEqual({ status: expected, code });
    expect(text).not.toContain('hunter2');
    expect(told).toEqual(expected >= 500 ? [error] : []);
  });

  it.each<[error: Error, retryAfter: string | null]>([
    [new StorageError('a', 'b'), '1'],
    [new RateLimitedError('acme', 1_500), '2'],
    [new RateLimitedError('acme', Number.POSITIVE_INFINITY), null],
    [new ConflictError('a'), null],
  ])('say when to come again: %o', async (error, retryAfter) => {
    const handler = inspectionHandler(failing(error), { authorize: () => everything });
    expect((await ask(handler, 'GET /v1/webhooks')).headers.get('retry-after')).toBe(retryAfter);
  });

  it.each([
    () => {
      throw new Error('listener');
    },
    () => Promise.reject(new Error('listener')),
  ])('are answered whatever the listener does', async (onError) => {
    const handler = inspectionHandler(failing(new Error('a')), { authorize: () => everything, onError });
    expect((await ask(handler, 'GET /v1/webhooks')).status).toBe(500);
  });
});

describe('options', () => {
  const make = (options: unknown) => () => inspectionHandler(still.surehook, options as InspectionOptions);
  const authorize = (): Scope => everything;

  it.each<[options: unknown, kind: ErrorConstructor, text: string]>([
    [undefined, TypeError, 'the options'],
    [{}, TypeError, 'authorize is required'],
    [{ authorize: true }, TypeError, 'authorize'],
    [{ authorize, onError: 'log' }, TypeError, 'onError'],
    [{ authorize, clock: {} }, TypeError, 'clock must'],
    [{ authorize, clock: null }, TypeError, 'clock must'],
    [{ authorize, basepath: '/a' }, TypeError, 'basepath'],
    [{ authorize, basePath: 1 }, TypeError, 'basePath'],
    ...['/', 'a', '/a/', '/a?b', '/a#b', '/a/../b', '/a b', '@evil/a', '/ä'].map(
      (basePath): [unknown, ErrorConstructor, string] => [{ authorize, basePath }, RangeError, 'basePath'],
    ),
  ])('%o is refused', (options, kind, text) => {
    expect(make(options)).toThrow(kind);
    expect(make(options)).toThrow(text);
  });

  it('basePath: only what is below it is there', async () => {
    const mounted = still.handler({ basePath: '/hooks-admin' });
    expect((await ask(mounted, 'GET /hooks-admin/v1/webhooks')).status).toBe(200);
    for (const path of [
      '/v1/webhooks',
      '/hooks-adminx/v1/webhooks',
      '/hooks-admin',
      '/x/hooks-admin/v1/webhooks',
    ]) {
      expect((await ask(mounted, `GET ${path}`)).status).toBe(404);
    }
  });

  it('clock: the system clock, unless given', async () => {
    const real = inspectionHandler(still.surehook, { authorize });
    expect((await ask(real, 'GET /v1/deliveries?until=0s')).status).toBe(200);
  });
});
