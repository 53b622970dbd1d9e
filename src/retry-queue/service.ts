import { toBatchClaim, toClaims } from '../dispatcher/to-claims.ts';
import { defaultBatchLimits } from '../domain/batch.ts';
import { newId } from '../domain/ids.ts';
import { blocksWhenExhausted, type WebhookRecord } from '../domain/webhook.ts';
import type { ClaimResult, QueueClaim } from '../repos.ts';
import type { Outage } from '../runtime/run.ts';
import type { Allowance } from './allowance.ts';
import { Drain } from './drain.ts';
import type { Holding, Look } from './holding.ts';
import { Keeper } from './keeper.ts';
import type { RetryQueueParts } from './parts.ts';
import { Rates } from './rates.ts';

/** What a queue counts for in a call at least, so that one claims from 65 at most. */
const LEAST_OF_QUEUE = 37;
/** Lost claims of a queue that is given up that are taken over at a time. */
const LOST_AT_A_TIME = 16;

/** Batches of one webhook that one call claims. */
const MAX_BATCHES_PER_CLAIM = 8;
/**
 * Deliveries that one call claims, in batches or not, about. What it asks for is sent only when all of it is there: 64 queues of eight full batches came at
 * once from PostgreSQL, after half a second of nothing. Half as many cost its server an eighth more for each.
 */
const MAX_DELIVERIES_PER_CLAIM = 2_400;
/** So many queues held that none is kept for nothing. */
const CROWD = 512;
/** Calls at a time. What one brings is sent while the store sees to the other; a second is made only for what the first has no room for. */
const MAX_CALLS = 2;
/** The share of a lease for which a queue is kept that has nothing to do for so long. */
const KEPT_SHARE = 1 / 3;
/** How long a stop waits for tokens to be put back before it gives the queues back, ms: whoever serves them next should find the tokens. */
const RETURN_MS = 200;

/** What the service tells its owner. */
export interface ServiceHooks {
  /** The slots have no place for it now. */
  starve(holding: Holding): void;
  /** It is not held any more. */
  dropped(holding: Holding): void;
  /** All that are held. */
  readonly held: { readonly size: number };
}

/** One queue's part of a claim. */
interface Wish {
  readonly holding: Holding;
  /** How many claims it may bring; 0 is a look. */
  readonly limit: number;
  readonly queues: readonly QueueClaim[];
}

/** The same as it was when it was asked for. */
interface Asked extends Wish {
  /** Of the queue. */
  readonly stirs: number;
  /** Whether nothing of it was under way: what the call tells of the rest may have ended since. */
  readonly isQuiet: boolean;
}

/** Serves held queues: claims from them what may be sent now, and gives them back when there is nothing to do. */
export class Service {
  readonly #parts: RetryQueueParts;
  readonly #hooks: ServiceHooks;
  readonly #keeper: Keeper;
  readonly #claims: Outage;
  readonly #drain: Drain;
  readonly #rates: Rates;
  readonly #wanted = new Map<Holding, Wish>();
  #calls = 0;
  #asked = 0;

  constructor(parts: RetryQueueParts, hooks: ServiceHooks) {
    this.#parts = parts;
    this.#hooks = hooks;
    this.#claims = parts.run.outage('events.claimQueues');
    this.#drain = new Drain(parts);
    this.#rates = new Rates(parts, (holding) => this.attend(holding));
    this.#keeper = new Keeper(parts, {
      attend: (holding) => this.attend(holding),
      dropped: (holding) => {
        this.#asked -= this.#wanted.get(holding)?.limit ?? 0;
        this.#wanted.delete(holding);
        this.#rates.giveBack(holding);
        hooks.dropped(holding);
      },
    });
  }

  /** How many deliveries the claims under way may bring. */
  get asked(): number {
    return this.#asked;
  }

  /** Whether tokens are being taken, which have to be put back at a stop. */
  get isTaking(): boolean {
    return this.#rates.isTaking;
  }

  /** Decides what is to be done for a held queue now. Safe to call at any time; the one place where that is decided. */
  attend(holding: Holding): void {
    const { run, cache } = this.#parts;
    if (holding.busy || !run.accepting) return;
    holding.cancelTimer();
    const webhook = cache.peek(holding.webhookId);
    if (webhook === undefined) void this.#read(holding);
    else if (webhook === null) this.#give(holding, null);
    else this.#serve(holding, webhook);
  }

  /** Extends the lease on a queue. */
  renew(holding: Holding): void {
    this.#keeper.renew(holding);
  }

  /** Gives all of them back as they are; resolves when that is stored or the run ends. */
  async releaseAll(holdings: readonly Holding[]): Promise<void> {
    for (const holding of holdings) this.#rates.giveBack(holding);
    await Promise.race([this.#rates.settled(), this.#parts.run.sleep(RETURN_MS)]);
    await this.#keeper.releaseAll(holdings);
  }

  #serve(holding: Holding, webhook: WebhookRecord): void {
    switch (webhook.status.state) {
      case 'disabled':
        if (holding.lane.isQuiet) this.#keeper.hold(holding);
        return;
      case 'unavailable':
        this.#give(holding, webhook);
        return;
      case 'enabled':
      case 'retrying':
        this.#sendOrRest(holding, webhook);
    }
  }

  /** The webhook is gone or unavailable: everything that waits is given up, then the queue is closed. */
  #give(holding: Holding, webhook: WebhookRecord | null): void {
    if (!holding.lane.isQuiet) return;
    if (!holding.drained) void this.#drainAll(holding, webhook);
    else if (this.#hasLost(holding)) this.#takeOver(holding);
    else this.#restOrLook(holding, webhook);
  }

  /** Nothing waits, yet something is due: a claim whose process ended. It has to be claimed again to be given up. */
  #hasLost({ seen, dryUntil }: Holding): boolean {
    const now = this.#parts.run.now();
    return seen?.nextDueAt !== undefined && seen.nextDueAt <= now && dryUntil <= now;
  }

  #takeOver(holding: Holding): void {
    const places = Math.min(LOST_AT_A_TIME, this.#parts.dispatcher().places);
    if (places > 0) this.#want(holding, places);
    else this.#hooks.starve(holding);
  }

  async #drainAll(holding: Holding, webhook: WebhookRecord | null): Promise<void> {
    holding.busy = true;
    holding.drained = true;
    holding.seen = undefined;
    const reason = webhook === null ? 'webhook-deleted' : 'webhook-unavailable';
    await this.#drain.all(holding.webhookId, reason, webhook !== null && blocksWhenExhausted(webhook));
    holding.busy = false;
    this.attend(holding);
  }

  #sendOrRest(holding: Holding, webhook: WebhookRecord): void {
    const { run, dispatcher } = this.#parts;
    const { lane } = holding;
    const allowance = this.#rates.allowanceOf(holding, webhook.rateLimit);
    const now = run.now();
    const dueAt = Math.max(holding.dryUntil, lane.pausedUntil);
    const at = allowance === undefined ? dueAt : Math.max(dueAt, allowance.readyAt(now, lane.waiting));
    if (now >= at) {
      const room = dispatcher().roomOf(lane, webhook);
      if (room > 0 && allowance !== undefined) this.#wantByRate(holding, allowance, room);
      else if (room > 0) this.#want(holding, room);
      else if (lane.isQuiet) this.#hooks.starve(holding);
    } else if (lane.isQuiet && !this.#isSoon(holding, webhook, { at, dueAt }))
      this.#restOrLook(holding, webhook);
    else this.#attendAt(holding, at);
    if (!holding.busy && lane.failures !== holding.storedFailures) this.#keeper.renew(holding);
  }

  /** As many as there are tokens for; where there are none, they are taken first. What waits in the lane has its tokens. */
  #wantByRate(holding: Holding, allowance: Allowance, room: number): void {
    const { waiting } = holding.lane;
    const most = Math.min(room, allowance.present(this.#parts.run.now()) - waiting);
    const free = allowance.tokens - waiting;
    if (free > 0) this.#want(holding, Math.min(most, free));
    else this.#rates.take(holding, allowance, most);
  }

  /**
   * A batch that waits for more of its kind, a delivery that waits for a token: giving its queue back and taking it again with each event would cost
   * more than to keep it.
   */
  #isSoon(
    { dryUntil }: Holding,
    { delivery }: WebhookRecord,
    { at, dueAt }: { readonly at: number; readonly dueAt: number },
  ): boolean {
    const { run, settings } = this.#parts;
    if (at - run.now() > settings.leaseMs * KEPT_SHARE) return false;
    if (at === dueAt) return delivery.mode === 'batched';
    return dryUntil > 0 && this.#hooks.held.size <= CROWD;
  }

  /** Something of the lane is under way; its end is one occasion to look again, the next due time another. */
  #attendAt(holding: Holding, at: number): void {
    const { run, settings } = this.#parts;
    const waitMs = Math.max(1, at - run.now());
    if (waitMs <= settings.leaseMs) holding.cancelTimer = run.schedule(waitMs, () => this.attend(holding));
  }

  // ------------------------------------------------------------------------------------------ claiming

  #want(holding: Holding, room: number): void {
    const queues = this.#claimsOf(holding, room);
    const limit = queues.reduce((sum, one) => sum + one.limit, 0);
    holding.busy = true;
    this.#asked += limit;
    this.#wanted.set(holding, { holding, limit, queues });
    // By microtask, so that all that one turn of the engine wants makes one call.
    if (this.#calls === 0 && this.#wanted.size === 1) queueMicrotask(() => void this.#claim());
  }

  async #claim(): Promise<void> {
    const { run, settings, events } = this.#parts;
    if (this.#calls === MAX_CALLS) return;
    this.#calls += 1;
    while (this.#wanted.size > 0 && run.accepting) {
      const wishes = this.#takeWishes();
      // Beside it, unless the store answers at once.
      if (this.#wanted.size > 0) run.schedule(0, () => void this.#claim());
      const queues = wishes.flatMap((wish) => wish.queues);
      const now = run.now();
      const leaseUntil = now + settings.leaseMs;
      const done = await this.#claims.attempt(() => events.claimQueues({ now, leaseUntil, queues }));
      const results = done?.value.slice();
      for (const wish of wishes) {
        this.#asked -= wish.limit;
        wish.holding.busy = false;
        if (results) this.#claimed(wish, results.splice(0, wish.queues.length), leaseUntil);
        this.attend(wish.holding);
      }
      this.#parts.dispatcher().refill();
    }
    this.#calls -= 1;
    if (this.#calls > 0) return;
    // What a stop found waiting for its call is not asked for.
    this.#wanted.clear();
    this.#asked = 0;
    this.#parts.changed();
  }

  /** What the next call asks for: wishes in their order, as many as it has room for, at least one. */
  #takeWishes(): readonly Asked[] {
    const asked: Asked[] = [];
    let left = MAX_DELIVERIES_PER_CLAIM;
    for (const [holding, wish] of this.#wanted) {
      if (left <= 0) break;
      left -= Math.max(LEAST_OF_QUEUE, wish.limit * (wish.queues[0]?.batch?.maxEvents ?? 1));
      this.#wanted.delete(holding);
      asked.push({ ...wish, stirs: holding.stirs, isQuiet: holding.lane.isQuiet });
    }
    return asked;
  }

  /**
   * One claim for as many deliveries as there is room for; of a batched webhook, one for each batch, and no more of them than its share of what the calls may bring: all
   * queues that are held may be in them. It goes by what was last known of the webhook: what it is now is asked before anything is sent.
   */
  #claimsOf({ webhookId }: Holding, limit: number): readonly QueueClaim[] {
    const { run, settings, cache } = this.#parts;
    const delivery = cache.peek(webhookId, 0)?.delivery;
    if (delivery?.mode !== 'batched') return [{ webhookId, limit }];
    const limits = delivery.batch ?? defaultBatchLimits;
    const share = (MAX_CALLS * MAX_DELIVERIES_PER_CLAIM) / this.#hooks.held.size / limits.maxEvents;
    return Array.from({ length: Math.max(1, Math.min(limit, MAX_BATCHES_PER_CLAIM, share)) }, () => ({
      webhookId,
      limit: Math.min(limit, 1),
      batch: { id: newId('bat', run.now(), settings.random), ...limits },
    }));
  }

  #claimed(
    { holding, limit: wanted, queues, stirs, isQuiet }: Asked,
    results: readonly ClaimResult[],
    leaseUntil: number,
  ): void {
    const { lane } = holding;
    const nextDueAt = results.at(-1)?.nextDueAt;
    const claims = results.flatMap(({ deliveries }, index) =>
      queues[index]?.batch === undefined || deliveries.length === 0
        ? toClaims(deliveries, leaseUntil)
        : [toBatchClaim(deliveries, leaseUntil)],
    );
    const gotAll = wanted === 0 || claims.length < wanted;
    // What came while the call was under way may not be in its answer.
    const stirred = holding.stirs !== stirs;
    // With a rate a claim that asks for nothing more costs a token: what this one told of the rest is gone by.
    const told = gotAll || holding.allowance !== undefined;
    holding.dryUntil = told && !stirred ? (nextDueAt ?? Number.POSITIVE_INFINITY) : 0;
    holding.seen = undefined;
    if (claims.length > 0) this.#parts.dispatcher().accept(lane, claims);
    else if (!stirred) {
      // What is due by our clock but was not handed out is not due by the store's: its record waits for that.
      if (wanted > 0) holding.dryUntil = Math.max(holding.dryUntil, this.#parts.run.now() + 1);
      if (isQuiet) holding.seen = { nextDueAt, isCurrent: false };
    }
  }

  // ------------------------------------------------------------------------------------------ giving back

  /** Nothing can be sent for it now, and nothing is under way: a last look, then it is given back. */
  #restOrLook(holding: Holding, webhook: WebhookRecord | null): void {
    const { seen } = holding;
    if (seen === undefined) this.#want(holding, 0);
    else if (
      !seen.isCurrent &&
      (seen.nextDueAt === undefined || holding.isOutOfTokens(this.#parts.run.now()))
    )
      void this.#read(holding, seen);
    else this.#keeper.rest(holding, webhook, seen.nextDueAt);
  }

  /**
   * Reads the webhook, and looks at the queue again. After a last look (`seen`) it is read anew: an empty queue is closed by what is stored of its webhook, not by what is
   * cached, because another process may have set it Retrying just now. And so is put to rest one that waits for a token: its rate may just have been raised.
   */
  async #read(holding: Holding, seen?: Look): Promise<void> {
    const { run, cache } = this.#parts;
    holding.busy = true;
    await run.outage('webhooks.getMany').persist(() => cache.reload(holding.webhookId));
    holding.busy = false;
    if (seen !== undefined) seen.isCurrent = true;
    this.attend(holding);
  }
}
