import type { PruneRequest } from '../repos.ts';
import type { DeliveryRow } from './delivery-row.ts';
import { EndedRows } from './ended-rows.ts';
import type { StoredEvent } from './event-log.ts';

/** What has ended, and what of it may go. */
export class Pruning {
  readonly #delivered = new EndedRows('delivered');
  readonly #exhausted = new EndedRows('exhausted');
  /** Events nobody was subscribed to, in the order of their append. */
  #unheard: StoredEvent[] = [];

  /** Takes note of a row that may have ended. */
  note(row: DeliveryRow): void {
    const { status, completedAt } = row.record;
    if (completedAt === undefined) return;
    (status === 'delivered' ? this.#delivered : this.#exhausted).add(row, completedAt);
  }

  /** Takes note of an event without deliveries. */
  noteUnheard(stored: StoredEvent): void {
    this.#unheard.push(stored);
  }

  /** Deliveries that go, up to `limit` of each status. */
  takeDeliveries({ deliveredBefore, exhaustedBefore, limit }: PruneRequest): DeliveryRow[] {
    const delivered = deliveredBefore === undefined ? [] : this.#delivered.take(deliveredBefore, limit);
    const exhausted = exhaustedBefore === undefined ? [] : this.#exhausted.take(exhaustedBefore, limit);
    return delivered.concat(exhausted);
  }

  /** Deliveries whose attempts go, up to `limit` of each status. */
  takeForAttempts({ attemptsBefore, limit }: PruneRequest): DeliveryRow[] {
    if (attemptsBefore === undefined) return [];
    const delivered = this.#delivered.takeForAttempts(attemptsBefore, limit);
    return delivered.concat(this.#exhausted.takeForAttempts(attemptsBefore, limit));
  }

  /** Events without deliveries that go, up to `limit`. */
  takeUnheard({ deliveredBefore, limit }: PruneRequest): StoredEvent[] {
    if (deliveredBefore === undefined) return [];
    const kept = this.#unheard.findIndex(({ event }) => event.createdAt >= deliveredBefore);
    return this.#unheard.splice(0, Math.min(limit, kept < 0 ? this.#unheard.length : kept));
  }
}
