import type { Lane } from '../dispatcher/lane.ts';
import type { Failure, QueueHooks } from '../dispatcher/queue-hooks.ts';
import { backoffMs } from '../domain/backoff.ts';
import type { WebhookRecord } from '../domain/webhook.ts';
import { leaseMargin } from '../options/lease.ts';
import type { QueueOpening, QueueRecord } from '../repos.ts';
import { BatchWriter } from '../runtime/batch-writer.ts';
import { DueWait } from '../runtime/due-wait.ts';
import type { Outage } from '../runtime/run.ts';
import { Holding } from './holding.ts';
import type { RetryQueueParts } from './parts.ts';
import { Service } from './service.ts';
import { Sweep } from './sweep.ts';

/** Healthy queues that one process serves at a time: enough to fill its slots many times over. */
const MAX_HEALTHY = 1_024;
/** The share of a lease after which it is renewed. */
const RENEW_SHARE = 1 / 6;
/** Holdings that get another chance at each freed slot, of those that the slots turned away. */
const RETRIED_PER_SLOT = 4;
/** The sweep for queues that nobody opened is made at every so many polls. */
const POLLS_PER_SWEEP = 8;

/**
 * When each webhook's own queue is served. A queue is served while it is held: under a lease on its state record, by one process at a
 * time. A held queue is looked at whenever something about it changes (`Service.attend`), and given back when there is
 * nothing to do for it now; the record then says when it is to be served next.
 */
export class RetryQueues implements QueueHooks {
  readonly #parts: RetryQueueParts;
  readonly #holdings = new Map<string, Holding>();
  readonly #starved = new Set<Holding>();
  readonly #opener: BatchWriter<QueueOpening, undefined>;
  readonly #acquiring: Outage;
  readonly #service: Service;
  readonly #sweep: Sweep;
  readonly #wait: DueWait;
  #isAcquiring = false;
  #acquireAgain = false;
  #cancelTimer: () => void = () => {};
  #polls = 0;

  constructor(parts: RetryQueueParts) {
    const { run, state } = parts;
    this.#parts = parts;
    this.#acquiring = run.outage('state.acquire');
    this.#wait = new DueWait(parts.settings.pollMs);
    this.#opener = new BatchWriter({
      run,
      operation: 'state.open',
      maxBatch: 500,
      write: async (entries) => {
        await state.open(merged(entries), { now: run.now() });
        return entries.map(() => undefined);
      },
      written: () => {},
      idle: () => this.wake(),
    });
    this.#service = new Service(parts, {
      starve: (holding) => this.#starved.add(holding),
      dropped: (holding) => this.#dropped(holding),
      held: this.#holdings,
    });
    this.#sweep = new Sweep(parts, (webhookId) => this.notify(webhookId));
  }

  /** Begins to look for queues to serve, and for those that nobody opened. */
  start(): void {
    void this.#sweep.all();
    this.#poll();
    this.#renew();
  }

  /** Whether a queue is being served, or may be due that is not. One that waits for a token is like one that waits for a retry. */
  get isBusy(): boolean {
    return this.#isAcquiring || this.#isServing() || this.#opener.size > 0 || this.#sweep.isBusy;
  }

  #isServing(): boolean {
    const now = this.#parts.run.now();
    for (const holding of this.#holdings.values()) if (!holding.isOutOfTokens(now)) return true;
    return false;
  }

  /** Whether tokens are being taken, which have to be put back at a stop. */
  get isTaking(): boolean {
    return this.#service.isTaking;
  }

  /** Queues that this process serves now. */
  get held(): number {
    return this.#holdings.size;
  }

  /** Queues may have come due. */
  wake(): void {
    if (this.#isAcquiring) this.#acquireAgain = true;
    else if (this.#parts.run.accepting) void this.#acquire();
  }

  /** Something was stored into this webhook's own queue. */
  notify(webhookId: string): void {
    const holding = this.#holdings.get(webhookId);
    const now = this.#parts.run.now();
    if (holding === undefined) this.#opener.add({ webhookId, failures: 0, nextAt: now });
    else {
      holding.stir(now);
      this.#service.attend(holding);
    }
  }

  /** The repo tells that something was stored into these queues, here or elsewhere; whoever stored it opens them. */
  stirred(webhookIds: readonly string[]): void {
    for (const id of webhookIds) {
      const holding = this.#holdings.get(id);
      holding?.stir(this.#parts.run.now());
      if (holding !== undefined) this.#service.attend(holding);
    }
    this.wake();
  }

  /** Whether new deliveries of this webhook are to be stored into its own queue right away, as far as this process knows. */
  isApart(webhookId: string): boolean {
    const lane = this.#parts.dispatcher().lanes.get(webhookId);
    return lane !== undefined && lane.apartUntil > this.#parts.run.now();
  }

  /** A webhook changed from outside: whoever serves it looks at it again. */
  reconsider(webhookId: string): void {
    const holding = this.#holdings.get(webhookId);
    if (holding !== undefined) this.#service.attend(holding);
  }

  /** Gives every held queue back; for the end of the run. */
  async releaseAll(): Promise<void> {
    await this.#service.releaseAll([...this.#holdings.values()]);
  }

  // ------------------------------------------------------------------------------------------ hooks

  get asked(): number {
    return this.#service.asked;
  }

  mayServe(lane: Lane, { rateLimit }: WebhookRecord): boolean {
    const holding = this.#holdings.get(lane.webhookId);
    if (holding === undefined) return false;
    const { run, settings } = this.#parts;
    const now = run.now();
    if (holding.leaseUntil - now < settings.timeoutMs + settings.leaseMs * leaseMargin) return false;
    if (rateLimit === undefined) return true;
    const { allowance } = holding;
    return allowance?.isOf(rateLimit) === true && allowance.mayStart(now);
  }

  started(lane: Lane): void {
    this.#holdings.get(lane.webhookId)?.allowance?.spend(this.#parts.run.now());
  }

  failed({ lane, outcome, counts }: Failure): void {
    if (outcome.kind !== 'failed') return;
    const { run, settings } = this.#parts;
    const now = run.now();
    const { retryAfterMs } = outcome;
    const waitMs = counts ? backoffMs(settings.backoff, lane.failures, settings.random) : 0;
    lane.pause(now + waitMs, retryAfterMs === undefined ? 0 : now + retryAfterMs);
  }

  openingOf(lane: Lane): QueueOpening | undefined {
    // Also while it is held: a process that slept through its leases does not know yet that it holds nothing any more.
    return openingOf(lane);
  }

  changed(lane: Lane): void {
    const holding = this.#holdings.get(lane.webhookId);
    if (holding !== undefined) this.#service.attend(holding);
  }

  joined(lane: Lane, dueAt: number): void {
    const holding = this.#holdings.get(lane.webhookId);
    if (holding !== undefined) holding.stir(dueAt);
    else if (lane.failures > 0) this.#opener.add(openingOf(lane));
    else this.#opener.add({ webhookId: lane.webhookId, failures: 0, nextAt: dueAt });
  }

  slotFreed(): void {
    let left = RETRIED_PER_SLOT;
    for (const holding of this.#starved) {
      if (left === 0) return;
      left -= 1;
      this.#starved.delete(holding);
      this.#service.attend(holding);
    }
  }

  // ------------------------------------------------------------------------------------------ acquiring

  async #acquire(): Promise<void> {
    this.#isAcquiring = true;
    do {
      this.#acquireAgain = false;
      await this.#acquireOnce();
    } while (this.#acquireAgain && this.#parts.run.accepting);
    this.#isAcquiring = false;
    this.#parts.changed();
  }

  async #acquireOnce(): Promise<void> {
    const { run, settings, state } = this.#parts;
    const { healthy, failing } = this.#places();
    if (healthy + failing === 0) return;
    const now = run.now();
    const leaseUntil = now + settings.leaseMs;
    const done = await this.#acquiring.attempt(() => state.acquire({ now, leaseUntil, healthy, failing }));
    if (done === undefined) {
      this.#acquireAgain = true;
      return;
    }
    if (done.value.queues.length > 0) this.#wait.reset();
    for (const record of done.value.queues) this.#adopt(record, leaseUntil);
    this.#schedule(done.value.nextAt);
  }

  /** How many more queues this process may serve: failing ones no more than may be probed at a time. */
  #places(): { healthy: number; failing: number } {
    let failing = 0;
    for (const { lane } of this.#holdings.values()) if (lane.failures > 0) failing += 1;
    const healthy = this.#holdings.size - failing;
    return {
      healthy: Math.max(0, MAX_HEALTHY - healthy),
      failing: Math.max(0, this.#parts.dispatcher().slots.maxProbing - failing),
    };
  }

  #adopt(record: QueueRecord, leaseUntil: number): void {
    const lane = this.#parts.dispatcher().lanes.of(record.webhookId);
    lane.apartUntil = Number.POSITIVE_INFINITY;
    lane.take(record.failures);
    const holding = new Holding(lane, record, leaseUntil);
    this.#holdings.set(record.webhookId, holding);
    if (this.#parts.run.accepting) this.#service.attend(holding);
  }

  #dropped(holding: Holding): void {
    if (this.#holdings.get(holding.webhookId) === holding) this.#holdings.delete(holding.webhookId);
    this.#starved.delete(holding);
    holding.cancelTimer();
    // There may have been more due queues than places.
    this.wake();
    this.slotFreed();
    this.#parts.changed();
  }

  // ------------------------------------------------------------------------------------------ time

  /** Looks again when the next queue is due; the poll sees to what is further away. */
  #schedule(nextAt: number | undefined): void {
    const { run, settings } = this.#parts;
    this.#cancelTimer();
    if (nextAt === undefined || nextAt - run.now() >= settings.pollMs) return;
    const { healthy, failing } = this.#places();
    if (healthy === 0 || failing === 0) return;
    this.#cancelTimer = run.schedule(this.#wait.until(nextAt, run.now()), () => this.wake());
  }

  #poll(): void {
    const { run, settings } = this.#parts;
    this.wake();
    this.slotFreed();
    run.schedule(settings.pollMs, () => {
      this.#polls += 1;
      if (this.#polls % POLLS_PER_SWEEP === 0) void this.#sweep.page();
      this.#poll();
    });
  }

  #renew(): void {
    const { run, settings } = this.#parts;
    run.schedule(settings.leaseMs * RENEW_SHARE, () => {
      for (const holding of this.#holdings.values()) this.#service.renew(holding);
      this.#renew();
    });
  }
}

/** The queue of a webhook that failed, with its back-off as it stands. */
function openingOf({ webhookId, failures, pausedUntil }: Lane): QueueOpening {
  return { webhookId, failures, nextAt: pausedUntil };
}

/** One entry per webhook: the one with failures says more, and the earlier one is sooner. */
function merged(entries: readonly QueueOpening[]): readonly QueueOpening[] {
  const byId = new Map<string, QueueOpening>();
  for (const entry of entries) {
    const known = byId.get(entry.webhookId);
    const better =
      known === undefined ||
      entry.failures > known.failures ||
      (entry.failures === known.failures && entry.nextAt < known.nextAt);
    if (better) byId.set(entry.webhookId, entry);
  }
  return [...byId.values()];
}
