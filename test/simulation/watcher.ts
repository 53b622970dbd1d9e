import type { NewEvent, Published, SurehookError, WebhookRecord } from '../../src/index.ts';
import type { Life } from './life.ts';
import type { NetworkWatcher } from './network.ts';
import type { Action } from './plan.ts';
import type { PortWatcher } from './ports.ts';

/** A publish by a host, from its call to its end. */
export interface Publishing {
  readonly life: Life;
  readonly events: readonly NewEvent[];
  /** True time of the call. */
  readonly at: number;
}

/** A call of management by a host. */
export interface Managing {
  readonly life: Life;
  readonly action: Action;
  /** The webhook or delivery it is about. */
  readonly id: string;
  readonly at: number;
}

/** How a host's call ended; never called for a process that ended before. */
export type Ending<T> = { readonly value: T } | { readonly error: unknown };

/** Everything that can be seen of a history: what checks it implements this. */
export interface Watcher extends PortWatcher, NetworkWatcher {
  /** A webhook was there before the history began; with the secret that its creator was shown. */
  adopted(webhook: WebhookRecord, secret: string): void;
  publishing(publishing: Publishing): void;
  published(publishing: Publishing, ending: Ending<readonly Published[]>): void;
  /** A host begins to replay many: nothing else is replayed through this process until that has ended. */
  replaying(managing: Managing): void;
  managed(managing: Managing, ending: Ending<unknown>): void;
  /** An `error` event. */
  told(life: Life, error: SurehookError): void;
  began(life: Life): void;
  /** It ended by force. */
  killed(life: Life): void;
  /** It was stopped; `tookMs` of the allowed time passed, unless it was paused or jumped meanwhile. */
  stopped(
    life: Life,
    stop: { readonly tookMs: number; readonly deadlineMs: number; readonly disturbed: boolean },
  ): void;
  /** A clock was set. */
  jumped(life: Life | undefined): void;
  outage(isAway: boolean): void;
  /** Faults have stopped. */
  calmed(): void;
}
