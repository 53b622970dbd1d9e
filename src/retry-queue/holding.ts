import type { Lane } from '../dispatcher/lane.ts';
import type { QueueRecord } from '../repos.ts';
import type { Allowance } from './allowance.ts';

/** What a look into a queue found. */
export interface Look {
  /** When something in it is due; `undefined`: it is empty. */
  readonly nextDueAt: number | undefined;
  /** Whether the webhook has been read anew since. */
  isCurrent: boolean;
}

/** One webhook's queue that this process serves, under a lease on its state record. */
export class Holding {
  readonly lane: Lane;
  readonly token: number;
  /** The record's `wakes` as it was before the last look into the queue. */
  wakes: number;
  /** When the lease ends at the earliest, by this process's clock. */
  leaseUntil: number;
  /** What the record said when it was acquired: why the queue is served now. */
  readonly servedFor: number | null;
  /** A claim, a drain or the giving back is under way; what comes up meanwhile is looked at after it. */
  busy = false;
  /** It is being given back. */
  releasing = false;
  /** It is not held any more. */
  dropped = false;
  /** Of a webhook with a rate: what that allows, as of the last look. */
  allowance: Allowance | undefined;
  /** It could not be given back, and its lease is being made sure of. */
  regaining = false;
  /** Nothing more can be claimed before this instant, as far as is known; 0 is "look". */
  dryUntil = 0;
  /** What the last look found that was made while nothing of ours was under way; `undefined`: no such look. */
  seen: Look | undefined;
  /** Consecutive failures as stored. */
  storedFailures: number;
  /** Everything that waited in it was given up. */
  drained = false;
  /** Rises with every `stir`: tells whether something came while a call was under way. */
  stirs = 0;
  cancelTimer: () => void = () => {};

  constructor(lane: Lane, record: QueueRecord, leaseUntil: number) {
    this.lane = lane;
    this.token = record.token;
    this.wakes = record.wakes;
    this.servedFor = record.nextAt;
    this.storedFailures = record.failures;
    this.leaseUntil = leaseUntil;
  }

  get webhookId(): string {
    return this.lane.webhookId;
  }

  /** Whether nothing of it can be sent, or is under way, until its webhook's rate allows another request. */
  isOutOfTokens(now: number): boolean {
    if (this.allowance === undefined || this.busy || !this.lane.isQuiet) return false;
    return this.allowance.readyAt(now, 0) > now;
  }

  /** Until when its webhook's rate keeps it from sending anything, by the store's clock; 0 where it does not. */
  restsUntil(now: number): number {
    return this.isOutOfTokens(now) ? (this.allowance?.restsUntil(now) ?? 0) : 0;
  }

  /** Something may have come into the queue that is due at `dueAt`. */
  stir(dueAt: number): void {
    this.dryUntil = Math.min(this.dryUntil, dueAt);
    this.seen = undefined;
    this.drained = false;
    this.stirs += 1;
  }
}
