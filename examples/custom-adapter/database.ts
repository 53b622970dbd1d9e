import { type Key, key, type Span } from './keys.ts';
import type { KeyValueStore } from './store.ts';

const PAGE = 100;
const SEQUENCE: Key<number> = key('sequence');

/**
 * Serial transactions made of single batches, right for one process. Where a store has transactions across processes
 * (LMDB, FoundationDB), they take the place of `update`, and nothing else of this adapter changes.
 */
export class Database {
  /** Reads what is committed. */
  readonly committed: Transaction;
  readonly #store: KeyValueStore;
  #last: Promise<unknown> = Promise.resolve();

  constructor(store: KeyValueStore) {
    this.#store = store;
    this.committed = new Transaction(store);
  }

  /** Runs `work` alone, then writes all that it put and deleted as one batch. When it throws, nothing is written. */
  update<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    const done = this.#last.then(async () => {
      const tx = new Transaction(this.#store);
      const result = await work(tx);
      if (tx.changes.size > 0) await this.#store.write(tx.changes);
      return result;
    });
    this.#last = done.catch(() => {});
    return done;
  }

  /** The values of these keys that there are, each once. */
  async getAll<T>(keys: readonly Key<T>[]): Promise<T[]> {
    const found = await inTurn([...new Set(keys)], (key) => this.committed.get(key));
    return found.filter((value) => value !== undefined);
  }
}

/** Typed values over the store's strings. It sees its own changes before they are written. */
export class Transaction {
  readonly changes: Map<string, string | null> = new Map();
  readonly #store: KeyValueStore;

  constructor(store: KeyValueStore) {
    this.#store = store;
  }

  async get<T>(key: Key<T>): Promise<T | undefined> {
    const changed = this.changes.get(key);
    const json = changed === undefined ? await this.#store.get(key) : changed;
    return json === undefined || json === null ? undefined : JSON.parse(json);
  }

  /** `get` for what must be there: a sorted key comes and goes in one batch with what it points to. */
  async must<T>(key: Key<T>): Promise<T> {
    const value = await this.get(key);
    if (value === undefined) throw new Error(`There is nothing at ${JSON.stringify(key)}`);
    return value;
  }

  async range<T>({ from, to }: Span<T>, limit: number, reverse = false): Promise<(readonly [string, T])[]> {
    // As many more as the changes may take away.
    const stored = await this.#store.range({ from, to, limit: limit + this.changes.size, reverse });
    const merged = new Map<string, string | null>(stored);
    for (const [key, json] of this.changes) if (from <= key && key < to) merged.set(key, json);
    const keys = [...merged.keys()].filter((key) => merged.get(key) !== null).sort();
    if (reverse) keys.reverse();
    return keys.slice(0, limit).map((key) => [key, JSON.parse(merged.get(key) ?? '')]);
  }

  /** All values of a span, page by page: for loops that break off. */
  async *scan<T>({ from, to }: Span<T>, reverse = false): AsyncGenerator<T> {
    for (;;) {
      const page = await this.range<T>({ from, to }, PAGE, reverse);
      for (const [, value] of page) yield value;
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) return;
      if (reverse) to = last[0];
      else from = `${last[0]}\0`;
    }
  }

  put<T>(key: Key<T>, value: T): void {
    this.changes.set(key, JSON.stringify(value));
  }

  delete(key: string): void {
    this.changes.set(key, null);
  }

  /** Lets the sorted keys `to` point to `id`, and those of `from` no more. */
  move(id: string, from: readonly Key<string>[], to: readonly Key<string>[]): void {
    for (const key of from) if (!to.includes(key)) this.delete(key);
    for (const key of to) if (!from.includes(key)) this.put(key, id);
  }

  /** A number above all that it returned before. */
  async next(): Promise<number> {
    const number = ((await this.get(SEQUENCE)) ?? 0) + 1;
    this.put(SEQUENCE, number);
    return number;
  }
}

/** `map`, one step after the other. */
export async function inTurn<A, B>(items: readonly A[], step: (item: A) => Promise<B>): Promise<B[]> {
  const results: B[] = [];
  for (const item of items) results.push(await step(item));
  return results;
}
