import TinyQueue from 'tinyqueue';

/** Proof of one place in a `DueQueue`: hand it back to leave the queue early. */
export interface Ticket<T> {
  readonly at: number;
  readonly order: number;
  /** Undefined once the ticket has left the queue. */
  item: T | undefined;
}

/** How many dropped tickets a heap may hold beyond its live ones before it is rebuilt. */
const SLACK = 64;

/**
 * What waits for an instant, earliest first, equal instants by `order`. Tickets that are dropped stay in the heap until
 * they come up or outnumber the live ones; then the heap is rebuilt. So adding, taking and dropping cost at most the
 * logarithm of what waits, and `held <= 2 * size + SLACK + 1` always.
 */
export class DueQueue<T> {
  #heap: TinyQueue<Ticket<T>> = new TinyQueue<Ticket<T>>([], byInstant);
  #size = 0;

  /** How many tickets wait. */
  get size(): number {
    return this.#size;
  }

  /** How many tickets are kept, dropped ones included. */
  get held(): number {
    return this.#heap.length;
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
    this.#heap.push(ticket);
    this.#size += 1;
    return ticket;
  }

  /** Takes the earliest item whose instant has come. */
  takeDue(now: number): T | undefined {
    const ticket = this.#earliest();
    if (ticket === undefined || ticket.at > now) return undefined;
    this.#heap.pop();
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
    if (this.#heap.length > 2 * this.#size + SLACK) this.#rebuild();
  }

  #earliest(): Ticket<T> | undefined {
    let ticket = this.#heap.peek();
    while (ticket !== undefined && ticket.item === undefined) {
      this.#heap.pop();
      ticket = this.#heap.peek();
    }
    return ticket;
  }

  #rebuild(): void {
    const live = this.#heap.data.filter((ticket) => ticket.item !== undefined);
    this.#heap = new TinyQueue<Ticket<T>>(live, byInstant);
  }
}

function byInstant(a: Ticket<unknown>, b: Ticket<unknown>): number {
  return a.at - b.at || a.order - b.order;
}
