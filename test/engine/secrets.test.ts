/** Secrets as a host meets them: shown once, masked where an endpoint says them, sealed at rest. */
import { describe, expect, test } from 'vitest';
import { isSealed } from '../../src/http/sealed-text.ts';
import { memoryRepos, type SignedMessage, type Signer, StorageError } from '../../src/index.ts';
import { HEADERS, KEY, SECRET, SECRET_KEY, shown, TOKEN } from './canary.ts';
import { attemptsOf, bench, hook, MINUTE, running, SECOND, tally } from './harness.ts';

test('the secret is shown once, at creation; later only its last characters', async () => {
  const { surehook } = bench();
  const made = await surehook.webhooks.create({ url: 'https://a.example.com/', events: ['*'] });
  expect(made.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  expect(shown(made.webhook)).not.toContain(made.secret.slice(6));
  const read = await surehook.webhooks.get(made.webhook.id);
  expect(read?.secretHint).toBe(made.secret.slice(-4));
  const all = [
    read,
    await surehook.webhooks.list(),
    await surehook.webhooks.update(made.webhook.id, { name: 'x' }),
  ];
  expect(shown(all)).not.toContain(made.secret.slice(6));
});

test('a secret whose beginning comes again inside it is hidden where the end of a message cuts it short', async () => {
  // engine defect (http/redact.ts): only the last place where a secret begins is tried as the one that is cut.
  const repeating = `whsec_${Buffer.from('canary-canary-canary-canary-32by').toString('base64')}`;
  const raw = repeating.slice('whsec_'.length);
  const { surehook, clock } = await running({ status: 500, body: `you sent ${raw.slice(0, -3)}` });
  await hook(surehook, 0, { secret: repeating });
  const published = await surehook.publish({ type: 'a.b', data: 0 });
  await clock.advance(SECOND);
  expect(shown(await attemptsOf(surehook, published))).not.toContain(raw.slice(0, 12));
});

describe('sealed at rest', () => {
  const otherKey = new Uint8Array(32).fill(1);

  test('what is delivered, listed and rotated is as it is without a key', async () => {
    const stored = memoryRepos();
    const { surehook, transport, clock } = await running(200, { repos: stored, secretKey: SECRET_KEY });
    const webhook = await hook(surehook, 0, { secret: SECRET, headers: HEADERS });
    await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(SECOND);
    expect(transport.requests[0]?.headers).toMatchObject(HEADERS);
    expect(webhook.secretHint).toBe(SECRET.slice(-4));
    expect((await surehook.webhooks.get(webhook.id))?.secretHint).toBe(SECRET.slice(-4));
    const { secret } = await surehook.webhooks.rotateSecret(webhook.id, { overlapMs: MINUTE });
    await surehook.publish({ type: 'a.b', data: 1 });
    await clock.advance(SECOND);
    expect(transport.requests[1]?.headers['webhook-signature']).toMatch(/^v1,\S+ v1,\S+$/);
    const [record] = await stored.webhooks.getMany([webhook.id]);
    expect(record?.secrets.map((one) => isSealed(one.secret))).toEqual([true, true]);
    expect(shown(record)).not.toContain(secret?.slice(6));
    expect(shown(record)).not.toContain(TOKEN);
  });

  test.each([
    ['another key', { secretKey: otherKey }],
    ['no key', {}],
  ])(
    'a process with %s sends that webhook nothing, serves the others, and goes on when the key is back',
    async (_, lacking) => {
      const stored = memoryRepos();
      const before = bench(200, { repos: stored, secretKey: SECRET_KEY });
      const webhook = await hook(before.surehook, 0, { secret: SECRET, headers: HEADERS });
      const lost = await running(200, { repos: stored, ...lacking });
      await hook(lost.surehook, 1);
      const published = await lost.surehook.publish({ type: 'a.b', data: 0 });
      await lost.clock.advance(MINUTE);
      expect(tally(lost.transport.requests, (request) => request.url)).toEqual({
        'https://hook1.example.com/in': 1,
      });
      const [own] = published.deliveries.filter(({ webhookId }) => webhookId === webhook.id);
      const attempts = await lost.surehook.deliveries.attempts(own?.id ?? '');
      expect(attempts.length).toBeGreaterThan(1);
      for (const attempt of attempts)
        expect(attempt).toMatchObject({ httpStatus: 0, error: { kind: 'signing' } });
      expect(lost.log.errors.length).toBeGreaterThan(1);
      const listed = await lost.surehook.webhooks.get(webhook.id);
      expect(listed).toMatchObject({ secretHint: '', headers: { authorization: '***' } });
      for (const value of [attempts, lost.log.told, listed])
        expect(shown(value)).not.toMatch(/sealed1|canary/);
      await lost.surehook.stop();
      const back = await running(200, {
        repos: stored,
        secretKey: [otherKey, SECRET_KEY],
        clock: lost.clock,
      });
      await lost.clock.advance(60 * MINUTE);
      expect(await back.surehook.deliveries.get(own?.id ?? '')).toMatchObject({ status: 'delivered' });
    },
  );

  test.each([
    ['secret', { secret: SECRET }],
    ['header', { headers: HEADERS }],
  ])(
    'nothing of a webhook whose %s cannot be opened reaches a signer or a transport of the host: an error names the webhook',
    async (what, sealed) => {
      const stored = memoryRepos();
      const before = bench(200, { repos: stored, secretKey: SECRET_KEY });
      const { id } = await hook(before.surehook, 0, sealed);
      const signed: SignedMessage[] = [];
      const signer: Signer = { sign: (message) => String(signed.push(message)) };
      const lost = await running(200, { repos: stored, signer });
      // With a new secret of its own it lacks the header only.
      if (what === 'header') await lost.surehook.webhooks.rotateSecret(id);
      await lost.surehook.publish({ type: 'a.b', data: 0 });
      await lost.clock.advance(MINUTE);
      expect([signed, lost.transport.requests]).toEqual([[], []]);
      const [error] = lost.log.errors;
      expect(error).toBeInstanceOf(StorageError);
      expect(error?.message).toContain(id);
      expect(shown(lost.log.told)).not.toMatch(/sealed1|canary/);
    },
  );

  test("a secret that could not be opened is in nobody's way once it has ended", async () => {
    const stored = memoryRepos();
    const { id } = await hook(bench(200, { repos: stored, secretKey: SECRET_KEY }).surehook, 0, {
      secret: SECRET,
    });
    const { surehook, transport, clock } = await running(200, { repos: stored });
    await surehook.webhooks.rotateSecret(id, { overlapMs: MINUTE });
    await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(30 * SECOND);
    expect(transport.requests.length).toBe(0);
    await clock.advance(10 * MINUTE);
    expect(transport.requests.map(({ headers }) => headers['webhook-signature'])).toEqual([
      expect.stringMatching(/^v1,\S+$/),
    ]);
  });

  test('a webhook is saved without its old key by a new secret and new headers', async () => {
    const stored = memoryRepos();
    const before = bench(200, { repos: stored, secretKey: otherKey });
    const { id } = await hook(before.surehook, 0, { secret: SECRET, headers: HEADERS });
    const { surehook, transport, clock } = await running(200, { repos: stored, secretKey: SECRET_KEY });
    await surehook.webhooks.update(id, { headers: { 'x-api-key': KEY } });
    await surehook.webhooks.rotateSecret(id);
    await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(SECOND);
    expect(transport.requests.map(({ headers }) => headers['x-api-key'])).toEqual([KEY]);
  });
});
