/** The inspection API in real servers, as the README mounts it there. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ServerType, serve } from '@hono/node-server';
import express from 'express';
import { fastify } from 'fastify';
import { Hono } from 'hono';
import { afterEach, describe, expect, it } from 'vitest';
import { type Authorize, type inspectionHandler, toNodeHandler } from '../../src/web/index.ts';
import { type Inspection, inspection } from './harness.ts';

type Handler = ReturnType<typeof inspectionHandler>;

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function portOf(server: Server | ServerType): Promise<number> {
  closing.push(() => server.close());
  if (!server.listening) await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** Each serves the handler below `/hooks-admin`, and something of its own beside it. */
const mounts: Readonly<Record<string, (handler: Handler) => Promise<number>>> = {
  'node:http': async (handler) => {
    const inspect = toNodeHandler(handler);
    const server = createServer((request, response) => {
      if (request.url?.startsWith('/hooks-admin/')) inspect(request, response);
      else response.end('own');
    });
    return await portOf(server.listen(0, '127.0.0.1'));
  },
  'Express 5': async (handler) => {
    const app = express();
    app.use('/hooks-admin', toNodeHandler(handler));
    app.use(express.json());
    app.get('/own', (_, response) => void response.send('own'));
    return await portOf(app.listen(0, '127.0.0.1'));
  },
  'Express 5, in a router of a router': async (handler) => {
    const app = express();
    const inner = express.Router();
    inner.use('/', toNodeHandler(handler));
    app.use(express.raw({ type: 'application/json' }), express.Router().use('/hooks-admin', inner));
    app.get('/own', (_, response) => void response.send('own'));
    return await portOf(app.listen(0, '127.0.0.1'));
  },
  'Fastify 5': async (handler) => {
    const app = fastify();
    const inspect = toNodeHandler(handler);
    app.register(async (scope) => {
      scope.removeAllContentTypeParsers();
      scope.addContentTypeParser('*', (_request, _payload, done) => done(null)); // the body stays unread
      scope.all('/hooks-admin/*', (request, reply) => {
        reply.hijack();
        inspect(request.raw, reply.raw);
      });
    });
    app.post('/echo', async ({ body }) => body);
    app.get('/own', async () => 'own');
    closing.push(() => app.close());
    await app.listen({ port: 0, host: '127.0.0.1' });
    return (app.server.address() as AddressInfo).port;
  },
  'Hono 4': async (handler) => {
    const app = new Hono();
    app.all('/hooks-admin/*', (c) => handler(c.req.raw));
    app.get('/own', (c) => c.text('own'));
    return await portOf(serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }));
  },
};

const authorize: Authorize = ({ headers }) => {
  const token = headers.get('authorization');
  if (token === 'Bearer admin') return { allTenants: true };
  if (token === 'Bearer acme') return { tenantId: 'acme' };
  return token === 'Bearer nobody' ? new Response('not you', { status: 403 }) : undefined;
};

interface Mounted extends Inspection {
  readonly base: string;
}

async function mounted(name: string): Promise<Mounted> {
  const made = await inspection();
  const handler = made.handler({ authorize, basePath: '/hooks-admin' });
  const mount = mounts[name];
  if (mount === undefined) throw new Error(`There is no mount ${name}`);
  return { ...made, base: `http://127.0.0.1:${await mount(handler)}` };
}

describe.each(Object.keys(mounts))('in %s', (name) => {
  const asked = async (base: string, path: string, init: RequestInit = {}): Promise<[number, string]> => {
    const headers = { authorization: 'Bearer admin', ...init.headers };
    const response = await fetch(`${base}/hooks-admin/v1/${path}`, { ...init, headers });
    return [response.status, await response.text()];
  };
  const json = { 'content-type': 'application/json' };

  it('it reads, changes and refuses', async () => {
    const { base, bad, deliveries } = await mounted(name);
    const [{ id } = { id: '' }] = await deliveries({ webhookId: bad.id });
    const [status, list] = await asked(base, 'deliveries?status=exhausted&since=1h&limit=2');
    expect([status, JSON.parse(list).items.length, typeof JSON.parse(list).cursor]).toEqual([
      200,
      2,
      'string',
    ]);
    expect(await asked(base, `deliveries/${id}/attempts`)).toEqual([
      200,
      expect.stringContaining('"httpStatus":500'),
    ]);
    expect(await asked(base, `deliveries/${id}/replay`, { method: 'POST' })).toEqual([
      202,
      expect.stringContaining('"replaying"'),
    ]);
    const body = JSON.stringify({ webhookId: bad.id });
    const many = await asked(base, 'deliveries/replay', { method: 'POST', headers: json, body });
    expect(many).toEqual([202, '{"count":2}']);
    expect((await deliveries({ status: 'replaying' })).length).toBe(3);
    expect((await asked(base, `deliveries/${id}%2Fx`))[0]).toBe(404);
    expect((await asked(base, 'deliveries', { method: 'DELETE' }))[0]).toBe(405);
    expect(await asked(base, 'deliveries', { method: 'HEAD' })).toEqual([200, '']);
    expect((await asked(base, 'deliveries?colour=red'))[0]).toBe(400);
  });

  it('it goes by what authorize says', async () => {
    const { base } = await mounted(name);
    const as = (authorization: string) => asked(base, 'webhooks', { headers: { authorization } });
    expect((await as('none'))[0]).toBe(401);
    expect(await as('Bearer nobody')).toEqual([403, 'not you']);
    expect(await as('Bearer acme')).toEqual([200, expect.not.stringContaining('foreign')]);
  });

  it('it bounds bodies, and the server goes on', async () => {
    const { base } = await mounted(name);
    const post = (body: string, headers: Record<string, string> = json) =>
      asked(base, 'deliveries/replay', { method: 'POST', body, headers });
    const [status] = await post(`{"webhookId":"${'a'.repeat(90_000)}"}`);
    expect(status).toBe(413);
    expect((await post('{'))[0]).toBe(400);
    expect((await post('{"dryRun":true,"webhookId":"a"}', { 'content-type': 'text/plain' }))[0]).toBe(415);
    expect(await (await fetch(`${base}/own`)).text()).toBe('own');
  });
});

describe('a parser of bodies in front of it', () => {
  it('takes the body away, and is told so', async () => {
    const { handler } = await inspection();
    const app = express();
    app.use(express.json(), toNodeHandler(handler()));
    const base = `http://127.0.0.1:${await portOf(app.listen(0, '127.0.0.1'))}`;
    const post = (path: string, body?: string) =>
      fetch(`${base}/v1/${path}`, {
        method: 'POST',
        ...(body !== undefined && { body, headers: { 'content-type': 'application/json' } }),
      });
    const refused = await post('deliveries/replay', '{"webhookId":"a","dryRun":true}');
    expect([refused.status, await refused.text()]).toEqual([500, expect.stringContaining('before parsers')]);
    expect((await post('webhooks/none/enable')).status).toBe(404);
  });
});
