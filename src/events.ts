import { type Channel, channel } from 'node:diagnostics_channel';
import { EventEmitter } from 'eventemitter3';
import { HostCodeError, quote, type SurehookError } from './errors.ts';
import type { Attempt, Delivery, PublicWebhookStatus, PublishedEvent, Webhook } from './views.ts';

/**
 * Everything surehook reports, by name. Told by the process that made the change, after that was stored, and not again: of what a killed process did, or
 * of a change whose answer was lost, nothing may be heard. What is stored is the truth.
 *
 * Each is mirrored on the channel `surehook:<name>` of `node:diagnostics_channel` (`surehook:delivery:attempted`), the message being the argument that listeners get,
 * for code that has no surehook at hand. All surehooks of a process share the channels: ids tell them apart. A subscriber that throws is Node's to report, as
 * an `uncaughtException` in a later tick, and never reaches the engine. The names carry no version: payloads only gain fields, and what would break gets another name.
 */
export interface SurehookEvents {
  /** An event and its deliveries were stored by this process (not for duplicates). With `tx` before the host commits: a rollback takes it back untold. */
  'event:published': [
    published: {
      readonly event: PublishedEvent;
      readonly deliveries: readonly { readonly id: string; readonly webhookId: string }[];
      readonly filtered: number;
    },
  ];
  /** A subscribed webhook's filter kept an event from it. */
  'event:filtered': [filtered: { readonly event: PublishedEvent; readonly webhookId: string }];
  /** An attempt ended, whatever its outcome: for each delivery of a batch. Not of attempts that were lost with their process. */
  'delivery:attempted': [attempted: { readonly delivery: Delivery; readonly attempt: Attempt }];
  /** The endpoint answered 2xx. */
  'delivery:delivered': [delivered: { readonly delivery: Delivery }];
  /** A counted attempt failed and another will follow, at `delivery.nextAttemptAt` at the earliest. */
  'delivery:failed': [failed: { readonly delivery: Delivery }];
  /** The delivery was given up, by the engine or `cancel`, or was stored as such for an unavailable webhook; `delivery.reason` says why. */
  'delivery:exhausted': [exhausted: { readonly delivery: Delivery }];
  /** An exhausted delivery was marked for replay by this process: it is sent again when its slot comes. */
  'delivery:replaying': [replaying: { readonly delivery: Delivery }];
  /** A webhook was stored by this process. */
  'webhook:created': [created: { readonly webhook: Webhook }];
  /** `webhooks.update` changed it. */
  'webhook:updated': [updated: { readonly webhook: Webhook }];
  /** It got a new key; `webhook.secretHint` is the new one's. */
  'webhook:rotated': [rotated: { readonly webhook: Webhook }];
  /** It was deleted; what waits for it becomes `exhausted` later. */
  'webhook:deleted': [deleted: { readonly webhookId: string }];
  /** A webhook moved along its machine. */
  'webhook:status': [
    change: {
      readonly webhookId: string;
      readonly tenantId: string;
      readonly from: PublicWebhookStatus;
      readonly to: PublicWebhookStatus;
    },
  ];
  /** Something failed that is nobody's answer: storage, or the host's own code. One per back-off step, not one per call. */
  error: [error: SurehookError];
}

/** By event, held for good: Node forgets a channel that nobody holds. */
const channels: { readonly [Name in keyof SurehookEvents]: Channel } = {
  'event:published': channel('surehook:event:published'),
  'event:filtered': channel('surehook:event:filtered'),
  'delivery:attempted': channel('surehook:delivery:attempted'),
  'delivery:delivered': channel('surehook:delivery:delivered'),
  'delivery:failed': channel('surehook:delivery:failed'),
  'delivery:exhausted': channel('surehook:delivery:exhausted'),
  'delivery:replaying': channel('surehook:delivery:replaying'),
  'webhook:created': channel('surehook:webhook:created'),
  'webhook:updated': channel('surehook:webhook:updated'),
  'webhook:rotated': channel('surehook:webhook:rotated'),
  'webhook:deleted': channel('surehook:webhook:deleted'),
  'webhook:status': channel('surehook:webhook:status'),
  error: channel('surehook:error'),
};

/** The part of an emitter that a host sees. */
export interface SurehookListeners {
  /** Calls `listener` at every such event. A listener that throws is reported as an `error` event and disturbs nothing. */
  on<K extends keyof SurehookEvents>(event: K, listener: (...args: SurehookEvents[K]) => void): this;
  /** The same, for the next such event only. */
  once<K extends keyof SurehookEvents>(event: K, listener: (...args: SurehookEvents[K]) => void): this;
  /** Removes that listener, or all listeners of the event. */
  off<K extends keyof SurehookEvents>(event: K, listener?: (...args: SurehookEvents[K]) => void): this;
}

/** What the emitter calls in place of a host's listener. */
interface Guarded {
  readonly listener: unknown;
  readonly call: (...args: unknown[]) => void;
}

/** Tells listeners and subscribers of the channels what happened; one that throws never reaches the caller. */
export class Reporter {
  // Typed here rather than by the emitter, whose types do not take a generic event name.
  readonly #emitter = new EventEmitter();
  readonly #guarded = new Map<keyof SurehookEvents, Guarded[]>();

  /** Whether anyone listens, here or on the channel: building a report for nobody is waste on the hot path. */
  wants(event: keyof SurehookEvents): boolean {
    return channels[event].hasSubscribers || this.#emitter.listenerCount(event) > 0;
  }

  emit<K extends keyof SurehookEvents>(event: K, ...args: SurehookEvents[K]): void {
    this.#emitter.emit(event, ...args);
    if (channels[event].hasSubscribers) channels[event].publish(args[0]);
  }

  /** Throws `TypeError` when the listener is no function. */
  add<K extends keyof SurehookEvents>(
    event: K,
    listener: (...args: SurehookEvents[K]) => void,
    once: boolean,
  ): void {
    if (typeof listener !== 'function') {
      throw new TypeError(`The listener of ${event} must be a function, not ${quote(listener)}`);
    }
    const call = (...args: unknown[]): void => {
      if (once) this.#forget(event, (guarded) => guarded.call === call);
      this.#call(event, () => listener(...(args as SurehookEvents[K])));
    };
    this.#guarded.set(event, [...(this.#guarded.get(event) ?? []), { listener, call }]);
    this.#emitter.on(event, call);
  }

  remove<K extends keyof SurehookEvents>(event: K, listener?: (...args: SurehookEvents[K]) => void): void {
    this.#forget(event, (guarded) => listener === undefined || guarded.listener === listener);
  }

  #forget(event: keyof SurehookEvents, isMeant: (guarded: Guarded) => boolean): void {
    const known = this.#guarded.get(event) ?? [];
    this.#guarded.set(
      event,
      known.filter((guarded) => !isMeant(guarded)),
    );
    for (const { call } of known.filter(isMeant)) this.#emitter.off(event, call);
  }

  /** A listener may be async: its rejection is reported like a throw. */
  #call(event: keyof SurehookEvents, listener: () => unknown): void {
    try {
      const returned = listener();
      if (returned instanceof Promise) returned.catch((cause: unknown) => this.#failed(event, cause));
    } catch (cause) {
      this.#failed(event, cause);
    }
  }

  #failed(event: keyof SurehookEvents, cause: unknown): void {
    // A failing listener of `error` itself has nobody left to hear of it.
    if (event !== 'error') this.emit('error', new HostCodeError(`listener of ${event}`, { cause }));
  }
}
