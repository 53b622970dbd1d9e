import type { DeliveryRecord } from '../domain/delivery.ts';
import type { EventRecord } from '../domain/event.ts';
import { Fifo } from '../fifo.ts';
import type { ClaimedDelivery } from '../repos.ts';
import type { Template } from './template.ts';

/** What this process has claimed for one request: a delivery, or a batch of them. */
export interface Claim {
  /** The delivery, or the first of the batch: its status, tries and lost claims are those of all. */
  readonly delivery: DeliveryRecord;
  /** The other deliveries of the batch; none of a single one. */
  readonly others: readonly DeliveryRecord[];
  /** What is sent. */
  readonly event: EventRecord;
  /** All of the batch, with their events; absent for a single one. */
  readonly members?: readonly ClaimedDelivery[];
  /** When its lease ends at the earliest, by this process's clock: counted from before the claim was made. */
  readonly leaseUntil: number;
}

/** One request under way. */
export interface Flight {
  readonly lane: Lane;
  readonly claim: Claim;
  /** Rises with every request of this process: tells which of two began first. */
  readonly number: number;
  readonly startedAt: number;
  /** Which shares of the slots it takes up; see `Slots`. */
  readonly unproven: boolean;
  readonly probing: boolean;
  /** Set once it has started; what ends at once has none. */
  attempt: { abort(): void } | undefined;
}

const MAX_WINDOW = 65_536;

/**
 * One webhook as this process works for it: what it has claimed for it, what is under way, and how far it trusts it.
 *
 * - `window`: requests it may have under way, its cap aside. Begins at 1, doubles with each success, and falls back to 1
 *   with a failure: an endpoint that hangs from the start takes one slot, one that only fails gets one probe at a time.
 * - `apartUntil`: until then its deliveries are taken to wait in its own queue, not in the express queue. Wrong guesses cost a write, no more:
 *   where a delivery waits is decided by the store.
 */
export class Lane {
  readonly webhookId: string;
  apartUntil = 0;
  window = 1;
  /** Its last attempt succeeded. */
  proven = false;
  /** Consecutive failures, each counted once per round: see `fail`. */
  failures = 0;
  /** No request starts before this instant. */
  pausedUntil = 0;
  /** The part of the pause that the endpoint asked for (Retry-After): a success does not end it. */
  retryAfterUntil = 0;
  /** Outcomes that are not stored yet. */
  unsettled = 0;
  /** What its requests have in common, as of the last one. */
  template: Template | undefined = undefined;
  /** Oldest first. A handful: an array is cheaper than a set that comes and goes. */
  readonly flights: Flight[] = [];
  /** Its place in the order of turns; see `Lanes`. */
  turn: 'none' | 'ready' | 'deferred' = 'none';
  /** Whether it has an entry among the deferred, valid or not. */
  hasDeferral = false;
  readonly #waiting = new Fifo<Claim>();
  #failureMark = 0;

  constructor(webhookId: string) {
    this.webhookId = webhookId;
  }

  /** Claims that have not been started. */
  get waiting(): number {
    return this.#waiting.size;
  }

  get isQuiet(): boolean {
    return this.waiting === 0 && this.flights.length === 0 && this.unsettled === 0;
  }

  push(claim: Claim): void {
    this.#waiting.push(claim);
  }

  peek(): Claim | undefined {
    return this.#waiting.peek();
  }

  shift(): Claim | undefined {
    return this.#waiting.shift();
  }

  land(flight: Flight): void {
    const index = this.flights.indexOf(flight);
    if (index >= 0) this.flights.splice(index, 1);
  }

  /** Takes out everything that has not been started. */
  unload(): Claim[] {
    return this.#waiting.clear();
  }

  /** Whether its oldest request has been under way for longer than `ms`. */
  isSlow(now: number, ms: number): boolean {
    const oldest = this.flights[0];
    return oldest !== undefined && now - oldest.startedAt > ms;
  }

  /** Begins to serve it under a lease, as its record has it: its time has come, so that no pause is left. */
  take(failures: number): void {
    this.failures = failures;
    this.pausedUntil = 0;
    this.retryAfterUntil = 0;
    if (failures === 0) return;
    this.window = 1;
    this.proven = false;
  }

  succeed(now: number): void {
    this.proven = true;
    if (this.window < MAX_WINDOW) this.window *= 2;
    if (this.retryAfterUntil > now) return;
    this.failures = 0;
    this.pausedUntil = 0;
  }

  /**
   * Requests that were under way side by side fail together for one reason: only a request that began after the
   * last counted failure counts as another. Returns whether this one did.
   */
  fail(flight: Flight, lastFlight: number): boolean {
    this.proven = false;
    this.window = 1;
    if (flight.number <= this.#failureMark) return false;
    this.#failureMark = lastFlight;
    this.failures += 1;
    return true;
  }

  pause(until: number, retryAfterUntil: number): void {
    this.retryAfterUntil = Math.max(this.retryAfterUntil, retryAfterUntil);
    this.pausedUntil = Math.max(this.pausedUntil, until, this.retryAfterUntil);
  }
}
