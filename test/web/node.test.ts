import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect as connectHttp2, createServer as createHttp2 } from 'node:http2';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, expectTypeOf, it } from 'vitest';
import {
  type NodeRequest,
  type NodeResponse,
  type RequestContext,
  toNodeHandler,
  type WebHandler,
} from '../../src/web/index.ts';

const servers: { close(): unknown }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** Serves a handler for the length of a test. */
async function serve(
  handler: WebHandler,
  before: (request: IncomingMessage) => unknown = () => {},
): Promise<number> {
  const listener = toNodeHandler(handler);
  const server: Server = createServer(async (request, response) => {
    await before(request);
    listener(request, response);
  });
  servers.push({ close: () => [server.close(), server.closeAllConnections()] });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** Sends exactly this, and reads until the server closes. */
async function raw(port: number, lines: readonly string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.end(`${lines.join('\r\n')}\r\n\r\n`);
  return await text(socket);
}

/** Answers with what it was given. */
const mirror: WebHandler = async (request, context) =>
  Response.json({
    url: request.url,
    method: request.method,
    headers: Object.fromEntries(request.headers),
    body: await request.text(),
    context,
  });

interface Mirrored {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly context: RequestContext;
}

async function mirrored(port: number, path: string, init: RequestInit = {}): Promise<Mirrored> {
  return (await (await fetch(`http://127.0.0.1:${port}${path}`, init)).json()) as Mirrored;
}

describe('requests', () => {
  it('keep their method, path, query, headers and body, and tell the address of the peer', async () => {
    const port = await serve(mirror);
    const seen = await mirrored(port, '/a%2Fb/ü?x=1&x=2', {
      method: 'PUT',
      body: 'body ü',
      headers: { 'x-own': 'v' },
    });
    expect(seen).toMatchObject({
      url: `http://127.0.0.1:${port}/a%2Fb/%C3%BC?x=1&x=2`,
      method: 'PUT',
      headers: { 'x-own': 'v' },
      body: 'body ü',
      context: { remoteAddress: '127.0.0.1' },
    });
  });

  it('have no body where none is sent', async () => {
    const port = await serve(async (request) => Response.json(request.body === null));
    for (const method of ['GET', 'POST', 'DELETE']) {
      expect(await (await fetch(`http://127.0.0.1:${port}/`, { method })).json()).toBe(true);
    }
  });

  it('have large bodies whole, however slowly they are read', async () => {
    const sent = new Uint8Array(3_000_000).map((_, at) => at % 251);
    const port = await serve(async (request) => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of request.body ?? []) {
        await new Promise(setImmediate);
        chunks.push(chunk);
      }
      return new Response(Buffer.concat(chunks));
    });
    const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: sent });
    expect(Buffer.from(sent).equals(Buffer.from(await response.arrayBuffer()))).toBe(true);
  });

  it.each([
    ['GET', 'example.com', 'http://example.com/a'],
    ['GET', 'example.com:8080', 'http://example.com:8080/a'],
    ['GET', '[::1]:80', 'http://[::1]/a'],
    ['GET', 'evil.com/x?', 'http://localhost/a'],
    ['GET', 'user@evil.com', 'http://localhost/a'],
    ['GET', 'evil.com#', 'http://localhost/a'],
    ['GET', 'evil.com\\x', 'http://localhost/a'],
    ['GET', '', 'http://localhost/a'],
  ])('%s with the host "%s" are for %s', async (method, host, url) => {
    const port = await serve(mirror);
    const answer = await raw(port, [`${method} /a HTTP/1.1`, `host: ${host}`, 'connection: close']);
    expect(answer).toContain(`"url":"${url}"`);
  });

  it.each([
    ['//evil.com/a', 'http://localhost//evil.com/a'],
    ['http://evil.com/a?b', 'http://localhost/a?b'],
    ['/../../a', 'http://localhost/a'],
    ['/a?b=/../c', 'http://localhost/a?b=/../c'],
    ['/\\evil.com', 'http://localhost//evil.com'],
  ])('for %s stay on this host', async (target, url) => {
    const port = await serve(mirror);
    expect(await raw(port, [`GET ${target} HTTP/1.1`, 'host: localhost', 'connection: close'])).toContain(
      `"url":"${url}"`,
    );
  });

  it('of kinds that no Request can have are refused', async () => {
    const port = await serve(mirror);
    const answer = await raw(port, ['TRACE / HTTP/1.1', 'host: localhost', 'connection: close']);
    expect(answer).toMatch(/^HTTP\/1\.1 400 .*"invalid-input"/s);
    expect(await raw(port, ['OPTIONS * HTTP/1.1', 'host: localhost', 'connection: close'])).toContain(
      '"url":"http://localhost/"',
    );
  });

  it('whose body was parsed before say so; bytes are taken as they are', async () => {
    const parsed = await serve(mirror, (request) => text(request));
    const answer = await fetch(`http://127.0.0.1:${parsed}/`, { method: 'POST', body: '{}' });
    expect([answer.status, await answer.text()]).toEqual([
      500,
      expect.stringContaining('mount this handler before'),
    ]);
    const kept = await serve(mirror, async (request) => {
      Object.assign(request, { body: Buffer.from(await text(request)) });
    });
    expect(await mirrored(kept, '/', { method: 'POST', body: '{"a": 1}' })).toMatchObject({
      body: '{"a": 1}',
    });
  });

  it('come by HTTP/2 as well', async () => {
    const server = createHttp2(toNodeHandler(mirror) as never);
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const session = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const stream = session.request({ ':path': '/a', ':method': 'POST', ':authority': 'example.com' });
    stream.end('body');
    const seen = JSON.parse(await text(stream)) as Mirrored;
    session.close();
    expect(seen).toMatchObject({ url: 'http://example.com/a', method: 'POST', body: 'body' });
    expect(Object.keys(seen.headers).filter((name) => name.startsWith(':'))).toEqual([]);
  });

  it('abort their signal when the client goes, and only then', async () => {
    const aborted: boolean[] = [];
    let reached: () => void = () => {};
    const there = new Promise<void>((resolve) => {
      reached = resolve;
    });
    const port = await serve(async ({ signal, url }) => {
      if (url.endsWith('/fast')) {
        signal.addEventListener('abort', () => aborted.push(true));
        return new Response('ok');
      }
      reached();
      await once(signal, 'abort');
      aborted.push(signal.aborted);
      return new Response('late');
    });
    await (await fetch(`http://127.0.0.1:${port}/fast`)).text();
    expect(aborted).toEqual([]);
    const leaving = new AbortController();
    const request = fetch(`http://127.0.0.1:${port}/slow`, { signal: leaving.signal });
    await there;
    leaving.abort();
    await expect(request).rejects.toThrow('aborted');
    await expect.poll(() => aborted).toEqual([true]);
  });
});

describe('answers', () => {
  it('keep their status, headers, every cookie, and a body that comes in pieces', async () => {
    const port = await serve(async () => {
      const headers = new Headers({ 'x-own': 'v' });
      headers.append('set-cookie', 'a=1; Expires=Wed, 01 Jan 2031 00:00:00 GMT');
      headers.append('set-cookie', 'b=2');
      const pieces = Array.from({ length: 100 }, () => new Uint8Array(20_000).fill(97));
      return new Response(ReadableStream.from(pieces), { status: 201, headers });
    });
    const response = await fetch(`http://127.0.0.1:${port}/`);
    expect(response.status).toBe(201);
    expect(response.headers.get('x-own')).toBe('v');
    expect(response.headers.getSetCookie()).toEqual(['a=1; Expires=Wed, 01 Jan 2031 00:00:00 GMT', 'b=2']);
    expect((await response.arrayBuffer()).byteLength).toBe(2_000_000);
  });

  it('to HEAD have no body', async () => {
    const port = await serve(async () => new Response('body', { headers: { 'x-own': 'v' } }));
    const answer = await raw(port, ['HEAD / HTTP/1.1', 'host: a', 'connection: close']);
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n(.*\r\n)*x-own: v\r\n/);
    expect(answer.endsWith('\r\n\r\n')).toBe(true);
  });

  it('of a handler that throws are a 500 without detail', async () => {
    const port = await serve(() => Promise.reject(new Error('hunter2')));
    const response = await fetch(`http://127.0.0.1:${port}/`);
    expect([response.status, await response.text()]).toEqual([
      500,
      '{"error":{"code":"internal","message":"Internal error"}}',
    ]);
  });

  it('that break off break the connection off', async () => {
    const port = await serve(async () => {
      const pieces = async function* () {
        yield new Uint8Array(10);
        throw new Error('broken');
      };
      return new Response(ReadableStream.from(pieces()));
    });
    await expect(fetch(`http://127.0.0.1:${port}/`).then((response) => response.text())).rejects.toThrow();
  });

  it('stop being made when the client goes', async () => {
    let cancelled = false;
    const port = await serve(async () => {
      const endless = new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(100_000)),
        cancel: () => {
          cancelled = true;
        },
      });
      return new Response(endless);
    });
    const response = await fetch(`http://127.0.0.1:${port}/`);
    await response.body?.cancel();
    await expect.poll(() => cancelled).toBe(true);
  });

  it('come while a large body is still being sent, which is not read', async () => {
    const port = await serve(async () => new Response('no', { status: 413 }));
    const response = await fetch(`http://127.0.0.1:${port}/`, {
      method: 'POST',
      body: new Uint8Array(20_000_000),
    });
    expect([response.status, response.headers.get('connection'), await response.text()]).toEqual([
      413,
      'close',
      'no',
    ]);
  });

  it('leave the connection open for the next request where the body was read, or is none', async () => {
    const port = await serve(mirror);
    const socket = connect(port, '127.0.0.1');
    const request = (body: string): string =>
      `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    socket.end(`${request('one')}${request('')}GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`);
    const answers = await text(socket);
    expect(answers.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(3);
    expect(answers.match(/"body":"one"/g)).toHaveLength(1);
  });
});

it('takes the requests and responses of node:http', () => {
  expectTypeOf<IncomingMessage>().toExtend<NodeRequest>();
  expectTypeOf<ServerResponse>().toExtend<NodeResponse>();
});
