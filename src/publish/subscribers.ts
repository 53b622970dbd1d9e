import type { EventRecord } from '../domain/event.ts';
import { matchesAny } from '../domain/event-pattern.ts';
import type { WebhookRecord } from '../domain/webhook.ts';
import type { WebhookRepo } from '../repos.ts';
import type { Storage } from '../runtime/storage.ts';
import { answered } from './answered.ts';

/** Whom the repo knows. */
export interface SubscriberParts {
  readonly repo: WebhookRepo;
  readonly storage: Storage;
}

/** The webhooks that are subscribed to an event, whatever their filters. */
export type Subscribers = (event: EventRecord) => readonly WebhookRecord[];

/** Asks once per tenant and type of the batch, or once at all where the repo can. */
export async function findSubscribers(
  { repo, storage }: SubscriberParts,
  events: Iterable<EventRecord>,
): Promise<Subscribers> {
  const asked = new Map<string, EventRecord>();
  for (const event of events) asked.set(keyOf(event), event);
  const found = new Map<string, readonly WebhookRecord[]>();
  const add = (key: string, event: EventRecord, some: readonly WebhookRecord[]): void => {
    found.set(
      key,
      some.filter((webhook) => isSubscribed(webhook, event)),
    );
  };
  if (repo.subscribersOfAll !== undefined && asked.size > 1) {
    const pairs = [...asked.values()].map(({ tenantId, type }) => ({ tenantId, eventType: type }));
    const all = await storage.once('webhooks.subscribersOfAll', async () =>
      answered((await repo.subscribersOfAll?.(pairs)) ?? []),
    );
    const byTenant = Map.groupBy(all, (webhook) => webhook.tenantId);
    for (const [key, event] of asked) add(key, event, byTenant.get(event.tenantId) ?? []);
  } else {
    for (const [key, event] of asked) {
      const some = await storage.once('webhooks.subscribers', async () =>
        answered(await repo.subscribers(event.tenantId, event.type)),
      );
      add(key, event, some);
    }
  }
  return (event) => found.get(keyOf(event)) ?? [];
}

/** No tenant and no type contains a NUL. */
function keyOf({ tenantId, type }: EventRecord): string {
  return `${tenantId}\0${type}`;
}

/** A disabled webhook gets nothing new; the tenant is looked at again, whatever the repo answered. */
function isSubscribed(webhook: WebhookRecord, event: EventRecord): boolean {
  return (
    webhook.tenantId === event.tenantId &&
    webhook.status.state !== 'disabled' &&
    matchesAny(webhook.events, event.type)
  );
}
