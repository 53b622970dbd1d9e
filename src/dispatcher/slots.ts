import type { Flight, Lane } from './lane.ts';

/** A webhook whose oldest request has been under way for longer counts as slow, in ms. */
export const slowMs = 250;

/**
 * The requests that this process may have under way, and how they are shared so that no webhook takes them from another.
 *
 * - Webhooks whose last attempt did not succeed, or that have made none yet, share one half; of those the failing ones, which
 *   are being probed, one quarter of the whole. However many endpoints are dead, half of the slots serve the proven ones.
 * - When a quarter or less is free, a webhook whose oldest request hangs gets no further slot; when an eighth or less is
 *   free, only webhooks that have none get one. Endpoints that answered well until now and all hang at once cannot
 *   take everything either.
 */
export class Slots {
  readonly max: number;
  readonly maxUnproven: number;
  readonly maxProbing: number;
  #taken = 0;
  #unproven = 0;
  #probing = 0;

  constructor(max: number) {
    this.max = max;
    this.maxUnproven = Math.max(1, Math.floor(max / 2));
    this.maxProbing = Math.max(1, Math.floor(max / 4));
  }

  get taken(): number {
    return this.#taken;
  }

  get free(): number {
    return this.max - this.#taken;
  }

  /** Whether the shares let this lane start one more request. Its own window is not looked at. */
  admits(lane: Lane, now: number): boolean {
    const free = this.max - this.#taken;
    if (free <= 0) return false;
    if (!lane.proven && this.#unproven >= this.maxUnproven) return false;
    if (lane.failures > 0 && this.#probing >= this.maxProbing) return false;
    if (lane.flights.length === 0 || free > this.max / 4) return true;
    return free > this.max / 8 && !lane.isSlow(now, slowMs);
  }

  take(flight: Flight): void {
    this.#taken += 1;
    if (flight.unproven) this.#unproven += 1;
    if (flight.probing) this.#probing += 1;
  }

  release(flight: Flight): void {
    this.#taken -= 1;
    if (flight.unproven) this.#unproven -= 1;
    if (flight.probing) this.#probing -= 1;
  }
}
