import type { Clock } from '../clock.ts';
import type { Database } from './database.ts';
import type { PostgresClient } from './driver.ts';
import { quoted } from './schema-name.ts';

/** How a `ListenConnection` works. */
export interface ListenOptions {
  readonly channel: string;
  readonly clock: Clock;
  /** Called with the payload of each notification. */
  readonly onPayload: (payload: string) => void;
  /** Called when it listens again after it did not: whatever was notified in between went by. */
  readonly onGap: () => void;
  readonly onError: (error: unknown) => void;
}

interface Held {
  readonly client: PostgresClient;
  readonly giveBack: (isBroken: boolean) => void;
}

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 10_000;

/**
 * One connection that listens while it is wanted. When it breaks, or cannot be had, another is taken after a wait that doubles
 * from 100 ms to 10 s.
 */
export class ListenConnection {
  readonly #database: Database;
  readonly #options: ListenOptions;
  #isWanted = false;
  #isOpening = false;
  #held: Held | undefined;
  #hadGap = false;
  #waitMs = FIRST_WAIT_MS;
  #cancelRetry: (() => void) | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(database: Database, options: ListenOptions) {
    this.#database = database;
    this.#options = options;
  }

  /** Begins to listen, if it does not yet. */
  start(): void {
    this.#isWanted = true;
    if (!this.#isOpening && this.#held === undefined && this.#cancelRetry === undefined)
      this.#ended = this.#open();
  }

  /** Gives the connection back. Resolves when that is done. */
  async stop(): Promise<void> {
    this.#isWanted = false;
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    await this.#ended;
    if (!this.#isWanted && this.#held !== undefined) await this.#leave(this.#held);
  }

  async #open(): Promise<void> {
    this.#isOpening = true;
    let held: Held | undefined;
    try {
      held = await this.#database.borrow();
      this.#attach(held);
      await held.client.query(`LISTEN ${quoted(this.#options.channel)}`);
      this.#isOpening = false;
      if (this.#held === held) this.#opened();
    } catch (error) {
      this.#isOpening = false;
      if (held === undefined || this.#held === held) this.#lost(held, error);
    }
    if (!this.#isWanted && this.#held !== undefined) await this.#leave(this.#held);
  }

  #opened(): void {
    this.#waitMs = FIRST_WAIT_MS;
    if (this.#hadGap) this.#options.onGap();
    this.#hadGap = false;
  }

  #attach(held: Held): void {
    this.#held = held;
    const { client } = held;
    client.on?.('notification', this.#onNotification);
    client.on?.('error', this.#onBroken);
    client.on?.('end', this.#onBroken);
  }

  #detach({ client }: Held): void {
    this.#held = undefined;
    client.removeListener?.('notification', this.#onNotification);
    client.removeListener?.('error', this.#onBroken);
    client.removeListener?.('end', this.#onBroken);
  }

  readonly #onNotification = (message: { channel: string; payload?: string }): void => {
    if (message.channel === this.#options.channel) this.#options.onPayload(message.payload ?? '');
  };

  readonly #onBroken = (error: unknown): void => {
    if (this.#held !== undefined)
      this.#lost(this.#held, error ?? new Error('The LISTEN connection has ended'));
  };

  #lost(held: Held | undefined, error: unknown): void {
    if (held !== undefined) {
      this.#detach(held);
      held.giveBack(true);
    }
    this.#hadGap = true;
    if (!this.#isWanted) return;
    this.#options.onError(error);
    this.#cancelRetry?.();
    this.#cancelRetry = this.#options.clock.schedule(this.#waitMs, () => {
      this.#cancelRetry = undefined;
      this.#ended = this.#open();
    });
    this.#waitMs = Math.min(LONGEST_WAIT_MS, this.#waitMs * 2);
  }

  async #leave(held: Held): Promise<void> {
    this.#detach(held);
    const isBroken = await held.client.query(`UNLISTEN ${quoted(this.#options.channel)}`).then(
      () => false,
      () => true,
    );
    held.giveBack(isBroken);
    // Wanted again while it was given back.
    if (this.#isWanted) this.start();
  }
}
