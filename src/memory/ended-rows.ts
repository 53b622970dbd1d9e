import type { DeliveryRow } from './delivery-row.ts';

/**
 * Deliveries of one final status in the order in which they ended, for pruning. A delivery that was replayed leaves a stale entry
 * behind, told by its `completedAt`, which is passed over when its turn comes.
 */
export class EndedRows {
  readonly #status: 'delivered' | 'exhausted';
  #rows: DeliveryRow[] = [];
  /** When each ended: numbers of their own, because rows change. */
  #endedAt: number[] = [];
  /** Entries before this one are pruned. */
  #head = 0;
  /** Entries before this one have lost their attempts. */
  #attemptsHead = 0;

  constructor(status: 'delivered' | 'exhausted') {
    this.#status = status;
  }

  /** Adds a row that has just ended. */
  add(row: DeliveryRow, endedAt: number): void {
    this.#rows.push(row);
    this.#endedAt.push(endedAt);
  }

  /** Takes out up to `limit` rows that ended before that instant. */
  take(before: number, limit: number): DeliveryRow[] {
    const { rows, next } = this.#read(this.#head, before, limit);
    this.#head = next;
    this.#attemptsHead = Math.max(this.#attemptsHead, next);
    if (next * 2 > this.#rows.length) this.#compact();
    return rows;
  }

  /** Up to `limit` rows that ended before that instant and were not returned before. They stay. */
  takeForAttempts(before: number, limit: number): DeliveryRow[] {
    const { rows, next } = this.#read(this.#attemptsHead, before, limit);
    this.#attemptsHead = next;
    return rows;
  }

  #read(from: number, before: number, limit: number): { rows: DeliveryRow[]; next: number } {
    const rows: DeliveryRow[] = [];
    let next = from;
    for (; next < this.#rows.length && rows.length < limit; next += 1) {
      const [row, endedAt] = [this.#rows[next], this.#endedAt[next]];
      if (row === undefined || endedAt === undefined || endedAt >= before) break;
      const { status, completedAt } = row.record;
      if (!row.isGone && status === this.#status && completedAt === endedAt) rows.push(row);
    }
    return { rows, next };
  }

  #compact(): void {
    this.#rows = this.#rows.slice(this.#head);
    this.#endedAt = this.#endedAt.slice(this.#head);
    this.#attemptsHead -= this.#head;
    this.#head = 0;
  }
}
