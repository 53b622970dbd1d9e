import { leaseMargin } from '../options/lease.ts';
import type { Settings } from '../options.ts';
import type { Run } from '../runtime/run.ts';
import type { Lane } from './lane.ts';
import type { Lanes } from './lanes.ts';
import { slowMs } from './slots.ts';

/** What housekeeping works with. */
export interface HousekeepingParts {
  readonly run: Run;
  readonly settings: Settings;
  readonly lanes: Lanes;
  /** Whether no more deliveries can be claimed. */
  readonly isFull: () => boolean;
  /** Moves what waits in a lane to its webhook's own queue. */
  readonly moveAway: (lane: Lane) => void;
  /** Called after lanes were looked at. */
  readonly moved: () => void;
}

/** Sees to it that claims which wait in lanes neither block the express queue nor outlive their leases. */
export class Housekeeping {
  readonly #parts: HousekeepingParts;
  #landings = 0;
  #isTidying = false;
  #isMakingRoom = false;

  constructor(parts: HousekeepingParts) {
    this.#parts = parts;
  }

  /** A request ended: something moves. */
  landed(): void {
    this.#landings += 1;
  }

  /** Looks whether there is something to see to; cheap, and safe to call at any time. */
  look(): void {
    if (this.#parts.lanes.waiting === 0) return;
    this.#makeRoom();
    this.#keepTidy();
  }

  /**
   * When all places are taken by deliveries whose lanes can start nothing, they move to their webhooks' own queues: endpoints
   * that hang must not keep the express queue from being claimed. Only after a while: lanes that answer fast are never stuck for long.
   */
  #makeRoom(): void {
    const { run, lanes, isFull, moveAway, moved } = this.#parts;
    if (this.#isMakingRoom || lanes.hasReady || !isFull()) return;
    this.#isMakingRoom = true;
    const landings = this.#landings;
    run.schedule(slowMs, () => {
      this.#isMakingRoom = false;
      const stands = this.#landings === landings;
      const now = run.now();
      for (const lane of lanes.all())
        if (lane.waiting > 0 && (stands || lane.isSlow(now, slowMs))) moveAway(lane);
      moved();
    });
  }

  /** Claims that wait too long are given back while their lease still covers a request. */
  #keepTidy(): void {
    const { run, settings, lanes, moveAway, moved } = this.#parts;
    if (this.#isTidying) return;
    this.#isTidying = true;
    const periodMs = settings.leaseMs * leaseMargin;
    // What has to be left now for a request to start just before the next look.
    const neededMs = settings.timeoutMs + 2 * periodMs;
    run.schedule(periodMs, () => {
      this.#isTidying = false;
      const now = run.now();
      for (const lane of lanes.all()) {
        const oldest = lane.peek();
        if (oldest !== undefined && oldest.leaseUntil - now < neededMs) moveAway(lane);
      }
      moved();
    });
  }
}
