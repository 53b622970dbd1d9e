/** A stretch of the sorted keys, `from` <= key < `to`: its first `limit` entries, or its last ones, last first. */
export interface Range {
  readonly from: string;
  readonly to: string;
  readonly limit: number;
  readonly reverse?: boolean;
}

/**
 * What every ordered key-value store can do (LMDB, LevelDB, FoundationDB, etcd): all that this adapter asks for. Keys sort
 * as JavaScript compares strings; for a store that sorts bytes, let `key()` write ASCII only.
 */
export interface KeyValueStore {
  get(key: string): Promise<string | undefined>;
  range(range: Range): Promise<readonly (readonly [key: string, value: string])[]>;
  /** Applies all of these puts and deletes (null), or none. */
  write(batch: ReadonlyMap<string, string | null>): Promise<void>;
}

/** The simplest such store: sorted keys in memory. Put your database in its place. */
export class SortedStore implements KeyValueStore {
  readonly #keys: string[] = [];
  readonly #values = new Map<string, string>();

  async get(key: string): Promise<string | undefined> {
    return this.#values.get(key);
  }

  async range({ from, to, limit, reverse }: Range): Promise<readonly (readonly [string, string])[]> {
    const [start, end] = [this.#indexOf(from), this.#indexOf(to)];
    const keys = reverse
      ? this.#keys.slice(Math.max(start, end - limit), end).reverse()
      : this.#keys.slice(start, Math.min(end, start + limit));
    return keys.map((key) => [key, this.#values.get(key) ?? '']);
  }

  async write(batch: ReadonlyMap<string, string | null>): Promise<void> {
    for (const [key, value] of batch) {
      const isKnown = this.#values.has(key);
      if (value === null) this.#values.delete(key);
      else this.#values.set(key, value);
      if (isKnown && value === null) this.#keys.splice(this.#indexOf(key), 1);
      if (!isKnown && value !== null) this.#keys.splice(this.#indexOf(key), 0, key);
    }
  }

  /** Index of the first key that is not below this one. */
  #indexOf(key: string): number {
    let [low, high] = [0, this.#keys.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#keys[middle] ?? '') < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
