import type { OutcomeTally } from '../domain/tally.ts';
import type {
  AcquireResult,
  QueueAcquisition,
  QueueChange,
  QueueOpening,
  QueueRecord,
  QueueReset,
  SaveResult,
  StateRepo,
  TokenGrant,
  TokenRequest,
  TokenReturn,
} from '../repos.ts';
import { giveBack, pruneBuckets, take } from './buckets.ts';
import type { Connection } from './connection.ts';
import { type Home, statementsWithin, withSavepoint } from './host-transaction.ts';
import { pruneTallies, putTally, talliesOf } from './outcomes.ts';
import { acquireQueues, openQueues, queuesById, resetQueues, saveQueue } from './queues.ts';
import type { Statements } from './statements.ts';

/** The state of the retry queues: one row each. Token buckets and tallies. */
export class SqliteStateRepo implements StateRepo {
  readonly #connection: Connection;
  readonly #home: Home;

  constructor(connection: Connection, home: Home) {
    this.#connection = connection;
    this.#home = home;
  }

  async open(entries: readonly QueueOpening[], { now }: { readonly now: number }): Promise<void> {
    if (entries.length === 0) return;
    await this.#connection.write((sql) => openQueues(sql, entries, now));
  }

  async acquire(request: QueueAcquisition): Promise<AcquireResult> {
    return this.#connection.write((sql) => acquireQueues(sql, request));
  }

  async save(changes: readonly QueueChange[]): Promise<readonly SaveResult[]> {
    if (changes.length === 0) return [];
    return this.#connection.write((sql) => changes.map((change) => saveQueue(sql, change)));
  }

  async reset(entries: readonly QueueReset[], { now }: { readonly now: number }): Promise<void> {
    if (entries.length === 0) return;
    await this.#connection.write((sql) => resetQueues(sql, entries, now));
  }

  async get(webhookIds: readonly string[]): Promise<readonly QueueRecord[]> {
    if (webhookIds.length === 0) return [];
    return this.#connection.read((sql) => queuesById(sql, webhookIds));
  }

  async takeTokens(
    requests: readonly TokenRequest[],
    { now, tx }: { readonly now: number; readonly tx?: unknown },
  ): Promise<readonly TokenGrant[]> {
    if (requests.length === 0) return [];
    return this.#writeIn(tx, (sql) => requests.map((request) => take(sql, request, now)));
  }

  async returnTokens(
    entries: readonly TokenReturn[],
    { tx }: { readonly now: number; readonly tx?: unknown },
  ): Promise<void> {
    if (entries.length === 0) return;
    await this.#writeIn(tx, (sql) => {
      for (const entry of entries) giveBack(sql, entry);
    });
  }

  /** Nobody can write beside a transaction of the host's on this database: what belongs to it is part of it. */
  async #writeIn<T>(tx: unknown, work: (statements: Statements) => T): Promise<T> {
    const sql = tx === undefined ? undefined : statementsWithin(tx, this.#home);
    if (sql === undefined) return await this.#connection.write(work);
    return withSavepoint(sql, () => work(sql));
  }

  async recordOutcomes(tallies: readonly OutcomeTally[]): Promise<void> {
    if (tallies.length === 0) return;
    await this.#connection.write((sql) => {
      for (const tally of tallies) putTally(sql, tally);
    });
  }

  async outcomes(request: {
    readonly webhookId: string;
    readonly since: number;
  }): Promise<readonly OutcomeTally[]> {
    return this.#connection.read((sql) => talliesOf(sql, request));
  }

  async pruneState({
    now,
    outcomesBefore,
    limit,
  }: {
    readonly now: number;
    readonly outcomesBefore: number;
    readonly limit: number;
  }): Promise<boolean> {
    return this.#connection.write((sql) => {
      const more = [pruneTallies(sql, outcomesBefore, limit), pruneBuckets(sql, now, limit)];
      return more.includes(true);
    });
  }
}
