import type { WebhookRecord, WebhookStatus } from '../../domain/webhook.ts';
import type { LawContext } from './context.ts';
import { ids, only, same, sameInAnyOrder } from './expect.ts';
import { type Law, lawsOf } from './law.ts';
import { aWebhook, freshId, LONG_AGO_MS, times } from './records.ts';

/** Statuses of which each differs from every other in at least one field. */
const STATUSES: readonly WebhookStatus[] = [
  { state: 'enabled' },
  { state: 'enabled', since: LONG_AGO_MS },
  { state: 'enabled', since: LONG_AGO_MS + 1 },
  { state: 'enabled', failingSince: LONG_AGO_MS },
  { state: 'enabled', failingSince: LONG_AGO_MS + 1 },
  { state: 'retrying', since: LONG_AGO_MS, failing: true },
  { state: 'retrying', since: LONG_AGO_MS, failing: false },
  { state: 'retrying', since: LONG_AGO_MS + 1, failing: true },
  { state: 'unavailable', since: LONG_AGO_MS },
  { state: 'unavailable', since: LONG_AGO_MS + 1 },
  { state: 'disabled' },
  { state: 'disabled', reason: 'gone' },
  { state: 'disabled', reason: '' },
];

/** What the engine needs of any `WebhookRepo`. */
export const webhooksLaws: readonly Law[] = lawsOf('webhooks', {
  'finds webhooks by id and leaves out unknown ids': async (context) => {
    const [a, b, c] = [aWebhook(), aWebhook(), aWebhook()];
    await context.storeWebhooks(a, b, c);
    const { webhooks } = context.repos;
    sameInAnyOrder(await webhooks.getMany([c.id, freshId('whk'), a.id]), [a, c]);
    same(await webhooks.getMany([]), []);
  },

  'finds every subscriber of a type: by the type, by its categories, by *': async (context) => {
    const patterns = ['invoice.paid', 'invoice.*', 'invoice.paid.*', 'invoice.paid.eu', '*', 'invoice'];
    const webhooks = patterns.map((pattern) => aWebhook({ events: [pattern] }));
    await context.storeWebhooks(...webhooks);
    const expected: Record<string, readonly string[]> = {
      'invoice.paid': ['invoice.paid', 'invoice.*', '*'],
      'invoice.paid.eu': ['invoice.paid.eu', 'invoice.paid.*', 'invoice.*', '*'],
      invoice: ['invoice', '*'],
      other: ['*'],
    };
    for (const [type, matching] of Object.entries(expected)) {
      const found = await context.repos.webhooks.subscribers('tenant', type);
      includesAll(
        found,
        webhooks.filter(({ events }) => matching.includes(events[0] ?? '')),
      );
    }
  },

  'finds the subscribers of several types and tenants at once, each once, where it can': async (context) => {
    const { webhooks } = context.repos;
    if (webhooks.subscribersOfAll === undefined) return;
    const both = aWebhook({ events: ['invoice.*', 'order.*'] });
    const [one, other] = [
      aWebhook({ events: ['order.paid'] }),
      aWebhook({ tenantId: 'other', events: ['*'] }),
    ];
    await context.storeWebhooks(both, one, other, aWebhook({ tenantId: 'third' }));
    const pairs = [
      { tenantId: 'tenant', eventType: 'invoice.paid' },
      { tenantId: 'tenant', eventType: 'order.paid' },
      { tenantId: 'other', eventType: 'order.paid' },
    ];
    sameInAnyOrder(await webhooks.subscribersOfAll(pairs), [both, one, other]);
    same(await webhooks.subscribersOfAll([]), []);
  },

  'finds a subscriber by any of its patterns, once': async (context) => {
    const webhook = aWebhook({ events: ['order.created', 'invoice.*', 'invoice.paid'] });
    await context.storeWebhooks(webhook);
    for (const type of ['order.created', 'invoice.paid', 'invoice.sent']) {
      const found = await context.repos.webhooks.subscribers('tenant', type);
      same(ids(found), [webhook.id]);
      same(only(found), webhook);
    }
  },

  'finds subscribers whatever their status': async (context) => {
    const webhooks = STATUSES.map((status) => aWebhook({ status }));
    await context.storeWebhooks(...webhooks);
    sameInAnyOrder(await context.repos.webhooks.subscribers('tenant', 'any.type'), webhooks);
  },

  'never finds a webhook of another tenant': async (context) => {
    const tenants = ['a', 'A', 'a ', 'ab', '', '%', '_'];
    const webhooks = tenants.map((tenantId) => aWebhook({ tenantId }));
    await context.storeWebhooks(...webhooks);
    for (const webhook of webhooks) {
      same(ids(await context.repos.webhooks.subscribers(webhook.tenantId, 'a.b')), [webhook.id]);
    }
    same(await context.repos.webhooks.subscribers('unknown', 'a.b'), []);
  },

  'sets a status only where the present one is the expected one in every field': async (context) => {
    for (const present of STATUSES) {
      const webhook = aWebhook({ status: present });
      await context.storeWebhooks(webhook);
      for (const from of STATUSES.filter((status) => status !== present)) {
        same(await setStatus(context, { webhookId: webhook.id, from, to: { state: 'disabled' } }), false);
      }
      same(only(await context.repos.webhooks.getMany([webhook.id])).status, present);
      const to = { state: 'unavailable', since: LONG_AGO_MS + 7 } as const;
      same(await setStatus(context, { webhookId: webhook.id, from: present, to }), true);
      same(only(await context.repos.webhooks.getMany([webhook.id])), { ...webhook, status: to });
    }
  },

  'stores every status in every field': async (context) => {
    const webhook = aWebhook({ status: { state: 'unavailable', since: 1 } });
    await context.storeWebhooks(webhook);
    let from = webhook.status;
    for (const to of STATUSES) {
      same(await setStatus(context, { webhookId: webhook.id, from, to }), true);
      same(only(await context.repos.webhooks.subscribers('tenant', 'a')).status, to);
      from = to;
    }
  },

  'answers each change of a batch in its order': async (context) => {
    const [a, b] = [aWebhook(), aWebhook()];
    await context.storeWebhooks(a, b);
    const [enabled, disabled] = [{ state: 'enabled' }, { state: 'disabled' }] as const;
    const results = await context.repos.webhooks.setStatus([
      { webhookId: freshId('whk'), from: enabled, to: disabled },
      { webhookId: a.id, from: enabled, to: disabled },
      { webhookId: b.id, from: disabled, to: enabled },
      { webhookId: b.id, from: enabled, to: disabled },
    ]);
    same(results, [false, true, false, true]);
    same(await context.repos.webhooks.setStatus([]), []);
  },

  'lets one of concurrent changes from one status win': async (context) => {
    const webhook = aWebhook();
    await context.storeWebhooks(webhook);
    const changes = times(10, (n) => ({
      webhookId: webhook.id,
      from: webhook.status,
      to: { state: 'unavailable', since: LONG_AGO_MS + n } as const,
    }));
    const results = await Promise.all(changes.map((change) => setStatus(context, change)));
    const winners = changes.filter((_, index) => results[index]);
    same(only(await context.repos.webhooks.getMany([webhook.id])).status, only(winners).to);
  },
});

async function setStatus(
  context: LawContext,
  change: { webhookId: string; from: WebhookStatus; to: WebhookStatus },
): Promise<boolean> {
  return only(await context.repos.webhooks.setStatus([change]));
}

/** More than these may be found: the engine matches by itself. */
function includesAll(found: readonly WebhookRecord[], expected: readonly WebhookRecord[]): void {
  const wanted = new Set(ids(expected));
  sameInAnyOrder(
    found.filter(({ id }) => wanted.has(id)),
    expected,
  );
}
