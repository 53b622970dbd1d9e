import type { DeliveryRecord } from '../domain/delivery.ts';
import type { DeliveryRow } from './delivery-row.ts';
import { DueQueue } from './due-queue.ts';

/**
 * The deliveries of one webhook and ordering key that hold their place, in the order of their append. The turn is that of the one that is
 * delivering or, where none is, of the first.
 */
export class OrderLine {
  /** The one that stands in the webhook's queue at its own instant; everyone else of the line is out of reach there. */
  open: DeliveryRow | undefined;
  readonly #places = new DueQueue<DeliveryRow>();
  #delivering: DeliveryRow | undefined;

  get isEmpty(): boolean {
    return this.#places.size === 0;
  }

  /** The row whose turn it is. */
  get turn(): DeliveryRow | undefined {
    return this.#delivering ?? this.#places.first;
  }

  /** Takes note of what a row's record says now. */
  note(row: DeliveryRow): void {
    const holds = !row.isGone && holdsPlace(row.record);
    if (holds) row.place ??= this.#places.add(row, row.order, 0);
    else if (row.place !== undefined) {
      this.#places.drop(row.place);
      row.place = undefined;
    }
    // What is claimed from the express queue is only on its way into its own.
    const { status, queue } = row.record;
    if (holds && status === 'delivering' && queue === 'own') this.#delivering = row;
    else if (this.#delivering === row) this.#delivering = undefined;
  }
}

/** All lines that hold somebody. */
export class OrderLines {
  readonly #lines = new Map<string, Map<string, OrderLine>>();

  /** The line of a record; undefined where it has none. A new one is kept until it is found empty. */
  of({ webhookId, orderingKey: key }: DeliveryRecord): OrderLine | undefined {
    if (key === undefined) return undefined;
    const lines = this.#lines.get(webhookId) ?? new Map<string, OrderLine>();
    const line = lines.get(key) ?? new OrderLine();
    this.#lines.set(webhookId, lines);
    lines.set(key, line);
    return line;
  }

  /** Forgets a record's line where nobody is in it. */
  tidy({ webhookId, orderingKey: key }: DeliveryRecord): void {
    if (key === undefined) return;
    const lines = this.#lines.get(webhookId);
    if (!lines?.get(key)?.isEmpty) return;
    lines.delete(key);
    if (lines.size === 0) this.#lines.delete(webhookId);
  }
}

function holdsPlace({ status, blocks }: DeliveryRecord): boolean {
  switch (status) {
    case 'pending':
    case 'delivering':
    case 'failed':
    case 'replaying':
      return true;
    case 'exhausted':
      return blocks === true;
    case 'delivered':
      return false;
  }
}
