import { Deliveries } from './admin/deliveries.ts';
import type { DeliveryAdmin } from './admin/delivery-admin.ts';
import type { WebhookAdmin } from './admin/webhook-admin.ts';
import { Webhooks } from './admin/webhooks.ts';
import { misuse, numberIn, plainObject } from './domain/check.ts';
import type { EventCatalog } from './domain/standard-schema.ts';
import { Engine } from './engine.ts';
import { InvalidInputError, quote } from './errors.ts';
import { Reporter, type SurehookEvents, type SurehookListeners } from './events.ts';
import { checkOptions, type Settings, type SurehookOptions } from './options.ts';
import type { EventOf } from './publish/new-event.ts';
import type { Published, PublishOptions } from './publish/published.ts';
import { Publisher } from './publish/publisher.ts';
import { Storage } from './runtime/storage.ts';
import { forTenant, type TenantSurehook } from './tenant/tenant-surehook.ts';

/** How a surehook is stopped. */
export interface StopOptions {
  /** How long requests in flight may take to finish, ms; then they are aborted and given back. 0 aborts at once. @default 10_000 */
  readonly deadlineMs?: number;
}

/** How to wait. */
export interface IdleOptions {
  /** Rejects with the signal's reason when it aborts. */
  readonly signal?: AbortSignal;
}

/** What this surehook is doing in this process, and has done since it was made, stops and starts included. What other processes do is not in it. */
export interface Stats {
  /** Whether it is started. */
  readonly running: boolean;
  /** Events stored by `publish`, `publishMany`, `resend` and `sendTest`; duplicates are not. */
  readonly published: number;
  /** Requests under way. */
  readonly inFlight: number;
  /** Deliveries claimed by this process whose outcome is not stored yet, those in flight included. */
  readonly claimed: number;
  /** Attempts that ended, whatever their outcome; a request of a batch is one for each of its deliveries. */
  readonly attempted: number;
  /** Deliveries that were answered 2xx. */
  readonly delivered: number;
  /** Counted attempts that failed and will be followed by another: not those that a stop aborted. */
  readonly failed: number;
  /** Deliveries that the engine gave up, whatever the reason. Those that were cancelled, or stored as exhausted for an unavailable webhook, are not among them. */
  readonly exhausted: number;
  /** Outcomes that came after their lease was lost. */
  readonly late: number;
  /** Webhooks that this process serves from their own queues now. */
  readonly retryQueues: number;
}

/** Outgoing webhooks, delivered reliably. Made by `createSurehook`; with a catalogue, `publish` and `publishMany` are typed by it. */
export type Surehook<Catalog extends EventCatalog = EventCatalog> = SurehookOf<EventOf<Catalog>>;

/**
 * A surehook by the events that it takes. One with a catalogue can be passed to whoever takes a plain `Surehook`, to look things up for example; an event that is not in the
 * catalogue is then refused at run time only.
 */
export interface SurehookOf<Event> extends AsyncDisposable, SurehookListeners {
  /** Claims begin. Safe to call twice, and again after `stop`. Publishing and looking things up need no start. */
  start(): Promise<void>;
  /**
   * Ends claims at once, lets requests in flight finish until the deadline, then aborts and gives back the rest. Resolves at the latest one
   * second after the deadline, with nothing of surehook left running. Never rejects for what it could not store: that is an `error` event.
   */
  stop(options?: StopOptions): Promise<void>;
  /**
   * Resolves when nothing is due or in flight, as far as this process can tell: retries that wait for their time, and deliveries that wait for
   * their webhook's rate, do not count. For tests and
   * scripts. At once when it is not started.
   */
  idle(options?: IdleOptions): Promise<void>;
  /**
   * Stores an event and a delivery for each subscribed webhook of its tenant, in one step. Once it has resolved, they are stored; when it
   * rejects with anything but `StorageError`, nothing was. Rejects with:
   * - `InvalidEventError`: a field is wrong (`field`), or the catalogue's schema refuses `data` (`issues`).
   * - `PayloadTooLargeError`: the serialised body, or what `shape` made of it, is over `maxPayloadBytes`.
   * - `RateLimitedError`: the tenant has published more than `rateLimit` allows.
   * - `ConflictError`: the `idempotencyKey` or `id` was used for another event.
   * - `HostCodeError`: a schema or `shape` threw, did not settle within `storageTimeoutMs`, or made what cannot be sent.
   * - `StorageError`: a repo failed or did not answer.
   * - `TypeError`: `options`, or a `tx` that the store cannot join.
   */
  publish(event: Event, options?: PublishOptions): Promise<Published>;
  /**
   * The same for many events, 10 000 at most (`InvalidInputError`): all are stored or none, and rates are kept for all of them at once. Results are in the order
   * of the events.
   */
  publishMany(events: readonly Event[], options?: PublishOptions): Promise<Published[]>;
  readonly webhooks: WebhookAdmin;
  readonly deliveries: DeliveryAdmin;
  /** The same face limited to one tenant: another's id is as unknown as a missing one. Throws `InvalidInputError` for what is no tenant id. */
  forTenant(tenantId: string): TenantSurehook<Event>;
  /** Gauges and counters of this process; costs nothing. */
  stats(): Stats;
}

/**
 * Makes a surehook. Nothing runs until `start()`. Throws `TypeError` or `RangeError` naming the option that is wrong and quoting its value.
 *
 * @example
 * const surehook = createSurehook({ repos: memoryRepos() });
 * await surehook.start();
 */
export function createSurehook<Catalog extends EventCatalog = EventCatalog>(
  options: SurehookOptions<Catalog>,
): Surehook<Catalog> {
  return new RealSurehook<EventOf<Catalog>>(checkOptions(options));
}

const DEFAULT_STOP_MS = 10_000;
const LONGEST_STOP_MS = 3_600_000;
const MAX_EVENTS = 10_000;
/** What engines do and have done. */
type Work = Omit<Stats, 'running' | 'published'>;

const noWork: Work = {
  inFlight: 0,
  claimed: 0,
  attempted: 0,
  delivered: 0,
  failed: 0,
  exhausted: 0,
  late: 0,
  retryQueues: 0,
};

class RealSurehook<Event> implements SurehookOf<Event> {
  readonly webhooks: WebhookAdmin;
  readonly deliveries: DeliveryAdmin;
  readonly #settings: Settings;
  readonly #reporter = new Reporter();
  readonly #publisher: Publisher;
  #engine: Engine | undefined;
  #stopping: Promise<void> | undefined;
  /** Counters of engines that were stopped. */
  #past: Work = noWork;

  constructor(settings: Settings) {
    this.#settings = settings;
    const reporter = this.#reporter;
    const storage = new Storage({ clock: settings.clock, timeoutMs: settings.storageTimeoutMs });
    const publisher = new Publisher({
      settings,
      storage,
      reporter,
      isApart: (webhookId) => this.#engine?.isApart(webhookId) ?? false,
      opensQueues: () => this.#engine !== undefined,
      stored: (deliveries) => this.#engine?.published(deliveries),
    });
    this.#publisher = publisher;
    this.webhooks = new Webhooks({
      settings,
      storage,
      reporter,
      publisher,
      changed: (webhookId) => this.#engine?.webhookChanged(webhookId),
    });
    this.deliveries = new Deliveries({
      settings,
      storage,
      reporter,
      publisher,
      changed: (webhookId) => this.#engine?.webhookChanged(webhookId),
      replaysMarked: () => this.#engine?.replaysMarked(),
    });
  }

  async start(): Promise<void> {
    // A stop that is under way comes first: what it stops is started again after it.
    await this.#stopping;
    if (this.#engine !== undefined) return;
    this.#engine = new Engine({ settings: this.#settings, reporter: this.#reporter });
    this.#engine.start();
  }

  async stop(options: StopOptions = {}): Promise<void> {
    const { deadlineMs = DEFAULT_STOP_MS } = plainObject('options', options, {
      keys: ['deadlineMs'] as const,
      path: '',
      refuse: misuse,
    });
    const checked = numberIn('deadlineMs', deadlineMs, { min: 0, max: LONGEST_STOP_MS, refuse: misuse });
    const engine = this.#engine;
    if (engine === undefined) return;
    this.#stopping ??= this.#end(engine, checked);
    await this.#stopping;
  }

  async #end(engine: Engine, deadlineMs: number): Promise<void> {
    await engine.stop(deadlineMs);
    this.#past = this.#counted();
    this.#engine = undefined;
    this.#stopping = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async idle(options: IdleOptions = {}): Promise<void> {
    await this.#engine?.idle(options.signal);
  }

  async publish(event: Event, options: PublishOptions = {}): Promise<Published> {
    const [published] = await this.#publisher.publish([event], options);
    // One event makes one result.
    return published as Published;
  }

  async publishMany(events: readonly Event[], options: PublishOptions = {}): Promise<Published[]> {
    if (!Array.isArray(events) || events.length > MAX_EVENTS) {
      throw new InvalidInputError(
        'events',
        `events must be an array of at most ${MAX_EVENTS} events, not ${quote(events)}`,
      );
    }
    return await this.#publisher.publish(events, options);
  }

  forTenant(tenantId: string): TenantSurehook<Event> {
    return forTenant<Event>(this, tenantId);
  }

  on<K extends keyof SurehookEvents>(event: K, listener: (...args: SurehookEvents[K]) => void): this {
    this.#reporter.add(event, listener, false);
    return this;
  }

  once<K extends keyof SurehookEvents>(event: K, listener: (...args: SurehookEvents[K]) => void): this {
    this.#reporter.add(event, listener, true);
    return this;
  }

  off<K extends keyof SurehookEvents>(event: K, listener?: (...args: SurehookEvents[K]) => void): this {
    this.#reporter.remove(event, listener);
    return this;
  }

  stats(): Stats {
    return {
      running: this.#engine !== undefined,
      published: this.#publisher.published,
      ...this.#counted(),
    };
  }

  /** What this surehook has done in all its lives, and does now. */
  #counted(): Work {
    const now = this.#engine?.snapshot() ?? noWork;
    const past = this.#past;
    return {
      inFlight: now.inFlight,
      claimed: now.claimed,
      retryQueues: now.retryQueues,
      attempted: past.attempted + now.attempted,
      delivered: past.delivered + now.delivered,
      failed: past.failed + now.failed,
      exhausted: past.exhausted + now.exhausted,
      late: past.late + now.late,
    };
  }
}
