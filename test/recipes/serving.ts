/** Recipes of the handlers, in real servers. */
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ServerType, serve } from '@hono/node-server';
import makeExpress from 'express';
import { fastify as makeFastify } from 'fastify';
import { Hono } from 'hono';
import { expect, type Mock, onTestFinished, vi } from 'vitest';
import type { Surehook } from '../../src/index.ts';
import { bench, hook } from '../engine/harness.ts';
import { inspection } from '../web/harness.ts';
import type { Recipe, Trial } from './recipe.ts';

/** The base of a server's URLs, once it listens. It is closed when the test ends. */
async function baseOf(server: Server | ServerType): Promise<string> {
  onTestFinished(() => void server.close());
  if (!server.listening) await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const users: Readonly<Record<string, object>> = {
  'Bearer staff': { isStaff: true },
  'Bearer acme': { customerId: 'acme' },
};
const userOf = async ({ headers }: Request): Promise<object | undefined> =>
  users[headers.get('authorization') ?? ''];

/** Where the recipe mounts the handler. */
async function mountedBy(recipe: Recipe, surehook: unknown): Promise<Record<string, string>> {
  const express = makeExpress();
  const hono = new Hono();
  const fastify = makeFastify();
  const names = { surehook, userOf, port: 0, express, hono, fastify };
  const { server } = await recipe.run<{ readonly server: Server }>(names, ['server']);
  onTestFinished(() => fastify.close());
  return {
    node: await baseOf(server),
    express: await baseOf(express.listen(0)),
    hono: await baseOf(serve({ fetch: hono.fetch, port: 0 })),
    fastify: await fastify.listen({ port: 0, host: '127.0.0.1' }),
  };
}

/** Staff sees everything, a customer what is its own and changes nothing, nobody else anything: in every server. */
const mounted: Trial = async (recipe) => {
  const { surehook, bad } = await inspection();
  const bases = await mountedBy(recipe, surehook);
  for (const [name, base] of Object.entries(bases)) {
    const asked = async (authorization: string, path: string, method = 'GET'): Promise<unknown[]> => {
      const response = await fetch(`${base}/hooks-admin/v1/${path}`, { method, headers: { authorization } });
      return [name, response.status, (await response.text()).includes('"tenantId":"other"')];
    };
    expect(await asked('', 'deliveries')).toEqual([name, 401, false]);
    expect(await asked('Bearer staff', 'deliveries')).toEqual([name, 200, true]);
    expect(await asked('Bearer acme', 'deliveries')).toEqual([name, 200, false]);
    expect(await asked('Bearer acme', `webhooks/${bad.id}/test`, 'POST')).toEqual([name, 403, false]);
  }
};

const asked: Trial = async (recipe, recipeOf) => {
  const { surehook, bad, deliveries } = await inspection();
  const { node } = await mountedBy(recipeOf('Inspect over HTTP'), surehook);
  const [{ id } = { id: '' }] = await deliveries({ webhookId: bad.id });
  const answers = await recipe.curl({ TOKEN: 'staff', BASE: `${node}/hooks-admin`, ID: id });
  expect(answers.map((answer) => JSON.parse(answer))).toMatchObject([
    { items: expect.any(Array) },
    { id, status: 'exhausted' },
    { items: [{ number: 1, httpStatus: 500 }] },
    { id, status: 'replaying' },
    { count: expect.any(Number) },
  ]);
};

async function takingIn(
  recipe: Recipe,
): Promise<{ readonly base: string; readonly surehook: Surehook; readonly error: Mock }> {
  const { surehook } = bench();
  const error = vi.fn();
  const names = { surehook, port: 0, log: { error } };
  const { server } = await recipe.run<{ readonly server: Server }>(names, ['server']);
  return { base: await baseOf(server), surehook, error };
}

const forged: Trial = async (recipe) => {
  const { base, surehook, error } = await takingIn(recipe);
  await hook(surehook);
  const { status } = await fetch(base, { method: 'POST', body: 'x', headers: { 'x-github-event': 'ping' } });
  expect([status, (await surehook.deliveries.list()).items, error.mock.calls]).toEqual([401, [], []]);
};

const takenIn: Trial = async (recipe, recipeOf) => {
  const { base, surehook } = await takingIn(recipeOf('Take webhooks in'));
  await hook(surehook);
  const [first = ''] = await recipe.curl({ BASE: base });
  expect(first).toMatch(/^HTTP\/1.1 202 [\s\S]*{"id":"evt_\w+","duplicate":false}$/);
  expect(await recipe.curl({ BASE: base })).toEqual([expect.stringContaining('"duplicate":true')]);
  const { items } = await surehook.deliveries.list();
  expect(items.map(({ eventType }) => eventType)).toEqual(['github.ping']);
};

export const serving: Readonly<Record<string, Trial>> = {
  'Inspect over HTTP': mounted,
  'Inspect over HTTP 2': asked,
  'Take webhooks in': forged,
  'Take webhooks in 2': takenIn,
};
