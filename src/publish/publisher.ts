import { misuse, plainObject } from '../domain/check.ts';
import type { DeliveryRecord } from '../domain/delivery.ts';
import type { EventRecord } from '../domain/event.ts';
import { matchesAny } from '../domain/event-pattern.ts';
import { matchesFilter } from '../domain/filter.ts';
import { newId } from '../domain/ids.ts';
import { delayBefore } from '../domain/retry-policy.ts';
import { blocksWhenExhausted, hasOwnQueue, type WebhookRecord } from '../domain/webhook.ts';
import { ConflictError, quote } from '../errors.ts';
import type { Reporter } from '../events.ts';
import type { Settings } from '../options.ts';
import type { AppendEntry, AppendResult } from '../repos.ts';
import type { Storage } from '../runtime/storage.ts';
import { type PublishedEvent, toPublishedEvent } from '../views.ts';
import { Appender } from './appender.ts';
import { type ParsedEvent, parseEvent } from './event-input.ts';
import type { NewEvent } from './new-event.ts';

/** What `publish` resolves with. */
export interface Published {
  readonly event: PublishedEvent;
  /** One per webhook that gets it. Those of an unavailable webhook are stored as exhausted, for a later replay. */
  readonly deliveries: readonly { readonly id: string; readonly webhookId: string }[];
  /** Subscribed webhooks that do not get it because their filter says so. For a duplicate 0. */
  readonly filtered: number;
  /** True when an event with this id or `idempotencyKey` and the same content was stored before: it is returned, and nothing was stored. */
  readonly duplicate: boolean;
}

/** How `publish` is made. */
export interface PublishOptions {
  /** The host's own database transaction: the event is stored in it, and exists exactly when it commits. */
  readonly tx?: unknown;
}

/** What the publisher works with. */
export interface PublisherParts {
  readonly settings: Settings;
  readonly storage: Storage;
  readonly reporter: Reporter;
  /** Whether deliveries of this webhook go into its own queue, as far as this process knows. */
  readonly isApart: (webhookId: string) => boolean;
  /** Whether `stored` opens the own queues that something was stored into. */
  readonly opensQueues: () => boolean;
  /** Called with what was stored now. */
  readonly stored: (deliveries: readonly DeliveryRecord[]) => void;
}

interface Moment {
  readonly now: number;
  readonly tx: unknown;
}

interface Draft extends AppendEntry {
  readonly filteredFor: readonly string[];
}

/** Turns what a host publishes into an event and its deliveries, and stores them in one step. */
export class Publisher {
  readonly #parts: PublisherParts;
  readonly #appender: Appender;

  constructor(parts: PublisherParts) {
    this.#parts = parts;
    this.#appender = new Appender(parts.settings.repos.events, parts.settings.clock);
  }

  /** All of them or none: rejects with the first error, and then nothing was stored. */
  async publish(inputs: readonly unknown[], options: PublishOptions): Promise<Published[]> {
    const { settings } = this.#parts;
    const { tx } = plainObject('options', options, { keys: ['tx'] as const, path: '', refuse: misuse });
    const context = { ...settings, now: settings.clock.now() };
    // All inputs are read before the first await: what the host changes afterwards has no effect.
    const parsed = inputs.map((input) => parseEvent(input, context));
    if (parsed.length === 0) return [];
    const subscribers = await this.#subscribers(parsed);
    const moment = { now: context.now, tx };
    const drafts = parsed.map((one) => this.#draft(one, subscribers(one.event), moment));
    return await this.#store(drafts, tx === undefined ? { now: context.now } : { now: context.now, tx });
  }

  /** Stores an event for one webhook, whatever that is subscribed to. */
  async publishTo(webhook: WebhookRecord, input: NewEvent): Promise<Published> {
    const { settings } = this.#parts;
    const now = settings.clock.now();
    const { event } = parseEvent(input, { ...settings, now });
    const draft: Draft = {
      event,
      deliveries: [this.#delivery(event, webhook, { now, tx: undefined })],
      filteredFor: [],
    };
    const [published] = await this.#store([draft], { now });
    if (published === undefined) throw new ConflictError(`The event ${quote(event.id)} was not stored`);
    return published;
  }

  async #store(drafts: readonly Draft[], options: { now: number; tx?: unknown }): Promise<Published[]> {
    const { settings, storage, stored } = this.#parts;
    const { events } = settings.repos;
    const results = await storage.once('events.append', async () =>
      answered(
        options.tx === undefined
          ? await this.#appender.append(drafts, options.now)
          : await events.append(drafts, options),
        drafts.length,
      ),
    );
    const own = results.map((result, index) => asOwn(result, drafts[index]));
    const isNew = own.filter(({ duplicate }) => !duplicate);
    if (options.tx === undefined) stored(isNew.flatMap(({ deliveries }) => deliveries));
    return own.map((result, index) => this.#report(result, drafts[index]));
  }

  #report(result: AppendResult, draft: Draft | undefined): Published {
    const { reporter } = this.#parts;
    const event = toPublishedEvent(result.event);
    const deliveries = result.deliveries.map(({ id, webhookId }) => ({ id, webhookId }));
    const filteredFor = result.duplicate ? [] : (draft?.filteredFor ?? []);
    const filtered = filteredFor.length;
    if (!result.duplicate) {
      for (const webhookId of filteredFor) reporter.emit('event:filtered', { event, webhookId });
      reporter.emit('event:published', { event, deliveries, filtered });
    }
    return { event, deliveries, filtered, duplicate: result.duplicate };
  }

  /** Asks once per tenant and type of the batch. */
  async #subscribers(
    parsed: readonly ParsedEvent[],
  ): Promise<(event: EventRecord) => readonly WebhookRecord[]> {
    const { storage, settings } = this.#parts;
    const asked = new Map<string, EventRecord>();
    // No tenant and no type contains a NUL.
    const keyOf = ({ tenantId, type }: EventRecord): string => `${tenantId}\0${type}`;
    for (const { event } of parsed) asked.set(keyOf(event), event);
    const found = new Map<string, readonly WebhookRecord[]>();
    const { webhooks } = settings.repos;
    if (webhooks.subscribersOfAll !== undefined && asked.size > 1) {
      const pairs = [...asked.values()].map(({ tenantId, type }) => ({ tenantId, eventType: type }));
      const all = await storage.once('webhooks.subscribersOfAll', async () =>
        answered((await webhooks.subscribersOfAll?.(pairs)) ?? []),
      );
      const byTenant = Map.groupBy(all, (webhook) => webhook.tenantId);
      for (const [key, event] of asked) {
        found.set(
          key,
          (byTenant.get(event.tenantId) ?? []).filter((webhook) => isSubscribed(webhook, event)),
        );
      }
    } else {
      for (const [key, event] of asked) {
        const some = await storage.once('webhooks.subscribers', async () =>
          answered(await webhooks.subscribers(event.tenantId, event.type)),
        );
        found.set(
          key,
          some.filter((webhook) => isSubscribed(webhook, event)),
        );
      }
    }
    return (event) => found.get(keyOf(event)) ?? [];
  }

  #draft({ event, data }: ParsedEvent, webhooks: readonly WebhookRecord[], moment: Moment): Draft {
    const deliveries: DeliveryRecord[] = [];
    const filteredFor: string[] = [];
    for (const webhook of webhooks) {
      const passes = webhook.filter === undefined || matchesFilter(webhook.filter, { ...event, data });
      if (passes) deliveries.push(this.#delivery(event, webhook, moment));
      else filteredFor.push(webhook.id);
    }
    return { event, deliveries, filteredFor };
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

/**
 * An append whose acknowledgement was lost is repeated, and finds what it stored itself: that is no duplicate. Delivery ids are of chance; an
 * event without deliveries is told by its instant.
 */
function asOwn(result: AppendResult, draft: Draft | undefined): AppendResult {
  if (!result.duplicate || draft === undefined) return result;
  const { event, deliveries } = draft;
  const isOwn =
    result.event.id === event.id &&
    result.event.createdAt === event.createdAt &&
    result.deliveries.length === deliveries.length &&
    result.deliveries.every(({ id }) => deliveries.some((delivery) => delivery.id === id));
  return isOwn ? { ...result, duplicate: false } : result;
}

/** A repo that breaks its contract is a fault of storage, not of the host. */
function answered<T>(rows: readonly T[], length?: number): readonly T[] {
  if (Array.isArray(rows) && (length === undefined || rows.length === length)) return rows;
  throw new Error('the repo broke its contract: it did not answer with the rows that were asked for');
}

/** A disabled webhook gets nothing new; the tenant is looked at again, whatever the repo answered. */
function isSubscribed(webhook: WebhookRecord, event: EventRecord): boolean {
  return (
    webhook.tenantId === event.tenantId &&
    webhook.status.state !== 'disabled' &&
    matchesAny(webhook.events, event.type)
  );
}
