import type { Queue, SettledState } from '../domain/delivery.ts';
import { blocksWhenExhausted, hasOwnQueue, type WebhookRecord } from '../domain/webhook.ts';
import { leaseMargin } from '../options/lease.ts';
import type { SettleResult } from '../repos.ts';
import type { AttemptResult } from './attempt.ts';
import { Counters } from './counters.ts';
import type { DispatcherParts } from './dispatcher-parts.ts';
import { endingsOf } from './endings.ts';
import { ExpressFeed } from './express-feed.ts';
import { Housekeeping } from './housekeeping.ts';
import { Landings } from './landings.ts';
import type { Claim, Flight, Lane } from './lane.ts';
import { Lanes } from './lanes.ts';
import { type Ending, Settler, wasStored } from './settler.ts';
import { Slots, slowMs } from './slots.ts';
import { apart, type Judged, triage } from './triage.ts';

/** A webhook as it is known at an instant: the clock is read once for each turn. */
interface Moment {
  readonly webhook: WebhookRecord;
  readonly now: number;
}

/** Fewer free places are not worth a claim of their own while there is still something to send. */
const MIN_CLAIM = 32;
/** How long a webhook that was set apart here is taken to be served from its own queue, unless the queues say more, in ms. */
const APART_MS = 2_000;

/**
 * Claims, sends, settles. Deliveries come from the express queue or, by `accept`, from the webhooks' own queues; they wait in
 * the lane of their webhook for a slot, and end in the settler.
 */
export class Dispatcher {
  readonly lanes: Lanes = new Lanes();
  readonly slots: Slots;
  readonly counters: Counters = new Counters();
  readonly #parts: DispatcherParts;
  readonly #feed: ExpressFeed;
  readonly #settler: Settler;
  readonly #refreshing = new Set<Lane>();
  readonly #landings: Landings;
  #flightNumber = 0;
  /** Claimed, and on the way to their lanes. */
  #routing = 0;
  readonly #housekeeping: Housekeeping;

  constructor(parts: DispatcherParts) {
    const { run, settings, repo } = parts;
    this.#parts = parts;
    this.slots = new Slots(settings.maxInFlight);
    this.#landings = new Landings(parts);
    this.#settler = new Settler(run, repo, {
      settled: (ending, result) => this.#settled(ending, result),
      batchSettled: () => {
        // First: the express queue takes what the others leave.
        parts.hooks.slotFreed();
        this.#feed.refill();
        parts.changed();
      },
    });
    this.#housekeeping = new Housekeeping({
      run,
      settings,
      lanes: this.lanes,
      isFull: () => this.#refreshing.size === 0 && this.#room() === 0,
      moveAway: (lane) => this.#moveAway(lane),
      moved: () => this.#pump(),
    });
    this.#feed = new ExpressFeed({
      run,
      repo,
      leaseMs: settings.leaseMs,
      pollMs: settings.pollMs,
      room: () => this.#room(),
      route: (claims) => this.#route(claims),
      rested: parts.changed,
    });
  }

  /** Whether anything is under way, or may be due that was not claimed yet. */
  get isBusy(): boolean {
    return this.#feed.isBusy || this.held > 0;
  }

  /** Deliveries claimed by this process whose end is not stored. */
  get held(): number {
    return this.lanes.waiting + this.slots.taken + this.#settler.pending + this.#routing;
  }

  /** How many deliveries the claims under way may bring. */
  get asked(): number {
    return this.#feed.asked + this.#parts.hooks.asked;
  }

  /** How many more deliveries this process may claim, those that are being claimed aside. */
  get places(): number {
    const { maxInFlight, prefetch } = this.#parts.settings;
    return Math.max(0, maxInFlight + prefetch - this.held - this.asked);
  }

  get inFlight(): number {
    return this.slots.taken;
  }

  /** The express queue may have something. */
  wake(): void {
    this.#feed.wake();
  }

  /** Places have come free that claims of own queues were to fill: the express queue may have them. */
  refill(): void {
    this.#feed.refill();
  }

  /** Takes claims of a webhook's own queue. */
  accept(lane: Lane, claims: readonly Claim[]): void {
    // A claim that was under way when the process was told to stop.
    if (!this.#parts.run.accepting) {
      for (const claim of claims) this.#giveBack(lane, claim, 'own');
      return;
    }
    for (const claim of claims) this.lanes.push(lane, claim);
    this.#pump();
  }

  /** Gives back, unsent, what waits in a lane; it waits on in the webhook's own queue. */
  unload(lane: Lane): void {
    for (const claim of this.lanes.unload(lane)) this.#giveBack(lane, claim, 'own');
  }

  /** Gives back everything that has not been started. */
  unloadAll(): void {
    for (const lane of this.lanes.all()) {
      for (const claim of this.lanes.unload(lane)) this.#giveBack(lane, claim, claim.delivery.queue);
    }
  }

  /** Ends every request under way. */
  abortAll(): void {
    for (const lane of this.lanes.all()) for (const flight of [...lane.flights]) flight.attempt?.abort();
  }

  /** How many more deliveries of its own queue a webhook could send now. */
  roomOf(lane: Lane, webhook: WebhookRecord): number {
    if (!this.slots.admits(lane, this.#parts.run.now())) return 0;
    const window = this.#windowOf(lane, webhook);
    // Once it is proven, as many again may wait: the next claim is made while these are sent.
    const room = (lane.proven ? 2 : 1) * window - lane.flights.length - lane.waiting;
    return Math.max(0, Math.min(room, this.places));
  }

  #windowOf(lane: Lane, webhook: WebhookRecord): number {
    return Math.min(lane.window, this.#capOf(webhook));
  }

  #capOf(webhook: WebhookRecord): number {
    return webhook.maxInFlight ?? this.#parts.settings.maxInFlightPerWebhook;
  }

  #room(): number {
    const room = this.places;
    return room < MIN_CLAIM && this.lanes.waiting > 0 ? 0 : room;
  }

  // ------------------------------------------------------------------------------------------ in

  /** Sorts claims of the express queue into lanes; what a lane cannot take moves to its webhook's own queue. */
  async #route(claims: readonly Claim[]): Promise<void> {
    const { run, cache } = this.#parts;
    const ids = claims.map(({ delivery }) => delivery.webhookId);
    this.#routing += claims.length;
    await run.outage('webhooks.getMany').persist(() => cache.load(ids));
    this.#routing -= claims.length;
    let moved = 0;
    const now = run.now();
    for (const claim of claims) {
      const lane = this.lanes.of(claim.delivery.webhookId);
      // What takes turns is sent from its own queue only, where the turns are kept.
      if (claim.delivery.orderingKey === undefined && this.#takes(lane, now)) this.lanes.push(lane, claim);
      else {
        moved += 1;
        this.#giveBack(lane, claim, run.accepting ? 'own' : 'express');
      }
    }
    this.#pump();
    // A store that answers at once must not keep the host from its own work while a long backlog is moved.
    if (moved > 0) await run.sleep(0);
  }

  /** Whether a lane can take one more claim of the express queue. */
  #takes(lane: Lane, now: number): boolean {
    const { cache, run } = this.#parts;
    if (!run.accepting) return false;
    const webhook = cache.peek(lane.webhookId, now);
    // Not known, gone or unavailable: its turn will tell, and nothing is sent for it.
    if (webhook === undefined || webhook === null || webhook.status.state === 'unavailable') return true;
    if (hasOwnQueue(webhook) || webhook.status.state !== 'enabled' || lane.apartUntil > now) return false;
    const cap = this.#capOf(webhook);
    const hangs = lane.flights.length >= Math.min(lane.window, cap) && lane.isSlow(now, slowMs);
    if (!hangs && lane.waiting < cap) return true;
    this.#setApart(lane);
    return false;
  }

  /** From here on the webhook is served from its own queue. */
  #setApart(lane: Lane): void {
    lane.apartUntil = Math.max(lane.apartUntil, this.#parts.run.now() + APART_MS);
  }

  // ------------------------------------------------------------------------------------------ through

  #pump(): void {
    const { run } = this.#parts;
    while (run.accepting && this.slots.free > 0) {
      const lane = this.lanes.takeReady();
      if (lane === undefined) break;
      this.#turn(lane);
    }
    this.#housekeeping.look();
    this.#feed.refill();
  }

  /** One turn of a lane: at most one request starts. */
  #turn(lane: Lane): void {
    const { cache, settings, run } = this.#parts;
    const claim = lane.peek();
    if (claim === undefined) return;
    const now = run.now();
    const webhook = cache.peek(lane.webhookId, now);
    if (webhook === undefined) {
      this.#refresh(lane);
      return;
    }
    const verdict = triage(claim, webhook, settings.maxLost);
    if (verdict.kind === 'give-up' || verdict.kind === 'take-apart') {
      this.lanes.shift(lane);
      const parts =
        verdict.kind === 'give-up' ? [{ claim, verdict }] : apart(claim, webhook, settings.maxLost);
      for (const part of parts) this.#giveUp(lane, part, webhook);
      this.lanes.makeReady(lane);
    } else if (
      verdict.kind === 'hold' ||
      webhook === null ||
      !this.#mayStart(claim, lane, { webhook, now })
    ) {
      this.unload(lane);
    } else if (lane.flights.length < this.#windowOf(lane, webhook)) {
      if (this.slots.admits(lane, now)) this.#start(lane, claim, { webhook, now });
      else this.lanes.defer(lane);
    }
    // A lane whose window is full is made ready again by the end of one of its requests.
  }

  /** Ends a claim for which no request is made; where there is no reason to, it waits on by itself. */
  #giveUp(lane: Lane, { claim, verdict }: Judged, webhook: WebhookRecord | null): void {
    if (verdict.kind === 'give-up') {
      const next = { status: 'exhausted', reason: verdict.reason } as const;
      this.#end({ claim, lane, next: inOrder(next, claim, webhook) });
    } else this.#giveBack(lane, claim, 'own');
  }

  /** Whether its queue's lease, its back-off and the claim's own lease allow a request now. */
  #mayStart(claim: Claim, lane: Lane, { webhook, now }: Moment): boolean {
    const { hooks } = this.#parts;
    if (now < lane.pausedUntil || !this.#leaseCovers(claim, webhook, now)) return false;
    const { status, rateLimit, delivery } = webhook;
    // Claimed while its webhook was not known, or before its mode changed: it waits on, and is claimed as its webhook wants it.
    if ((delivery.mode === 'batched') !== (claim.members !== undefined)) return false;
    const apart = claim.delivery.queue === 'own' || status.state === 'retrying' || rateLimit !== undefined;
    return !apart || hooks.mayServe(lane, webhook);
  }

  #leaseCovers(claim: Claim, webhook: WebhookRecord, now: number): boolean {
    const { timeoutMs, leaseMs } = this.#parts.settings;
    const longestMs = Math.min(webhook.timeoutMs ?? timeoutMs, timeoutMs);
    return claim.leaseUntil - now >= longestMs + leaseMs * leaseMargin;
  }

  /** The webhook has to be looked at again before anything starts for it. */
  #refresh(lane: Lane): void {
    const { run, cache } = this.#parts;
    this.#refreshing.add(lane);
    if (this.#refreshing.size > 1) return;
    queueMicrotask(async () => {
      const lanes = [...this.#refreshing];
      this.#refreshing.clear();
      const ids = lanes.map(({ webhookId }) => webhookId);
      await run.outage('webhooks.getMany').persist(() => cache.load(ids));
      for (const refreshed of lanes) this.lanes.makeReady(refreshed);
      this.#pump();
    });
  }

  #start(lane: Lane, claim: Claim, { webhook, now }: Moment): void {
    const { performer, hooks } = this.#parts;
    this.lanes.shift(lane);
    if (webhook.rateLimit !== undefined) hooks.started(lane);
    this.#flightNumber += 1;
    const flight: Flight = {
      lane,
      claim,
      number: this.#flightNumber,
      startedAt: now,
      unproven: !lane.proven,
      probing: lane.failures > 0,
      attempt: undefined,
    };
    lane.flights.push(flight);
    this.slots.take(flight);
    flight.attempt = performer.start(claim.event, { webhook, now, holder: lane }, (result) =>
      this.#landed(flight, webhook, result),
    );
    this.lanes.makeReady(lane);
  }

  #moveAway(lane: Lane): void {
    this.#setApart(lane);
    this.unload(lane);
  }

  // ------------------------------------------------------------------------------------------ out

  /** A request ended: its slot is free, and what it tells goes to the webhook, the queues and the store. */
  #landed(flight: Flight, webhook: WebhookRecord, result: AttemptResult): void {
    const { lane, claim } = flight;
    lane.land(flight);
    this.slots.release(flight);
    this.#housekeeping.landed();
    const next = this.#landings.land(flight, webhook, { result, newestFlight: this.#flightNumber });
    const end = { claim, attempt: result.data, next };
    const { settings } = this.#parts;
    for (const one of endingsOf(end, { now: result.endedAt, random: settings.random })) {
      this.#end({ ...one, lane, next: inOrder(one.next, one.claim, webhook) });
    }
    this.lanes.retryDeferred();
    this.lanes.makeReady(lane);
    this.#parts.hooks.slotFreed();
    this.#pump();
  }

  #mayBeRetrying(lane: Lane): boolean {
    const webhook = this.#parts.cache.peek(lane.webhookId);
    return webhook === undefined || webhook?.status.state === 'retrying';
  }

  #giveBack(lane: Lane, claim: Claim, queue: Queue): void {
    const { dueAt, batch } = claim.delivery;
    this.#end({ claim, lane, next: { status: 'waiting', dueAt, queue, ...(batch && { batch }) } });
  }

  #end(ending: Ending): void {
    ending.lane.unsettled += 1;
    this.#settler.add(ending);
  }

  #settled({ lane, next, claim, attempt }: Ending, result: SettleResult): void {
    const { hooks } = this.#parts;
    lane.unsettled -= 1;
    if (wasStored(result) && next.status === 'waiting') {
      if (next.queue === 'own') hooks.joined(lane, next.dueAt);
      else if (claim.delivery.queue === 'express') this.#feed.wake();
    }
    if (attempt !== undefined && next.status === 'exhausted' && this.#mayBeRetrying(lane)) {
      // Nothing of it waits, but somebody has to find the queue empty for the webhook to be Enabled again.
      hooks.joined(lane, this.#parts.run.now());
    }
    // What waited for its turn behind this one is due by now.
    if (claim.delivery.orderingKey !== undefined) hooks.joined(lane, this.#parts.run.now());
    this.counters.count({ next, deliveries: claim.others.length + 1 }, attempt, result);
    hooks.changed(lane);
  }
}

/** Given up, a delivery of an ordered webhook may keep its place: those behind it wait. */
function inOrder(next: SettledState, { delivery }: Claim, webhook: WebhookRecord | null): SettledState {
  const keeps = next.status === 'exhausted' && delivery.orderingKey !== undefined && webhook !== null;
  return keeps && blocksWhenExhausted(webhook) ? { ...next, blocks: true } : next;
}
