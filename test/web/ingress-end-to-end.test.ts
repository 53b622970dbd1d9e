/** Real servers: a surehook that sends, the ingress of another before real `node:http`, and the subscriber of that one. */
import { createServer, request as httpRequest, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { afterEach, describe, expect, it } from 'vitest';
import { createSurehook, memoryRepos, type Surehook } from '../../src/index.ts';
import { ingressHandler } from '../../src/web/ingress/handler.ts';
import type { IngressOptions } from '../../src/web/ingress/options.ts';
import { standardWebhooks } from '../../src/web/ingress/standard-webhooks.ts';
import { toNodeHandler } from '../../src/web/node.ts';
import { bytesOf, secretOf, standardHeaders } from './ingress-harness.ts';

const open: { readonly servers: Server[]; readonly surehooks: Surehook[] } = { servers: [], surehooks: [] };

afterEach(async () => {
  await Promise.all(open.surehooks.splice(0).map((surehook) => surehook.stop({ deadlineMs: 0 })));
  for (const server of open.servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  open.servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/in`;
}

function made(): Surehook {
  const endpoints = { allowHttp: true, allowPrivateAddresses: true };
  const surehook = createSurehook({ repos: memoryRepos(), endpoints });
  open.surehooks.push(surehook);
  return surehook;
}

interface Received {
  readonly headers: Record<string, string>;
  readonly body: Buffer;
}

/** A server that keeps what it gets. */
async function receiver(): Promise<{ url: string; received: Received[] }> {
  const received: Received[] = [];
  const url = await serve((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received.push({ headers: request.headers as Record<string, string>, body: Buffer.concat(chunks) });
      response.end();
    });
  });
  return { url, received };
}

async function ingressAt(
  options: Partial<IngressOptions> = {},
): Promise<{ url: string; surehook: Surehook }> {
  const surehook = made();
  const verify = standardWebhooks({ secret: secretOf(1) });
  return { surehook, url: await serve(toNodeHandler(ingressHandler(surehook, { verify, ...options }))) };
}

describe('over node:http', () => {
  it('what one surehook sends another takes in and passes on, byte for byte', async () => {
    const subscriber = await receiver();
    const [sender, relay] = [made(), made()];
    let verify: IngressOptions['verify'] = () => false;
    const options: IngressOptions = { verify: (request) => verify(request), allow: ['127.0.0.0/8'] };
    const url = await serve(toNodeHandler(ingressHandler(relay, options)));
    const outer = await sender.webhooks.create({ url, events: ['*'] });
    verify = standardWebhooks({ secret: outer.secret });
    const inner = await relay.webhooks.create({ url: subscriber.url, events: ['invoice.*'] });
    await sender.start();
    await relay.start();

    const published = await sender.publish({ type: 'invoice.paid', data: { text: 'é😀 \u2028' } });
    await sender.idle();
    await relay.idle();

    const [attempt] = await sender.deliveries.attempts(published.deliveries[0]?.id ?? '');
    expect(attempt).toMatchObject({ httpStatus: 202 });
    const answer = JSON.parse(attempt?.responseBody ?? '') as { readonly id: string };
    expect(subscriber.received).toHaveLength(1);
    const [{ headers, body }] = subscriber.received as [Received];
    expect(headers['webhook-id']).toBe(answer.id);
    expect(JSON.parse(body.toString())).toMatchObject({ type: 'invoice.paid', data: { text: 'é😀 \u2028' } });
    expect(new Webhook(inner.secret).verify(body, headers)).toBeDefined();
    expect(() => new Webhook(outer.secret).verify(body, headers)).toThrow();
  });

  it('a body in chunks is taken, and one that grows beyond the limit is not', async () => {
    const { url, surehook } = await ingressAt({ maxBytes: 50_000 });
    const ids: string[] = [];
    surehook.on('event:published', ({ event }) => ids.push(event.id));
    const chunk = Buffer.alloc(10_000, 'x');
    const whole = Buffer.concat([bytesOf('{"type":"a","data":"'), ...Array(4).fill(chunk), bytesOf('"}')]);
    expect(
      await send(url, [whole.subarray(0, 7), whole.subarray(7, 30_000), whole.subarray(30_000)], whole),
    ).toBe(202);
    const large = Array<Buffer>(100).fill(chunk);
    expect(await send(url, large, Buffer.concat(large))).toBe(413);
    expect(ids).toHaveLength(1);
  });

  it('a body that stops half-way is given up in bounded time', async () => {
    const { url } = await ingressAt({ readTimeoutMs: 50 });
    const { port } = new URL(url);
    const socket = connect(Number(port), '127.0.0.1');
    const answer = new Promise<string>((resolve) => {
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString();
      });
      socket.on('close', () => resolve(text));
    });
    socket.write('POST /in HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{"type":');
    expect(await answer).toMatch(/^HTTP\/1\.1 408 /);
  });

  it('content-length beyond the limit is answered before the body comes', async () => {
    const { url } = await ingressAt();
    const { port } = new URL(url);
    const socket = connect(Number(port), '127.0.0.1');
    const answer = new Promise<string>((resolve) =>
      socket.once('data', (chunk) => resolve(chunk.toString())),
    );
    socket.write('POST /in HTTP/1.1\r\nhost: a\r\ncontent-length: 9999999\r\n\r\n');
    expect(await answer).toMatch(/^HTTP\/1\.1 413 /);
    socket.destroy();
  });

  it('the peer is known to the allow-list', async () => {
    const body = Buffer.from('{"type":"a"}');
    const { url } = await ingressAt({ allow: ['192.0.2.0/24'] });
    expect(await send(url, [body], body, { 'x-forwarded-for': '192.0.2.1' })).toBe(403);
    const behind = await ingressAt({ allow: ['192.0.2.0/24'], trustedHops: 1 });
    expect(await send(behind.url, [body], body, { 'x-forwarded-for': '192.0.2.1' })).toBe(202);
    expect(await send(behind.url, [body], body, { 'x-forwarded-for': '192.0.2.1, 203.0.113.1' })).toBe(403);
  });
});

/** Sends chunks, signed as the whole; the status of the answer. */
async function send(
  url: string,
  chunks: readonly Uint8Array[],
  whole: Uint8Array,
  more: Readonly<Record<string, string>> = {},
): Promise<number> {
  const seconds = Math.floor(Date.now() / 1000);
  const headers = { ...standardHeaders(whole, { id: `msg_${whole.byteLength}`, seconds }), ...more };
  return await new Promise((resolve, reject) => {
    const request = httpRequest(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
    });
    request.on('response', (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on('error', reject);
    for (const chunk of chunks) request.write(chunk);
    request.end();
  });
}
