/** Webhooks that sign with a key pair: what they send, what is shown of their keys, and the change from one kind of key to the other. */
import { inspect } from 'node:util';
import { Webhook as Verifier } from 'standardwebhooks';
import { describe, expect, expectTypeOf, test } from 'vitest';
import {
  InvalidInputError,
  type NewWebhook,
  NotFoundError,
  retrySchedule,
  type Surehook,
  type Webhook,
} from '../../src/index.ts';
import { sqliteRepos } from '../../src/sqlite/index.ts';
import type { ScriptedTransport } from '../../src/testing/index.ts';
import {
  allDeliveries,
  attemptsOf,
  bench,
  HOUR,
  hook,
  MINUTE,
  made,
  meddled,
  publishMany,
  rejection,
  running,
  SECOND,
  url,
} from './harness.ts';

const least = { url: url(0), events: ['*'] };
const ed25519 = { ...least, signing: 'ed25519' } as const;

/** RFC 8032, section 7.1, test 2. */
const SEED = Buffer.from('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb', 'hex');
const PUBLIC = Buffer.from('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c', 'hex');
const PRIVATE_KEY = `whsk_${Buffer.concat([SEED, PUBLIC]).toString('base64')}`;
const PUBLIC_KEY = `whpk_${PUBLIC.toString('base64')}`;

type Sent = ScriptedTransport['requests'][number];

/** The entries of a request's signature header, as `[mark, base64]`. */
function entriesOf(request: Sent): [string, string][] {
  const header = request.headers['webhook-signature'] ?? '';
  return header.split(' ').map((entry) => {
    const [mark = '', base64 = ''] = entry.split(',');
    return [mark, base64];
  });
}

const marksOf = (request: Sent): string[] => entriesOf(request).map(([mark]) => mark);

/** Whether a receiver that knows only the public key finds an entry that is good. */
async function accepts(publicKey: string, request: Sent): Promise<boolean> {
  expect(publicKey).toMatch(/^whpk_[A-Za-z0-9+/]{43}=$/);
  const bytes = Buffer.from(publicKey.slice('whpk_'.length), 'base64');
  const key = await crypto.subtle.importKey('raw', bytes, 'Ed25519', false, ['verify']);
  const { headers } = request;
  const content = Buffer.from(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${request.text()}`);
  const verdicts = entriesOf(request)
    .filter(([mark]) => mark === 'v1a')
    .map(([, base64]) => crypto.subtle.verify('Ed25519', key, Buffer.from(base64, 'base64'), content));
  return (await Promise.all(verdicts)).includes(true);
}

/** Whether a receiver that shares the secret and reads no `v1a` accepts it. */
function acceptsShared(secret: string, request: Sent): boolean {
  const { headers } = request;
  const verifier = new Verifier(secret);
  const at = new Date(Number(headers['webhook-timestamp']) * 1000);
  const signed = verifier.sign(headers['webhook-id'] ?? '', at, request.text());
  return (headers['webhook-signature'] ?? '').split(' ').includes(signed);
}

const last = (transport: ScriptedTransport): Sent => {
  const request = transport.requests.at(-1);
  if (request === undefined) throw new Error('Nothing was sent');
  return request;
};

/** Everything that can be made of a value. */
function shown(value: unknown): string {
  const plain = inspect(value, { depth: Number.POSITIVE_INFINITY, showHidden: true, getters: true });
  return `${plain}\n${JSON.stringify(value) ?? ''}\n${String((value as { stack?: unknown })?.stack ?? '')}`;
}

describe('a webhook with a key pair', () => {
  test('gives back its public key, and signs with the private one', async () => {
    const { surehook, transport, clock } = await running();
    const { webhook, publicKey, ...rest } = await surehook.webhooks.create(ed25519);
    expect(rest).toEqual({});
    expect(webhook).toMatchObject({ signing: 'ed25519', publicKey, secretHint: publicKey.slice(-4) });
    await publishMany(surehook, 3);
    await clock.advance(SECOND);
    expect(transport.requests).toHaveLength(3);
    for (const request of transport.requests) {
      expect(marksOf(request)).toEqual(['v1a']);
      expect(await accepts(publicKey, request)).toBe(true);
      expect(await accepts(PUBLIC_KEY, request)).toBe(false);
    }
  });

  test('signs every attempt anew, with the time of the attempt', async () => {
    const { surehook, transport, clock } = await running([500, 200], { retry: retrySchedule([0, 10_000]) });
    const { publicKey } = await surehook.webhooks.create(ed25519);
    await publishMany(surehook, 1);
    await clock.advance(MINUTE);
    const [first, second] = transport.requests as [Sent, Sent];
    expect(second.headers['webhook-id']).toBe(first.headers['webhook-id']);
    expect(second.headers['webhook-signature']).not.toBe(first.headers['webhook-signature']);
    expect([await accepts(publicKey, first), await accepts(publicKey, second)]).toEqual([true, true]);
  });

  test('signs bodies that are no text', async () => {
    const { surehook, transport, clock } = await running();
    const { publicKey } = await surehook.webhooks.create({ ...ed25519, secret: PRIVATE_KEY });
    const body = Uint8Array.of(0xff, 0x00, 0xc3);
    await surehook.publish({ type: 'a.b', body, contentType: 'application/octet-stream' });
    await clock.advance(SECOND);
    const { headers, ...request } = last(transport);
    const key = await crypto.subtle.importKey('raw', PUBLIC, 'Ed25519', false, ['verify']);
    const content = [Buffer.from(`${headers['webhook-id']}.${headers['webhook-timestamp']}.`), request.body];
    const signature = Buffer.from((headers['webhook-signature'] ?? '').slice('v1a,'.length), 'base64');
    expect(publicKey).toBe(PUBLIC_KEY);
    expect(await crypto.subtle.verify('Ed25519', key, signature, Buffer.concat(content))).toBe(true);
  });

  test('shows its public key at any time', async () => {
    const { surehook } = bench();
    const { webhook, publicKey } = await surehook.webhooks.create(ed25519);
    const page = await surehook.webhooks.list();
    const seen = [
      await surehook.webhooks.get(webhook.id),
      page.items[0],
      await surehook.webhooks.update(webhook.id, { name: 'x' }),
      await surehook.webhooks.disable(webhook.id),
      await surehook.webhooks.enable(webhook.id),
    ];
    for (const one of seen) expect(one).toMatchObject({ signing: 'ed25519', publicKey });
  });

  test.each([
    ['64 bytes', PRIVATE_KEY],
    ['the 32 of its seed', `whsk_${SEED.toString('base64')}`],
  ])('may be given its key, as %s', async (_form, secret) => {
    const { surehook, transport, clock } = await running();
    const { webhook, publicKey } = await surehook.webhooks.create({ ...ed25519, secret });
    expect(publicKey).toBe(PUBLIC_KEY);
    expect(webhook.publicKey).toBe(PUBLIC_KEY);
    await publishMany(surehook, 1);
    await clock.advance(SECOND);
    expect(await accepts(PUBLIC_KEY, last(transport))).toBe(true);
  });

  test.each([
    [{ secret: PRIVATE_KEY }],
    [{ secret: PUBLIC_KEY }],
    [{ signing: 'ed25519', secret: PUBLIC_KEY }],
    [{ signing: 'ed25519', secret: PRIVATE_KEY.slice(0, -4) }],
    [{ signing: 'ed25519', secret: `whsec_${SEED.toString('base64')}` }],
  ] as const)('is refused a key of the wrong kind, which is not shown (V10): %#', async (wrong) => {
    const { surehook } = bench();
    const error = await rejection(surehook.webhooks.create({ ...least, ...wrong }));
    expect(error).toBeInstanceOf(InvalidInputError);
    expect((error as InvalidInputError).field).toBe('secret');
    expect(shown(error)).not.toContain(wrong.secret.slice(6, 20));
    expect((await surehook.webhooks.list()).items).toEqual([]);
  });

  test('is one of many: those with a shared secret have no public key', async () => {
    const { surehook, transport, clock } = await running();
    const { webhook, secret, ...rest } = await surehook.webhooks.create(least);
    expect(rest).toEqual({});
    expect(webhook).not.toHaveProperty('publicKey');
    expect(webhook).toMatchObject({ signing: 'hmac-sha256', secretHint: secret.slice(-4) });
    await publishMany(surehook, 1);
    await clock.advance(SECOND);
    expect(marksOf(last(transport))).toEqual(['v1']);
    expect(acceptsShared(secret, last(transport))).toBe(true);
  });
});

describe('a change-over', () => {
  async function send(surehook: Surehook, clock: { advance(ms: number): Promise<void> }): Promise<void> {
    await publishMany(surehook, 1);
    await clock.advance(SECOND);
  }

  test('to a key pair and back: both kinds sign until the overlap ends, newest first', async () => {
    const { surehook, transport, clock } = await running();
    const { webhook, secret } = await surehook.webhooks.create(least);
    const there = { signing: 'ed25519', overlapMs: HOUR } as const;
    const { publicKey, webhook: changed } = await surehook.webhooks.rotateSecret(webhook.id, there);
    expect(changed).toMatchObject({ id: webhook.id, signing: 'ed25519', publicKey });
    await send(surehook, clock);
    expect(marksOf(last(transport))).toEqual(['v1a', 'v1']);
    expect(await accepts(publicKey, last(transport))).toBe(true);
    expect(acceptsShared(secret, last(transport))).toBe(true);

    await clock.advance(HOUR);
    await send(surehook, clock);
    expect(marksOf(last(transport))).toEqual(['v1a']);
    expect(await accepts(publicKey, last(transport))).toBe(true);

    const back = { signing: 'hmac-sha256', overlapMs: HOUR } as const;
    const { secret: newSecret, webhook: again } = await surehook.webhooks.rotateSecret(webhook.id, back);
    expect(newSecret).not.toBe(secret);
    expect(again).toMatchObject({ signing: 'hmac-sha256', secretHint: newSecret.slice(-4) });
    expect(again).not.toHaveProperty('publicKey');
    await send(surehook, clock);
    expect(marksOf(last(transport))).toEqual(['v1', 'v1a']);
    expect(acceptsShared(newSecret, last(transport))).toBe(true);
    expect(await accepts(publicKey, last(transport))).toBe(true);
  });

  test('without an overlap ends the older keys at once, those that overlapped too', async () => {
    const { surehook, transport, clock } = await running();
    const { webhook, publicKey } = await surehook.webhooks.create(ed25519);
    await surehook.webhooks.rotateSecret(webhook.id, { overlapMs: HOUR });
    const { publicKey: newest = '' } = await surehook.webhooks.rotateSecret(webhook.id);
    await send(surehook, clock);
    expect(marksOf(last(transport))).toEqual(['v1a']);
    expect(await accepts(newest, last(transport))).toBe(true);
    expect(await accepts(publicKey, last(transport))).toBe(false);
  });

  test('keeps the kind unless it is told otherwise', async () => {
    const { surehook } = bench();
    const shared = await surehook.webhooks.create(least);
    const pair = await surehook.webhooks.create(ed25519);
    const fresh = await surehook.webhooks.rotateSecret(shared.webhook.id);
    expect(fresh.secret).toMatch(/^whsec_/);
    expect(fresh.secret).not.toBe(shared.secret);
    const { publicKey, secret } = await surehook.webhooks.rotateSecret(pair.webhook.id);
    expect(publicKey).toMatch(/^whpk_/);
    expect(publicKey).not.toBe(pair.publicKey);
    expect(secret).toBeUndefined();
  });

  test('gives back the key that signs, though the store lost the answer of the change', async () => {
    const parts = bench();
    let lose = 0;
    const { surehook } = made({
      clock: parts.clock,
      transport: parts.transport,
      repos: meddled(parts.repos, async (call, run) => {
        const answer = await run();
        if (call !== 'webhooks.update' || lose === 0) return answer;
        lose -= 1;
        throw new Error('the answer was lost');
      }),
    });
    await surehook.start();
    const { webhook, secret } = await surehook.webhooks.create(least);
    lose = 1;
    const rotating = surehook.webhooks.rotateSecret(webhook.id, { signing: 'ed25519', overlapMs: HOUR });
    await parts.clock.advance(SECOND);
    const { publicKey } = await rotating;
    await send(surehook, parts.clock);
    expect(marksOf(last(parts.transport))).toEqual(['v1a', 'v1']);
    expect(await accepts(publicKey, last(parts.transport))).toBe(true);
    expect(acceptsShared(secret, last(parts.transport))).toBe(true);
  });

  test('changes nothing else, nor does a change of something else touch the keys', async () => {
    const { surehook, transport, clock } = await running();
    const { webhook, secret } = await surehook.webhooks.create({ ...least, name: 'A', timeoutMs: 5 });
    const { webhook: rotated, publicKey } = await surehook.webhooks.rotateSecret(webhook.id, {
      signing: 'ed25519',
      overlapMs: HOUR,
    });
    expect(rotated).toEqual({ ...webhook, signing: 'ed25519', publicKey, secretHint: publicKey.slice(-4) });
    await Promise.all([
      surehook.webhooks.update(webhook.id, { name: 'B' }),
      surehook.webhooks.update(webhook.id, { timeoutMs: null }),
    ]);
    await send(surehook, clock);
    expect(acceptsShared(secret, last(transport))).toBe(true);
    expect(await accepts(publicKey, last(transport))).toBe(true);
  });

  test('of nothing that exists, or with a wrong field, is refused', async () => {
    const { surehook } = bench();
    const { webhook } = await surehook.webhooks.create(least);
    expect(await rejection(surehook.webhooks.rotateSecret('whk_unknown'))).toBeInstanceOf(NotFoundError);
    const wrong = { signing: 'rsa' } as unknown as { signing: 'ed25519' };
    expect(await rejection(surehook.webhooks.rotateSecret(webhook.id, wrong))).toBeInstanceOf(
      InvalidInputError,
    );
    expect(await surehook.webhooks.get(webhook.id)).toEqual(webhook);
  });

  test('survives in a database', async () => {
    const { clock, transport } = bench();
    const repos = sqliteRepos(':memory:');
    const first = made({ clock, transport, repos }).surehook;
    const { webhook, secret } = await first.webhooks.create(least);
    const rotation = { signing: 'ed25519', overlapMs: HOUR } as const;
    const { publicKey } = await first.webhooks.rotateSecret(webhook.id, rotation);
    await first.stop();
    const { surehook } = made({ clock, transport, repos });
    expect(await surehook.webhooks.get(webhook.id)).toMatchObject({ signing: 'ed25519', publicKey });
    await surehook.start();
    await send(surehook, clock);
    expect(await accepts(publicKey, last(transport))).toBe(true);
    expect(acceptsShared(secret, last(transport))).toBe(true);
    await surehook.stop();
    repos.close();
  });
});

describe('the private key', () => {
  const raw = PRIVATE_KEY.slice('whsk_'.length);
  const seed = SEED.toString('base64').slice(0, 40);
  const hidden = [PRIVATE_KEY, raw, raw.slice(0, 12), seed, SEED.toString('hex'), SEED.toString('latin1')];

  test('is in nothing that surehook shows or stores of deliveries', async () => {
    const signatures: string[] = [];
    const { surehook, log, clock } = await running(
      (request, n) => {
        signatures.push(request.headers['webhook-signature'] ?? '');
        const body = `${PRIVATE_KEY} ${raw} ${JSON.stringify(request.headers)}`;
        if (n % 3 === 0) return { status: 500, headers: { 'x-echo': raw }, body };
        return n % 3 === 1 ? { error: 'reset', message: body } : { status: 200, body };
      },
      { retry: retrySchedule([0, 1_000, 1_000]) },
    );
    const { webhook } = await surehook.webhooks.create({ ...ed25519, secret: PRIVATE_KEY });
    const seen: unknown[] = [webhook, await surehook.webhooks.list()];
    const rotated = await surehook.webhooks.rotateSecret(webhook.id, {
      signing: 'hmac-sha256',
      overlapMs: HOUR,
    });
    const published = await publishMany(surehook, 6);
    await clock.advance(MINUTE);
    for (const one of published) seen.push(await attemptsOf(surehook, one));
    seen.push(rotated.webhook, await allDeliveries(surehook), surehook, surehook.stats(), log.told);
    const text = seen.map(shown).join('\n');
    expect(signatures.length).toBeGreaterThan(9);
    for (const value of hidden) expect(text).not.toContain(value);
    for (const signature of signatures) {
      const [symmetric, pair] = signature.split(' ').map((entry) => entry.split(',')[1] ?? '');
      expect(text).not.toContain(symmetric);
      expect(text).not.toContain(pair);
    }
  });

  test('is not in what a signer of the host throws', async () => {
    const { surehook, log, clock } = await running(200, {
      signer: {
        sign: ({ secrets }) => {
          throw new Error(`cannot sign with ${secrets.join()}`, { cause: { secrets } });
        },
      },
    });
    await surehook.webhooks.create({ ...ed25519, secret: PRIVATE_KEY });
    await publishMany(surehook, 1);
    await clock.advance(SECOND);
    expect(log.errors.length).toBeGreaterThan(0);
    for (const value of hidden) expect(shown(log.told)).not.toContain(value);
  });

  test.each([
    ['a public key', PUBLIC_KEY],
    ['a private key cut short', PRIVATE_KEY.slice(0, -8)],
  ])('that a host stored wrong, as %s, signs nothing and is not told', async (_what, secret) => {
    const { surehook, repos, transport, clock, log } = await running();
    const webhook = await hook(surehook);
    const [record] = await repos.webhooks.getMany([webhook.id]);
    if (record === undefined) throw new Error('The webhook is not stored');
    await repos.webhooks.update({ ...record, secrets: [{ secret }] }, record.revision);
    const [published] = await publishMany(surehook, 1);
    await clock.advance(SECOND);
    expect(transport.requests).toEqual([]);
    expect(published && (await attemptsOf(surehook, published))[0]).toMatchObject({
      error: { kind: 'signing' },
    });
    expect(log.errors[0]).toMatchObject({ code: 'host-code', part: 'signer' });
    expect(shown([log.told, await surehook.webhooks.list()])).not.toContain(secret.slice(5, 20));
  });
});

test('what is given back is typed by the kind of the key', () => {
  const typed = (surehook: Surehook, input: NewWebhook) => ({
    plain: surehook.webhooks.create(least),
    pair: surehook.webhooks.create(ed25519),
    either: surehook.webhooks.create(input),
    rotated: surehook.webhooks.rotateSecret('', { signing: 'ed25519' }),
    renewed: surehook.webhooks.rotateSecret('', { overlapMs: 1 }),
  });
  type Given = { [Name in keyof ReturnType<typeof typed>]: Awaited<ReturnType<typeof typed>[Name]> };
  expectTypeOf<Given['plain']['secret']>().toEqualTypeOf<string>();
  expectTypeOf<Given['pair']['publicKey']>().toEqualTypeOf<string>();
  expectTypeOf<Given['pair']['secret']>().toEqualTypeOf<undefined>();
  expectTypeOf<Given['either']['secret']>().toEqualTypeOf<string | undefined>();
  expectTypeOf<Given['rotated']['publicKey']>().toEqualTypeOf<string>();
  expectTypeOf<Given['renewed']['secret']>().toEqualTypeOf<string | undefined>();
  expectTypeOf<Given['plain']['webhook']>().toEqualTypeOf<Webhook>();
});
