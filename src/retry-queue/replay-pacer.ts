import type { RetryQueueParts } from './parts.ts';

/** Replays of one webhook that come in together, beyond what it may have under way, move to its own queue by more calls: where there is time for it, no more than this do. */
const TOGETHER = 10;
const [SHORTEST_TICK_MS, LONGEST_TICK_MS] = [20, 200];
const POLLS_PER_LOOK = 8;

/** Lets replays into the queues a few at a time, so that a bulk replay does not disturb live traffic. */
export class ReplayPacer {
  readonly #parts: RetryQueueParts;
  #isPacing = false;
  #again = false;

  constructor(parts: RetryQueueParts) {
    this.#parts = parts;
  }

  get isBusy(): boolean {
    return this.#isPacing;
  }

  /** Looks for replays now and from time to time: another process may have marked some without this one being told. */
  start(): void {
    const { run, settings } = this.#parts;
    this.wake();
    run.schedule(settings.pollMs * POLLS_PER_LOOK, () => this.start());
  }

  /** Replays may wait. */
  wake(): void {
    this.#again = true;
    if (this.#isPacing || !this.#parts.run.accepting) return;
    this.#isPacing = true;
    void this.#pace();
  }

  async #pace(): Promise<void> {
    const { run, settings, events, dispatcher, changed } = this.#parts;
    const outage = run.outage('events.promoteReplays');
    const { replaysPerSecond } = settings;
    const limit = letInTogether(replaysPerSecond);
    const tickMs = (limit * 1000) / replaysPerSecond;
    while (this.#again && run.accepting) {
      this.#again = false;
      const done = await outage.attempt(() => events.promoteReplays({ now: run.now(), limit }));
      if (done === undefined || done.value.length > 0) this.#again = true;
      if (done === undefined || done.value.length === 0) continue;
      dispatcher().wake();
      await run.sleep(tickMs);
    }
    this.#isPacing = false;
    changed();
  }
}

function letInTogether(perSecond: number): number {
  const within = (ms: number): number => Math.round((perSecond * ms) / 1000);
  return Math.max(1, within(SHORTEST_TICK_MS), Math.min(TOGETHER, within(LONGEST_TICK_MS)));
}
