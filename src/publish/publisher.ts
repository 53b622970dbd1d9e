import { misuse, plainObject } from '../domain/check.ts';
import type { DeliveryRecord } from '../domain/delivery.ts';
import type { EventRecord } from '../domain/event.ts';
import type { WebhookRecord } from '../domain/webhook.ts';
import { ConflictError, quote } from '../errors.ts';
import type { Reporter } from '../events.ts';
import type { AppendResult } from '../repos.ts';
import type { Storage } from '../runtime/storage.ts';
import { toDelivery, toPublishedEvent } from '../views.ts';
import { answered } from './answered.ts';
import { Appender } from './appender.ts';
import { type Draft, Drafter, type DrafterParts, type Moment } from './drafter.ts';
import { type ParsedEvent, type PublishContext, parseCatalogued, parseEvent } from './event-input.ts';
import { inTime } from './host-code.ts';
import type { NewEvent } from './new-event.ts';
import type { Published, PublishOptions } from './published.ts';
import { shaped } from './shaper.ts';
import { findSubscribers } from './subscribers.ts';
import { TenantRates } from './tenant-rates.ts';

/** What the publisher works with. */
export interface PublisherParts extends DrafterParts {
  readonly storage: Storage;
  readonly reporter: Reporter;
  /** Called with what was stored now. */
  readonly stored: (deliveries: readonly DeliveryRecord[]) => void;
}

/** Turns what a host publishes into an event and its deliveries, and stores them in one step. */
export class Publisher {
  readonly #parts: PublisherParts;
  readonly #drafter: Drafter;
  readonly #appender: Appender;
  readonly #rates: TenantRates | undefined;
  /** Events stored since it was made. */
  published = 0;

  constructor(parts: PublisherParts) {
    const { settings, storage } = parts;
    const { repos, clock, rateLimit: limit } = settings;
    this.#parts = parts;
    this.#drafter = new Drafter(parts);
    this.#appender = new Appender(repos.events, clock);
    this.#rates = limit && new TenantRates({ limit, state: repos.state, storage, clock });
  }

  /** All of them or none: rejects with the first error, and then nothing was stored. */
  async publish(inputs: readonly unknown[], options: PublishOptions): Promise<Published[]> {
    const { settings } = this.#parts;
    const { tx } = plainObject('options', options, { keys: ['tx'] as const, path: '', refuse: misuse });
    const moment = { now: settings.clock.now(), tx };
    const context = { ...settings, now: moment.now };
    // All inputs are read before the first await: what the host changes afterwards has no effect.
    const parsed =
      settings.catalog === undefined
        ? inputs.map((input) => parseEvent(input, context))
        : await this.#catalogued(inputs, context);
    if (parsed.length === 0) return [];
    const events = parsed.map(({ event }) => event);
    return await this.#charged(events, tx, () => this.#publishParsed(parsed, moment));
  }

  /** Stores an event for one webhook, whatever that is subscribed to, the catalogue has and its tenant may publish. */
  async publishTo(webhook: WebhookRecord, input: NewEvent): Promise<Published> {
    const { settings } = this.#parts;
    const now = settings.clock.now();
    const { event } = parseEvent(input, { ...settings, now });
    return await this.#storeFor(webhook, event);
  }

  /** Stores an event as it is for one webhook, whatever that is subscribed to. Its tenant's rate counts it. */
  async publishRecord(webhook: WebhookRecord, event: EventRecord): Promise<Published> {
    const [published] = await this.#charged([event], undefined, async () => [
      await this.#storeFor(webhook, event),
    ]);
    // One event makes one result.
    return published as Published;
  }

  async #catalogued(inputs: readonly unknown[], context: PublishContext): Promise<readonly ParsedEvent[]> {
    const { catalog = new Map(), clock, storageTimeoutMs: timeoutMs } = this.#parts.settings;
    const parsed = inputs.map((input) => {
      const event = parseCatalogued(input, context, catalog);
      // Where another one throws first, nobody is there to hear of this one.
      if (event instanceof Promise) event.catch(() => {});
      return event;
    });
    return await inTime(Promise.all(parsed), { part: 'catalog', clock, timeoutMs });
  }

  async #charged(
    events: readonly EventRecord[],
    tx: unknown,
    publish: () => Promise<Published[]>,
  ): Promise<Published[]> {
    return this.#rates === undefined ? await publish() : await this.#rates.charged(events, tx, publish);
  }

  async #publishParsed(parsed: readonly ParsedEvent[], moment: Moment): Promise<Published[]> {
    const { settings, storage } = this.#parts;
    const { shape, repos } = settings;
    const events = parsed.map(({ event }) => event);
    const subscribers = await findSubscribers({ repo: repos.webhooks, storage }, events);
    const drafts = parsed.map((one) => this.#drafter.draft(one, subscribers(one.event), moment));
    return await this.#store(
      shape === undefined ? drafts : await shaped(drafts, { shape, parsed, subscribers }, settings),
      moment,
    );
  }

  async #storeFor(webhook: WebhookRecord, event: EventRecord): Promise<Published> {
    const moment = { now: event.createdAt, tx: undefined };
    const [published] = await this.#store([this.#drafter.draftFor(webhook, event, moment)], moment);
    if (published === undefined) throw new ConflictError(`The event ${quote(event.id)} was not stored`);
    return published;
  }

  async #store(drafts: readonly Draft[], { now, tx }: Moment): Promise<Published[]> {
    const { settings, storage, stored } = this.#parts;
    const { events } = settings.repos;
    const results = await storage.once('events.append', async () =>
      answered(
        tx === undefined
          ? await this.#appender.append(drafts, now)
          : await events.append(drafts, { now, tx }),
        drafts.length,
      ),
    );
    const own = results.map((result, index) => asOwn(result, drafts[index]));
    const isNew = own.filter(({ duplicate }) => !duplicate);
    if (tx === undefined) stored(isNew.flatMap(({ deliveries }) => deliveries));
    return own.map((result, index) => this.#report(result, drafts[index]));
  }

  #report(result: AppendResult, draft: Draft | undefined): Published {
    const { reporter } = this.#parts;
    const event = toPublishedEvent(result.event);
    const deliveries = result.deliveries.map(({ id, webhookId }) => ({ id, webhookId }));
    const filteredFor = result.duplicate ? [] : (draft?.filteredFor ?? []);
    const filtered = filteredFor.length;
    if (!result.duplicate) {
      this.published += 1;
      for (const webhookId of filteredFor) reporter.emit('event:filtered', { event, webhookId });
      reporter.emit('event:published', { event, deliveries, filtered });
      for (const record of result.deliveries) {
        if (record.status === 'exhausted')
          reporter.emit('delivery:exhausted', { delivery: toDelivery(record) });
      }
    }
    return { event, deliveries, filtered, duplicate: result.duplicate };
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
