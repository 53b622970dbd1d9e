import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvalidEventError, PayloadTooLargeError } from '../../src/errors.ts';
import { type ParsedEvent, parseEvent } from '../../src/publish/event-input.ts';
import type { NewEvent } from '../../src/publish/new-event.ts';
import { systemRandom } from '../../src/random.ts';

const now = Date.UTC(2024, 4, 1, 12);
const context = { now, random: systemRandom, maxPayloadBytes: 262_144 };

/** Also what the types forbid: hosts write JavaScript. */
function parse(input: unknown, maxPayloadBytes = context.maxPayloadBytes): ParsedEvent {
  return parseEvent(input, { ...context, maxPayloadBytes });
}

function textOf({ event }: ParsedEvent): string {
  return new TextDecoder().decode(event.body);
}

function thrownBy(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}

describe('an event with data', () => {
  test('needs a type and data, and the rest takes its default', () => {
    const parsed = parse({ type: 'invoice.paid', data: { id: 'inv_1' } } satisfies NewEvent);
    expect(parsed.event).toEqual({
      id: expect.stringMatching(/^evt_[0-9a-z]{26}$/),
      type: 'invoice.paid',
      tenantId: 'default',
      timestamp: now,
      createdAt: now,
      contentType: 'application/json',
      body: expect.any(Uint8Array),
      fingerprint: '',
    });
    expect(textOf(parsed)).toBe(
      '{"type":"invoice.paid","timestamp":"2024-05-01T12:00:00.000Z","data":{"id":"inv_1"}}',
    );
  });

  test('keeps everything that is given', () => {
    const { event } = parse({
      type: 'a',
      data: null,
      tenantId: 't1',
      source: 'shop',
      headers: { 'X-Trace': 'abc' },
      idempotencyKey: 'key 1',
      id: 'order-7',
      timestamp: new Date(5),
      deliverAt: new Date(now + 60_000),
    } satisfies NewEvent);
    expect(event).toMatchObject({
      id: 'order-7',
      tenantId: 't1',
      source: 'shop',
      headers: { 'x-trace': 'abc' },
      idempotencyKey: 'key 1',
      timestamp: 5,
      createdAt: now,
      deliverAt: now + 60_000,
      fingerprint: expect.stringMatching(/^[\w-]{43}$/),
    });
  });

  test('may have any of its optional fields undefined, which is as if absent', () => {
    const names = [
      'tenantId',
      'source',
      'headers',
      'idempotencyKey',
      'deliverAt',
      'id',
      'timestamp',
      'body',
      'contentType',
    ];
    const blank = Object.fromEntries(names.map((name) => [name, undefined]));
    const { event } = parse({ type: 'a', data: 1, ...blank });
    expect(Object.keys(event).sort()).toEqual(Object.keys(parse({ type: 'a', data: 1 }).event).sort());
  });

  test('is JSON of just these three fields, in this order, for every value that JSON has', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (data) => {
        const parsed = parse({ type: 'a.b', data });
        const envelope = { type: 'a.b', timestamp: new Date(now).toISOString(), data };
        expect(textOf(parsed)).toBe(JSON.stringify(envelope));
        expect(parsed.data()).toEqual(JSON.parse(JSON.stringify(data)));
      }),
    );
  });

  test('is what JSON makes of it: toJSON is honoured, undefined fields are left out', () => {
    const parsed = parse({
      type: 'a',
      data: { at: new Date(0), gone: undefined, map: new Map(), nan: Number.NaN },
    });
    expect(parsed.data()).toEqual({ at: '1970-01-01T00:00:00.000Z', map: {}, nan: null });
  });

  test('a lone surrogate in data becomes its escape, which every parser reads', () => {
    expect(textOf(parse({ type: 'a', data: '\ud800' }))).toContain('"\\ud800"');
  });

  test('is not changed by what the host does to it afterwards', () => {
    const data = { list: [1] };
    const headers = { 'x-a': '1' };
    const parsed = parse({ type: 'a', data, headers });
    data.list.push(2);
    headers['x-a'] = '2';
    expect(parsed.data()).toEqual({ list: [1] });
    expect(parsed.event.headers).toEqual({ 'x-a': '1' });
    expect(textOf(parsed)).toContain('{"list":[1]}');
  });

  test('two events parsed in a row do not share bytes', () => {
    const first = parse({ type: 'a', data: 'first' });
    const second = parse({ type: 'a', data: 'second' });
    second.event.body.fill(0);
    expect(textOf(first)).toContain('"first"');
  });

  test('the payload is parsed once, and its own copy', () => {
    const parsed = parse({ type: 'a', data: { a: 1 } });
    expect(parsed.data()).toBe(parsed.data());
  });
});

describe('an event with a body', () => {
  test('is exactly those bytes, copied', () => {
    const bytes = Buffer.from([0, 255, 1]);
    const { event, data } = parse({ type: 'a', body: bytes, contentType: 'application/octet-stream' });
    bytes.fill(7);
    expect([...event.body]).toEqual([0, 255, 1]);
    expect(event.contentType).toBe('application/octet-stream');
    expect(data()).toBeUndefined();
  });

  test('a string is sent as UTF-8', () => {
    const { event } = parse({ type: 'a', body: 'é😀', contentType: 'text/plain' });
    expect([...event.body]).toEqual([...new TextEncoder().encode('é😀')]);
  });

  test.each([
    ['application/json', '{"a":1}', { a: 1 }],
    ['application/json; charset=utf-8', '{"a":1}', { a: 1 }],
    ['Application/JSON', '7', 7],
    ['application/cloudevents+json', '[1]', [1]],
    ['application/json', '{"a":', undefined],
    ['application/json', '', undefined],
    ['application/jsonlines', '1', undefined],
    ['text/plain', '1', undefined],
  ])('of type %s, %s: filters see %j', (contentType, body, seen) => {
    expect(parse({ type: 'a', body, contentType }).data()).toEqual(seen);
  });

  test('JSON that is not UTF-8 has no payload for filters, and is sent all the same', () => {
    const body = Uint8Array.of(34, 255, 34);
    const parsed = parse({ type: 'a', body, contentType: 'application/json' });
    expect(parsed.data()).toBeUndefined();
    expect([...parsed.event.body]).toEqual([...body]);
  });

  test('JSON nested 100 000 deep is taken as it is', () => {
    const body = '['.repeat(100_000) + ']'.repeat(100_000);
    expect(Array.isArray(parse({ type: 'a', body, contentType: 'application/json' }).data())).toBe(true);
  });
});

describe('size', () => {
  const bytes = (data: string): number => new TextEncoder().encode(textOf(parse({ type: 'a', data }))).length;

  test.each(['xxxxx', 'ééé', '😀'])('data %s fits to the byte', (data) => {
    const size = bytes(data);
    expect(parse({ type: 'a', data }, size).event.body.length).toBe(size);
    const error = thrownBy(() => parse({ type: 'a', data }, size - 1));
    expect(error).toBeInstanceOf(PayloadTooLargeError);
    expect(error).toMatchObject({ bytes: size, maxBytes: size - 1 });
  });

  test.each([
    ['é'.repeat(5), 10],
    [new Uint8Array(10), 10],
    ['x'.repeat(10), 10],
  ])('body %# fits to the byte', (body, size) => {
    const event = { type: 'a', body, contentType: 'text/plain' };
    expect(parse(event, size).event.body.length).toBe(size);
    expect(thrownBy(() => parse(event, size - 1))).toMatchObject({ code: 'payload-too-large', bytes: size });
  });

  test('data that is larger by itself is refused before it is encoded', () => {
    expect(thrownBy(() => parse({ type: 'a', data: 'x'.repeat(1_000_000) }))).toBeInstanceOf(
      PayloadTooLargeError,
    );
  });
});

function nested(depth: number): unknown {
  let data: unknown = 1;
  for (let at = 0; at < depth; at++) data = at % 2 === 0 ? [data] : { a: data };
  return data;
}

describe('depth', () => {
  test('1 000 levels are taken, 1 001 are not', () => {
    expect(parse({ type: 'a', data: nested(1_000) }).event.body.length).toBeGreaterThan(2_000);
    expect(() => parse({ type: 'a', data: nested(1_001) })).toThrow('data is nested more than 1000 deep');
  });

  test('brackets inside strings do not count', () => {
    const data = { text: '[{"\\'.repeat(2_000), wide: Array(3_000).fill([]) };
    expect(parse({ type: 'a', data }).data()).toEqual(data);
  });

  test.each([5_000, 100_000])('%i levels get the typed error, not a crash', (depth) => {
    expect(thrownBy(() => parse({ type: 'a', data: nested(depth) }))).toMatchObject({
      code: 'invalid-event',
      field: 'data',
    });
  });
});

const circular: Record<string, unknown> = {};
circular.self = circular;
const { proxy: revoked, revoke } = Proxy.revocable({}, {});
revoke();
const fails = (): never => {
  throw new Error('poison');
};
const ok = { type: 'a', data: 1 };
const raw = { type: 'a', body: 'x', contentType: 'text/plain' };

describe('poison', () => {
  /** The field that the error names, the input, and what the message must show. */
  const cases: readonly [string, unknown, string][] = [
    ['event', null, 'null'],
    ['event', undefined, 'undefined'],
    ['event', 'invoice.paid', '"invoice.paid"'],
    ['event', [ok], '[array of 1]'],
    ['event', fails, '[function]'],
    ['event', revoked, 'cannot be read'],
    ['event', new Proxy({}, { ownKeys: fails }), 'poison'],
    ['typ', { typ: 'a', data: 1 }, '"typ"'],
    ['__proto__', JSON.parse('{"type":"a","data":1,"__proto__":{}}'), '"__proto__"'],
    ['constructor', { ...ok, constructor: 1 }, '"constructor"'],
    ['type', { data: 1 }, 'undefined'],
    ['type', { ...ok, type: 'a..b' }, '"a..b"'],
    ['type', Object.create(ok), 'undefined'],
    [
      'type',
      {
        get type() {
          return fails();
        },
        data: 1,
      },
      'poison',
    ],
    ['data', { type: 'a' }, 'undefined'],
    ['data', { type: 'a', data: fails }, '[function]'],
    ['data', { type: 'a', data: Symbol('s') }, 'Symbol(s)'],
    ['data', { type: 'a', data: 1n }, 'BigInt'],
    ['data', { type: 'a', data: circular }, 'circular'],
    [
      'data',
      {
        type: 'a',
        data: {
          get a() {
            return fails();
          },
        },
      },
      'poison',
    ],
    ['data', { type: 'a', data: { toJSON: fails } }, 'poison'],
    ['data', { type: 'a', data: { toJSON: () => undefined } }, 'object'],
    ['data', { type: 'a', data: { a: revoked } }, 'revoked'],
    ['data', { ...raw, data: 1 }, 'both'],
    ['contentType', { ...ok, contentType: 'text/plain' }, 'body'],
    ['contentType', { type: 'a', body: 'x' }, 'undefined'],
    ['contentType', { ...raw, contentType: 'application/json\r\nX: y' }, 'media type'],
    ['contentType', { ...raw, contentType: 'json' }, '"json"'],
    ['body', { ...raw, body: 7 }, '7'],
    ['body', { ...raw, body: null }, 'null'],
    ['body', { ...raw, body: [1, 2] }, '[array of 2]'],
    ['body', { ...raw, body: '\ud800' }, 'surrogates'],
    ['body', { ...raw, body: new Uint16Array(1) }, '[object]'],
    ['tenantId', { ...ok, tenantId: '' }, '""'],
    ['tenantId', { ...ok, tenantId: '*' }, '"*"'],
    ['tenantId', { ...ok, tenantId: 'null' }, '"null"'],
    ['tenantId', { ...ok, tenantId: null }, 'null'],
    ['tenantId', { ...ok, tenantId: ['a'] }, '[array of 1]'],
    ['tenantId', { ...ok, tenantId: 'a\u0000' }, '"a\\u0000"'],
    ['tenantId', { ...ok, tenantId: 'x'.repeat(129) }, '129'],
    ['source', { ...ok, source: '' }, '""'],
    ['source', { ...ok, source: 7 }, '7'],
    ['source', { ...ok, source: 'a\u0000b' }, '"a\\u0000b"'],
    ['source', { ...ok, source: 'x'.repeat(257) }, '257'],
    ['idempotencyKey', { ...ok, idempotencyKey: '' }, '""'],
    ['idempotencyKey', { ...ok, idempotencyKey: 'a\n' }, '"a\\n"'],
    ['idempotencyKey', { ...ok, idempotencyKey: '\udc00' }, 'surrogates'],
    ['idempotencyKey', { ...ok, idempotencyKey: 'x'.repeat(257) }, '257'],
    ['idempotencyKey', { ...ok, idempotencyKey: 1n }, '1n'],
    ['id', { ...ok, id: 'a.b' }, '"a.b"'],
    ['id', { ...ok, id: 'a\u0000' }, '"a\\u0000"'],
    ['id', { ...ok, id: 'a\n' }, '"a\\n"'],
    ['id', { ...ok, id: null }, 'null'],
    ['headers', { ...ok, headers: 'a: b' }, 'not string'],
    ['headers.webhook-id', { ...ok, headers: { 'Webhook-Id': 'x' } }, '"Webhook-Id"'],
    ['headers.x-a', { ...ok, headers: { 'x-a': 'b\r\nc: d' } }, '"x-a"'],
    ['timestamp', { ...ok, timestamp: '2024-05-01' }, '"2024-05-01"'],
    ['timestamp', { ...ok, timestamp: now }, String(now)],
    ['timestamp', { ...ok, timestamp: new Date(Number.NaN) }, 'NaN'],
    ['timestamp', { ...ok, timestamp: new Date(-1) }, '-1'],
    ['timestamp', { ...ok, timestamp: { getTime: () => 1 } }, '[object]'],
    ['deliverAt', { ...ok, deliverAt: new Date(Number.NaN) }, 'NaN'],
    ['deliverAt', { ...ok, deliverAt: new Date(8.64e15) }, '8640000000000000'],
    ['deliverAt', { ...ok, deliverAt: 60_000 }, '60000'],
    [
      'deliverAt',
      {
        ...ok,
        get deliverAt() {
          return fails();
        },
      },
      'poison',
    ],
  ];

  test.each(cases.map(([field, input, shown], index) => [index, field, shown, input] as const))(
    'case %i: the error names %s and shows %s',
    (_, field, shown, input) => {
      const error = thrownBy(() => parse(input));
      expect(error).toBeInstanceOf(InvalidEventError);
      expect((error as InvalidEventError).field).toBe(field);
      expect((error as InvalidEventError).message).toContain(shown);
    },
  );

  test.each(['type', 'tenantId', 'source', 'headers', 'id', 'timestamp', 'data'])(
    'a revoked proxy as %s',
    (name) => {
      expect(thrownBy(() => parse({ ...ok, [name]: revoked }))).toBeInstanceOf(InvalidEventError);
    },
  );

  test('the value of a header is never shown', () => {
    const error = thrownBy(() => parse({ ...ok, headers: { authorization: 'hunter2\n' } }));
    expect((error as Error).message).not.toContain('hunter2');
  });

  test('a getter is read once, so that it cannot answer the check and the use differently', () => {
    let reads = 0;
    const input = {
      data: 1,
      get type() {
        reads++;
        return reads === 1 ? 'a' : '"}';
      },
    };
    expect(parse(input).event.type).toBe('a');
    expect(reads).toBe(1);
  });

  test('a Date is asked for its own time, not by a method of the host', () => {
    class Liar extends Date {
      override getTime(): number {
        return Number.NaN;
      }
    }
    expect(parse({ ...ok, timestamp: new Liar(5) }).event.timestamp).toBe(5);
  });

  test('anything at all gets an event or a typed error', () => {
    const hostile = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withNullPrototype: true,
      withTypedArray: true,
    });
    const fields = [
      'type',
      'data',
      'body',
      'contentType',
      'tenantId',
      'source',
      'headers',
      'id',
      'deliverAt',
      'timestamp',
    ];
    const inputs = fc.oneof(
      hostile,
      fc.dictionary(fc.constantFrom(...fields), fc.oneof(hostile, fc.constant('a'))),
    );
    fc.assert(
      fc.property(inputs, (input) => {
        const error = thrownBy(() => parse(input));
        expect(error === undefined || error instanceof InvalidEventError).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
