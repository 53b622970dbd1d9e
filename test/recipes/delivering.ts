/** Recipes about how a webhook gets its events. */
import { randomBytes } from 'node:crypto';
import { Webhook as Verifier } from 'standardwebhooks';
import { expect } from 'vitest';
import { createSurehook, type KeyedWebhook, memoryRepos, type Surehook } from '../../src/index.ts';
import type { SentRequest } from '../../src/testing/index.ts';
import { DAY, delayed, running, SECOND, url } from '../engine/harness.ts';
import type { Trial } from './recipe.ts';
import { workerOn } from './worker.ts';

const endpoint = url('here');

const ordered: Trial = async (recipe) => {
  const { surehook, transport, clock } = await running([delayed(SECOND, 500), delayed(SECOND, 200)], {
    random: { next: () => 0.5, bytes: (count) => randomBytes(count) },
  });
  const account = { id: 'acc_1' };
  await recipe.run({ surehook, url: endpoint, account });
  const publish = (data: number, orderingKey: string) =>
    surehook.publish({ type: 'account.updated', data, orderingKey });
  await publish(2, 'acc_1');
  await publish(3, 'acc_2');
  await clock.advance(60 * SECOND);
  const sent = transport.requests.map((request) => JSON.parse(request.text()).data as unknown);
  expect(sent.filter((data) => data !== 3)).toEqual([account, account, 2]);
  // Another key did not wait for the one that failed.
  expect(sent.indexOf(3)).toBeLessThan(2);
};

const batched: Trial = async (recipe) => {
  const { surehook, transport, clock } = await running();
  await recipe.run({ surehook, url: endpoint });
  for (const data of [1, 2, 3]) await surehook.publish({ type: 'a.b', data });
  await clock.advance(999);
  expect(transport.requests).toEqual([]);
  await clock.advance(1_001);
  expect(transport.requests.map((request) => JSON.parse(request.text()))).toMatchObject([
    [
      { id: expect.stringMatching(/^evt_/), type: 'a.b', timestamp: expect.any(String), data: 1 },
      { data: 2 },
      { data: 3 },
    ],
  ]);
  expect(transport.requests[0]?.headers['webhook-id']).toMatch(/^bat_/);
};

const keyPair: Trial = async (recipe) => {
  const { surehook } = await running();
  const { webhook, publicKey } = await recipe.run<KeyedWebhook<'ed25519'>>({ surehook, url: endpoint }, [
    'webhook',
    'publicKey',
  ]);
  expect(publicKey).toMatch(/^whpk_/);
  expect((await surehook.webhooks.get(webhook.id))?.publicKey).toBe(publicKey);
};

interface Receiver {
  isGenuine(headers: SentRequest['headers'], body: Uint8Array): Promise<boolean>;
}

const verified: Trial = async (recipe) => {
  const { surehook, transport, clock } = await running();
  const { publicKey } = await surehook.webhooks.create({ url: endpoint, events: ['*'], signing: 'ed25519' });
  const now = { now: () => clock.now() };
  const { isGenuine } = await recipe.run<Receiver>({ publicKey, Date: now }, ['isGenuine']);
  await surehook.publish({ type: 'a.b', data: 1 });
  await surehook.idle();
  const [request] = transport.requests;
  const { headers = {}, body = new Uint8Array() } = request ?? {};
  expect(request?.headers['webhook-signature']).toMatch(/^v1a,/);
  expect(await isGenuine(headers, body)).toBe(true);
  expect(await isGenuine(headers, Buffer.concat([body, Buffer.from(' ')]))).toBe(false);
  expect(await isGenuine({}, body)).toBe(false);
  await clock.advance(301 * SECOND);
  expect(await isGenuine(headers, body)).toBe(false);
};

const rotated: Trial = async (recipe) => {
  const { surehook, transport, clock } = await running();
  const { webhook, secret: old } = await surehook.webhooks.create({ url: endpoint, events: ['*'] });
  const { secret } = await recipe.run<{ readonly secret: string }>({ surehook, webhookId: webhook.id }, [
    'secret',
  ]);
  const signedWith = async (): Promise<number> => {
    await surehook.publish({ type: 'a.b', data: 1 });
    await surehook.idle();
    return String(transport.requests.at(-1)?.headers['webhook-signature']).split(' ').length;
  };
  expect(secret).not.toBe(old);
  expect((await surehook.webhooks.get(webhook.id))?.secretHint).toBe(secret.slice(-4));
  expect(await signedWith()).toBe(2);
  await clock.advance(DAY);
  expect(await signedWith()).toBe(1);
};

const sealed: Trial = async (recipe) => {
  const repos = memoryRepos();
  const old = randomBytes(32);
  const fresh = randomBytes(32);
  const env = { SUREHOOK_KEY: old.toString('base64') };
  const { surehook } = await recipe.run<{ readonly surehook: Surehook }>({ repos, process: { env } }, [
    'surehook',
  ]);
  const headers = { authorization: 'Bearer canary-token' };
  const { webhook, secret } = await surehook.webhooks.create({ url: endpoint, events: ['*'], headers });
  const stored = JSON.stringify(await repos.webhooks.getMany([webhook.id]));
  expect([stored.includes('canary-token'), stored.includes(secret.slice(6))]).toEqual([false, false]);
  const both = createSurehook({ repos, secretKey: [fresh, old] });
  await both.webhooks.update(webhook.id, { name: 'changed' });
  const { surehook: worker, transport } = await workerOn(repos, { secretKey: fresh });
  await worker.publish({ type: 'a.b', data: 1 });
  await worker.idle();
  const [sent] = transport.requests;
  expect(sent?.headers.authorization).toBe(headers.authorization);
  expect(() => new Verifier(secret).verify(sent?.text() ?? '', sent?.headers ?? {})).not.toThrow();
};

const limited: Trial = async (recipe) => {
  const { surehook, transport, clock } = await running(delayed(SECOND, 200));
  await recipe.run({ surehook, url: endpoint });
  await surehook.publishMany(Array.from({ length: 60 }, (_, data) => ({ type: 'a.b', data })));
  await clock.advance(30 * SECOND);
  expect(transport.requests.length).toBeGreaterThan(30);
  expect(transport.requests.length).toBeLessThanOrEqual(40);
  expect(transport.peakInFlight).toBe(2);
};

export const delivering: Readonly<Record<string, Trial>> = {
  'Limit a webhook': limited,
  'Keep the order': ordered,
  'Send in batches': batched,
  'Sign with a key pair': keyPair,
  'Sign with a key pair 2': verified,
  'Change a secret': rotated,
  'Secrets at rest': sealed,
};
