/** Code of the host's that throws, never settles or breaks its contract: signer, transport, retry function, listeners. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  HostCodeError,
  type RetryFunction,
  type Signer,
  type Transport,
  TransportError,
  type TransportResponse,
} from '../../src/index.ts';
import { scriptedTransport } from '../../src/testing/index.ts';
import {
  attemptsOf,
  bench,
  deliveryOf,
  HOUR,
  hook,
  MINUTE,
  made,
  publishMany,
  running,
  SECOND,
  stateOf,
} from './harness.ts';

/** What would have ended the host's process. */
const escaped: unknown[] = [];
const note = (error: unknown): void => {
  escaped.push(error);
};
let others: {
  name: 'unhandledRejection' | 'uncaughtException';
  listeners: ((...args: never[]) => void)[];
}[] = [];

beforeEach(() => {
  escaped.length = 0;
  others = (['unhandledRejection', 'uncaughtException'] as const).map((name) => ({
    name,
    listeners: process.listeners(name as 'uncaughtException') as ((...args: never[]) => void)[],
  }));
  for (const { name } of others) process.removeAllListeners(name).on(name, note);
});

afterEach(async () => {
  await new Promise((resolve) => setTimeout(resolve, 5));
  for (const { name, listeners } of others) {
    process.removeAllListeners(name);
    for (const listener of listeners) process.on(name as 'uncaughtException', listener as () => void);
  }
  expect(escaped).toEqual([]);
});

const ok: TransportResponse = { status: 200, headers: {}, body: new Uint8Array() };

async function withTransport(transport: Transport, advanceMs: number = MINUTE) {
  const { clock, repos } = bench();
  const parts = made({ clock, repos, transport });
  await hook(parts.surehook);
  await parts.surehook.start();
  const published = await parts.surehook.publish({ type: 'a.b', data: 0 });
  await clock.advance(advanceMs);
  return { ...parts, clock, published };
}

describe('a transport', () => {
  const broken: readonly (readonly [string, () => unknown])[] = [
    [
      'throws synchronously',
      () => {
        throw new Error('sync');
      },
    ],
    [
      'throws nothing sensible',
      () => {
        throw undefined;
      },
    ],
    ['rejects with a string', () => Promise.reject('text')],
    ['rejects with undefined', () => Promise.reject(undefined)],
    [
      'rejects with an object that throws when shown',
      () =>
        Promise.reject({
          toString: () => {
            throw new Error('no');
          },
        }),
    ],
    ['returns undefined', () => undefined],
    ['returns a number', () => 200],
    ['resolves undefined', () => Promise.resolve(undefined)],
    ['resolves null', () => Promise.resolve(null)],
    ['resolves a string', () => Promise.resolve('200')],
    ['resolves nothing of an answer', () => Promise.resolve({})],
    ['resolves a status of another type', () => Promise.resolve({ ...ok, status: '200' })],
    ['resolves an impossible status', () => Promise.resolve({ ...ok, status: 42 })],
    ['resolves NaN', () => Promise.resolve({ ...ok, status: Number.NaN })],
    ['resolves without headers', () => Promise.resolve({ status: 500, body: new Uint8Array() })],
    ['resolves without a body', () => Promise.resolve({ status: 500, headers: {} })],
    [
      'resolves headers of another type',
      () => Promise.resolve({ ...ok, status: 503, headers: { 'retry-after': 7 } }),
    ],
    [
      'resolves header values of another type',
      () => Promise.resolve({ ...ok, status: 500, headers: { 'x-a': ['1'], 'x-b': undefined } }),
    ],
    ['resolves a body of another type', () => Promise.resolve({ ...ok, status: 500, body: 'text' })],
    [
      'resolves an answer whose fields throw',
      () =>
        Promise.resolve({
          get status() {
            throw new Error('no');
          },
        }),
    ],
  ];

  test.each(broken)(
    'that %s makes a failed attempt within the deadline, and the process lives',
    async (_, send) => {
      const { surehook, published, log } = await withTransport(
        { send: send as Transport['send'] },
        5 * SECOND,
      );
      const [attempt] = await attemptsOf(surehook, published);
      expect(attempt).toMatchObject({ number: 1, durationMs: 0 });
      expect(attempt?.httpStatus === 0 ? attempt.error?.kind : 'answered').toMatch(
        /request|invalid-response|answered/,
      );
      expect((await deliveryOf(surehook, published)).status).toBe('failed');
      expect(log.of('delivery:failed').length).toBeGreaterThan(0);
    },
  );

  test.each([
    ['without headers', { status: 204, body: new Uint8Array() }],
    ['without a body', { status: 204, headers: {} }],
    ['with a body of another type', { status: 204, headers: {}, body: 'text' }],
  ])('that answers 204 %s has delivered: a 2xx is final', async (_, answer) => {
    const send = (async () => answer) as unknown as Transport['send'];
    const { surehook, published } = await withTransport({ send });
    expect(await deliveryOf(surehook, published)).toMatchObject({ status: 'delivered', attempts: 1 });
  });

  test('that never settles, nor heeds the abort, ends at the time-out', async () => {
    const { surehook, published, log, clock } = await withTransport(
      { send: () => new Promise(() => {}) },
      15_200,
    );
    const [attempt] = await attemptsOf(surehook, published);
    expect(attempt).toMatchObject({ httpStatus: 0, error: { kind: 'timeout' } });
    expect(attempt?.durationMs).toBeGreaterThanOrEqual(15_000);
    expect(attempt?.durationMs).toBeLessThanOrEqual(15_250);
    expect(log.of('delivery:failed')).toHaveLength(1);
    await clock.advance(HOUR);
    expect(surehook.stats().inFlight).toBeLessThanOrEqual(1);
  });

  test('whose abort listener throws reaches nobody', async () => {
    const transport: Transport = {
      send: (request) => {
        request.onAbort(() => {
          throw new Error('in the listener');
        });
        return new Promise(() => {});
      },
    };
    let advanced: unknown = 'fine';
    const { clock, repos } = bench();
    const { surehook } = made({ clock, repos, transport });
    await hook(surehook);
    await surehook.start();
    const published = await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(15_200).catch((error: unknown) => {
      advanced = error;
    });
    await clock.advance(SECOND);
    expect(advanced).toBe('fine');
    expect((await attemptsOf(surehook, published))[0]?.error?.kind).toBe('timeout');
  });

  test('that answers twice, or after the time-out, counts once', async () => {
    const late: ((response: TransportResponse) => void)[] = [];
    const { surehook, published, clock } = await withTransport(
      { send: () => new Promise((resolve) => late.push(resolve)) },
      15_200,
    );
    expect((await attemptsOf(surehook, published)).map(({ error }) => error?.kind)).toEqual(['timeout']);
    for (const resolve of late) resolve(ok);
    await clock.advance(0);
    expect(await deliveryOf(surehook, published)).toMatchObject({ status: 'failed', attempts: 1 });
  });

  test('that hands over a status line when it is aborted has its answer taken: a 2xx is final', async () => {
    const { surehook, published } = await withTransport(
      { send: (request) => new Promise((resolve) => request.onAbort(() => resolve(ok))) },
      MINUTE,
    );
    expect(await deliveryOf(surehook, published)).toMatchObject({ status: 'delivered', attempts: 1 });
  });

  test('may use the signal in place of onAbort', async () => {
    const { surehook, published } = await withTransport(
      {
        send: ({ signal }) =>
          new Promise((_, reject) => {
            signal.addEventListener('abort', () => reject(new TransportError('aborted', 'by the signal')));
          }),
      },
      15_050,
    );
    expect((await attemptsOf(surehook, published))[0]).toMatchObject({
      durationMs: 15_000,
      error: { kind: 'timeout' },
    });
  });

  test('is given a body that it may change without harm to the next attempt', async () => {
    const bodies: string[] = [];
    const { surehook, published, clock } = await withTransport({
      send: async ({ body }) => {
        bodies.push(new TextDecoder().decode(body));
        if (bodies.length > 1) return ok;
        return { ...ok, status: 500 };
      },
    });
    await clock.advance(MINUTE);
    expect((await deliveryOf(surehook, published)).status).toBe('delivered');
    expect(bodies[0]).toBe(bodies[1]);
  });
});

describe('a signer', () => {
  const broken: readonly (readonly [string, () => unknown])[] = [
    [
      'throws',
      () => {
        throw new Error('no key');
      },
    ],
    ['rejects', () => Promise.reject(new Error('no key'))],
    ['rejects with nothing', () => Promise.reject(undefined)],
    ['returns undefined', () => undefined],
    ['returns a number', () => 42],
    ['resolves an object', () => Promise.resolve({})],
    ['resolves null', () => Promise.resolve(null)],
  ];

  test.each(broken)(
    'that %s makes an attempt of kind signing, nothing is sent, and the host hears of it',
    async (_, sign) => {
      const { surehook, transport, clock, log } = await running(200, {
        signer: { sign } as unknown as Signer,
      });
      const webhook = await hook(surehook);
      const published = await surehook.publish({ type: 'a.b', data: 0 });
      await clock.advance(SECOND);
      expect(transport.requests).toHaveLength(0);
      expect((await attemptsOf(surehook, published))[0]).toMatchObject({
        httpStatus: 0,
        error: { kind: 'signing' },
      });
      expect(log.errors[0]).toBeInstanceOf(HostCodeError);
      expect(log.errors[0]).toMatchObject({ part: 'signer' });
      // It says nothing about the endpoint.
      expect(await stateOf(surehook, webhook)).toBe('enabled');
      await clock.advance(3 * HOUR);
      expect(await deliveryOf(surehook, published)).toMatchObject({
        status: 'exhausted',
        reason: 'not-sendable',
        attempts: 5,
      });
    },
  );

  test('that never settles ends at the time-out', async () => {
    const { surehook, transport, clock } = await running(200, {
      signer: { sign: () => new Promise<string>(() => {}) },
    });
    await hook(surehook);
    const published = await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(15_200);
    expect((await attemptsOf(surehook, published))[0]?.error?.kind).toBe('timeout');
    expect(transport.requests).toHaveLength(0);
  });

  test('that settles after the time-out sends nothing any more', async () => {
    const late: ((signature: string) => void)[] = [];
    const { surehook, transport, clock } = await running(200, {
      signer: { sign: () => new Promise<string>((resolve) => late.push(resolve)) },
    });
    await hook(surehook);
    await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(15_200);
    late[0]?.('v1,late');
    await clock.advance(0);
    expect(transport.requests).toHaveLength(0);
  });

  test('that makes a value which no header can carry makes failed attempts, as a transport reports it', async () => {
    const { surehook, published } = await withTransport({
      send: async () => {
        throw new TransportError('request', 'invalid header value');
      },
    });
    expect((await attemptsOf(surehook, published))[0]?.error).toMatchObject({ kind: 'request' });
  });

  test('may be asynchronous', async () => {
    const { surehook, transport } = await running(200, { signer: { sign: async ({ id }) => `v1,${id}` } });
    await hook(surehook);
    const { event } = await surehook.publish({ type: 'a.b', data: 0 });
    await surehook.idle();
    expect(transport.requests[0]?.headers['webhook-signature']).toBe(`v1,${event.id}`);
  });
});

describe('a retry function', () => {
  test.each([
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
    ['returns NaN', () => Number.NaN],
    ['returns a negative wait', () => -1],
    ['returns a string', () => '10'],
    ['returns null', () => null],
    ['returns a promise', () => Promise.resolve(10)],
    ['returns a promise that rejects', () => Promise.reject(new Error('no'))],
    [
      'returns an object that throws when shown',
      () => ({
        toString: () => {
          throw new Error('no');
        },
      }),
    ],
  ] as readonly (readonly [string, () => unknown])[])(
    'that %s is reported, and the default policy decides',
    async (_, retry) => {
      const { surehook, transport, clock, log } = await running(500, { retry: retry as RetryFunction });
      await hook(surehook);
      const published = await surehook.publish({ type: 'a.b', data: 0 });
      await clock.advance(3 * HOUR);
      expect(transport.requests).toHaveLength(5);
      expect(await deliveryOf(surehook, published)).toMatchObject({ status: 'exhausted' });
      expect(log.errors.length).toBeGreaterThan(0);
      expect(
        log.errors.every((error) => error instanceof HostCodeError && error.part === 'retry policy'),
      ).toBe(true);
    },
  );

  test('that is right is asked with the attempt, the type, the status, the error and the time elapsed', async () => {
    const asked: unknown[] = [];
    const { surehook, transport, clock } = await running([500, { error: 'refused' }, 429, 200], {
      retry: (attempt, context) => {
        asked.push([attempt, context]);
        return 1_000;
      },
      backoff: { baseMs: 0, maxMs: 0 },
    });
    await hook(surehook);
    await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(MINUTE);
    expect(asked).toEqual([
      [2, { eventType: 'a.b', httpStatus: 500, elapsedMs: 0 }],
      [3, { eventType: 'a.b', httpStatus: 0, errorKind: 'refused', elapsedMs: 1_000 }],
      [4, { eventType: 'a.b', httpStatus: 429, elapsedMs: 2_000 }],
    ]);
    expect(transport.requests).toHaveLength(4);
  });

  test('that returns undefined ends it; Infinity and fractions become a wait that can be kept', async () => {
    const { surehook, clock } = await running(500, { retry: () => undefined });
    await hook(surehook);
    const ended = await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(MINUTE);
    expect(await deliveryOf(surehook, ended)).toMatchObject({ reason: 'attempts-used-up', attempts: 1 });
    const other = await running(500, {
      retry: (attempt) => (attempt === 2 ? 10.4 : Number.POSITIVE_INFINITY),
    });
    await hook(other.surehook);
    const waits = await other.surehook.publish({ type: 'a.b', data: 0 });
    await other.clock.advance(MINUTE);
    const { nextAttemptAt, attempts } = await deliveryOf(other.surehook, waits);
    expect(attempts).toBe(2);
    expect(Number.isInteger(nextAttemptAt?.getTime())).toBe(true);
  });
});

describe('a listener', () => {
  test('that throws or rejects, on any event, disturbs nothing and is reported', async () => {
    const { surehook, clock, log } = await running([500, 200, 410]);
    for (const name of [
      'event:published',
      'delivery:attempted',
      'delivery:delivered',
      'delivery:failed',
      'delivery:exhausted',
      'webhook:status',
    ] as const) {
      surehook.on(name, () => {
        throw new Error(`thrown by ${name}`);
      });
      surehook.on(name, (async () => {
        throw new Error(`rejected by ${name}`);
      }) as () => void);
    }
    await hook(surehook);
    const first = await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(MINUTE);
    const second = await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(MINUTE);
    expect((await deliveryOf(surehook, first)).status).toBe('delivered');
    expect((await deliveryOf(surehook, second)).reason).toBe('webhook-gone');
    const parts = new Set(log.errors.map((error) => (error as HostCodeError).part));
    expect(parts).toEqual(
      new Set([
        'listener of event:published',
        'listener of delivery:attempted',
        'listener of delivery:delivered',
        'listener of delivery:failed',
        'listener of delivery:exhausted',
        'listener of webhook:status',
      ]),
    );
  });

  test('of error that throws is heard by nobody, and nothing is said in circles', async () => {
    const { surehook, clock } = await running(200, {
      signer: {
        sign: () => {
          throw new Error('no key');
        },
      },
    });
    let calls = 0;
    surehook.on('error', () => {
      calls += 1;
      throw new Error('again');
    });
    surehook.on('error', (async () => {
      throw new Error('and again');
    }) as () => void);
    await hook(surehook);
    await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(SECOND);
    expect(calls).toBe(1);
  });

  test('added with once hears once; off removes one or all; the others stay', async () => {
    const { surehook } = await running();
    const heard: string[] = [];
    const a = (): void => void heard.push('a');
    const b = (): void => void heard.push('b');
    surehook.once('event:published', a).on('event:published', b);
    await publishMany(surehook, 2);
    expect(heard).toEqual(['a', 'b', 'b']);
    surehook.off('event:published', b);
    await publishMany(surehook, 1);
    expect(heard).toEqual(['a', 'b', 'b']);
    surehook.on('event:published', a).on('event:published', b).off('event:published');
    await publishMany(surehook, 1);
    expect(heard).toEqual(['a', 'b', 'b']);
  });

  test('added with once and then with on stays', async () => {
    const { surehook } = await running();
    let calls = 0;
    const listener = (): void => {
      calls += 1;
    };
    surehook.once('event:published', listener);
    surehook.on('event:published', listener);
    await publishMany(surehook, 3);
    expect(calls).toBeGreaterThanOrEqual(3);
  });

  test('may call back into surehook, stop included', async () => {
    const { clock, repos } = bench();
    const transport = scriptedTransport(200, { clock });
    const { surehook } = made({ clock, repos, transport });
    let stopped: Promise<void> | undefined;
    surehook.on('delivery:delivered', () => {
      stopped ??= surehook.stop();
    });
    await hook(surehook);
    await surehook.start();
    await publishMany(surehook, 3);
    await clock.advance(SECOND);
    await stopped;
    expect(surehook.stats().running).toBe(false);
  });

  test('that is no function is refused', () => {
    const { surehook } = bench();
    expect(() => surehook.on('error', undefined as never)).toThrow(TypeError);
  });
});
