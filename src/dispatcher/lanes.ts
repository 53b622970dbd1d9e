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
  /** May be able to start something. */
  readonly #ready = new Set<Lane>();
  /** Turned away by the slots' shares; tried again when slots come free. */
  readonly #deferred = new Set<Lane>();
  #waiting = 0;

  /** Claims that wait in any lane. */
  get waiting(): number {
    return this.#waiting;
  }

  get hasReady(): boolean {
    return this.#ready.size > 0;
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
    this.#ready.add(lane);
  }

  shift(lane: Lane): void {
    if (lane.shift() !== undefined) this.#waiting -= 1;
  }

  unload(lane: Lane): Claim[] {
    const claims = lane.unload();
    this.#waiting -= claims.length;
    this.#ready.delete(lane);
    this.#deferred.delete(lane);
    return claims;
  }

  makeReady(lane: Lane): void {
    if (lane.waiting > 0) this.#ready.add(lane);
  }

  /** The lane whose turn it is; it has to be made ready again after it. */
  takeReady(): Lane | undefined {
    for (const lane of this.#ready) {
      this.#ready.delete(lane);
      return lane;
    }
    return undefined;
  }

  defer(lane: Lane): void {
    this.#deferred.add(lane);
  }

  /** A slot has come free: some of those that were turned away may try again, the longest waiting first. */
  retryDeferred(): void {
    let left = RETRIED_PER_TURN;
    for (const lane of this.#deferred) {
      if (left === 0) return;
      left -= 1;
      this.#deferred.delete(lane);
      this.makeReady(lane);
    }
  }

  #forgetOld(): void {
    for (const [id, lane] of this.#lanes) {
      if (this.#lanes.size < MAX_LANES) return;
      if (lane.isQuiet) this.#lanes.delete(id);
      else return;
    }
  }
}
