/** What the bench, its sink and its measured processes say to each other. */

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

/** What a measured process is to do. */
export type Task = { readonly contender: ContenderName; readonly origin: string } & (
  | DrainTask
  | FeedTask
  | LatencyTask
);

/** The bare loop, by what it signs with; surehook, by where it stores. */
export type ContenderName =
  | 'limit'
  | 'limit-crypto'
  | 'surehook'
  | 'surehook-sqlite'
  | 'surehook-sqlite-full';

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
}

/** Publish one by one to endpoint 0, and meanwhile to all others; these hang or answer. */
export interface LatencyTask {
  readonly mode: 'latency';
  readonly othersHang: boolean;
  readonly perSecond: number;
  readonly measureMs: number;
}

/** Said to a measured process: make ready (mode `drain`: before each round); begin; you are done. */
export type ChildCommand = 'prepare' | 'go' | 'finish';

export type ChildReply =
  | { readonly ready: true }
  | { readonly startedAt: number }
  | { readonly published: true }
  | { readonly result: ChildResult };

export interface ChildResult {
  /** CPU time of the whole process from the start to the end of the work. */
  readonly cpuMs: number;
  readonly peakMiB: number;
  /** What the contender itself says it has delivered. */
  readonly delivered: number;
  /** Mode `latency`: when each event of the healthy endpoint was due to be published. */
  readonly due: readonly (readonly [id: string, at: number])[];
}
