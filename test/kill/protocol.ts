import type { SurehookOptions } from '../../src/index.ts';

/** Where a worker kills itself: around the `call`-th call of an operation that has something to do. */
export interface Mark {
  readonly operation: Operation;
  /** `inside`: at its `statement`-th chance between its statements; of a request: while it is under way. */
  readonly at: 'before' | 'inside' | 'after';
  readonly call: number;
  readonly statement: number;
}

/** What a worker can die around. `send` is the request itself: `after` it means after a 2xx. */
export type Operation =
  | 'append'
  | 'claimExpress'
  | 'claimQueues'
  | 'settle'
  | 'setStatus'
  | 'open'
  | 'acquire'
  | 'save'
  | 'send';

/** What a worker is started with. */
export interface WorkerTask {
  readonly name: string;
  readonly store: string;
  readonly address: string;
  readonly mark?: Mark;
  /** Webhook ids by URL. */
  readonly webhooks: Readonly<Record<string, string>>;
}

/** What a worker says. */
export type WorkerMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'publishing'; readonly id: string }
  | { readonly kind: 'published'; readonly id: string }
  | { readonly kind: 'dying'; readonly mark: string }
  | { readonly kind: 'error'; readonly code: string; readonly message: string }
  | { readonly kind: 'stopped'; readonly claimed: number };

/** The claim that a request was made under, and who made it. */
export const TOKEN_HEADER = 'x-kill-token';
export const WORKER_HEADER = 'x-kill-worker';

export const LEASE_MS = 1_500;
export const TIMEOUT_MS = 1_000;
export const POLL_MS = 100;
/** The longest wait after a failure, its jitter included. */
export const LONGEST_BACKOFF_MS = 550;
/** Requests that a process may have under way for one webhook. */
export const CAP = 16;
/** How long a worker that is asked to stop may take for requests in flight. */
export const STOP_DEADLINE_MS = 500;

/** Nothing may be given up: whatever is not delivered in the end is stuck or lost. */
export const settings: Omit<SurehookOptions, 'repos'> = {
  leaseMs: LEASE_MS,
  timeoutMs: TIMEOUT_MS,
  pollMs: POLL_MS,
  maxInFlight: 32,
  prefetch: 32,
  maxInFlightPerWebhook: CAP,
  maxLost: 1_000,
  retry: { kind: 'exponential', baseMs: 50, factor: 2, maxMs: 500, attempts: 1_000, jitter: 0.1 },
  backoff: { baseMs: 50, factor: 2, maxMs: 500, jitter: 0.1 },
  endpoints: { allowHttp: true, allowPrivateAddresses: true },
};

/** One event in sixteen is of the type that `/long` takes too: with one in eight its queue grew as long as its owners kept dying. */
const LONG_ONE_IN = 16;

/** The type of an event, by its id. */
export function typeOf(id: string): string {
  return lotOf(id) % LONG_ONE_IN === 0 ? 'kill.long' : 'kill.short';
}

/** The same number for the same text, well mixed. */
export function lotOf(text: string): number {
  let lot = 2_166_136_261;
  for (const character of text) lot = Math.imul(lot ^ (character.codePointAt(0) ?? 0), 16_777_619);
  return (lot ^ (lot >>> 15)) >>> 0;
}

/** The content of an event says which one it is. */
export function eventOf(id: string): {
  type: string;
  id: string;
  idempotencyKey: string;
  data: { id: string };
} {
  return { type: typeOf(id), id, idempotencyKey: `key of ${id}`, data: { id } };
}
