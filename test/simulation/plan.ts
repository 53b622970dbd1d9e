import type { DeliveryStatus, RateLimit, Retention, RetryPolicyData } from '../../src/index.ts';

/** Everything that decides a history, as data: what a seed draws, what shrinking takes away from, what a scenario writes by hand. */
export interface Plan {
  readonly seed: number;
  readonly adapter: AdapterName;
  /** Whether the store judges leases by a clock of its own, as a shared database does. */
  readonly hasStoreClock: boolean;
  readonly nodes: number;
  /** How news of the store (`onWork`, `onChange`) reach the nodes. */
  readonly news: 'told' | 'lossy' | 'none';
  readonly settings: PlanSettings;
  /** Whether secrets are stored sealed. */
  readonly isSealed?: true;
  readonly webhooks: readonly WebhookPlan[];
  /** In the order of `atMs`. */
  readonly actions: readonly Action[];
  readonly weather: Weather;
  /** When faults stop, ms from the beginning. */
  readonly faultsEndMs: number;
}

/** The stores that histories take place on. */
export type AdapterName = 'memory' | 'sqlite';

/** Options of every node. */
export interface PlanSettings {
  readonly retry: RetryPolicyData;
  readonly backoff: {
    readonly baseMs: number;
    readonly factor: number;
    readonly maxMs: number;
    readonly jitter: number;
  };
  readonly unavailableAfterMs: number;
  readonly maxRetryAfterMs: number;
  readonly timeoutMs: number;
  readonly leaseMs: number;
  readonly pollMs: number;
  readonly maxInFlight: number;
  readonly maxInFlightPerWebhook: number;
  readonly prefetch: number;
  readonly maxLost: number;
  readonly replaysPerSecond: number;
  readonly webhookCacheMs: number;
  readonly storageTimeoutMs: number;
  readonly retention: Partial<Retention>;
  /** Of each tenant, at publish. */
  readonly rateLimit?: RateLimit;
}

/** A webhook and the endpoint behind it. */
export interface WebhookPlan {
  readonly tenant: number;
  readonly events: readonly string[];
  /** Takes only events whose number has this remainder by 2. */
  readonly parity?: 0 | 1;
  readonly atMostOnce: boolean;
  readonly maxInFlight?: number;
  readonly retry?: RetryPolicyData;
  /** It takes turns; and what an event that is given up means for those behind it. */
  readonly ordered?: 'block' | 'skip';
  /** It gets several events in one request. */
  readonly batch?: { readonly maxEvents: number; readonly maxBytes: number; readonly maxWaitMs: number };
  /** Requests in a time, by all nodes together. */
  readonly rateLimit?: RateLimit;
  /** What it gets of an event: bytes of its own; or those, but only of events with an even number. Absent: the event as it was published. */
  readonly shape?: 'own' | 'some';
  /** How the endpoint fares, one after the other; the last for ever. */
  readonly moods: readonly { readonly untilMs: number; readonly mood: Mood }[];
}

/** How an endpoint answers. */
export type Mood =
  | 'well'
  /** Only well, but in up to 400 ms. */
  | 'slow'
  /** Well half of the time. */
  | 'flaky'
  /** 500 and the like. */
  | 'failing'
  /** Never answers. */
  | 'silent'
  /** No connection, or one that breaks. */
  | 'unreachable'
  /** 429 and 503 with Retry-After in good and bad forms. */
  | 'throttling'
  | 'redirecting'
  /** Fails for every third event, well for the others. */
  | 'picky'
  /** 410 to one request in three, well to the others. */
  | 'leaving';

/** What somebody or fate does at an instant; `node` counts from 0. */
export type Action = { readonly atMs: number } & (
  | {
      readonly do: 'publish';
      readonly node: number;
      readonly tenant: number;
      readonly type: string;
      readonly count: number;
      readonly key?: number;
      readonly content?: number;
      /** Its events are dealt out to so many ordering keys; absent: they have none. */
      readonly orderingKeys?: number;
    }
  | {
      readonly do: 'disable' | 'enable' | 'delete' | 'update' | 'test';
      readonly node: number;
      readonly webhook: number;
    }
  | { readonly do: 'replay'; readonly node: number; readonly count: number }
  /** All that are exhausted of a tenant. */
  | { readonly do: 'replay-many'; readonly node: number; readonly tenant: number }
  /** The newest so many in that status, or in any. */
  | {
      readonly do: 'cancel';
      readonly node: number;
      readonly status?: DeliveryStatus;
      readonly count: number;
    }
  | { readonly do: 'crash'; readonly node: number; readonly downMs: number }
  | { readonly do: 'stop'; readonly node: number; readonly deadlineMs: number; readonly downMs: number }
  | { readonly do: 'pause'; readonly node: number; readonly forMs: number }
  | { readonly do: 'jump'; readonly node: number; readonly byMs: number }
  | { readonly do: 'outage'; readonly forMs: number }
);

/** What befalls calls and requests of their own accord. Shares are from 0 to 1. */
export interface Weather {
  /** Each half of a port call takes up to this long. */
  readonly latencyMs: number;
  /** Port calls that are refused before they are applied. */
  readonly refused: number;
  /** Port calls that are applied but fail for their caller. */
  readonly unacknowledged: number;
  /** Port calls that never return, applied or not. */
  readonly unanswered: number;
  /** Port calls that take up to three time-outs. */
  readonly slow: number;
  /** Port calls at which the process ends. */
  readonly fatal: number;
  /** Clocks of nodes differ from the store's by up to this much. */
  readonly skewMs: number;
  /** Requests that break before they arrive. */
  readonly broken: number;
  /** Requests whose transport ignores an abort. */
  readonly stubborn: number;
}

/** No faults at all. */
export const fairWeather: Weather = {
  latencyMs: 2,
  refused: 0,
  unacknowledged: 0,
  unanswered: 0,
  slow: 0,
  fatal: 0,
  skewMs: 0,
  broken: 0,
  stubborn: 0,
};
