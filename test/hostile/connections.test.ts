import type { TLSSocket } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import type { Transport } from '../../src/http/transport.ts';
import { httpTransport } from '../../src/http/undici-transport.ts';
import { manualClock } from '../../src/testing/manual-clock.ts';
import { attempt, eventually, requestTo } from './attempt.ts';
import { behaviours, hostileCa, hostileResolve, openPolicy, publicPolicy } from './behaviours.ts';
import { type HostileServer, pour, type Script, startServer, TLS_HOST } from './server.ts';

const NO_CONTENT = 'HTTP/1.1 204 No Content\r\n\r\n';
const answering: Script = { onRequest: (socket) => socket.write(NO_CONTENT) };

/** A server and a transport for one test, both gone afterwards. */
async function between(
  script: Script,
  run: (server: HostileServer, transport: Transport) => Promise<void>,
  options: Partial<Parameters<typeof httpTransport>[0]> = {},
): Promise<void> {
  const server = await startServer(script);
  const transport = httpTransport({
    policy: openPolicy,
    resolve: hostileResolve,
    tls: { ca: hostileCa },
    ...options,
  });
  try {
    await run(server, transport);
  } finally {
    await transport.close?.();
    expect(await eventually(() => server.open() === 0)).toBe(true);
    await server.close();
  }
}

describe('connections', () => {
  it.each([
    ['HTTP', answering],
    ['HTTPS', { ...answering, certificate: 'good' } as const],
  ])('are reused: 50 requests after one another over %s take one', async (_scheme, script) => {
    await between(script, async (server, transport) => {
      for (let i = 0; i < 50; i++) expect((await attempt(transport, server.url, 5000)).httpStatus).toBe(204);
      expect(server.accepted()).toBe(1);
      expect(server.requests()).toHaveLength(50);
    });
  });

  it('are as many as requests at a time, and reused after that', async () => {
    await between(answering, async (server, transport) => {
      for (let round = 0; round < 5; round++) {
        await Promise.all(Array.from({ length: 20 }, () => attempt(transport, server.url, 5000)));
      }
      expect(server.accepted()).toBe(20);
    });
  });

  it('are made anew when the endpoint closes after each answer', async () => {
    const closing: Script = {
      onRequest: (socket) => socket.end(`HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`),
    };
    await between(closing, async (server, transport) => {
      for (let i = 0; i < 10; i++) expect((await attempt(transport, server.url, 5000)).httpStatus).toBe(200);
      expect(server.accepted()).toBe(10);
    });
  });

  it('are made anew when the endpoint has closed an idle one', async () => {
    await between(answering, async (server, transport) => {
      for (let i = 0; i < 5; i++) {
        expect((await attempt(transport, server.url, 5000)).httpStatus).toBe(204);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      expect(server.accepted()).toBe(1);
    });
    const once: Script = {
      onRequest: (socket) => socket.write(NO_CONTENT, () => setTimeout(() => socket.destroy(), 5)),
    };
    await between(once, async (server, transport) => {
      for (let i = 0; i < 5; i++) {
        expect((await attempt(transport, server.url, 5000)).httpStatus).toBe(204);
        await eventually(() => server.open() === 0);
      }
      expect(server.accepted()).toBe(5);
    });
  });

  it('resume the TLS session of their origin', async () => {
    const resumed: boolean[] = [];
    const script: Script = {
      certificate: 'good',
      onConnection: (socket) =>
        resumed.push(
          'isSessionReused' in socket &&
            (socket as unknown as { isSessionReused(): boolean }).isSessionReused(),
        ),
      onRequest: (socket) => socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n'),
    };
    await between(script, async (server, transport) => {
      for (let i = 0; i < 3; i++) expect((await attempt(transport, server.url, 5000)).httpStatus).toBe(200);
    });
    expect(resumed).toEqual([false, true, true]);
  });

  it('ask for the certificate by the name in the URL, and by none for an address (N13)', async () => {
    const asked: unknown[] = [];
    const script: Script = {
      ...answering,
      certificate: 'good',
      onConnection: (socket) =>
        asked.push((socket as TLSSocket & { servername?: string | false }).servername),
    };
    await between(script, async (server, transport) => {
      expect((await attempt(transport, server.url, 5000)).httpStatus).toBe(204);
      const byAddress = server.url.replace(TLS_HOST, '127.0.0.1');
      expect((await attempt(transport, byAddress, 5000)).httpStatus).toBe(204);
    });
    expect(asked).toEqual([TLS_HOST, false]);
  });

  it('are dropped when their origin was idle for a minute, and the timer goes with the last of them', async () => {
    const clock = manualClock();
    await between(
      answering,
      async (server, transport) => {
        await attempt(transport, server.url, 5000);
        expect(server.open()).toBe(1);
        await clock.advance(59_000);
        expect(server.open()).toBe(1);
        expect(clock.pending).toBe(1);
        await clock.advance(61_000);
        expect(await eventually(() => server.open() === 0)).toBe(true);
        expect(clock.pending).toBe(0);
        expect((await attempt(transport, server.url, 5000)).httpStatus).toBe(204);
        expect(server.accepted()).toBe(2);
      },
      { clock },
    );
  });

  it('are all ended by close, which begun answers survive and new requests do not', async () => {
    const half: Script = {
      onRequest: (socket, request) =>
        socket.write(request.includes('half') ? 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf' : ''),
    };
    await between(half, async (server, transport) => {
      const silent = attempt(transport, server.url, 5000);
      const begun = attempt(transport, `${server.url}?half`, 5000);
      await eventually(() => server.requests().length === 2);
      await new Promise((resolve) => setTimeout(resolve, 20));
      await transport.close?.();
      expect(await silent).toMatchObject({ httpStatus: 0, kind: 'aborted' });
      expect(await begun).toMatchObject({ httpStatus: 200 });
      expect(await attempt(transport, server.url)).toMatchObject({ httpStatus: 0, kind: 'aborted' });
      expect(await eventually(() => server.open() === 0)).toBe(true);
    });
  });

  it('are not made for a request that was over before it began', async () => {
    await between(answering, async (server, transport) => {
      const sent = transport.send({ ...requestTo(server.url), onAbort: (listener) => listener() });
      await expect(sent).rejects.toMatchObject({ kind: 'aborted' });
      expect(server.accepted()).toBe(0);
    });
  });

  it('are given up in the making when the request is over', async () => {
    await between({ scheme: 'https' }, async (server, transport) => {
      expect(await attempt(transport, server.url, 50)).toMatchObject({ kind: 'timeout' });
      expect(server.accepted()).toBe(1);
      expect(await eventually(() => server.open() === 0)).toBe(true);
    });
  });

  it('take no longer to make than the transport allows', async () => {
    await between(
      { scheme: 'https' },
      async (server, transport) => {
        const result = await attempt(transport, server.url, 5000);
        expect(result).toMatchObject({ kind: 'timeout', message: 'the connection timed out' });
        expect(result.elapsedMs).toBeLessThan(1000);
      },
      { timeoutMs: 50 },
    );
  });
});

describe('a second answer', () => {
  it('does not become the answer to the next request (RS12)', async () => {
    const poisoning: Script = {
      onRequest: (socket, request) => {
        const own = request.includes('/hook?next')
          ? 'HTTP/1.1 204 OK\r\n\r\n'
          : 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n';
        socket.write(`${own}HTTP/1.1 418 Poison\r\ncontent-length: 0\r\n\r\n`);
      },
    };
    await between(poisoning, async (server, transport) => {
      for (let i = 0; i < 10; i++) {
        expect((await attempt(transport, server.url, 5000)).httpStatus).toBe(200);
        expect((await attempt(transport, `${server.url}?next`, 5000)).httpStatus).toBe(204);
      }
      expect(server.accepted()).toBe(20);
    });
  });

  it('that comes a little later closes the idle connection', async () => {
    const late: Script = {
      onRequest: (socket) => {
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
        setTimeout(() => socket.write('HTTP/1.1 418 Poison\r\ncontent-length: 0\r\n\r\n'), 10);
      },
    };
    await between(late, async (server, transport) => {
      expect((await attempt(transport, server.url, 5000)).httpStatus).toBe(200);
      expect(await eventually(() => server.open() === 0)).toBe(true);
      expect((await attempt(transport, server.url, 5000)).httpStatus).toBe(200);
    });
  });
});

describe('a redirect', () => {
  it.each([301, 302, 303, 307, 308])(
    'with %i is not followed, not even to the same host (N9, N10)',
    async (status) => {
      await between(answering, async (canary) => {
        const redirecting: Script = {
          onRequest: (socket) =>
            socket.write(`HTTP/1.1 ${status} Away\r\nlocation: ${canary.url}\r\ncontent-length: 0\r\n\r\n`),
        };
        await between(redirecting, async (server, transport) => {
          const result = await attempt(transport, server.url);
          expect(result.httpStatus).toBe(status);
          expect(result.response?.headers.location).toBe(canary.url);
          expect(server.requests()).toHaveLength(1);
          expect(canary.accepted()).toBe(0);
        });
      });
    },
  );
});

describe('the request', () => {
  it('is what it was asked to be, and asks for no compression', async () => {
    await between(answering, async (server, transport) => {
      await attempt(transport, `${server.url}?a=b`);
      const { host } = new URL(server.url);
      const { body } = requestTo(server.url);
      expect(server.requests()[0]?.split('\r\n')).toEqual([
        'POST /hook?a=b HTTP/1.1',
        `host: ${host}`,
        'connection: keep-alive',
        'content-type: application/json',
        'webhook-id: evt_1',
        'webhook-signature: v1,c2lnbmF0dXJl',
        'accept-encoding: identity',
        `content-length: ${body.length}`,
        '',
        Buffer.from(body).toString(),
      ]);
    });
  });

  it('is sent with an empty body too', async () => {
    await between(answering, async (server, transport) => {
      expect(await transport.send({ ...requestTo(server.url), body: new Uint8Array(0) })).toMatchObject({
        status: 204,
      });
      expect(server.requests()[0]).toMatch(/content-length: 0\r\n\r\n$/);
    });
  });

  it.each([
    { 'x-a': 'b\r\nx-b: c' },
    { 'x a': 'b' },
    { 'x-a': '日本' },
    { 'content-length': '5' },
    { 'transfer-encoding': 'chunked' },
    { expect: '100-continue' },
  ])('is not sent with %j', async (bad) => {
    await between(answering, async (server, transport) => {
      const sent = transport.send({
        ...requestTo(server.url),
        headers: bad as unknown as Record<string, string>,
      });
      await expect(sent).rejects.toMatchObject({ name: 'TransportError', kind: 'request' });
      expect(server.requests()).toHaveLength(0);
    });
  });

  it('is refused where the policy refuses the URL, in the words that tell nothing (TN8)', async () => {
    await between(
      answering,
      async (server, transport) => {
        const urls = [
          server.url,
          'https://loopback.test/',
          'http://user:pass@example.com/',
          'https://example.com:22/',
          'not a url',
          'file:///etc/passwd',
        ];
        for (const url of urls) {
          expect(await attempt(transport, url)).toMatchObject({
            httpStatus: 0,
            kind: 'blocked',
            message: 'blocked by policy',
          });
        }
        expect(server.accepted()).toBe(0);
      },
      { policy: publicPolicy },
    );
  });
});

describe('the answer', () => {
  it('has names in lower case, of repeated headers the first, and its exact bytes', async () => {
    const script: Script = {
      onRequest: (socket) =>
        socket.write(
          'HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nretry-after: 9\r\nset-cookie: a\r\nSet-Cookie: b\r\n__proto__: x\r\nX-Latin: \xe9\r\ncontent-length: 3\r\n\r\n\0\xffx',
          'latin1',
        ),
    };
    await between(script, async (server, transport) => {
      const { response } = await attempt(transport, server.url);
      expect(response).toEqual({
        status: 503,
        headers: { 'retry-after': '7', 'set-cookie': 'a', 'x-latin': 'é', 'content-length': '3' },
        body: Uint8Array.of(0, 255, 120),
      });
      expect(Object.getPrototypeOf(response?.headers)).toBe(Object.prototype);
    });
  });

  it.each([0, 1, 5, 100])(
    'is kept up to %i bytes, and then the connection is dropped',
    async (maxResponseBytes) => {
      const script: Script = {
        onRequest: (socket) => {
          socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
          pour(socket, Buffer.from('3\r\nabc\r\n'));
        },
      };
      await between(script, async (server, transport) => {
        const { body } = await transport.send({ ...requestTo(server.url), maxResponseBytes });
        expect(Buffer.from(body).toString()).toBe('abc'.repeat(34).slice(0, maxResponseBytes));
        expect(await eventually(() => server.open() === 0)).toBe(true);
      });
    },
  );
});

/** What is in use once garbage is collected: when V8 does that by itself is nobody's behaviour. */
async function liveMemory(): Promise<NodeJS.MemoryUsage> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let round = 0; round < 3; round++) {
    collect();
    await new Promise((turn) => setImmediate(turn));
  }
  return process.memoryUsage();
}

describe('memory', () => {
  const heavy = behaviours.filter((behaviour) => /^sends|thousand|pours/.test(behaviour.name));

  it('stays bounded under every bomb, thirty at a time', { timeout: 60_000 }, async () => {
    expect(heavy.length).toBeGreaterThan(12);
    const transport = httpTransport({ policy: openPolicy, resolve: hostileResolve, tls: { ca: hostileCa } });
    const servers = await Promise.all(heavy.map((behaviour) => behaviour.start()));
    const volley = async (url: string): Promise<void> => {
      await Promise.all(Array.from({ length: 30 }, () => attempt(transport, url)));
    };
    const before = await liveMemory();
    for (const server of servers) await volley(server.url);
    const { rss } = process.memoryUsage();
    for (const server of servers) await volley(server.url);
    expect(process.memoryUsage().rss - rss).toBeLessThan(150 * 1024 * 1024);
    await transport.close?.();
    for (const server of servers) {
      expect(await eventually(() => server.open() === 0)).toBe(true);
      await server.close();
    }
    // The servers live in this process too: what both ends still hold shows once all is closed.
    const after = await liveMemory();
    const held = after.heapUsed + after.external - before.heapUsed - before.external;
    expect(held).toBeLessThan(16 * 1024 * 1024);
  });
});
