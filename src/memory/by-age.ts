import type { PagePosition } from '../repos.ts';

/** A holder of a record that is replaced over time; its `createdAt` and `id` must stay. */
export interface Row {
  readonly record: PagePosition;
}

/** Which part of the order to read. All given bounds hold at once. */
export interface Span {
  /** @default 'newest' */
  readonly order?: 'newest' | 'oldest';
  /** Strictly behind this place of that order. */
  readonly after?: PagePosition;
  /** `createdAt` at or after this instant. */
  readonly since?: number;
  /** `createdAt` before this instant. */
  readonly until?: number;
}

/**
 * Rows in the order of (`createdAt`, `id`), read from either end. Adding is a push: rows come nearly in order, and are sorted in when somebody reads as far as them,
 * which costs no more than the part of the order that they touch.
 */
export class ByAge<T extends Row> {
  /** Ascending. */
  #sorted: T[] = [];
  #arrived: T[] = [];
  /** No row that arrived is older. */
  #arrivedAt = Number.POSITIVE_INFINITY;
  readonly #isGone: (row: T) => boolean;
  #gone = 0;

  /** @param isGone tells rows that count as removed: see `forget`. */
  constructor(isGone: (row: T) => boolean = () => false) {
    this.#isGone = isGone;
  }

  /** How many rows there are. */
  get size(): number {
    return this.#sorted.length + this.#arrived.length - this.#gone;
  }

  /** Adds a row. Its place must not be taken. */
  add(row: T): void {
    this.#arrived.push(row);
    if (row.record.createdAt < this.#arrivedAt) this.#arrivedAt = row.record.createdAt;
  }

  /** Takes out the row at this place, if there is one. */
  remove(place: PagePosition): void {
    this.#settle();
    const index = this.#indexOf(place);
    const row = this.#sorted[index];
    if (row !== undefined && comparePlaces(row.record, place) === 0) this.#sorted.splice(index, 1);
  }

  /** Takes note that one row more `isGone`. The order is swept once half of it has gone, so that many removals cost little each. */
  forget(): void {
    this.#gone += 1;
    if (this.#gone * 2 < this.#sorted.length + this.#arrived.length) return;
    this.#sorted = this.#sorted.filter((row) => !this.#isGone(row));
    this.#arrived = this.#arrived.filter((row) => !this.#isGone(row));
    this.#gone = 0;
  }

  /** Up to `limit` rows of a span that are accepted. */
  page(span: Span, limit: number, accepts?: (row: T) => boolean): T[] {
    if (span.order !== 'oldest') {
      this.#settle();
      return this.#read(span, limit, accepts);
    }
    // A walk through what is old is not made to sort what comes in meanwhile.
    const { since = 0, until = Number.POSITIVE_INFINITY } = span;
    const arrivedAt = this.#arrivedAt;
    const page = this.#read({ ...span, until: Math.min(until, arrivedAt) }, limit, accepts);
    if (page.length === limit) return page;
    this.#settle();
    const rest = { ...span, since: Math.max(since, arrivedAt) };
    return page.concat(this.#read(rest, limit - page.length, accepts));
  }

  /** The same of what is sorted. */
  #read(span: Span, limit: number, accepts?: (row: T) => boolean): T[] {
    const page: T[] = [];
    const [from, to] = this.#boundsOf(span);
    for (let passed = 0; passed < to - from && page.length < limit; passed += 1) {
      const row = this.#sorted[span.order === 'oldest' ? from + passed : to - 1 - passed];
      if (row === undefined || this.#isGone(row)) continue;
      if (accepts === undefined || accepts(row)) page.push(row);
    }
    return page;
  }

  /** Indexes of the oldest row of a span, and of the oldest that is too new for it. */
  #boundsOf({ order, after, since, until }: Span): readonly [from: number, to: number] {
    // No id is smaller than the empty string, so this is the first row of that instant.
    const from = since === undefined ? 0 : this.#indexOf({ createdAt: since, id: '' });
    const to = until === undefined ? this.#sorted.length : this.#indexOf({ createdAt: until, id: '' });
    if (after === undefined) return [from, to];
    // The smallest id above another is that one and the smallest character.
    return order === 'oldest'
      ? [Math.max(from, this.#indexOf({ createdAt: after.createdAt, id: `${after.id}\0` })), to]
      : [from, Math.min(to, this.#indexOf(after))];
  }

  /** Index of the first row at or above a place. */
  #indexOf(place: PagePosition): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const row = this.#sorted[middle];
      if (row !== undefined && comparePlaces(row.record, place) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Merges what arrived since the last read into the order. */
  #settle(): void {
    if (this.#arrived.length === 0) return;
    const arrived = this.#arrived.sort(compareRows);
    this.#arrived = [];
    this.#arrivedAt = Number.POSITIVE_INFINITY;
    const oldest = arrived[0];
    const overlap = oldest === undefined ? [] : this.#sorted.splice(this.#indexOf(oldest.record));
    for (const row of overlap.length === 0 ? arrived : overlap.concat(arrived).sort(compareRows)) {
      this.#sorted.push(row);
    }
  }
}

function compareRows(a: Row, b: Row): number {
  return comparePlaces(a.record, b.record);
}

function comparePlaces(a: PagePosition, b: PagePosition): number {
  if (a.createdAt !== b.createdAt) return a.createdAt - b.createdAt;
  return a.id < b.id ? -1 : Number(a.id > b.id);
}
