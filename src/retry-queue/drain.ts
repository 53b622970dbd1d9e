import type { ExhaustedReason } from '../domain/delivery.ts';
import { toDelivery } from '../views.ts';
import type { RetryQueueParts } from './parts.ts';

/** Deliveries given up by one call: small enough that a store is not held up. */
const BATCH = 500;

/** Gives up all that waits in a webhook's queue, in batches. */
export class Drain {
  readonly #parts: RetryQueueParts;

  constructor(parts: RetryQueueParts) {
    this.#parts = parts;
  }

  /** Resolves when nothing is left, or the run no longer takes on work. */
  async all(webhookId: string, reason: ExhaustedReason, blocks: boolean): Promise<void> {
    const { run, events } = this.#parts;
    const outage = run.outage('events.exhaustQueue');
    while (run.accepting) {
      const done = await outage.attempt(() =>
        events.exhaustQueue({
          webhookId,
          reason,
          ...(blocks && { blocks }),
          now: run.now(),
          limit: BATCH,
        }),
      );
      if (done === undefined) continue;
      const records = done.value;
      this.#parts.dispatcher().counters.exhausted += records.length;
      if (run.reporter.wants('delivery:exhausted')) {
        for (const record of records)
          run.reporter.emit('delivery:exhausted', { delivery: toDelivery(record) });
      }
      if (records.length === 0) return;
      await run.sleep(0);
    }
  }
}
