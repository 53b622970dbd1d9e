/** The catalogue: every event type there is, and the schema of its data. */
import { type } from 'arktype';
import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  createSurehook,
  type EventCatalog,
  HostCodeError,
  InvalidEventError,
  type NewEvent,
  type SchemaResult,
  type StandardSchema,
  type Surehook,
} from '../../src/index.ts';
import { type Bench, bench, hook, rejection, running, SECOND } from './harness.ts';

/** A bench with that catalogue, to which tests in JavaScript may give anything. */
async function withCatalog(catalog: EventCatalog, options: object = {}): Promise<Bench> {
  const made = await running(200, { catalog, ...options });
  await hook(made.surehook);
  return made;
}

/** A schema that answers as it is told. */
function schema(validate: (value: unknown) => unknown): StandardSchema {
  return { '~standard': { version: 1, vendor: 'test', validate: validate as () => SchemaResult<unknown> } };
}

const untyped = (event: unknown): NewEvent => event as NewEvent;
const dataOf = ({ transport }: Bench): unknown[] =>
  transport.requests.map((request) => JSON.parse(request.text()).data);
const asIs = schema((value) => ({ value }));

describe('one lot of data, by zod, valibot and arktype', () => {
  const line = { sku: 'a-1', count: '2', note: 'unknown to the schema' };
  const catalogs: readonly (readonly [string, StandardSchema, string])[] = [
    [
      'zod',
      z.object({
        id: z.string(),
        lines: z.array(z.object({ sku: z.string(), count: z.coerce.number<string>() })),
      }),
      'data.lines[1].sku',
    ],
    [
      'valibot',
      v.object({
        id: v.string(),
        lines: v.array(v.object({ sku: v.string(), count: v.pipe(v.string(), v.transform(Number)) })),
      }),
      'data.lines[1].sku',
    ],
    [
      'arktype',
      type({
        '+': 'delete',
        id: 'string',
        lines: type({ '+': 'delete', sku: 'string', count: 'string.numeric.parse' }).array(),
      }),
      'data.lines[1].sku',
    ],
  ];

  test.each(catalogs)(
    '%s: what it makes of it is sent, and issues name their path',
    async (_, made, path) => {
      const parts = await withCatalog({ 'order.placed': made });
      const { surehook, log } = parts;
      await surehook.publish({ type: 'order.placed', data: { id: 'o1', lines: [line] } });
      await surehook.idle();
      expect(dataOf(parts)).toEqual([{ id: 'o1', lines: [{ sku: 'a-1', count: 2 }] }]);
      const wrong = { id: 'o2', lines: [line, { ...line, sku: 7 }] };
      const error = await rejection(surehook.publish({ type: 'order.placed', data: wrong }));
      expect(error).toBeInstanceOf(InvalidEventError);
      expect(error).toMatchObject({
        code: 'invalid-event',
        field: path,
        issues: [{ path, message: expect.any(String) }],
      });
      expect((error as Error).message).toContain(path);
      expect(log.of('event:published')).toHaveLength(1);
    },
  );
});

describe('what is refused', () => {
  test('a type that is not there, in one event or in one of many', async () => {
    const { surehook, log } = await withCatalog({ 'a.b': asIs });
    for (const name of ['a.c', 'toString', '__proto__', 'a', 'A.B', 'webhook.test']) {
      const error = await rejection(surehook.publish({ type: name, data: 1 }));
      expect(error).toMatchObject({ code: 'invalid-event', field: 'type' });
      expect((error as Error).message).toContain(JSON.stringify(name));
      const many = surehook.publishMany([
        { type: 'a.b', data: 1 },
        { type: name, data: 1 },
      ]);
      expect(await rejection(many)).toMatchObject({ field: 'type' });
    }
    expect(log.of('event:published')).toEqual([]);
  });

  test('a body: of bytes that no schema has seen nobody knows what they are', async () => {
    const { surehook } = await withCatalog({ 'a.b': asIs });
    const raw = { type: 'a.b', body: '{}', contentType: 'application/json' };
    expect(await rejection(surehook.publish(raw))).toMatchObject({ code: 'invalid-event', field: 'body' });
    const mixed = untyped({ type: 'a.b', data: 1, contentType: 'text/plain' });
    expect(await rejection(surehook.publish(mixed))).toMatchObject({ field: 'contentType' });
  });

  test('with ten issues of 200 characters at most', async () => {
    const issue = { message: 'm'.repeat(1_000), path: ['p'.repeat(300), { key: 'x' }, Symbol('s')] };
    const { surehook } = await withCatalog({ 'a.b': schema(() => ({ issues: Array(5_000).fill(issue) })) });
    const error = (await rejection(surehook.publish({ type: 'a.b', data: 1 }))) as InvalidEventError;
    expect(error.issues).toHaveLength(10);
    for (const { message, path } of error.issues ?? []) {
      expect(message).toBe('m'.repeat(200));
      expect(path.length).toBeLessThanOrEqual(200);
    }
    expect(error.message.length).toBeLessThan(500);
    expect(error.message).toContain('and 4999 more');
  });

  test('an issue without a path is one of data itself', async () => {
    const { surehook } = await withCatalog({ 'a.b': z.string() });
    const error = await rejection(surehook.publish({ type: 'a.b', data: undefined }));
    expect(error).toMatchObject({ field: 'data', issues: [{ path: 'data' }] });
  });

  test('what a schema makes that JSON has no text for, or too much of', async () => {
    const catalog = {
      big: schema(() => ({ value: 1n })),
      none: schema(() => ({ value: undefined })),
      long: schema((value) => ({ value: String(value).repeat(300_000) })),
    };
    const { surehook } = await withCatalog(catalog);
    expect(await rejection(surehook.publish({ type: 'big', data: 1 }))).toMatchObject({ field: 'data' });
    expect(await rejection(surehook.publish({ type: 'none', data: 1 }))).toMatchObject({ field: 'data' });
    expect(await rejection(surehook.publish({ type: 'long', data: 'x' }))).toMatchObject({
      code: 'payload-too-large',
    });
  });
});

describe('a schema that breaks', () => {
  const boom = (): never => {
    throw new Error('boom');
  };
  const broken: readonly (readonly [string, (value: unknown) => unknown])[] = [
    ['throws', boom],
    ['rejects', async () => boom()],
    ['answers nothing', () => undefined],
    ['answers nothing later', async () => null],
    ['answers neither', () => ({})],
    ['answers with issues that are none', () => ({ issues: 7 })],
    ['answers with a trap', () => ({ issues: [new Proxy({}, { get: boom })] })],
  ];

  test.each(broken)('%s: HostCodeError, and nothing is stored', async (_, validate) => {
    const { surehook, log } = await withCatalog({ ok: asIs, bad: schema(validate) });
    const error = await rejection(
      surehook.publishMany([
        { type: 'ok', data: 1 },
        { type: 'bad', data: 1 },
      ]),
    );
    expect(error).toBeInstanceOf(HostCodeError);
    expect(error).toMatchObject({ part: 'schema of bad', cause: expect.any(Error) });
    expect(log.told).toEqual([]);
  });

  test('or never answers: its time is that of storage', async () => {
    const { surehook, clock, log } = await withCatalog(
      { 'a.b': schema(() => new Promise(() => {})) },
      { storageTimeoutMs: 3 * SECOND },
    );
    let settled = false;
    const rejected = rejection(surehook.publish({ type: 'a.b', data: 1 })).finally(() => {
      settled = true;
    });
    await clock.advance(2_999);
    expect(settled).toBe(false);
    await clock.advance(1);
    expect(await rejected).toMatchObject({ code: 'host-code', part: 'catalog' });
    expect(log.told).toEqual([]);
  });

  test('after another event was refused is heard of by nobody', async () => {
    const { surehook } = await withCatalog({ late: schema(async () => boom()), 'a.b': asIs });
    const many = surehook.publishMany([
      { type: 'late', data: 1 },
      untyped({ type: 'a.b', data: 1, what: 1 }),
    ]);
    expect(await rejection(many)).toMatchObject({ field: 'what' });
    // An unhandled rejection would fail this run.
    await new Promise((resolve) => setImmediate(resolve));
  });
});

describe('what a schema sees', () => {
  test('is read before publish waits: what the host changes afterwards has no effect', async () => {
    const later = schema(async (value) => {
      await Promise.resolve();
      return { value };
    });
    const parts = await withCatalog({ now: asIs, later });
    const data = { list: [1] };
    const published = parts.surehook.publishMany([
      { type: 'now', data },
      { type: 'later', data },
    ]);
    data.list.push(2);
    await published;
    await parts.surehook.idle();
    expect(dataOf(parts)).toEqual([{ list: [1] }, { list: [1] }]);
  });

  test('is its own: what it does to it the host does not see', async () => {
    const parts = await withCatalog({
      'a.b': schema((value) => {
        (value as { list: number[] }).list.push(9);
        return { value };
      }),
    });
    const data = { list: [1] };
    await parts.surehook.publish({ type: 'a.b', data });
    await parts.surehook.idle();
    expect(data).toEqual({ list: [1] });
    expect(dataOf(parts)).toEqual([{ list: [1, 9] }]);
  });

  test('filters see what it made', async () => {
    const parts = await running(200, { catalog: { 'a.b': z.object({ total: z.coerce.number() }) } });
    await hook(parts.surehook, 0, { filter: { field: 'data.total', gte: 10 } });
    expect(await parts.surehook.publish({ type: 'a.b', data: { total: '9' } })).toMatchObject({
      filtered: 1,
    });
    expect(await parts.surehook.publish({ type: 'a.b', data: { total: '11' } })).toMatchObject({
      filtered: 0,
    });
  });

  test('an unreadable data is a wrong event, not a broken schema', async () => {
    const { surehook } = await withCatalog({ 'a.b': asIs });
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    for (const data of [proxy, { deep: proxy }]) {
      expect(await rejection(surehook.publish({ type: 'a.b', data }))).toMatchObject({
        code: 'invalid-event',
        field: 'data',
      });
    }
  });
});

describe('idempotency', () => {
  test('goes by what the host gave: a schema may add the time or chance', async () => {
    let made = 0;
    const stamped = schema((value) => {
      made += 1;
      return { value: { value, made } };
    });
    const { surehook } = await withCatalog({ 'a.b': stamped });
    const event = { type: 'a.b', data: { x: 1 }, idempotencyKey: 'k' };
    expect(await surehook.publish(event)).toMatchObject({ duplicate: false });
    expect(await surehook.publish(event)).toMatchObject({ duplicate: true });
    expect(await rejection(surehook.publish({ ...event, data: { x: 2 } }))).toMatchObject({
      code: 'conflict',
    });
  });

  test('and by what the schema made of it where JSON has no text for that', async () => {
    const { surehook } = await withCatalog({ 'a.b': schema((value) => ({ value: String(value) })) });
    const event = { type: 'a.b', data: 5n, idempotencyKey: 'k' };
    expect(await surehook.publish(event)).toMatchObject({ duplicate: false });
    expect(await surehook.publish(event)).toMatchObject({ duplicate: true });
    expect(await rejection(surehook.publish({ ...event, data: 6n }))).toMatchObject({ code: 'conflict' });
  });
});

test('a tenant’s face keeps to it, in types and at run time', async () => {
  const { repos } = bench();
  const surehook = createSurehook({ repos, catalog: { 'a.b': z.object({ id: z.string() }) } });
  const tenant = surehook.forTenant('t1');
  expect(await tenant.publish({ type: 'a.b', data: { id: 'x' } })).toMatchObject({
    event: { tenantId: 't1' },
  });
  // @ts-expect-error no such type
  expect(await rejection(tenant.publish({ type: 'a.c', data: 1 }))).toMatchObject({ field: 'type' });
  // @ts-expect-error wrong data
  expect(await rejection(tenant.publishMany([{ type: 'a.b', data: { id: 1 } }]))).toMatchObject({
    field: 'data.id',
  });
});

test('test events need no entry', async () => {
  const parts = await withCatalog({ 'a.b': asIs });
  const { items } = await parts.surehook.webhooks.list();
  await parts.surehook.webhooks.sendTest(items[0]?.id ?? '');
  await parts.surehook.idle();
  expect(parts.transport.requests).toHaveLength(1);
});

describe('the option', () => {
  const { repos } = bench();
  const make = (catalog: unknown): Surehook => createSurehook({ repos, catalog: catalog as EventCatalog });

  test('is copied: a type that is added later is not there', async () => {
    const catalog: Record<string, StandardSchema> = { 'a.b': asIs };
    const surehook = make(catalog);
    catalog['a.c'] = asIs;
    expect(await rejection(surehook.publish({ type: 'a.c', data: 1 }))).toMatchObject({ field: 'type' });
  });

  test.each([
    ['catalog', null],
    ['catalog', [asIs]],
    ['catalog', 'zod'],
    ['"a..b"', { 'a..b': asIs }],
    ['catalog["a.b"]', { 'a.b': {} }],
    ['catalog["a.b"]', { 'a.b': undefined }],
    ['catalog["a.b"]', { 'a.b': { '~standard': { version: 2, validate: () => ({}) } } }],
    ['catalog["a.b"]', { 'a.b': { '~standard': { version: 1 } } }],
  ])('names %s', (shown, catalog) => {
    expect(() => make(catalog)).toThrow(shown);
    expect(() => make(catalog)).not.toThrow(InvalidEventError);
  });
});
