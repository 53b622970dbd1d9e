import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from './attempt.ts';
import { type Behaviour, behaviours, type Expected, openPolicy, publicPolicy } from './behaviours.ts';
import { type HostileServer, type Script, startServer } from './server.ts';
import { type Credentials, DEADLINE_MS, type Ended, ThroughEngine } from './through-engine.ts';

const MiB = 1024 * 1024;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Memory once what can be collected has been, in bytes. */
async function settledMemory(): Promise<{ readonly rss: number; readonly used: number }> {
  for (let i = 0; i < 3; i++) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, used: heapUsed + external };
}

function chunksOf<T>(size: number, all: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));
}

const isHeavy = ({ name }: Behaviour): boolean => /^(sends|pours)/.test(name);
const isCanary = (row: Behaviour): boolean => row.isCanary === true;
const open = behaviours.filter((row) => !isCanary(row));

/** Those that pour are fewer at a time: they share this process's only thread with everybody's deadlines. */
const groups = [
  ...chunksOf(
    30,
    open.filter((row) => !isHeavy(row)),
  ).map((rows) => ({ title: 'odd', rows, policy: openPolicy })),
  ...chunksOf(5, open.filter(isHeavy)).map((rows) => ({ title: 'pouring', rows, policy: openPolicy })),
  { title: 'out of bounds', rows: behaviours.filter(isCanary), policy: publicPolicy },
].map((group, index) => ({ ...group, title: `group ${index + 1} (${group.title})` }));

/** Neither what the engine knows nor what an endpoint could send back shows up anywhere. */
function expectNothingLeaked(everything: string, { secret, bearer, token }: Credentials): void {
  for (const hidden of [secret, bearer, token]) expect(everything).not.toContain(hidden.slice(0, 10));
  expect(everything).not.toMatch(/v1,[A-Za-z0-9+/]{8}/);
}

/** What a delivery of one attempt comes to. */
function expectedEnd(expected: Expected): { readonly status: string; readonly reason?: string } {
  if (expected.status >= 200 && expected.status <= 299) return { status: 'delivered' };
  return { status: 'exhausted', reason: expected.status === 410 ? 'webhook-gone' : 'attempts-used-up' };
}

/** A body as it is stored: text, without NULs. */
function asStored(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString('utf8').replaceAll('\0', '\ufffd');
}

describe('the table', () => {
  let before = { rss: 0, used: 0 };

  beforeAll(async () => {
    before = await settledMemory();
  });

  it('is run whole', () => {
    expect(groups.flatMap(({ rows }) => rows)).toHaveLength(behaviours.length);
  });

  describe.each(groups)('$title: through the whole of surehook, an endpoint that', ({ rows, policy }) => {
    const servers = new Map<Behaviour, HostileServer>();
    const results = new Map<Behaviour, Ended>();
    let errors = 0;
    let left = {};

    beforeAll(async () => {
      await using engine = new ThroughEngine({ policy });
      await engine.surehook.start();
      await Promise.all(
        rows.map(async (row) => {
          servers.set(row, await row.start());
          results.set(row, await engine.deliver(servers.get(row)?.url ?? ''));
        }),
      );
      errors = engine.errors.length;
      const { inFlight, claimed, attempted } = engine.surehook.stats();
      left = { inFlight, claimed, attempted };
    }, 20_000);

    afterAll(async () => {
      await Promise.all([...servers.values()].map((server) => server.close()));
    });

    it.each(rows)('$name is attempted once, in time, with the right outcome', (row) => {
      const { delivery, attempts, webhook, elapsedMs } = results.get(row) as Ended;
      const { expected } = row;
      expect(attempts).toHaveLength(1);
      const attempt = attempts[0]!;
      expect(attempt).toMatchObject({ number: 1, late: false, httpStatus: expected.status });
      expect(attempt.durationMs).toBeLessThan(DEADLINE_MS + 250);
      expect(elapsedMs).toBeLessThan(DEADLINE_MS + 1_000);
      if ('kinds' in expected) {
        expect(expected.kinds).toContain(attempt.error?.kind);
        expect(attempt.responseBody).toBe('');
      } else {
        expect(attempt.error).toBeUndefined();
        if (expected.body !== undefined) expect(attempt.responseBody).toBe(asStored(expected.body));
      }
      expect(delivery).toMatchObject({ ...expectedEnd(expected), attempts: 1 });
      expect(webhook.status.state === 'disabled').toBe(expected.status === 410);
    });

    it.each(rows)('$name learns nothing it could give away, and fills no store', (row) => {
      const { attempts, credentials, everything } = results.get(row) as Ended;
      const { error, request, responseBody, responseHeaders } = attempts[0]!;
      expectNothingLeaked(everything, credentials);
      expect(request.url).toContain('?token=***');
      expect(error?.message ?? '').not.toMatch(/127\.0\.0\.1|::1|169\.254|:\d{4,5}/);
      expect(Buffer.byteLength(responseBody)).toBeLessThanOrEqual(4_096);
      expect(JSON.stringify(responseHeaders ?? {}).length).toBeLessThan(32 * 1024);
      if (isCanary(row)) expect(servers.get(row)?.accepted()).toBe(0);
    });

    it('leaves nothing behind', async () => {
      expect(errors).toBe(0);
      expect(left).toEqual({ inFlight: 0, claimed: 0, attempted: rows.length });
      for (const [row, server] of servers) {
        expect(await eventually(() => server.open() === 0), `${row.name} is left`).toBe(true);
      }
    });
  });

  it('leaves memory about where it was', async () => {
    const after = await settledMemory();
    expect(after.rss - before.rss).toBeLessThan(200 * MiB);
    expect(after.used - before.used).toBeLessThan(40 * MiB);
  });
});

/** A server and a started surehook for one test. */
async function against(
  script: Script,
  run: (server: HostileServer, engine: ThroughEngine) => Promise<void>,
  ...options: ConstructorParameters<typeof ThroughEngine>
): Promise<void> {
  const server = await startServer(script);
  try {
    await using engine = new ThroughEngine(...options);
    await engine.surehook.start();
    await run(server, engine);
    expect(engine.errors).toEqual([]);
  } finally {
    await server.close();
  }
}

describe('handshakes that fail', () => {
  it('a thousand in a row cost no memory (RS11)', { timeout: 30_000 }, async () => {
    const script: Script = { certificate: 'expired' };
    await against(script, async (server, engine) => {
      const { type } = await engine.register(server.url);
      const fail = async (times: number): Promise<void> => {
        const ends = Array.from({ length: times }, () => engine.publish(type, 'x'));
        for (const { delivery } of await Promise.all(ends)) expect(delivery.status).toBe('exhausted');
      };
      await fail(200);
      const before = await settledMemory();
      await fail(1_000);
      const after = await settledMemory();
      expect(server.accepted()).toBe(1_200);
      expect(await eventually(() => server.open() === 0)).toBe(true);
      // The memory repos keep each delivery and its attempt, which is 2.5 KiB; a TLS context or a socket would be far more.
      expect((after.used - before.used) / 1_000).toBeLessThan(6 * 1024);
      // Coarse: the allocator gives back late what it had at a time.
      expect(after.rss - before.rss).toBeLessThan(50 * MiB);
    });
  });
});

describe('a name with a thousand addresses (N14)', () => {
  const dead = (n: number): string => `127.9.${n >> 8}.${n & 255}`;
  const thousand = Array.from({ length: 1_000 }, (_, i) => dead(i + 1));
  const answering: Script = {
    host: 'many.test',
    onRequest: (socket) => socket.write('HTTP/1.1 204 OK\r\n\r\n'),
  };
  const manyWith = (alive: number) => ({
    resolve: () => Promise.resolve(thousand.with(alive, '127.0.0.1')),
  });

  it('is tried at four', async () => {
    await against(
      answering,
      async (server, engine) => {
        const { delivery, attempts } = await engine.deliver(server.url);
        expect(attempts.map(({ httpStatus }) => httpStatus)).toEqual([204]);
        expect(delivery.status).toBe('delivered');
      },
      manyWith(3),
    );
  });

  it('is tried at no fifth, and the attempt ends in time', async () => {
    await against(
      answering,
      async (server, engine) => {
        const { attempts } = await engine.deliver(server.url);
        expect(attempts).toMatchObject([{ httpStatus: 0, error: { kind: 'refused' } }]);
        expect(attempts[0]?.durationMs).toBeLessThan(DEADLINE_MS + 250);
        expect(server.accepted()).toBe(0);
      },
      manyWith(4),
    );
  });
});

describe('a redirect (N9, N10)', () => {
  const locations: readonly (readonly [string, (canary: HostileServer) => string])[] = [
    ['another host', ({ url }) => url],
    ['another scheme', ({ url }) => url.replace('http:', 'https:')],
    ['no scheme', ({ url }) => url.replace('http:', '')],
    ['itself', () => '/hook'],
    ['an address of a cloud', () => 'http://169.254.169.254/latest/meta-data/'],
  ];
  const rows = [301, 302, 303, 307, 308].flatMap((status) =>
    locations.map(([where, location]) => ({ status, where, location })),
  );

  it.each(rows)('$status to $where is not followed', async ({ status, location }) => {
    const canary = await startServer({ onRequest: (socket) => socket.write('HTTP/1.1 204 OK\r\n\r\n') });
    const head = `HTTP/1.1 ${status} Away\r\nlocation: ${location(canary)}\r\ncontent-length: 0\r\n\r\n`;
    await against({ onRequest: (socket) => socket.write(head) }, async (server, engine) => {
      const { delivery, attempts } = await engine.deliver(server.url);
      expect(attempts.map(({ httpStatus }) => httpStatus)).toEqual([status]);
      expect(attempts[0]?.responseHeaders?.location).toBe(location(canary));
      expect(delivery).toMatchObject({ status: 'exhausted', reason: 'attempts-used-up' });
      expect(server.requests()).toHaveLength(1);
    });
    expect(canary.accepted()).toBe(0);
    await canary.close();
  });
});

describe('an endpoint that gives back what it was sent (K5)', () => {
  const headerOf = (request: string, name: string): string =>
    new RegExp(`^${name}: (.*)\r$`, 'm').exec(request)?.[1] ?? '';

  /** How servers show the headers of a request, and what of it is cut. */
  const echoes: readonly (readonly [string, (request: string) => string])[] = [
    ['as they came', (request) => request],
    ['as JSON', (request) => JSON.stringify({ head: request.split('\r\n') })],
    ['as JSON of PHP', (request) => JSON.stringify({ head: request }).replaceAll('/', '\\/')],
    ['one value only', (request) => headerOf(request, 'webhook-signature')],
    ['in a sentence', (request) => `Bad token "${headerOf(request, 'authorization').slice(7)}", sorry.`],
    [
      'without the version',
      (request) => `expected abc, got ${headerOf(request, 'webhook-signature').slice(3)}`,
    ],
    ...[1, 9, 20, 43].map((kept): readonly [string, (request: string) => string] => [
      `cut after ${kept} characters of the signature, where storing ends`,
      (request) => `${'x'.repeat(4_096 - 3 - kept)}${headerOf(request, 'webhook-signature')}`,
    ]),
    ['where reading ends', (request) => `${'x'.repeat(16_384 - 30)}${headerOf(request, 'authorization')}`],
  ];

  it.each(echoes)('%s: they are stored masked', async (_how, echo) => {
    let seen = '';
    const script: Script = {
      onRequest: (socket, request) => {
        seen = request.replace(/\?token=\w+/, '');
        const body = echo(seen);
        const headers = [
          `x-signature: ${headerOf(request, 'webhook-signature')}`,
          `x-auth: ${headerOf(request, 'authorization')}`,
          `content-length: ${body.length}`,
        ];
        socket.write(`HTTP/1.1 401 No\r\n${headers.join('\r\n')}\r\n\r\n${body}`);
      },
    };
    await against(script, async (server, engine) => {
      const { attempts, credentials, everything } = await engine.deliver(server.url);
      expect(seen).toContain(credentials.bearer);
      const signature = headerOf(seen, 'webhook-signature').slice(3);
      expect(signature).toHaveLength(44);
      expectNothingLeaked(everything, credentials);
      expect(everything).not.toContain(signature.slice(0, 9));
      const { request, responseBody, responseHeaders } = attempts[0]!;
      expect(responseBody.length).toBeGreaterThan(0);
      expect(responseHeaders).toMatchObject({ 'x-signature': 'v1,***', 'x-auth': 'Bearer ***' });
      expect(request.headers).toMatchObject({ authorization: '***', 'webhook-signature': '***' });
    });
  });

  it('its own secret is stored masked', async () => {
    let secret = '';
    const script: Script = {
      onRequest: (socket) => {
        const body = `no match with whsec_${secret}`;
        socket.write(`HTTP/1.1 400 No\r\nx-key: ${secret}\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
      },
    };
    await against(script, async (server, engine) => {
      const { type, credentials } = await engine.register(server.url);
      secret = credentials.secret;
      const { id } = await engine.publish(type, 'x');
      const [attempt] = await engine.surehook.deliveries.attempts(id);
      expect(attempt?.responseBody).toBe('no match with whsec_***');
      expect(attempt?.responseHeaders?.['x-key']).toBe('***');
    });
  });
});
