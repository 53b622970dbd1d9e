import { Dispatcher } from './dispatcher/dispatcher.ts';
import { Performer } from './dispatcher/performer.ts';
import type { DeliveryRecord } from './domain/delivery.ts';
import { StorageError } from './errors.ts';
import type { Reporter } from './events.ts';
import { httpTransport } from './http/undici-transport.ts';
import type { Settings } from './options.ts';
import { Pruner } from './retention/pruner.ts';
import type { RetryQueueParts } from './retry-queue/parts.ts';
import { ReplayPacer } from './retry-queue/replay-pacer.ts';
import { RetryQueues } from './retry-queue/retry-queues.ts';
import { Run } from './runtime/run.ts';
import { StoreClock } from './runtime/store-clock.ts';
import { Tallies } from './runtime/tallies.ts';
import { WebhookCache } from './runtime/webhook-cache.ts';
import { WebhookStatuses } from './runtime/webhook-statuses.ts';
import { version } from './version.ts';

/** How long the end of a stop may take beyond its deadline, ms: storing what ended, giving back what is left. */
const STOP_GRACE_MS = 900;

/** What an engine is made of. */
export interface EngineParts {
  readonly settings: Settings;
  readonly reporter: Reporter;
}

/** One life of the delivering half: made by `start()`, ended by `stop()`, never used again. */
export class Engine {
  readonly #parts: EngineParts;
  readonly #run: Run;
  readonly #cache: WebhookCache;
  readonly #statuses: WebhookStatuses;
  readonly #tallies: Tallies;
  readonly #storeClock: StoreClock;
  readonly #dispatcher: Dispatcher;
  readonly #queues: RetryQueues;
  readonly #replays: ReplayPacer;
  readonly #pruner: Pruner;
  readonly #closeTransport: () => Promise<void>;
  /** Undefined for what the repo does not tell. */
  readonly #unsubscribe: ((() => void) | undefined)[] = [];
  #waiters: { readonly isMet: () => boolean; readonly resolve: () => void }[] = [];

  constructor(parts: EngineParts) {
    const { settings } = parts;
    const { repos } = settings;
    const run = new Run({
      reporter: parts.reporter,
      clock: settings.clock,
      storageTimeoutMs: settings.storageTimeoutMs,
    });
    const changed = (): void => this.#checkWaiters();
    this.#parts = parts;
    this.#run = run;
    this.#cache = new WebhookCache(repos.webhooks, settings.clock, settings.webhookCacheMs);
    this.#statuses = new WebhookStatuses(run, {
      repo: repos.webhooks,
      state: repos.state,
      cache: this.#cache,
      idle: changed,
    });
    this.#storeClock = new StoreClock({ run, state: repos.state });
    this.#tallies = new Tallies({ run, state: repos.state, random: settings.random });
    const queueParts: RetryQueueParts = {
      run,
      settings,
      events: repos.events,
      state: repos.state,
      cache: this.#cache,
      statuses: this.#statuses,
      dispatcher: () => this.#dispatcher,
      changed,
    };
    this.#queues = new RetryQueues(queueParts);
    this.#replays = new ReplayPacer(queueParts);
    this.#pruner = new Pruner({ run, settings });
    const { transport, close } = this.#transport();
    this.#closeTransport = close;
    const userAgent = `surehook/${version}`;
    this.#dispatcher = new Dispatcher({
      run,
      settings,
      repo: repos.events,
      cache: this.#cache,
      statuses: this.#statuses,
      tallies: this.#tallies,
      performer: new Performer({ ...settings, run, transport, userAgent, storeClock: this.#storeClock }),
      hooks: this.#queues,
      changed,
    });
  }

  start(): void {
    this.#listen();
    this.#storeClock.start();
    this.#queues.start();
    this.#replays.start();
    this.#pruner.start();
    this.#dispatcher.wake();
  }

  /** Resolves when nothing is due or in flight, as far as this process can tell. */
  async idle(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.#queues.wake();
    this.#replays.wake();
    this.#dispatcher.wake();
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => reject(signal?.reason);
      signal?.addEventListener('abort', onAbort, { once: true });
      const done = (): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      };
      this.#waiters.push({ isMet: () => this.#isIdle() || this.#run.ended, resolve: done });
      this.#checkWaiters();
    });
  }

  /** Deliveries were stored by this process. */
  published(deliveries: readonly DeliveryRecord[]): void {
    const { onWork } = this.#parts.settings.repos.events;
    // The repo tells of the express queue itself where it can; who stored into a webhook's own queue has to open it.
    if (onWork === undefined && deliveries.some(({ queue }) => queue === 'express')) this.#dispatcher.wake();
    for (const { queue, status, webhookId } of deliveries) {
      if (queue === 'own' && status === 'pending') this.#queues.notify(webhookId);
    }
  }

  /** Replays were marked by this process. */
  replaysMarked(): void {
    this.#replays.wake();
  }

  /** Whether new deliveries of this webhook go into its own queue. */
  isApart(webhookId: string): boolean {
    return this.#queues.isApart(webhookId);
  }

  /** This process changed a webhook from outside. */
  webhookChanged(webhookId: string): void {
    this.#cache.invalidate([webhookId]);
    this.#queues.stirred([webhookId]);
  }

  /** Gauges and counters of this process. */
  snapshot(): {
    inFlight: number;
    claimed: number;
    attempted: number;
    delivered: number;
    failed: number;
    exhausted: number;
    late: number;
    retryQueues: number;
  } {
    const { counters, inFlight, held } = this.#dispatcher;
    return { ...counters, inFlight, claimed: held, retryQueues: this.#queues.held };
  }

  #isIdle(): boolean {
    return (
      !this.#dispatcher.isBusy &&
      !this.#queues.isBusy &&
      !this.#replays.isBusy &&
      this.#statuses.pending === 0
    );
  }

  #checkWaiters(): void {
    const met = this.#waiters.filter(({ isMet }) => isMet());
    this.#waiters = this.#waiters.filter((waiter) => !met.includes(waiter));
    for (const { resolve } of met) resolve();
  }

  // ------------------------------------------------------------------------------------------ stopping

  /** Ends it, once: see `Surehook.stop`. */
  async stop(deadlineMs: number): Promise<void> {
    const run = this.#run;
    run.accepting = false;
    for (const unsubscribe of this.#unsubscribe) unsubscribe?.();
    this.#dispatcher.unloadAll();
    await this.#until(() => this.#dispatcher.inFlight === 0, deadlineMs);
    this.#dispatcher.abortAll();
    const end = run.now() + STOP_GRACE_MS;
    await this.#until(() => this.#hasGivenBack(), STOP_GRACE_MS);
    const last = Promise.all([this.#queues.releaseAll(), this.#tallies.store()]);
    await Promise.race([last, run.sleep(Math.max(1, end - run.now()))]);
    this.#reportUnstored();
    run.end();
    this.#checkWaiters();
    await this.#closeTransport();
  }

  /** Claims and tokens that are still under way count: what they bring has to be given back too. */
  #hasGivenBack(): boolean {
    const { held, asked } = this.#dispatcher;
    return held === 0 && asked === 0 && !this.#queues.isTaking && this.#statuses.pending === 0;
  }

  /** Resolves when the condition holds, or after `withinMs`. */
  async #until(isMet: () => boolean, withinMs: number): Promise<void> {
    if (isMet()) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#run.schedule(withinMs, resolve);
      this.#waiters.push({
        isMet,
        resolve: () => {
          cancel();
          resolve();
        },
      });
    });
  }

  #reportUnstored(): void {
    const { held } = this.#dispatcher;
    if (held === 0) return;
    const message = `stopped with ${held} outcomes not stored; they will be claimed again`;
    this.#parts.reporter.emit('error', new StorageError('events.settle', message));
  }

  // ------------------------------------------------------------------------------------------ surroundings

  #listen(): void {
    const { webhooks, events } = this.#parts.settings.repos;
    const onChange = webhooks.onChange?.((ids) => {
      this.#cache.invalidate(ids);
      for (const id of ids) this.#queues.reconsider(id);
    });
    const onWork = events.onWork?.(({ express, replays, ownQueues }) => {
      if (express) this.#dispatcher.wake();
      if (replays) this.#replays.wake();
      if (ownQueues.length > 0) this.#queues.stirred(ownQueues);
    });
    this.#unsubscribe.push(onChange, onWork);
  }

  /** The transport of the host stays the host's to close. */
  #transport(): { transport: NonNullable<Settings['transport']>; close: () => Promise<void> } {
    const { settings } = this.#parts;
    if (settings.transport !== undefined) return { transport: settings.transport, close: async () => {} };
    const { clock, timeoutMs, endpoints } = settings;
    const transport = httpTransport({ policy: endpoints, clock, timeoutMs });
    return { transport, close: async () => await transport.close?.() };
  }
}
