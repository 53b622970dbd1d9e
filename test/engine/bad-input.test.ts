/** Whatever is wrong is refused at the door: a typed error names the field and quotes the value, and nothing is stored. */
import { describe, expect, test } from 'vitest';
import {
  createSurehook,
  ForbiddenEndpointError,
  InvalidEventError,
  InvalidInputError,
  memoryRepos,
  type NewEvent,
  type NewWebhook,
  retrySchedule,
  type Surehook,
  type SurehookOptions,
} from '../../src/index.ts';
import { bench, hook, rejection } from './harness.ts';

function thrown(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('It was accepted');
}

describe('options', () => {
  const repos = memoryRepos();
  const wrong: readonly (readonly [Record<string, unknown>, string, string])[] = [
    [{ repos: undefined }, 'repos', 'required'],
    [{ repos: 'memory' }, 'repos', '"memory"'],
    [{ repos: null }, 'repos', 'null'],
    [{ repos: { webhooks: repos.webhooks, events: repos.events } }, 'repos.state', 'undefined'],
    [{ repos: { ...repos, events: {} } }, 'repos.events.append', 'undefined'],
    [{ retry: 'often' }, 'retry', '"often"'],
    [{ retry: { kind: 'schedule', delaysMs: [], jitter: 0 } }, 'retry.delaysMs', '0'],
    [{ retry: { kind: 'schedule', delaysMs: [0, -1], jitter: 0 } }, 'retry.delaysMs[1]', '-1'],
    [{ timeoutMs: 0 }, 'timeoutMs', '0'],
    [{ timeoutMs: '15' }, 'timeoutMs', '"15"'],
    [{ timeoutMs: Number.NaN }, 'timeoutMs', 'NaN'],
    [{ timeoutMs: 1.5 }, 'timeoutMs', '1.5'],
    [{ timeoutMs: 30_000 }, 'leaseMs', '30000'],
    [{ leaseMs: 1_000 }, 'leaseMs', '1000'],
    [{ leaseMs: Number.POSITIVE_INFINITY }, 'leaseMs', 'Infinity'],
    [{ pollMs: null }, 'pollMs', 'null'],
    [{ maxInFlight: 0 }, 'maxInFlight', '0'],
    [{ maxInFlight: 1e9 }, 'maxInFlight', '1000000000'],
    [{ maxInFlightPerWebhook: -4 }, 'maxInFlightPerWebhook', '-4'],
    [{ prefetch: 0 }, 'prefetch', '0'],
    [{ maxLost: -1 }, 'maxLost', '-1'],
    [{ maxPayloadBytes: 10n }, 'maxPayloadBytes', '10n'],
    [{ maxResponseBytes: -1 }, 'maxResponseBytes', '-1'],
    [{ replaysPerSecond: 0 }, 'replaysPerSecond', '0'],
    [{ retention: 30 }, 'retention', '30'],
    [{ retention: { days: 30 } }, 'retention', 'days'],
    [{ retention: { deliveredMs: -1 } }, 'retention.deliveredMs', '-1'],
    [{ retention: { deadLetterMs: '7d' } }, 'retention.deadLetterMs', '"7d"'],
    [{ retention: { attemptsMs: Number.NaN } }, 'retention.attemptsMs', 'NaN'],
    [{ unavailableAfterMs: 0 }, 'unavailableAfterMs', '0'],
    [{ unavailableAfterMs: Number.NEGATIVE_INFINITY }, 'unavailableAfterMs', '-Infinity'],
    [{ backoff: 5 }, 'backoff', '5'],
    [{ backoff: { baseMs: -1 } }, 'backoff.baseMs', '-1'],
    [{ backoff: { factor: 0.5 } }, 'backoff.factor', '0.5'],
    [{ backoff: { jitter: 2 } }, 'backoff.jitter', '2'],
    [{ backoff: { base: 1 } }, 'backoff.base', 'base'],
    [{ endpoints: { allowHttp: 'yes' } }, 'endpoints.allowHttp', '"yes"'],
    [{ endpoints: { ports: 443 } }, 'endpoints.ports', '443'],
    [{ endpoints: { ports: [0] } }, 'endpoints.ports[0]', '0'],
    [{ endpoints: { allowAll: true } }, 'endpoints.allowAll', 'allowAll'],
    [{ idempotencyHeader: 'no header' }, 'idempotencyHeader', 'no header'],
    [{ idempotencyHeader: 'webhook-id' }, 'idempotencyHeader', 'webhook-id'],
    [{ transport: {} }, 'transport.send', 'undefined'],
    [{ transport: () => {} }, 'transport', '[function]'],
    [{ clock: { now: 1 } }, 'clock.now', '1'],
    [{ random: {} }, 'random.next', 'undefined'],
    [{ signer: { sign: 'x' } }, 'signer.sign', '"x"'],
    [{ storageTimeoutMs: 0 }, 'storageTimeoutMs', '0'],
    [{ webhookCacheMs: -1 }, 'webhookCacheMs', '-1'],
    [{ timeOutMs: 1 }, 'timeOutMs', 'timeOutMs'],
  ];

  test.each(wrong)('%o is refused by %s', (options, field, value) => {
    const error = thrown(() => createSurehook({ repos, ...options } as unknown as SurehookOptions));
    expect(error).toSatisfy((one: unknown) => one instanceof TypeError || one instanceof RangeError);
    expect((error as Error).message).toContain(field);
    expect((error as Error).message).toContain(value);
  });

  test.each([undefined, null, 'x', 1, []])('%j in place of the options is a TypeError', (options) => {
    expect(thrown(() => createSurehook(options as unknown as SurehookOptions))).toBeInstanceOf(TypeError);
  });

  test('what else an adapter puts beside its three repos is its own matter', () => {
    expect(() => createSurehook({ repos: Object.assign({ close: () => {} }, repos) })).not.toThrow();
  });

  test('the greatest and the least that is allowed is taken', () => {
    expect(() =>
      createSurehook({ repos, unavailableAfterMs: Number.POSITIVE_INFINITY, timeoutMs: 21_000 }),
    ).not.toThrow();
    expect(() =>
      createSurehook({ repos, maxInFlight: 1, prefetch: 1, maxLost: 0, timeoutMs: 1 }),
    ).not.toThrow();
  });
});

async function isEmpty(surehook: Surehook): Promise<void> {
  expect((await surehook.webhooks.list()).items).toEqual([]);
  expect((await surehook.deliveries.list()).items).toEqual([]);
}

describe('webhooks.create', () => {
  const least = { url: 'https://example.com/x', events: ['*'] };
  const wrong: readonly (readonly [unknown, string, string])[] = [
    [undefined, 'webhook', 'undefined'],
    [{ events: ['*'] }, 'url', 'undefined'],
    [{ url: 'https://example.com/' }, 'events', 'undefined'],
    [{ ...least, url: 'http://example.com/' }, 'url', 'http'],
    [{ ...least, url: 'https://127.1/' }, 'url', '127'],
    [{ ...least, url: 'https://[::ffff:7f00:1]/' }, 'url', 'https'],
    [{ ...least, url: 'https://169.254.169.254/latest' }, 'url', '169.254'],
    [{ ...least, url: 'https://localhost/' }, 'url', 'localhost'],
    [{ ...least, url: 'https://user:hunter22@example.com/' }, 'url', ''],
    [{ ...least, url: 7 }, 'url', '7'],
    [{ ...least, events: [] }, 'events', '0'],
    [{ ...least, events: 'a' }, 'events', '"a"'],
    [{ ...least, events: ['a', '**'] }, 'events[1]', '"**"'],
    [{ ...least, events: ['a..b'] }, 'events[0]', '"a..b"'],
    [{ ...least, tenantId: '*' }, 'tenantId', '"*"'],
    [{ ...least, tenantId: '' }, 'tenantId', '""'],
    [{ ...least, tenantId: ['a'] }, 'tenantId', '[array of 1]'],
    [{ ...least, name: 'a\nb' }, 'name', '"a\\nb"'],
    [{ ...least, description: 5 }, 'description', '5'],
    [{ ...least, headers: { 'webhook-id': 'x' } }, 'headers', 'webhook-id'],
    [{ ...least, headers: { 'Content-Length': '1' } }, 'headers', 'content-length'],
    [{ ...least, headers: { 'x-a': 'a\r\nb: c' } }, 'headers.x-a', ''],
    [{ ...least, headers: { 'x-a': 5 } }, 'headers.x-a', ''],
    [{ ...least, delivery: { semantics: 'exactly-once' } }, 'delivery.semantics', '"exactly-once"'],
    [{ ...least, delivery: { ordered: 1 } }, 'delivery.ordered', '1'],
    [{ ...least, delivery: { ordered: { onExhausted: 'x' } } }, 'delivery.ordered.onExhausted', 'x'],
    [{ ...least, delivery: { order: 1 } }, 'delivery.order', 'order'],
    [{ ...least, retry: () => 1 }, 'retry', '[function]'],
    [{ ...least, retry: { kind: 'schedule', delaysMs: [0], jitter: 2 } }, 'retry.jitter', '2'],
    [{ ...least, timeoutMs: 25_000 }, 'timeoutMs', '25000'],
    [{ ...least, maxInFlight: 0 }, 'maxInFlight', '0'],
    [{ ...least, filter: { field: 'data.a', matches: '.*' } }, 'filter', 'matches'],
    [{ ...least, filter: {} }, 'filter', ''],
    [{ ...least, secret: 'whsec_AA==' }, 'secret', ''],
    [{ ...least, id: 'whk_1' }, 'id', 'id'],
    [{ ...least, status: { state: 'disabled' } }, 'status', 'status'],
  ];

  test.each(wrong)('%j is refused by %s', async (input, field, value) => {
    const { surehook } = bench();
    const error = await rejection(surehook.webhooks.create(input as NewWebhook));
    expect(error).toSatisfy(
      (one) => one instanceof InvalidInputError || one instanceof ForbiddenEndpointError,
    );
    const { message, field: named } = error as InvalidInputError;
    expect(named.toLowerCase()).toContain(field.toLowerCase());
    expect(message.toLowerCase()).toContain(value.toLowerCase());
    expect(message).not.toContain('hunter22');
    expect(message).not.toContain('whsec_AA');
    await isEmpty(surehook);
  });

  /** Those whose fault is in a field that a patch has too. */
  const patches = wrong.filter(([input, field]) => {
    const given = (input ?? {}) as Record<string, unknown>;
    return Object.hasOwn(given, field.replace(/[.[].*/, '')) && !['tenantId', 'secret'].includes(field);
  });

  test.each(patches)('update refuses %j too, and changes nothing', async (input, field) => {
    const patch = input as Record<string, unknown>;
    const { surehook } = bench();
    const webhook = await hook(surehook);
    const error = await rejection(surehook.webhooks.update(webhook.id, patch));
    expect((error as InvalidInputError).field.toLowerCase()).toContain(field.toLowerCase());
    expect(await surehook.webhooks.get(webhook.id)).toEqual(webhook);
  });
});

describe('publish', () => {
  const least = { type: 'a.b', data: 1 };
  const circular: { self?: unknown } = {};
  circular.self = circular;
  const wrong: readonly (readonly [string, unknown, string])[] = [
    ['nothing', undefined, 'event'],
    ['a string', 'a.b', 'event'],
    ['an array', [least], 'event'],
    ['no type', { data: 1 }, 'type'],
    ['a bad type', { ...least, type: 'a..b' }, 'type'],
    ['a pattern as type', { ...least, type: 'a.*' }, 'type'],
    ['no data', { type: 'a.b' }, 'data'],
    ['a function as data', { type: 'a.b', data: () => 1 }, 'data'],
    ['a bigint in data', { type: 'a.b', data: { a: 1n } }, 'data'],
    ['circular data', { type: 'a.b', data: circular }, 'data'],
    ['data and body', { ...least, body: 'x', contentType: 'text/plain' }, 'data'],
    ['a body without content type', { type: 'a.b', body: 'x' }, 'contentType'],
    ['a body that is an object', { type: 'a.b', body: {}, contentType: 'text/plain' }, 'body'],
    ['a lone surrogate in a body', { type: 'a.b', body: '\ud800', contentType: 'text/plain' }, 'body'],
    [
      'a content type with a line break',
      { type: 'a.b', body: 'x', contentType: 'a/b\r\nx: y' },
      'contentType',
    ],
    ['a tenant for all', { ...least, tenantId: '*' }, 'tenantId'],
    ['a tenant with NUL', { ...least, tenantId: 'a\0b' }, 'tenantId'],
    ['a number as source', { ...least, source: 5 }, 'source'],
    ['a reserved header', { ...least, headers: { 'Webhook-Signature': 'x' } }, 'headers'],
    ['a header with CRLF', { ...least, headers: { 'x-a': 'a\r\nb: c' } }, 'headers'],
    ['an empty key', { ...least, idempotencyKey: '' }, 'idempotencyKey'],
    ['an id with a dot', { ...least, id: 'a.b' }, 'id'],
    ['an id with a line break', { ...least, id: 'a\nb' }, 'id'],
    ['deliverAt as a number', { ...least, deliverAt: 5 }, 'deliverAt'],
    ['an invalid date', { ...least, timestamp: new Date(Number.NaN) }, 'timestamp'],
    ['an unknown field', { ...least, delay: 5 }, 'delay'],
    [
      'a getter that throws',
      Object.defineProperty({ type: 'a.b' }, 'data', {
        enumerable: true,
        get: () => {
          throw new Error('no');
        },
      }),
      'data',
    ],
  ];

  test.each(wrong)('%s is refused', async (_, event, field) => {
    const { surehook } = bench();
    await hook(surehook);
    for (const error of [
      await rejection(surehook.publish(event as NewEvent)),
      await rejection(surehook.publishMany([least, event as NewEvent])),
    ]) {
      expect(error).toBeInstanceOf(InvalidEventError);
      expect((error as InvalidEventError).field).toContain(field);
    }
    expect((await surehook.deliveries.list()).items).toEqual([]);
  });

  test('publishMany takes an array of at most 10 000', async () => {
    const { surehook } = bench();
    for (const events of [undefined, 'x', {}, Array(10_001).fill(least)]) {
      const error = await rejection(surehook.publishMany(events as unknown as NewEvent[]));
      expect(error).toBeInstanceOf(InvalidInputError);
      expect((error as InvalidInputError).field).toBe('events');
    }
  });

  test.each([5, 'tx', { transaction: {} }])('%j as its options is refused', async (options) => {
    const { surehook } = bench();
    await hook(surehook);
    const error = await rejection(surehook.publish(least, options as never));
    expect(error).toSatisfy((one) => one instanceof TypeError || one instanceof InvalidInputError);
    expect((await surehook.deliveries.list()).items).toEqual([]);
  });
});

describe('ids, queries, waits', () => {
  const badIds: readonly unknown[] = [undefined, null, '', 5, {}, ['whk_1'], 'a\0b', 'x'.repeat(129)];

  test.each(badIds)('%j is no id, for no method', async (id) => {
    const { surehook } = bench();
    const given = id as string;
    const calls = [
      surehook.webhooks.get(given),
      surehook.webhooks.update(given, {}),
      surehook.webhooks.delete(given),
      surehook.webhooks.enable(given),
      surehook.webhooks.disable(given),
      surehook.webhooks.sendTest(given),
      surehook.deliveries.get(given),
      surehook.deliveries.attempts(given),
      surehook.deliveries.replay(given),
    ];
    for (const call of calls) {
      const error = await rejection(call);
      expect(error).toBeInstanceOf(InvalidInputError);
      expect((error as InvalidInputError).field).toBe('id');
    }
  });

  test.each([
    [{ limit: 0 }, 'limit'],
    [{ limit: 1_001 }, 'limit'],
    [{ limit: '10' }, 'limit'],
    [{ cursor: 'x' }, 'cursor'],
    [{ cursor: 5 }, 'cursor'],
    [{ cursor: Buffer.from("zz.' or 1=1").toString('base64url') }, 'cursor'],
    [{ tenantId: '*' }, 'tenantId'],
    [{ webhookId: '' }, 'webhookId'],
    [{ eventType: 'a.*' }, 'eventType'],
    [{ status: 'done' }, 'status'],
    [{ since: '1h' }, 'since'],
    [{ until: new Date(Number.NaN) }, 'until'],
    [{ state: 'x' }, 'state'],
    ['x', 'query'],
  ])('deliveries.list(%j) is refused by %s', async (query, field) => {
    const { surehook } = bench();
    const error = await rejection(surehook.deliveries.list(query as never));
    expect(error).toBeInstanceOf(InvalidInputError);
    expect((error as InvalidInputError).field).toBe(field);
  });

  test.each([
    [{ limit: -1 }, 'limit'],
    [{ cursor: '' }, 'cursor'],
    [{ tenantId: 5 }, 'tenantId'],
    [{ webhookId: 'x' }, 'webhookId'],
  ])('webhooks.list(%j) is refused by %s', async (query, field) => {
    const { surehook } = bench();
    const error = await rejection(surehook.webhooks.list(query as never));
    expect(error).toBeInstanceOf(InvalidInputError);
    expect((error as InvalidInputError).field).toBe(field);
  });

  test('a cursor of one listing in another leads nowhere but to that place', async () => {
    const { surehook } = bench();
    for (let n = 0; n < 3; n += 1) await hook(surehook, n);
    for (let n = 0; n < 3; n += 1) await surehook.publish({ type: 'a', data: n });
    const { cursor } = await surehook.webhooks.list({ limit: 1 });
    const page = await surehook.deliveries.list({ cursor });
    expect(page.items.every(({ id }) => id.startsWith('dlv_'))).toBe(true);
  });

  test.each([
    { deadlineMs: -1 },
    { deadlineMs: '1' },
    { deadlineMs: Number.POSITIVE_INFINITY },
    { deadline: 1 },
    5,
  ])('stop(%j) is refused, and it goes on running', async (options) => {
    const { surehook } = bench();
    await surehook.start();
    const error = await rejection(surehook.stop(options as never));
    expect(error).toSatisfy((one) => one instanceof TypeError || one instanceof RangeError);
    expect(surehook.stats().running).toBe(true);
  });

  test('the makers of policies refuse what is wrong', () => {
    for (const delays of [[], [-1], [1.5], ['1'], [Number.NaN], Array(101).fill(1)]) {
      expect(thrown(() => retrySchedule(delays as number[]))).toSatisfy(
        (one) => one instanceof TypeError || one instanceof RangeError,
      );
    }
  });
});
