/** What the bench, its sink and its measured processes say to each other. */
import type { Home } from './stores/home.ts';

/** One clock for all processes of the machine. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export type SinkCommand =
  /** Forget everything; report the arrival of the n-th distinct event for each n in `marks`. */
  | { readonly do: 'reset'; readonly marks: readonly number[] }
  | {
      readonly do: 'report';
      readonly withArrivals: boolean;
    };

export type SinkReply =
  | { readonly port: number }
  | { readonly reset: true }
  | Mark
  | { readonly report: SinkReport };

export interface Mark {
  readonly mark: number;
  readonly at: number;
}

export interface SinkReport {
  /** CPU time of the sink since the reset. */
  readonly cpuMs: number;
  /** Distinct `webhook-id`s that arrived at `/e/`. */
  readonly distinct: number;
  readonly duplicates: number;
  /** Not 1 KiB, not signed, without id, or for no known path. */
  readonly malformed: number;
  /** Requests answered 500. */
  readonly dead: number;
  /** Requests never answered. */
  readonly hanging: number;
  /** When each arrived first. */
  readonly arrivals: readonly (readonly [id: string, at: number])[];
}

/** The bare loop, by what it signs with; surehook, by where it stores. */
export type ContenderName = 'limit' | 'limit-crypto' | StoreName;

export type StoreName = 'memory' | 'sqlite' | 'sqlite-full' | 'postgres';

/** What a measured process is to do. */
export type Task =
  | DrainTask
  | FeedTask
  | HangTask
  | PacedTask
  | PublishTask
  | ModesTask
  | ReplayTask
  | FillTask
  | HistoryTask
  | LooksTask;

/** Deliver a backlog that was there before the start; again, from nothing, as often as told to. */
export interface DrainTask {
  readonly mode: 'drain';
  readonly events: number;
}

/** Deliver while the backlog is kept at `waiting`, until told to end. */
export interface FeedTask {
  readonly mode: 'feed';
  readonly waiting: number;
  /** Deliveries that wait from before the start for one endpoint that answers 500. */
  readonly waitingForDead: number;
  /** What waits is there already, and so are the webhooks. */
  readonly filled: boolean;
}

/** Publish one by one to endpoint 0, and meanwhile to all others; these hang or answer. */
export interface HangTask {
  readonly mode: 'hang';
  readonly othersHang: boolean;
  readonly perSecond: number;
  readonly measureMs: number;
}

/** Publish one by one, to all endpoints in turn, at that rate, while nothing waits. */
export interface PacedTask {
  readonly mode: 'paced';
  readonly perSecond: number;
  readonly measureMs: number;
}

/** Publish, `lanes` calls at a time, and deliver nothing. */
export interface PublishTask {
  readonly mode: 'publish';
  readonly events: number;
  readonly lanes: number;
  /** Events of one call. */
  readonly perCall: number;
  /** Whether the tenant has a rate, which is never reached. */
  readonly isLimited: boolean;
}

/** Deliver a backlog to 100 webhooks, single or batched, or to one, ordered by 1 000 keys or not. */
export interface ModesTask {
  readonly mode: 'modes';
  readonly kind: 'single' | 'batched' | 'one' | 'ordered';
  readonly events: number;
}

/** Exhausted deliveries, and of how many webhooks that answer they are. */
export interface GivenUp {
  readonly deliveries: number;
  readonly webhooks: number;
}

/** Deliver as in mode `feed` while exhausted deliveries of webhooks apart are replayed, or are left alone. */
export interface ReplayTask {
  readonly mode: 'replay';
  readonly waiting: number;
  readonly givenUp: GivenUp;
  /** What waits and what was given up is there already, and so are the webhooks. */
  readonly filled: boolean;
  /** They are replayed from when so many others have been delivered; null: not at all. */
  readonly replayAfter: number | null;
}

/** Put a backlog straight into the store, for others to work on. */
export interface FillTask {
  readonly mode: 'fill';
  /** Deliveries for the endpoints that answer. */
  readonly waiting: number;
  /** Webhooks that have been failing for a day, and what waits for all of them together. */
  readonly deadWebhooks: number;
  readonly waitingForDead: number;
  /** Absent: none. */
  readonly givenUp?: GivenUp;
}

/** Put a month of one webhook straight into the store, and work of others into the express queue. */
export interface HistoryTask {
  readonly mode: 'history';
  readonly deliveries: number;
}

/** Look at that month as an operator would, each look so many times; deliver nothing. */
export interface LooksTask {
  readonly mode: 'looks';
  readonly calls: number;
}

/** What a measured process is started with. */
export interface Job {
  readonly contender: ContenderName;
  readonly origin: string;
  readonly task: Task;
}

/** Said to a measured process: where to store, and whether to fill it (mode `drain`: before each round); begin; you are done. */
export type ChildCommand =
  | { readonly do: 'prepare'; readonly home: Home | undefined; readonly fill: boolean }
  | { readonly do: 'go' }
  | { readonly do: 'finish' };

export type ChildReply =
  | {
      readonly ready: true;
      /** How many events a second were stored meanwhile; 0 where none. */
      readonly addedPerSecond: number;
    }
  | { readonly startedAt: number }
  | { readonly published: true }
  | { readonly result: ChildResult };

export interface ChildResult {
  /** CPU time of the whole process from the start to the end of the work. */
  readonly cpuMs: number;
  readonly peakMiB: number;
  /** At the end, after a collection of garbage: what objects and buffers take, and what the process has of the machine. */
  readonly heldMiB: number;
  readonly residentMiB: number;
  /** What the contender itself says it has delivered. */
  readonly delivered: number;
  /** How many events a second were stored, where that was the work, or before the start; 0 where none. In mode `modes`: were delivered. */
  readonly addedPerSecond: number;
  /** When each event that is measured was due to be published. */
  readonly due: readonly (readonly [id: string, at: number])[];
  /** What else was found, by name; in mode `looks` how long each took, in ms. */
  readonly figures: Readonly<Record<string, readonly number[]>>;
}
