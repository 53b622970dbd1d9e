import { Fifo } from '../fifo.ts';
import { type Claim, Lane } from './lane.ts';

/** Lanes that are kept for what they know (whether the webhook is proven) after their last delivery. */
const MAX_LANES = 10_000;
/** Lanes that get another chance at each turn, of those that the slots turned away. */
const RETRIED_PER_TURN = 8;

/**
 * All lanes, and in which order they get their turns: round robin over the lanes that may be able to start something, so that a
 * lane with much to send has no more turns than one with little.
 */
export class Lanes {
  readonly #lanes = new Map<string, Lane>();
  /** May be able to start something. A lane is in at most one of these, which `Lane.turn` tells; one whose `turn` says otherwise has left it. */
  readonly #ready = new Fifo<Lane>();
  /** Turned away by the slots' shares; tried again when slots come free. */
  readonly #deferred = new Fifo<Lane>();
  #readyCount = 0;
  #waiting = 0;

  /** Claims that wait in any lane. */
  get waiting(): number {
    return this.#waiting;
  }

  get hasReady(): boolean {
    return this.#readyCount > 0;
  }

  of(webhookId: string): Lane {
    const known = this.#lanes.get(webhookId);
    if (known !== undefined) return known;
    this.#forgetOld();
    const lane = new Lane(webhookId);
    this.#lanes.set(webhookId, lane);
    return lane;
  }

  get(webhookId: string): Lane | undefined {
    return this.#lanes.get(webhookId);
  }

  all(): Iterable<Lane> {
    return this.#lanes.values();
  }

  push(lane: Lane, claim: Claim): void {
    lane.push(claim);
    this.#waiting += 1;
    this.makeReady(lane);
  }

  shift(lane: Lane): void {
    if (lane.shift() !== undefined) this.#waiting -= 1;
  }

  unload(lane: Lane): Claim[] {
    const claims = lane.unload();
    this.#waiting -= claims.length;
    this.#leave(lane);
    return claims;
  }

  makeReady(lane: Lane): void {
    if (lane.waiting === 0 || lane.turn === 'ready') return;
    lane.turn = 'ready';
    this.#readyCount += 1;
    this.#ready.push(lane);
  }

  /** The lane whose turn it is; it has to be made ready again after it. */
  takeReady(): Lane | undefined {
    for (let lane = this.#ready.shift(); lane !== undefined; lane = this.#ready.shift()) {
      if (lane.turn !== 'ready') continue;
      this.#leave(lane);
      return lane;
    }
    return undefined;
  }

  defer(lane: Lane): void {
    lane.turn = 'deferred';
    if (lane.hasDeferral) return;
    lane.hasDeferral = true;
    this.#deferred.push(lane);
  }

  /** A slot has come free: some of those that were turned away may try again, the longest waiting first. */
  retryDeferred(): void {
    for (let left = RETRIED_PER_TURN; left > 0; left--) {
      const lane = this.#deferred.shift();
      if (lane === undefined) return;
      lane.hasDeferral = false;
      if (lane.turn === 'deferred') this.makeReady(lane);
    }
  }

  #leave(lane: Lane): void {
    if (lane.turn === 'ready') this.#readyCount -= 1;
    lane.turn = 'none';
  }

  #forgetOld(): void {
    for (const [id, lane] of this.#lanes) {
      if (this.#lanes.size < MAX_LANES) return;
      if (lane.isQuiet) this.#lanes.delete(id);
      else return;
    }
  }
}
