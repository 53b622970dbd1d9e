import { describe, expect, it } from 'vitest';
import type { WebhookRecord } from '../../src/domain/webhook.ts';
import { ConflictError } from '../../src/errors.ts';
import { isSealed } from '../../src/http/sealed-text.ts';
import { sealedWebhooks } from '../../src/http/sealing.ts';
import { standardSigner } from '../../src/http/signing.ts';
import { memoryRepos } from '../../src/memory/index.ts';
import { systemRandom } from '../../src/random.ts';
import type { WebhookRepo, WebhookStore } from '../../src/repos.ts';
import { toWebhook } from '../../src/views.ts';

const keyOf = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const older = `whsec_${Buffer.alloc(32, 8).toString('base64')}`;
const pair = 'whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==';
const headers = { authorization: 'Bearer tok_12345678', 'x-plain': 'plain' };

function webhook(id: string, more: Partial<WebhookRecord> = {}): WebhookRecord {
  return {
    id,
    tenantId: 't',
    url: `https://${id.replace('_', '-')}.example.com/?key=url_token_1`,
    events: ['*'],
    headers,
    status: { state: 'enabled' },
    delivery: { semantics: 'at-least-once', mode: 'single', ordered: false },
    secrets: [{ secret }, { secret: older, expiresAt: 5 }],
    createdAt: 1,
    updatedAt: 1,
    revision: 1,
    ...more,
  };
}

/** A store and the processes that use it, each with keys of its own. */
function shared(): { store: WebhookStore; process: (...keys: readonly number[]) => WebhookStore } {
  const store = memoryRepos().webhooks;
  return {
    store,
    process: (...keys) => sealedWebhooks(store, { keys: keys.map(keyOf), random: systemRandom }),
  };
}

async function only(repo: WebhookRepo, id = 'whk_1'): Promise<WebhookRecord> {
  const [found] = await repo.getMany([id]);
  if (found === undefined) throw new Error('The webhook is gone');
  return found;
}

describe('a store of sealed webhooks', () => {
  it('holds secrets and credential headers sealed, and all else as it is', async () => {
    const { store, process } = shared();
    expect(await process(1).insert(webhook('whk_1'))).toBe(true);
    const stored = await only(store);
    const texts = [...stored.secrets.map((one) => one.secret), stored.headers?.authorization ?? ''];
    expect(texts.map(isSealed)).toEqual([true, true, true]);
    const { secrets, headers: kept, ...rest } = stored;
    const { secrets: _secrets, headers: _headers, ...given } = webhook('whk_1');
    expect(rest).toEqual(given);
    expect(kept?.['x-plain']).toBe('plain');
    expect(secrets[1]?.expiresAt).toBe(5);
  });

  it('is read open by every method', async () => {
    const repo = shared().process(1);
    await repo.insert(webhook('whk_1'));
    const reads = [
      await repo.getMany(['whk_1']),
      await repo.subscribers('t', 'a.b'),
      await repo.list({ limit: 10 }),
    ];
    for (const read of reads) expect(read).toEqual([webhook('whk_1')]);
  });

  it('is read open in one step for several types, where the repo can', async () => {
    const { store, process } = shared();
    const able: WebhookStore = Object.assign(Object.create(null), {
      insert: (one: WebhookRecord) => store.insert(one),
      update: (one: WebhookRecord, revision: number) => store.update(one, revision),
      delete: (id: string) => store.delete(id),
      list: () => store.list({ limit: 1 }),
      getMany: (ids: string[]) => store.getMany(ids),
      subscribers: () => store.subscribers('t', 'a.b'),
      setStatus: () => store.setStatus([]),
      subscribersOfAll: () => store.subscribers('t', 'a.b'),
    });
    const repo = sealedWebhooks(able, { keys: [keyOf(1)], random: systemRandom });
    await repo.insert(webhook('whk_1'));
    expect(await repo.subscribersOfAll?.([{ tenantId: 't', eventType: 'a.b' }])).toEqual([webhook('whk_1')]);
    expect(process(1).subscribersOfAll).toBe(undefined);
    expect('onChange' in repo).toBe(false);
  });

  it('updates by revision, tells of changes, moves statuses and deletes as the repo does', async () => {
    const repo = shared().process(1);
    const told: string[] = [];
    const end = repo.onChange?.((ids) => told.push(...ids));
    await repo.insert(webhook('whk_1'));
    expect(await repo.insert(webhook('whk_1'))).toBe(false);
    expect(await repo.update(webhook('whk_1', { name: 'x', revision: 2 }), 7)).toBe(false);
    expect(await repo.update(webhook('whk_1', { name: 'x', revision: 2 }), 1)).toBe(true);
    const from = { state: 'enabled' } as const;
    const change = { webhookId: 'whk_1', from, to: { state: 'disabled' } } as const;
    expect(await repo.setStatus([change])).toEqual([true]);
    expect(await only(repo)).toEqual(
      webhook('whk_1', { name: 'x', revision: 2, status: { state: 'disabled' } }),
    );
    expect(await repo.delete('whk_1')).toBe(true);
    expect(await repo.getMany(['whk_1'])).toEqual([]);
    end?.();
    expect(told).toEqual(['whk_1', 'whk_1', 'whk_1', 'whk_1']);
  });

  it('does not store the same secret as the same text twice', async () => {
    const { store, process } = shared();
    const repo = process(1);
    await repo.insert(webhook('whk_1'));
    const before = await only(store);
    await repo.update({ ...(await only(repo)), revision: 2 }, 1);
    const after = await only(store);
    expect(after.secrets[0]?.secret).not.toBe(before.secrets[0]?.secret);
    expect(after.headers?.authorization).not.toBe(before.headers?.authorization);
  });

  it('opens rows of the time before there was a key, and seals them by their next update', async () => {
    const { store, process } = shared();
    await store.insert(webhook('whk_1'));
    const repo = process(1);
    const record = await only(repo);
    expect(record).toEqual(webhook('whk_1'));
    await repo.update({ ...record, revision: 2 }, 1);
    expect(JSON.stringify(await only(store))).not.toContain(secret);
    expect(await only(repo)).toEqual(webhook('whk_1', { revision: 2 }));
  });

  it('opens what an older key sealed, and seals it with the newest by its next update', async () => {
    const { process } = shared();
    await process(1).insert(webhook('whk_1'));
    const both = process(2, 1);
    expect(await only(both)).toEqual(webhook('whk_1'));
    await both.update({ ...(await only(both)), revision: 2 }, 1);
    expect(await only(process(2))).toEqual(webhook('whk_1', { revision: 2 }));
  });

  it('leaves a repo that manages no webhooks without the half that does', () => {
    const { getMany, subscribers, setStatus } = memoryRepos().webhooks;
    const half: WebhookRepo = { getMany, subscribers, setStatus };
    const repo = sealedWebhooks(half, { keys: [keyOf(1)], random: systemRandom });
    for (const method of ['insert', 'update', 'delete', 'list', 'onChange', 'subscribersOfAll'])
      expect(method in repo, method).toBe(false);
  });
});

describe('a secret that cannot be opened', () => {
  it('keeps nobody else from being read', async () => {
    const { process } = shared();
    await process(1).insert(webhook('whk_1'));
    await process(2).insert(webhook('whk_2', { createdAt: 2 }));
    const [second, first] = await process(2).list({ limit: 10 });
    expect(second).toEqual(webhook('whk_2', { createdAt: 2 }));
    expect(first?.secrets.every((one) => isSealed(one.secret))).toBe(true);
  });

  it('is kept by updates until its key is back, whatever was changed and rotated meanwhile', async () => {
    const { process } = shared();
    await process(1).insert(webhook('whk_1'));
    const other = process(2);
    const record = await only(other);
    const fresh = `whsec_${Buffer.alloc(32, 9).toString('base64')}`;
    const [current, old] = record.secrets;
    const secrets = [{ secret: fresh }, { ...current, expiresAt: 9 }, old] as WebhookRecord['secrets'];
    await other.update({ ...record, name: 'x', secrets, revision: 2 }, 1);
    const opened = await only(process(2, 1));
    expect(opened.secrets).toEqual([
      { secret: fresh },
      { secret, expiresAt: 9 },
      { secret: older, expiresAt: 5 },
    ]);
    expect(opened.headers).toEqual(headers);
  });

  it.each([
    ['in a process with another key', [2]],
    ['in a process without any', []],
  ])('is shown with an empty hint %s', async (_, keys) => {
    const { process } = shared();
    await process(1).insert(webhook('whk_1'));
    await process(1).insert(webhook('whk_2', { secrets: [{ secret: pair }] }));
    const shown = (await process(...keys).getMany(['whk_1', 'whk_2'])).map(toWebhook);
    expect(shown.map(({ signing, secretHint }) => [signing, secretHint])).toEqual([
      ['hmac-sha256', ''],
      ['ed25519', ''],
    ]);
    expect(JSON.stringify(shown)).not.toContain('sealed1');
    const open = (await process(1).getMany(['whk_1', 'whk_2'])).map(toWebhook);
    expect(open.map(({ secretHint }) => secretHint)).toEqual([
      secret.slice(-4),
      open[1]?.publicKey?.slice(-4),
    ]);
  });

  it.each([secret, pair])('signs nothing', async (kept) => {
    const { store, process } = shared();
    await process(1).insert(webhook('whk_1', { secrets: [{ secret: kept }] }));
    const [sealed] = (await only(store)).secrets;
    const message = { id: 'evt_1', timestamp: 1, body: new Uint8Array(), secrets: [sealed?.secret ?? ''] };
    expect(() => standardSigner().sign(message)).toThrow('a sealed secret cannot sign');
  });
});

describe('a repo that fails to write a webhook', () => {
  class Failed extends Error {
    readonly code = '23505';
    readonly parameters: unknown;
    readonly query = { values: [new Date(0), null, 7] };

    constructor(record: WebhookRecord) {
      super(`insert failed: ${JSON.stringify(record)}`, { cause: new Error(record.secrets[0]?.secret) });
      this.parameters = [JSON.stringify(record), { record }];
    }
  }

  const failing = (fail: (record: WebhookRecord) => Error, keys: readonly Uint8Array[] = []): WebhookStore =>
    sealedWebhooks(
      Object.assign(memoryRepos().webhooks, {
        insert: async (record: WebhookRecord) => Promise.reject(fail(record)),
        update: async (record: WebhookRecord) => Promise.reject(fail(record)),
      }) as WebhookStore,
      { keys, random: systemRandom },
    );

  it('says so without the secrets that it was given, by an error of the same class', async () => {
    const repo = failing((record) => new Failed(record));
    for (const call of [repo.insert(webhook('whk_1')), repo.update(webhook('whk_1'), 1)]) {
      const error = await call.catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(Failed);
      expect(error).toMatchObject({
        code: '23505',
        message: expect.stringMatching(/^insert failed: .*whk_1/),
      });
      const shown = [error, (error as Failed).cause].map(
        (one) => `${(one as Error).stack}${JSON.stringify(one)}`,
      );
      for (const hidden of [secret.slice(6), older.slice(6), 'tok_12345678', 'url_token_1'])
        expect(shown.join()).not.toContain(hidden);
      expect(shown.join()).toContain('***');
    }
  });

  it('has its own error passed on where that holds none', async () => {
    const conflict = new ConflictError('no', {
      cause: new Failed(webhook('whk_1', { secrets: [], headers: {}, url: '' })),
    });
    await expect(failing(() => conflict).insert(webhook('whk_1'))).rejects.toBe(conflict);
  });

  it('gets them sealed where there is a key', async () => {
    const error = await failing((record) => new Failed(record), [keyOf(1)])
      .insert(webhook('whk_1'))
      .catch((thrown: unknown) => thrown);
    expect((error as Error).message).toContain('whsec_sealed1.');
    expect((error as Error).message).not.toContain('tok_12345678');
  });

  it('may throw what cannot be looked through', async () => {
    const hostile = new Proxy(new Error('x'), {
      ownKeys: () => {
        throw new Error('no');
      },
    });
    await expect(failing(() => hostile).insert(webhook('whk_1'))).rejects.toThrow('looked through');
  });
});
