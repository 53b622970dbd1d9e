import type { DeliveryRecord } from '../domain/delivery.ts';
import type { EventRecord } from '../domain/event.ts';
import { matchesFilter } from '../domain/filter.ts';
import { newId } from '../domain/ids.ts';
import { delayBefore } from '../domain/retry-policy.ts';
import { blocksWhenExhausted, hasOwnQueue, type WebhookRecord } from '../domain/webhook.ts';
import type { Settings } from '../options.ts';
import type { AppendEntry } from '../repos.ts';
import type { ParsedEvent } from './event-input.ts';

/** What deliveries are drafted with. */
export interface DrafterParts {
  readonly settings: Settings;
  /** Whether deliveries of this webhook go into its own queue, as far as this process knows. */
  readonly isApart: (webhookId: string) => boolean;
  /** Whether the own queues that something is stored into are opened by this process. */
  readonly opensQueues: () => boolean;
}

/** When something is published, epoch ms, and in which transaction of the host's. */
export interface Moment {
  readonly now: number;
  readonly tx: unknown;
}

/** An event with its deliveries as they are to be stored. */
export interface Draft extends AppendEntry {
  /** The subscribed webhooks that do not get it. */
  readonly filteredFor: readonly string[];
}

/** Decides who gets an event, and from which queue. */
export class Drafter {
  readonly #parts: DrafterParts;

  constructor(parts: DrafterParts) {
    this.#parts = parts;
  }

  draft({ event, data }: ParsedEvent, webhooks: readonly WebhookRecord[], moment: Moment): Draft {
    const deliveries: DeliveryRecord[] = [];
    const filteredFor: string[] = [];
    for (const webhook of webhooks) {
      const passes = webhook.filter === undefined || matchesFilter(webhook.filter, { ...event, data });
      if (passes) deliveries.push(this.#delivery(event, webhook, moment));
      else filteredFor.push(webhook.id);
    }
    return { event, deliveries, filteredFor };
  }

  /** For one webhook, whatever that is subscribed to. */
  draftFor(webhook: WebhookRecord, event: EventRecord, moment: Moment): Draft {
    return { event, deliveries: [this.#delivery(event, webhook, moment)], filteredFor: [] };
  }

  #delivery(event: EventRecord, webhook: WebhookRecord, { now, tx }: Moment): DeliveryRecord {
    const { settings, isApart, opensQueues } = this.#parts;
    const policy = webhook.retry ?? settings.retry;
    const delayMs = typeof policy === 'function' ? 0 : (delayBefore(policy, 1, settings.random) ?? 0);
    const isUnavailable = webhook.status.state === 'unavailable';
    // Whoever stores into an own queue has to open it once that is committed. Who cannot leaves it to those who claim from the express queue.
    const canOpen = tx === undefined && opensQueues();
    const { ordered } = webhook.delivery;
    const isOwn = hasOwnQueue(webhook) || webhook.status.state === 'retrying' || isApart(webhook.id);
    return {
      id: newId('dlv', now, settings.random),
      eventId: event.id,
      webhookId: webhook.id,
      tenantId: event.tenantId,
      eventType: event.type,
      ...(isUnavailable
        ? { status: 'exhausted', reason: 'webhook-unavailable', completedAt: now }
        : { status: 'pending' }),
      ...(isUnavailable && blocksWhenExhausted(webhook) && { blocks: true }),
      queue: canOpen && isOwn ? 'own' : 'express',
      ...(ordered && { orderingKey: event.orderingKey ?? '' }),
      dueAt: Math.max(now, event.deliverAt ?? 0) + delayMs,
      token: 0,
      attempts: 0,
      tries: 0,
      lost: 0,
      createdAt: now,
    };
  }
}
