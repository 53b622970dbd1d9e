import type { EventRepo } from '../repos.ts';
import { DueWait } from '../runtime/due-wait.ts';
import type { Outage, Run } from '../runtime/run.ts';
import type { Claim } from './lane.ts';
import { toClaims } from './to-claims.ts';

/** What the feed needs of the dispatcher. */
export interface ExpressFeedParts {
  readonly run: Run;
  readonly repo: EventRepo;
  readonly leaseMs: number;
  readonly pollMs: number;
  /** How many more deliveries may be claimed now; 0 is none. */
  readonly room: () => number;
  readonly route: (claims: readonly Claim[]) => Promise<void>;
  /** Called when no claim is under way any more. */
  readonly rested: () => void;
}

/** Claims from the express queue whenever there is room: on a wake-up, when the next delivery is due, and by the poll. */
export class ExpressFeed {
  readonly #parts: ExpressFeedParts;
  readonly #outage: Outage;
  readonly #wait: DueWait;
  #claiming = false;
  #asked = 0;
  #woken = false;
  #isDry = false;
  #cancelTimer: () => void = () => {};

  constructor(parts: ExpressFeedParts) {
    this.#parts = parts;
    this.#outage = parts.run.outage('events.claimExpress');
    this.#wait = new DueWait(parts.pollMs);
  }

  /** Whether something may be due that was not claimed yet. */
  get isBusy(): boolean {
    return this.#claiming || this.#woken || !this.#isDry;
  }

  /** How many deliveries the claim under way may bring. */
  get asked(): number {
    return this.#asked;
  }

  /** Something may have come in. */
  wake(): void {
    this.#woken = true;
    this.#isDry = false;
    this.refill();
  }

  /** Room may have come up. */
  refill(): void {
    if (this.#claiming || this.#isDry || !this.#parts.run.accepting || this.#parts.room() === 0) return;
    this.#claiming = true;
    void this.#claim();
  }

  async #claim(): Promise<void> {
    const { run, room } = this.#parts;
    while (run.accepting && !this.#isDry) {
      const limit = room();
      if (limit === 0) break;
      this.#woken = false;
      await this.#claimOnce(limit);
    }
    this.#claiming = false;
    this.#parts.rested();
  }

  async #claimOnce(limit: number): Promise<void> {
    const { run, repo, leaseMs } = this.#parts;
    const now = run.now();
    const leaseUntil = now + leaseMs;
    this.#asked = limit;
    const done = await this.#outage.attempt(() => repo.claimExpress({ now, leaseUntil, limit }));
    this.#asked = 0;
    if (done === undefined) return;
    const { deliveries, nextDueAt } = done.value;
    if (deliveries.length > 0) this.#wait.reset();
    if (deliveries.length < limit && !this.#woken) this.#rest(nextDueAt);
    if (deliveries.length > 0) await this.#parts.route(toClaims(deliveries, leaseUntil));
  }

  /** Nothing more is due: look again when something is, or by the poll. */
  #rest(nextDueAt: number | undefined): void {
    const { run } = this.#parts;
    this.#isDry = true;
    this.#cancelTimer();
    this.#cancelTimer = run.schedule(this.#wait.until(nextDueAt, run.now()), () => this.wake());
  }
}
