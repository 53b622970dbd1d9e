import { EventEmitter } from 'eventemitter3';
import { HostCodeError, quote, type SurehookError } from './errors.ts';
import type { Attempt, Delivery, PublicWebhookStatus, PublishedEvent } from './views.ts';

/** Everything surehook reports, by name. Delivery events come after the outcome they tell of has been stored. */
export interface SurehookEvents {
  /** An event and its deliveries were stored by this process (not for duplicates). */
  'event:published': [
    published: {
      readonly event: PublishedEvent;
      readonly deliveries: readonly { readonly id: string; readonly webhookId: string }[];
      readonly filtered: number;
    },
  ];
  /** A subscribed webhook's filter kept an event from it. */
  'event:filtered': [filtered: { readonly event: PublishedEvent; readonly webhookId: string }];
  /** An attempt ended, whatever its outcome. */
  'delivery:attempted': [attempted: { readonly delivery: Delivery; readonly attempt: Attempt }];
  /** The endpoint answered 2xx. */
  'delivery:delivered': [delivered: { readonly delivery: Delivery }];
  /** A counted attempt failed and another will follow, at `delivery.nextAttemptAt` at the earliest. */
  'delivery:failed': [failed: { readonly delivery: Delivery }];
  /** The delivery was given up; `delivery.reason` says why. */
  'delivery:exhausted': [exhausted: { readonly delivery: Delivery }];
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

/** Tells listeners what happened; a throwing listener never reaches the caller. */
export class Reporter {
  // Typed here rather than by the emitter, whose types do not take a generic event name.
  readonly #emitter = new EventEmitter();
  readonly #guarded = new Map<keyof SurehookEvents, Guarded[]>();

  /** Whether anyone listens: building a report for nobody is waste on the hot path. */
  wants(event: keyof SurehookEvents): boolean {
    return this.#emitter.listenerCount(event) > 0;
  }

  emit<K extends keyof SurehookEvents>(event: K, ...args: SurehookEvents[K]): void {
    this.#emitter.emit(event, ...args);
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
