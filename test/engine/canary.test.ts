/** The canary: whatever happens, no secret, no signature and no credential is in anything that surehook shows. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  createSurehook,
  type HttpTransportOptions,
  httpTransport,
  memoryRepos,
  type Repos,
  retrySchedule,
  type Surehook,
  type SurehookOptions,
  type Transport,
  TransportError,
} from '../../src/index.ts';
import {
  type ManualClock,
  manualClock,
  type ScriptedAnswer,
  type SentRequest,
  scriptedTransport,
} from '../../src/testing/index.ts';
import {
  COOKIE,
  expectNoCanary,
  found,
  HEADERS,
  KEY,
  PAIR,
  PASSWORD,
  QUERY,
  SECRET,
  SECRET_KEY,
  shown,
  TOKEN,
} from './canary.ts';
import {
  allDeliveries,
  HOUR,
  type Log,
  MINUTE,
  made,
  meddled,
  rejection,
  SECOND,
  slowPolls,
  url,
} from './harness.ts';

/** What went to the console. */
const written: unknown[][] = [];

beforeEach(() => {
  written.length = 0;
  const write = (...args: unknown[]): void => void written.push(args);
  for (const method of ['log', 'info', 'warn', 'error', 'debug', 'trace', 'dir'] as const)
    vi.spyOn(console, method).mockImplementation(write);
  vi.spyOn(process, 'emitWarning').mockImplementation(write);
});

afterEach(() => {
  vi.restoreAllMocks();
  expect(written).toEqual([]);
});

/** A surehook with a webhook of either kind of signing, both full of secrets, and all that it shows. */
class Watch {
  readonly clock: ManualClock = manualClock();
  readonly surehook: Surehook;
  readonly log: Log;
  readonly seen: unknown[] = [];
  readonly signatures: Set<string> = new Set();
  readonly webhookIds: string[] = [];

  constructor(options: (clock: ManualClock) => Partial<SurehookOptions>) {
    const { clock } = this;
    const { surehook, log } = made({
      clock,
      repos: memoryRepos(),
      transport: scriptedTransport(200, { clock }),
      retry: retrySchedule([0, 1_000, 1_000, 1_000], { jitter: 0 }),
      idempotencyHeader: 'idempotency-key',
      ...slowPolls,
      ...options(clock),
    });
    this.surehook = surehook;
    this.log = log;
  }

  async open(): Promise<this> {
    const { webhooks } = this.surehook;
    const common = { events: ['*'], headers: HEADERS };
    const made = [
      await webhooks.create({ ...common, url: `${url(1)}?token=${QUERY}`, secret: SECRET }),
      await webhooks.create({ ...common, url: `${url(2)}?${QUERY}`, secret: PAIR, signing: 'ed25519' }),
    ];
    this.webhookIds.push(...made.map(({ webhook }) => webhook.id));
    await this.surehook.start();
    return this;
  }

  async publish(count: number): Promise<void> {
    for (let n = 0; n < count; n += 1)
      await this.surehook.publish({ type: 'a.b', data: n, headers: { 'x-auth-token': KEY } });
  }

  /** Of what can be read now and was told, nothing holds a canary or a signature. */
  async expectClean(): Promise<void> {
    const { surehook, log, seen, signatures } = this;
    const deliveries = await allDeliveries(surehook);
    for (const { id } of deliveries) seen.push(await surehook.deliveries.attempts(id));
    // The URL of a webhook is its owner's to read, its query included.
    const { items } = await surehook.webhooks.list();
    seen.push(...items.map((webhook) => ({ ...webhook, url: '' })), ...deliveries);
    seen.push(surehook, surehook.webhooks, surehook.deliveries, surehook.stats(), log.told);
    await surehook.stop({ deadlineMs: 0 });
    expectNoCanary([seen], [...signatures]);
  }
}

/** A watch whose endpoints answer by a script. */
async function answering(
  script: (request: SentRequest, n: number) => ScriptedAnswer,
  options: Partial<SurehookOptions> = {},
): Promise<Watch> {
  const watch: Watch = new Watch((clock) => ({
    transport: scriptedTransport(
      (request, n) => {
        const [entry = ''] = (request.headers['webhook-signature'] ?? '').split(' ');
        if (watch.signatures.size < 8) watch.signatures.add(entry.replace(/^v1a?,/, ''));
        return script(request, n);
      },
      { clock },
    ),
    ...options,
  }));
  return await watch.open();
}

test('the canaries are found in every form', () => {
  const secret = SECRET.slice('whsec_'.length);
  expect(secret).toMatch(/[/].*[+]|[+].*[/]/);
  const echoes = [
    { deep: { deep: { deep: [{ secret: SECRET }] } } },
    new Error('x', { cause: { cause: new Error(SECRET) } }),
    new Map([[{ [KEY]: 1 }, 1]]),
    Object.defineProperty({}, 'hidden', { value: TOKEN }),
    encodeURIComponent(SECRET),
    secret.replaceAll('/', '\\/'),
    Buffer.from(`to${SECRET}`).toString('base64'),
    Buffer.from(TOKEN).toString('base64url'),
    Buffer.from(SECRET, 'latin1').toString('hex'),
    Buffer.from(secret, 'base64'),
    [...Buffer.from(secret, 'base64')],
    new Uint8Array(SECRET_KEY),
    PAIR.slice(0, 20),
    `${COOKIE} ${QUERY} ${PASSWORD}`,
  ];
  for (const echo of echoes) expect(found(shown(echo)), shown(echo)).not.toEqual([]);
  expect(found(shown({ secretHint: SECRET.slice(-4), a: 'canary', b: HEADERS['x-plain'] }))).toEqual([]);
});

describe('what endpoints echo', () => {
  const html = (text: string): string =>
    text.replaceAll('/', '&#x2F;').replaceAll('+', '&#43;').replaceAll('=', '&#61;');
  /** The one webhook's receiver knows its secret, the other's only a public key. */
  const known = (request: SentRequest): string => (request.url.startsWith(url(1)) ? SECRET : '');
  const all = (request: SentRequest): string =>
    [request.url, known(request), ...Object.values(request.headers)].join('\n');
  const spellings: readonly ((request: SentRequest) => string)[] = [
    (request) => JSON.stringify({ url: request.url, headers: request.headers, known: known(request) }),
    (request) => JSON.stringify({ echoed: JSON.stringify(request.headers) }),
    (request) => JSON.stringify(all(request)).replaceAll('/', '\\/').replaceAll('+', '\\u002B'),
    (request) => encodeURIComponent(all(request)),
    (request) => new URLSearchParams({ ...request.headers, url: request.url }).toString(),
    (request) => encodeURIComponent(all(request)).replaceAll(/%../g, (character) => character.toLowerCase()),
    (request) => html(all(request)),
  ];

  test.each(spellings.map((spell, index) => [index, spell] as const))(
    'is masked in bodies, headers and errors, whole or cut short (%i)',
    async (_, spell) => {
      const watch = await answering((request, n) => {
        const echo = spell(request);
        const line = echo.replaceAll(/\s/g, ' ');
        switch (n % 5) {
          case 0:
            return {
              status: 500,
              body: echo,
              headers: { 'x-echo': line, location: `https://x.example/?${line}` },
            };
          case 1:
            return { error: 'reset', message: `reset while sending ${echo}` };
          case 2:
            return {
              status: 503,
              headers: { 'retry-after': '1', 'set-cookie': line },
              body: echo.slice(0, 40 * n),
            };
          case 3:
            return { status: 302, headers: { location: line }, body: 'x'.repeat(4_096 - 12 * n) + echo };
          default:
            return { status: 200, headers: { 'www-authenticate': line }, body: echo };
        }
      });
      await watch.publish(6);
      await watch.clock.advance(HOUR);
      expect(watch.log.of('delivery:attempted').length).toBeGreaterThan(15);
      expect(shown(watch.log.told)).toContain('***');
      await watch.expectClean();
    },
  );
});

describe('code of the host that says too much', () => {
  const tooMuch: readonly (readonly [string, (secrets: unknown) => unknown])[] = [
    ['an error', (secrets) => new Error(`cannot: ${JSON.stringify(secrets)}`, { cause: { secrets } })],
    ['an error with fields', (secrets) => Object.assign(new Error('cannot'), { secrets })],
    ['a string', (secrets) => JSON.stringify(secrets)],
    ['an object', (secrets) => ({ secrets })],
    ['nothing sensible', (secrets) => ({ toString: () => JSON.stringify(secrets) })],
  ];

  test.each(tooMuch)('a signer that throws or rejects with %s', async (_, thrown) => {
    for (const isAsync of [false, true]) {
      const watch = await answering(() => 200, {
        signer: {
          sign: ({ secrets }) => {
            if (isAsync) return Promise.reject(thrown(secrets));
            throw thrown(secrets);
          },
        },
      });
      await watch.publish(1);
      await watch.clock.advance(MINUTE);
      expect(watch.log.errors.length).toBeGreaterThan(2);
      await watch.expectClean();
    }
  });

  test('a signer that returns what is no signature', async () => {
    const watch = await answering(() => 200, {
      signer: { sign: ({ secrets }) => secrets as unknown as string },
    });
    await watch.publish(1);
    await watch.clock.advance(MINUTE);
    expect(watch.log.errors.length).toBeGreaterThan(2);
    await watch.expectClean();
  });

  test.each(tooMuch)('a transport that throws or rejects with %s', async (_, thrown) => {
    for (const isAsync of [false, true]) {
      const transport: Transport = {
        send: ({ url: to, headers }) => {
          const error = thrown([to, ...Object.values(headers)]);
          if (isAsync) return Promise.reject(error);
          throw error;
        },
      };
      const watch = await new Watch(() => ({ transport })).open();
      await watch.publish(1);
      await watch.clock.advance(MINUTE);
      expect(watch.log.of('delivery:failed').length).toBeGreaterThan(2);
      await watch.expectClean();
    }
  });

  test('a transport error of its own making', async () => {
    const transport: Transport = {
      send: async ({ url: to, headers }) => {
        const text = `${to} ${Object.values(headers).join(' ')}`;
        throw new TransportError('tls', text, { cause: new Error(text) });
      },
    };
    const watch = await new Watch(() => ({ transport })).open();
    await watch.publish(1);
    await watch.clock.advance(MINUTE);
    await watch.expectClean();
  });

  test('a retry function and listeners, which are told no secret that they could throw', async () => {
    const watch = await answering(({ headers }) => ({ status: 500, body: JSON.stringify(headers) }), {
      retry: (attempt, context) => {
        throw new Error(`attempt ${attempt} ${JSON.stringify(context)}`, { cause: context });
      },
    });
    for (const name of ['event:published', 'delivery:attempted', 'delivery:failed'] as const) {
      watch.surehook.on(name, (...args: unknown[]) => {
        throw new Error(shown(args), { cause: args });
      });
    }
    await watch.publish(2);
    await watch.clock.advance(HOUR);
    expect(watch.log.errors.length).toBeGreaterThan(5);
    await watch.expectClean();
  });
});

describe('a store that fails', () => {
  /** As drivers and query builders do: with the statement and all that was bound to it. */
  const failed = (args: readonly unknown[]): Error => {
    const text = JSON.stringify(args);
    const cause = Object.assign(new Error(`failed: insert values (${text})`), {
      code: 'XX000',
      detail: text,
    });
    return Object.assign(new Error(`Failed query, params: ${text}`, { cause }), { params: [text], args });
  };

  /** Repos whose `webhooks` reject what they are given from the moment that `isAway`. */
  function failing(): { repos: Repos; state: { isAway: boolean }; given: unknown[] } {
    const state = { isAway: false };
    const given: unknown[] = [];
    const { webhooks, ...repos } = memoryRepos();
    const store = new Proxy(webhooks, {
      get(_, name) {
        const value: unknown = Reflect.get(webhooks, name, webhooks);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]): unknown => {
          if (!state.isAway || name === 'getMany') return value.apply(webhooks, args);
          given.push(...args);
          return Promise.reject(failed(args));
        };
      },
    });
    return { repos: { ...repos, webhooks: store }, state, given };
  }

  test('to write a webhook, and says what it was given', async () => {
    const { repos, state } = failing();
    const watch = await new Watch(() => ({ repos })).open();
    state.isAway = true;
    const { webhooks } = watch.surehook;
    const input = { url: `${url(3)}?token=${QUERY}`, events: ['*'], headers: HEADERS, secret: SECRET };
    const created = rejection(webhooks.create(input));
    await watch.clock.advance(MINUTE);
    watch.seen.push(await created);
    expect(shown(watch.seen)).toContain('Failed query');
    expect(shown(watch.seen)).toContain('XX000');
    state.isAway = false;
    await watch.expectClean();
  });

  test('to read, and comes back', async () => {
    const { repos, state } = failing();
    const watch = await new Watch(() => ({ repos })).open();
    await watch.publish(1);
    state.isAway = true;
    const { surehook, clock } = watch;
    const calls = [
      rejection(surehook.publish({ type: 'a.b', data: 1 })),
      rejection(surehook.webhooks.list()),
    ];
    await clock.advance(MINUTE);
    watch.seen.push(...(await Promise.all(calls)));
    state.isAway = false;
    await clock.advance(HOUR);
    await watch.expectClean();
  });

  test('to rotate a secret, which nobody has seen then', async () => {
    const { repos, state, given } = failing();
    const watch = await new Watch(() => ({ repos })).open();
    state.isAway = true;
    const rotated = rejection(watch.surehook.webhooks.rotateSecret(watch.webhookIds[0] ?? ''));
    await watch.clock.advance(MINUTE);
    watch.seen.push(await rotated);
    const [secret = ''] = /(?<=whsec_)[^"]+/.exec(JSON.stringify(given)) ?? [];
    expect(secret.length).toBeGreaterThan(40);
    expect(found(shown(watch.seen), [secret])).toEqual([]);
    state.isAway = false;
    await watch.expectClean();
  });

  test('altogether, for an hour', async () => {
    let isAway = false;
    const repos = meddled(memoryRepos(), (_, run) => {
      if (isAway) throw new Error('the store is away');
      return run();
    });
    const watch = await new Watch(() => ({ repos })).open();
    await watch.publish(2);
    isAway = true;
    const refused = rejection(watch.publish(1));
    await watch.clock.advance(HOUR);
    watch.seen.push(await refused);
    isAway = false;
    await watch.clock.advance(HOUR);
    expect(watch.log.errors.length).toBeGreaterThan(0);
    await watch.expectClean();
  });
});

test('wrong inputs are quoted without what is secret in them', async () => {
  const watch = await new Watch(() => ({})).open();
  const { webhooks, publish } = watch.surehook;
  const [id = ''] = watch.webhookIds;
  const raw = SECRET.slice('whsec_'.length);
  const right = { url: url(3), events: ['*'] };
  const wrong: readonly Record<string, unknown>[] = [
    { url: `https://user:${PASSWORD}@hook.example.com/` },
    { url: `https://127.0.0.1/?token=${QUERY}` },
    { url: `http://hook.example.com/?token=${QUERY}` },
    { url: `https://hook.example.com:22/?${QUERY}#${QUERY}` },
    { secret: `${SECRET}!` },
    { secret: raw },
    { secret: `whsec_${raw.slice(0, 20)}` },
    { secret: `${SECRET}${raw}${raw}` },
    { secret: PAIR },
    { secret: SECRET, signing: 'ed25519' },
    { secret: `${PAIR}AAAA`, signing: 'ed25519' },
    { secret: { toString: () => SECRET } },
    { secret: [SECRET] },
    { headers: { authorization: `Bearer ${TOKEN}\r\n` } },
    { headers: { 'x-api-key': `${KEY}日本` } },
    { headers: { 'x-api-key': [KEY] } },
    { headers: { Authorization: TOKEN, authorization: TOKEN } },
    { headers: { 'webhook-signature': TOKEN } },
    { headers: TOKEN },
  ];
  for (const fields of wrong) {
    const input = { ...right, ...fields } as { url: string; events: string[] };
    watch.seen.push(await rejection(webhooks.create(input)));
    watch.seen.push(await rejection(webhooks.update(id, input)));
  }
  watch.seen.push(await rejection(webhooks.rotateSecret(id, { secret: SECRET } as object)));
  watch.seen.push(await rejection(webhooks.rotateSecret(id, { overlapMs: { secret: SECRET } } as object)));
  for (const headers of [{ 'x-api-key': `${KEY}\n` }, { authorization: { token: TOKEN } }, TOKEN])
    watch.seen.push(
      await rejection(
        publish.call(watch.surehook, { type: 'a.b', data: 0, headers } as { type: string; data: 0 }),
      ),
    );
  expect(watch.seen.length).toBe(wrong.length * 2 + 5);
  await watch.expectClean();
});

test('rotations, test events and replays', async () => {
  const watch = await answering(({ headers }, n) => {
    return { status: n % 3 === 0 ? 200 : 500, body: JSON.stringify(headers) };
  });
  const { surehook, clock, webhookIds } = watch;
  const shownOnce: string[] = [];
  await watch.publish(2);
  for (const [overlapMs, id] of [MINUTE, 0].flatMap((ms) => webhookIds.map((one) => [ms, one] as const))) {
    const { webhook, secret } = await surehook.webhooks.rotateSecret(id, { overlapMs });
    if (secret !== undefined) shownOnce.push(secret.slice('whsec_'.length));
    watch.seen.push({ ...webhook, url: '' }, await surehook.webhooks.sendTest(id));
    await clock.advance(SECOND);
    await watch.publish(1);
  }
  await clock.advance(HOUR);
  for (const { id } of (await surehook.deliveries.list({ status: 'exhausted' })).items)
    watch.seen.push(await surehook.deliveries.replay(id));
  await clock.advance(HOUR);
  expect(shownOnce.length).toBe(2);
  await watch.expectClean();
  expect(found(shown(watch.seen), shownOnce)).toEqual([]);
});

test('requests as they are shown: every credential masked, the rest as it was sent', async () => {
  const watch = await answering(() => 'hang', { timeoutMs: SECOND });
  await watch.publish(1);
  await watch.clock.advance(2 * SECOND);
  const [attempted] = watch.log.of('delivery:attempted');
  const { headers = {}, url: shownUrl } = attempted?.attempt.request ?? {};
  const masked = Object.keys(headers).filter((name) => headers[name] === '***');
  const credentials = Object.keys(HEADERS).filter((name) => name !== 'x-plain');
  expect(masked.sort()).toEqual([...credentials, 'webhook-signature', 'x-auth-token'].sort());
  expect(headers).toMatchObject({ 'x-plain': 'plain', 'webhook-id': /^evt_/, 'idempotency-key': /^evt_/ });
  expect(shownUrl).toMatch(/\*\*\*$/);
  await watch.expectClean();
});

describe('connections that fail', () => {
  /** A peer that speaks no TLS. */
  async function plainPeer(): Promise<{ port: number; close: () => void }> {
    const server = createServer((socket) => socket.on('error', () => {}).end('HTTP/1.1 400 no\r\n\r\n'));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return { port: (server.address() as AddressInfo).port, close: () => server.close() };
  }

  test.each([
    [
      'dns',
      async () => Promise.reject(Object.assign(new Error(`${TOKEN} ENOTFOUND`), { code: 'ENOTFOUND' })),
    ],
    ['blocked', async () => ['10.0.0.1']],
    ['tls', async () => ['127.0.0.1']],
  ] as const)('by %s, with the real transport', async (kind, resolve) => {
    const peer = await plainPeer();
    const policy = { allowHttp: false, allowPrivateAddresses: kind === 'tls', ports: undefined };
    const transport = httpTransport({ policy, resolve: resolve as HttpTransportOptions['resolve'] & object });
    const surehook = createSurehook({
      repos: memoryRepos(),
      transport,
      endpoints: policy,
      retry: retrySchedule([0], { jitter: 0 }),
    });
    const seen: unknown[] = [];
    surehook.on('delivery:attempted', (told) => seen.push(told)).on('error', (error) => seen.push(error));
    await surehook.webhooks.create({
      url: `https://hook.example.com:${peer.port}/?token=${QUERY}`,
      events: ['*'],
      headers: HEADERS,
      secret: SECRET,
    });
    await surehook.start();
    await surehook.publish({ type: 'a.b', data: 1 });
    for (let n = 0; n < 200 && seen.length === 0; n += 1) await wait(10);
    await surehook.stop({ deadlineMs: 0 });
    await transport.close?.();
    peer.close();
    expect(seen).toMatchObject([{ attempt: { error: { kind } } }]);
    expectNoCanary(seen);
  });
});
