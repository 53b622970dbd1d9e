/** The canary: whatever happens, no secret, no signature and no credential is in anything that surehook shows. */
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { retrySchedule } from '../../src/index.ts';
import {
  allDeliveries,
  attemptsOf,
  bench,
  HOUR,
  hook,
  MINUTE,
  made,
  meddled,
  rejection,
  running,
  SECOND,
} from './harness.ts';

const secret = `whsec_${Buffer.from('canary1-kestrel2-heron3-wren4-32b').toString('base64')}`;
const TOKEN = 'tok_canary_8c1f0b7e';
const KEY = 'key_canary_5d2a9e41';
const PASSWORD = 'pw_canary_77aa31';

/** Everything that can be made of a value: as JSON, and inspected to any depth, hidden fields and causes included. */
function shown(value: unknown): string {
  const plain = inspect(value, { depth: Number.POSITIVE_INFINITY, showHidden: true, getters: true });
  let json = '';
  try {
    json = JSON.stringify(value) ?? '';
  } catch {
    json = '';
  }
  return `${plain}\n${json}\n${String((value as { stack?: unknown } | undefined)?.stack ?? '')}`;
}

test('failures of every kind, with everything logged', async () => {
  let echo = '';
  const signatures = new Set<string>();
  let fault = false;
  const parts = bench((request, n) => {
    const headers = request.headers;
    signatures.add(headers['webhook-signature'] ?? '');
    echo = JSON.stringify({ headers, secret, token: `Bearer ${TOKEN}` });
    const body = `${echo} ${Object.values(headers).join('\n')}`;
    switch (n % 6) {
      case 0:
        return {
          status: 500,
          headers: { 'x-echo': headers['webhook-signature'] ?? '', 'www-authenticate': TOKEN },
          body,
        };
      case 1:
        return { error: 'reset', message: `reset while sending ${body}` };
      case 2:
        throw new Error(`a transport that says too much: ${body}`, { cause: new Error(body) });
      case 3:
        return {
          status: 302,
          headers: { location: `https://x.example/?sig=${headers['webhook-signature']}` },
          body,
        };
      case 4:
        return { status: 503, headers: { 'retry-after': '1' }, body: body.slice(0, 300) };
      default:
        return { status: 200, body };
    }
  });
  const { surehook, log } = made({
    clock: parts.clock,
    transport: parts.transport,
    idempotencyHeader: 'idempotency-key',
    retry: retrySchedule([0, 1_000, 1_000, 1_000, 1_000], { jitter: 0 }),
    repos: meddled(parts.repos, (_, run) => {
      if (fault) throw new Error('the store is away');
      return run();
    }),
  });
  const seen: unknown[] = [];
  const webhook = await hook(surehook, 0, {
    secret,
    headers: { authorization: `Bearer ${TOKEN}`, 'x-api-key': KEY, 'x-plain': 'plain' },
    url: `https://hook.example.com/in?token=${TOKEN}`,
  });
  await surehook.start();
  for (let n = 0; n < 12; n += 1) {
    await surehook.publish({ type: 'a.b', data: n, headers: { 'x-auth-token': KEY } });
    await parts.clock.advance(700);
  }
  await surehook.webhooks.sendTest(webhook.id);
  fault = true;
  const failing = rejection(surehook.publish({ type: 'a.b', data: 0, headers: { 'x-auth-token': KEY } }));
  await parts.clock.advance(10 * SECOND);
  seen.push(await failing);
  fault = false;
  await parts.clock.advance(HOUR);
  for (const input of [
    { url: `https://user:${PASSWORD}@hook.example.com/`, events: ['*'] },
    { url: `https://127.0.0.1/?token=${TOKEN}`, events: ['*'] },
    { url: `http://hook.example.com/?token=${TOKEN}`, events: ['*'] },
    { url: 'https://hook.example.com/', events: ['*'], secret: `${secret}!` },
    { url: 'https://hook.example.com/', events: ['*'], headers: { authorization: `Bearer ${TOKEN}\r\n` } },
    { url: 'https://hook.example.com/', events: ['*'], headers: { 'x-api-key': `${KEY}日本` } },
  ]) {
    seen.push(await rejection(surehook.webhooks.create(input)));
  }
  seen.push(await rejection(surehook.publish({ type: 'a', data: 0, headers: { 'x-api-key': `${KEY}\n` } })));
  const deliveries = await allDeliveries(surehook);
  for (const { id } of deliveries) seen.push(await surehook.deliveries.attempts(id));
  // The URL of a webhook is its owner's to read, its query included; all else is searched whole.
  const { url: _url, ...read } = (await surehook.webhooks.get(webhook.id)) ?? { url: '' };
  seen.push(read, deliveries, surehook, surehook.stats(), log.told, parts.repos);
  await surehook.stop();
  await parts.clock.advance(MINUTE);
  const text = seen.map(shown).join('\n');
  expect(log.of('delivery:attempted').length).toBeGreaterThan(20);
  expect(text).toContain('x-plain');
  const raw = secret.slice('whsec_'.length);
  const hidden = [secret, raw, raw.slice(0, 12), TOKEN, KEY, PASSWORD, 'canary1-kestrel2'];
  for (const value of hidden) expect(text.includes(value), value).toBe(false);
  expect(signatures.size).toBeGreaterThan(5);
  for (const signature of signatures) expect(text.includes(signature.slice(3)), signature).toBe(false);
});

test('a signer or a retry function that says too much in what it throws', async () => {
  const { clock, repos, transport } = bench();
  const { surehook, log } = made({
    clock,
    repos,
    transport,
    signer: {
      sign: ({ secrets }) => {
        throw new Error(`cannot sign with ${secrets.join()}`, { cause: { secrets } });
      },
    },
  });
  await hook(surehook, 0, { secret });
  await surehook.start();
  await surehook.publish({ type: 'a.b', data: 0 });
  await clock.advance(MINUTE);
  expect(log.errors.length).toBeGreaterThan(0);
  const text = shown(log.told);
  expect(text.includes(secret.slice(6))).toBe(false);
});

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
