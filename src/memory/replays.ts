import type { DeliveryRow } from './delivery-row.ts';
import { DueQueue, type Ticket } from './due-queue.ts';

/** Replaying deliveries by the order of their marking. */
export class Replays {
  readonly #queue = new DueQueue<DeliveryRow>();
  readonly #tickets = new Map<DeliveryRow, Ticket<DeliveryRow>>();
  #marked = 0;

  /** Adds a row that was marked. */
  add(row: DeliveryRow): void {
    this.#tickets.set(row, this.#queue.add(row, this.#marked, 0));
    this.#marked += 1;
  }

  /** Takes a row out, if it is here. */
  remove(row: DeliveryRow): void {
    const ticket = this.#tickets.get(row);
    if (ticket !== undefined) this.#queue.drop(ticket);
    this.#tickets.delete(row);
  }

  /** Takes out up to `limit` rows, longest marked first. */
  take(limit: number): readonly DeliveryRow[] {
    const rows: DeliveryRow[] = [];
    while (rows.length < limit) {
      const row = this.#queue.takeDue(Number.POSITIVE_INFINITY);
      if (row === undefined) break;
      this.#tickets.delete(row);
      rows.push(row);
    }
    return rows;
  }
}
