import type { Outage, Run } from './run.ts';

/** What a batch writer writes, and whom it tells. */
export interface BatchWriterParts<T, R> {
  readonly run: Run;
  /** The port call, for errors. */
  readonly operation: string;
  readonly maxBatch: number;
  /** One result per item, in order. */
  readonly write: (items: readonly T[]) => Promise<readonly R[]>;
  /** Called once per item that was written, in order. */
  readonly written: (item: T, result: R) => void;
  /** Called after each batch that was written. */
  readonly batchWritten?: () => void;
  /** Called when the last item has been written. */
  readonly idle?: () => void;
}

/** After this many failures in a row a batch is tried in halves, and a single item after all others. */
const TRIES_PER_BATCH = 2;

/**
 * Shares round trips: what comes in while one batch is being written forms the next one. There is no delay: the first item
 * starts a write at the end of its turn of the event loop. Nothing is lost while the repo fails: the batch is tried again, later in halves, so
 * that one item that the repo cannot take holds up no other for long.
 */
export class BatchWriter<T, R> {
  readonly #parts: BatchWriterParts<T, R>;
  readonly #outage: Outage;
  #waiting: T[] = [];
  #writing: readonly T[] = [];
  #scheduled = false;
  #batchSize: number;
  #failures = 0;

  constructor(parts: BatchWriterParts<T, R>) {
    this.#parts = parts;
    this.#batchSize = parts.maxBatch;
    this.#outage = parts.run.outage(parts.operation);
  }

  /** Items not written yet. */
  get size(): number {
    return this.#waiting.length + this.#writing.length;
  }

  add(item: T): void {
    this.#waiting.push(item);
    if (this.#scheduled) return;
    this.#scheduled = true;
    // In the next turn of the event loop: what ends in one turn makes one batch.
    this.#parts.run.schedule(0, () => void this.#flush());
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0 && !this.#parts.run.ended) {
      this.#writing = this.#take();
      const done = await this.#outage.attempt(() => this.#write(this.#writing));
      const batch = this.#writing;
      this.#writing = [];
      if (done === undefined) this.#putBack(batch);
      else this.#finish(batch, done.value);
    }
    this.#scheduled = false;
    this.#parts.idle?.();
  }

  async #write(batch: readonly T[]): Promise<readonly R[]> {
    const results = await this.#parts.write(batch);
    if (results.length === batch.length) return results;
    throw new Error(`the repo answered ${results.length} results for ${batch.length} items`);
  }

  #take(): readonly T[] {
    if (this.#waiting.length > this.#batchSize) return this.#waiting.splice(0, this.#batchSize);
    const all = this.#waiting;
    this.#waiting = [];
    return all;
  }

  #finish(batch: readonly T[], results: readonly R[]): void {
    this.#failures = 0;
    this.#batchSize = Math.min(this.#parts.maxBatch, this.#batchSize * 2);
    for (let i = 0; i < batch.length; i++) this.#parts.written(batch[i] as T, results[i] as R);
    this.#parts.batchWritten?.();
  }

  #putBack(batch: readonly T[]): void {
    this.#failures += 1;
    const split = this.#failures % TRIES_PER_BATCH === 0;
    if (split && batch.length === 1) {
      this.#waiting.push(...batch);
      return;
    }
    if (split) this.#batchSize = Math.ceil(batch.length / 2);
    this.#waiting = [...batch, ...this.#waiting];
  }
}
