import TinyQueue from 'tinyqueue';
import { Fifo } from '../fifo.ts';

/** Proof of one place in a `DueQueue`: hand it back to leave the queue early. */
export interface Ticket<T> {
  readonly at: number;
  readonly order: number;
  /** Undefined once the ticket has left the queue. */
  item: T | undefined;
}

/** How many dropped tickets may be held beyond the live ones before they are swept out. */
const SLACK = 64;

/**
 * What waits for an instant, earliest first, equal instants by `order`. Most tickets come in that order: they stand in a line, where adding and taking
 * cost the same whatever waits; the others stand in a heap. Tickets that are dropped stay where they are until
 * they come up or outnumber the live ones; then they are all swept out. So adding, taking and dropping cost at most the
 * logarithm of what waits, and `held <= 2 * size + SLACK + 1` always.
 */
export class DueQueue<T> {
  /** Ascending. */
  readonly #line = new Fifo<Ticket<T>>();
  #heap: TinyQueue<Ticket<T>> = new TinyQueue<Ticket<T>>([], byInstant);
  #size = 0;

  /** How many tickets wait. */
  get size(): number {
    return this.#size;
  }

  /** How many tickets are kept, dropped ones included. */
  get held(): number {
    return this.#line.size + this.#heap.length;
  }

  /** The instant of the earliest ticket; undefined when none waits. */
  get nextAt(): number | undefined {
    return this.#earliest()?.at;
  }

  /** The earliest item; undefined when none waits. */
  get first(): T | undefined {
    return this.#earliest()?.item;
  }

  /** Queues `item` for the instant `at`. `order` must be unique among the waiting for a fixed order. */
  add(item: T, at: number, order: number): Ticket<T> {
    const ticket: Ticket<T> = { at, order, item };
    const { last } = this.#line;
    if (last === undefined || byInstant(last, ticket) < 0) this.#line.push(ticket);
    else this.#heap.push(ticket);
    this.#size += 1;
    return ticket;
  }

  /** Takes the earliest item whose instant has come. */
  takeDue(now: number): T | undefined {
    const ticket = this.#earliest();
    if (ticket === undefined || ticket.at > now) return undefined;
    if (ticket === this.#line.peek()) this.#line.shift();
    else this.#heap.pop();
    this.#size -= 1;
    const item = ticket.item;
    ticket.item = undefined;
    return item;
  }

  /** Takes a ticket out of the queue, wherever it stands. One that has left already is left alone. */
  drop(ticket: Ticket<T>): void {
    if (ticket.item === undefined) return;
    ticket.item = undefined;
    this.#size -= 1;
    if (this.held > 2 * this.#size + SLACK) this.#sweep();
  }

  /** Whatever was dropped goes from both heads first. */
  #earliest(): Ticket<T> | undefined {
    let first = this.#line.peek();
    for (; isDropped(first); first = this.#line.peek()) this.#line.shift();
    let ticket = this.#heap.peek();
    for (; isDropped(ticket); ticket = this.#heap.peek()) this.#heap.pop();
    if (first === undefined || ticket === undefined) return first ?? ticket;
    return byInstant(first, ticket) < 0 ? first : ticket;
  }

  #sweep(): void {
    for (const ticket of this.#line.clear()) if (!isDropped(ticket)) this.#line.push(ticket);
    const live = this.#heap.data.filter((ticket) => !isDropped(ticket));
    this.#heap = new TinyQueue<Ticket<T>>(live, byInstant);
  }
}

function isDropped(ticket: Ticket<unknown> | undefined): boolean {
  return ticket !== undefined && ticket.item === undefined;
}

function byInstant(a: Ticket<unknown>, b: Ticket<unknown>): number {
  return a.at - b.at || a.order - b.order;
}
