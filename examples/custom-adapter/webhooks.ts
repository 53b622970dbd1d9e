import { sameStatus, type WebhookRecord, type WebhookStore } from 'surehook';
import { type Database, inTurn } from './database.ts';
import { type Key, key, keys, type Order, under } from './keys.ts';
import { Listeners } from './listeners.ts';

/** Webhooks and their management. `getMany`, `subscribers` and `setStatus` are enough to deliver. */
export function keyValueWebhooks(db: Database): WebhookStore {
  const listeners = new Listeners<readonly string[]>();

  /** Puts what `change` makes of the stored webhook in its place: undefined deletes it, null refuses. */
  async function replace(
    id: string,
    change: (known: WebhookRecord | undefined) => WebhookRecord | undefined | null,
  ): Promise<boolean> {
    const isDone = await db.update(async (tx) => {
      const known = await tx.get(keys.webhook(id));
      const changed = change(known);
      if (changed === null) return false;
      tx.move(id, placesOf(known), placesOf(changed));
      if (changed === undefined) tx.delete(keys.webhook(id));
      else tx.put(keys.webhook(id), changed);
      return true;
    });
    if (isDone) listeners.emit([id]);
    return isDone;
  }

  return {
    getMany: (ids) => db.getAll(ids.map(keys.webhook)),

    // All of the tenant's: more than match are allowed. For tenants with very many, keep an order by pattern too.
    async subscribers(tenantId) {
      const all = await db.committed.range(under(listOf(tenantId)), Number.MAX_SAFE_INTEGER);
      return db.getAll(all.map(([, id]) => keys.webhook(id)));
    },

    setStatus: (changes) =>
      inTurn(changes, ({ webhookId, from, to }) =>
        replace(webhookId, (known) =>
          known && sameStatus(known.status, from) ? { ...known, status: to } : null,
        ),
      ),

    insert: (webhook) => replace(webhook.id, (known) => (known ? null : webhook)),

    update: (webhook, expectedRevision) =>
      replace(webhook.id, (known) =>
        known?.revision === expectedRevision ? { ...webhook, status: known.status } : null,
      ),

    delete: (id) => replace(id, (known) => (known ? undefined : null)),

    async list({ tenantId, after, limit }) {
      const order = listOf(tenantId);
      const { from, to } = under(order);
      const end = after === undefined ? to : key(...order, after.createdAt, after.id);
      const page = await db.committed.range<string>({ from, to: end }, limit, true);
      return db.getAll(page.map(([, id]) => keys.webhook(id)));
    },

    onChange: (listener) => listeners.add(listener),
  };
}

/** Every sorted key by which a webhook is found. */
function placesOf(webhook: WebhookRecord | undefined): Key<string>[] {
  if (webhook === undefined) return [];
  const { id, tenantId, createdAt } = webhook;
  return [key(...listOf(undefined), createdAt, id), key(...listOf(tenantId), createdAt, id)];
}

/** The newest-first order of all webhooks, or of one tenant's. */
function listOf(tenantId: string | undefined): Order {
  return tenantId === undefined ? ['webhooks', 'all'] : ['webhooks', 'tenant', tenantId];
}
