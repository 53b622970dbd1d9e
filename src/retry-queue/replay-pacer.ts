import type { RetryQueueParts } from './parts.ts';

/** Replays of one webhook that come in at once beyond what it may have under way move to its own queue, by more calls: few at a time, and often, stay below where there is room. */
const TICK_MS = 200;
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
    const limit = Math.max(1, Math.round((replaysPerSecond * TICK_MS) / 1000));
    // Longer where fewer than one a tick are to come in.
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
