import { Deliveries, type DeliveryAdmin } from './admin/deliveries.ts';
import { type WebhookAdmin, Webhooks } from './admin/webhooks.ts';
import { misuse, numberIn, plainObject } from './domain/check.ts';
import { Engine } from './engine.ts';
import { InvalidInputError, quote } from './errors.ts';
import { Reporter, type SurehookEvents, type SurehookListeners } from './events.ts';
import { checkOptions, type Settings, type SurehookOptions } from './options.ts';
import type { NewEvent } from './publish/new-event.ts';
import { type Published, Publisher, type PublishOptions } from './publish/publisher.ts';
import { Storage } from './runtime/storage.ts';

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

/** What this process is doing and has done since it was made. */
export interface Stats {
  readonly running: boolean;
  /** Requests under way. */
  readonly inFlight: number;
  /** Deliveries claimed by this process whose outcome is not stored yet, those in flight included. */
  readonly claimed: number;
  /** Attempts that ended, whatever their outcome. */
  readonly attempted: number;
  readonly delivered: number;
  /** Attempts that failed and will be followed by another. */
  readonly failed: number;
  readonly exhausted: number;
  /** Outcomes that came after their lease was lost. */
  readonly late: number;
  /** Webhooks that this process serves from their own queues now. */
  readonly retryQueues: number;
}

/** Outgoing webhooks, delivered reliably. Made by `createSurehook`. */
export interface Surehook extends AsyncDisposable, SurehookListeners {
  /** Claims begin. Safe to call twice, and again after `stop`. Publishing and looking things up need no start. */
  start(): Promise<void>;
  /**
   * Ends claims at once, lets requests in flight finish until the deadline, then aborts and gives back the rest. Resolves at the latest one
   * second after the deadline, with nothing of surehook left running. Never rejects for what it could not store: that is an `error` event.
   */
  stop(options?: StopOptions): Promise<void>;
  /**
   * Resolves when nothing is due or in flight, as far as this process can tell: retries that wait for their time do not count. For tests and
   * scripts. At once when it is not started.
   */
  idle(options?: IdleOptions): Promise<void>;
  /**
   * Stores an event and a delivery for each subscribed webhook of its tenant, in one step. Once it has resolved, they are stored; when it
   * rejects with anything but `StorageError`, nothing was. Rejects with `InvalidEventError`, `PayloadTooLargeError`, `ConflictError` (the
   * `idempotencyKey` or `id` was used for another event) or `StorageError`.
   */
  publish(event: NewEvent, options?: PublishOptions): Promise<Published>;
  /** The same for many events: all are stored or none. Results are in the order of the events. */
  publishMany(events: readonly NewEvent[], options?: PublishOptions): Promise<Published[]>;
  readonly webhooks: WebhookAdmin;
  readonly deliveries: DeliveryAdmin;
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
export function createSurehook(options: SurehookOptions): Surehook {
  return new RealSurehook(checkOptions(options));
}

const DEFAULT_STOP_MS = 10_000;
const LONGEST_STOP_MS = 3_600_000;
const MAX_EVENTS = 10_000;
const noWork = {
  inFlight: 0,
  claimed: 0,
  attempted: 0,
  delivered: 0,
  failed: 0,
  exhausted: 0,
  late: 0,
  retryQueues: 0,
} as const;

class RealSurehook implements Surehook {
  readonly webhooks: WebhookAdmin;
  readonly deliveries: DeliveryAdmin;
  readonly #settings: Settings;
  readonly #reporter = new Reporter();
  readonly #publisher: Publisher;
  #engine: Engine | undefined;
  #stopping: Promise<void> | undefined;
  /** Counters of engines that were stopped. */
  #past: Omit<Stats, 'running'> = noWork;

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

  async publish(event: NewEvent, options: PublishOptions = {}): Promise<Published> {
    const [published] = await this.#publisher.publish([event], options);
    // One event makes one result.
    return published as Published;
  }

  async publishMany(events: readonly NewEvent[], options: PublishOptions = {}): Promise<Published[]> {
    if (!Array.isArray(events) || events.length > MAX_EVENTS) {
      throw new InvalidInputError(
        'events',
        `events must be an array of at most ${MAX_EVENTS} events, not ${quote(events)}`,
      );
    }
    return await this.#publisher.publish(events, options);
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
    return { running: this.#engine !== undefined, ...this.#counted() };
  }

  /** What this surehook has done in all its lives, and does now. */
  #counted(): Omit<Stats, 'running'> {
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
