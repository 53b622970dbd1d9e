import assert from 'node:assert/strict';
import type { WebhookRecord } from '../../domain/webhook.ts';
import type { WebhookQuery } from '../../repos.ts';
import type { LawContext } from './context.ts';
import { ids, only, same, sameInAnyOrder } from './expect.ts';
import { type Law, lawsOf } from './law.ts';
import { aWebhook, freshId, LONG_AGO_MS, times } from './records.ts';

/** Managing webhooks: create once, change by compare-and-set, delete, list. */
export const webhookStoreLaws: readonly Law[] = lawsOf('webhook-store', {
  'keeps every field of a webhook': async (context) => {
    const webhook = fullWebhook();
    same(await context.webhookStore.insert(webhook), true);
    same(only(await context.repos.webhooks.getMany([webhook.id])), webhook);
    same(only(await context.webhookStore.list({ limit: 9 })), webhook);
  },

  'inserts an id once and leaves the stored one as it is': async (context) => {
    const webhook = aWebhook();
    same(await context.webhookStore.insert(webhook), true);
    same(await context.webhookStore.insert(aWebhook({ id: webhook.id, tenantId: 'other' })), false);
    same(only(await context.repos.webhooks.getMany([webhook.id])), webhook);
    same(await context.repos.webhooks.subscribers('other', 'a'), []);
  },

  'lets one of concurrent inserts of one id win': async (context) => {
    const webhooks = times(8, (n) => aWebhook({ id: 'whk_same', name: `${n}` }));
    const results = await Promise.all(webhooks.map((webhook) => context.webhookStore.insert(webhook)));
    const winner = only(webhooks.filter((_, index) => results[index]));
    same(only(await context.repos.webhooks.getMany(['whk_same'])), winner);
  },

  'updates everything but the status': async (context) => {
    const webhook = aWebhook({ status: { state: 'retrying', since: LONG_AGO_MS, failing: true } });
    await context.webhookStore.insert(webhook);
    const changed = { ...fullWebhook(), id: webhook.id, status: { state: 'enabled' } as const, revision: 2 };
    same(await context.webhookStore.update(changed, 1), true);
    const stored = only(await context.repos.webhooks.getMany([webhook.id]));
    same(stored, { ...changed, status: webhook.status });
  },

  'removes the optional fields that an update leaves out': async (context) => {
    const webhook = fullWebhook();
    await context.webhookStore.insert(webhook);
    const bare = aWebhook({ id: webhook.id, revision: webhook.revision + 1 });
    same(await context.webhookStore.update(bare, webhook.revision), true);
    same(only(await context.repos.webhooks.getMany([webhook.id])), bare);
  },

  'refuses an update from another revision, or of an unknown webhook': async (context) => {
    const webhook = aWebhook({ revision: 3 });
    await context.webhookStore.insert(webhook);
    for (const revision of [2, 4]) {
      same(await context.webhookStore.update({ ...webhook, name: 'new', revision: 5 }, revision), false);
    }
    same(await context.webhookStore.update(aWebhook(), 1), false);
    same(only(await context.repos.webhooks.getMany([webhook.id])), webhook);
  },

  'lets one of concurrent updates from one revision win': async (context) => {
    const webhook = aWebhook();
    await context.webhookStore.insert(webhook);
    const updates = times(8, (n) => ({ ...webhook, name: `${n}`, revision: 2 }));
    const results = await Promise.all(updates.map((update) => context.webhookStore.update(update, 1)));
    same(
      only(await context.repos.webhooks.getMany([webhook.id])),
      only(updates.filter((_, n) => results[n])),
    );
  },

  'does not let a change of status stand in the way of an update, nor the reverse': async (context) => {
    const webhook = aWebhook();
    await context.webhookStore.insert(webhook);
    const to = { state: 'disabled', reason: 'gone' } as const;
    const change = { webhookId: webhook.id, from: webhook.status, to };
    const update = { ...webhook, name: 'new', revision: 2 };
    const results = await Promise.all([
      context.repos.webhooks.setStatus([change]),
      context.webhookStore.update(update, 1),
    ]);
    same(results, [[true], true]);
    same(only(await context.repos.webhooks.getMany([webhook.id])), { ...update, status: to });
  },

  'subscribes by the patterns and the tenant of the last update': async (context) => {
    const webhook = aWebhook({ events: ['a.one'] });
    await context.webhookStore.insert(webhook);
    const update = { ...webhook, events: ['b.*'], revision: 2 };
    await context.webhookStore.update(update, 1);
    sameInAnyOrder(await context.repos.webhooks.subscribers('tenant', 'b.two'), [update]);
  },

  'deletes a webhook once, and finds it nowhere afterwards': async (context) => {
    const [kept, gone] = [aWebhook(), aWebhook()];
    await context.storeWebhooks(kept, gone);
    same(await context.webhookStore.delete(gone.id), true);
    same(await context.webhookStore.delete(gone.id), false);
    same(ids(await context.repos.webhooks.getMany([kept.id, gone.id])), [kept.id]);
    same(ids(await context.repos.webhooks.subscribers('tenant', 'a')), [kept.id]);
    same(ids(await context.webhookStore.list({ limit: 9 })), [kept.id]);
    const change = { webhookId: gone.id, from: gone.status, to: { state: 'disabled' } } as const;
    same(await context.repos.webhooks.setStatus([change]), [false]);
    same(await context.webhookStore.insert(gone), true);
  },

  'lists newest first, and by id where the times are equal, in pages': async (context) => {
    const webhooks = [3, 1, 2, 3, 1, 2, 3].map((ms) => aWebhook({ createdAt: LONG_AGO_MS + ms }));
    await context.storeWebhooks(...webhooks.toReversed());
    const newestFirst = webhooks.toSorted((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1));
    same(await context.webhookStore.list({ limit: 99 }), newestFirst);
    for (const limit of [1, 2, 3]) same(ids(await everyPage(context, { limit })), ids(newestFirst));
  },

  'keeps the pages right while webhooks come and go': async (context) => {
    const webhooks = times(6, (n) => aWebhook({ createdAt: LONG_AGO_MS + n })).toReversed();
    await context.storeWebhooks(...webhooks);
    const first = await context.webhookStore.list({ limit: 3 });
    await context.storeWebhooks(aWebhook({ createdAt: LONG_AGO_MS + 100 }));
    await context.webhookStore.delete(webhooks[2]?.id ?? '');
    const { createdAt, id } = webhooks[2] ?? aWebhook();
    const second = await context.webhookStore.list({ limit: 9, after: { createdAt, id } });
    same(ids([...first, ...second]), ids(webhooks));
  },

  'lists the webhooks of one tenant': async (context) => {
    const webhooks = times(9, (n) => aWebhook({ tenantId: `t${n % 3}`, createdAt: LONG_AGO_MS + n }));
    await context.storeWebhooks(...webhooks);
    const expected = webhooks.filter(({ tenantId }) => tenantId === 't1').toReversed();
    same(ids(await everyPage(context, { tenantId: 't1', limit: 2 })), ids(expected));
    same(await context.webhookStore.list({ tenantId: 'unknown', limit: 2 }), []);
  },
});

function fullWebhook(): WebhookRecord {
  return aWebhook({
    ownerId: 'owner 😀',
    name: "o'clock",
    url: 'https://example.com/hooks?a=%20&b=\\',
    description: 'two\nlines',
    events: ['a.one', 'b.*'],
    filter: { all: [] },
    headers: { 'x-static': 'value', 'x-empty': '' },
    retry: { kind: 'schedule', delaysMs: [0, 10_000], jitter: 0.1 },
    timeoutMs: 1_000,
    maxInFlight: 3,
    delivery: { semantics: 'at-most-once', mode: 'single', ordered: false },
    secrets: [{ secret: 'whsec_bmV3' }, { secret: 'whsec_b2xk', expiresAt: LONG_AGO_MS + 5 }],
    updatedAt: LONG_AGO_MS + 9,
    revision: 7,
    id: freshId('whk'),
  });
}

async function everyPage(context: LawContext, query: WebhookQuery): Promise<readonly WebhookRecord[]> {
  const all: WebhookRecord[] = [];
  for (;;) {
    const last = all.at(-1);
    const after = last && { after: { createdAt: last.createdAt, id: last.id } };
    const page = await context.webhookStore.list({ ...query, ...after });
    assert.ok(page.length <= query.limit, 'a page is longer than its limit');
    all.push(...page);
    if (page.length < query.limit || all.length > 1_000) return all;
  }
}
