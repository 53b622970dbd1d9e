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
import { type QueueColumns, queueOf } from '../sql/queue-columns.ts';
import { Buckets } from './buckets.ts';
import type { Database } from './database.ts';
import { Outcomes } from './outcomes.ts';
import { type Placed, roundsOf } from './rounds.ts';
import { type StateStatements, stateStatements } from './state-statements.ts';
import type { Tables } from './tables.ts';

/** The state of the retry queues in a table. Token buckets and tallies. */
export class PostgresStateRepo implements StateRepo {
  readonly #database: Database;
  readonly #sql: StateStatements;
  readonly #buckets: Buckets;
  readonly #outcomes: Outcomes;

  constructor(database: Database, tables: Tables) {
    this.#database = database;
    this.#sql = stateStatements(tables);
    this.#buckets = new Buckets(database, tables);
    this.#outcomes = new Outcomes(database, tables);
  }

  async open(entries: readonly QueueOpening[]): Promise<void> {
    for (const round of roundsOf(entries, ({ webhookId }) => webhookId)) {
      const items = round.map(({ item }) => item);
      await this.#database.rows(this.#sql.open, [
        items.map(({ webhookId }) => webhookId),
        items.map(({ failures }) => failures),
        items.map(({ nextAt }) => Math.round(nextAt)),
      ]);
    }
  }

  async acquire({ now, leaseUntil, healthy, failing }: QueueAcquisition): Promise<AcquireResult> {
    const rows = await this.#database.rows<AcquiredRow>(this.#sql.acquire, [
      leaseUntil - now,
      healthy,
      failing,
    ]);
    const queues: QueueRecord[] = [];
    for (const row of rows) {
      if (row.webhook_id !== null) queues.push(queueOf({ ...row, webhook_id: row.webhook_id }));
    }
    const nextAt = rows[0]?.others_at;
    return nextAt === undefined || nextAt === null ? { queues } : { queues, nextAt };
  }

  async save(
    changes: readonly QueueChange[],
    options: { readonly now: number },
  ): Promise<readonly SaveResult[]> {
    const results: SaveResult[] = changes.map(() => ({ result: 'lost' }));
    for (const round of roundsOf(changes, ({ webhookId }) => webhookId)) {
      for (const [index, result] of await this.#save(round, options.now)) results[index] = result;
    }
    return results;
  }

  async reset(entries: readonly QueueReset[]): Promise<void> {
    for (const round of roundsOf(entries, ({ webhookId }) => webhookId)) {
      const items = round.map(({ item }) => item);
      await this.#database.rows(this.#sql.reset, [
        items.map(({ webhookId }) => webhookId),
        items.map(({ nextAt }) => nextAt),
      ]);
    }
  }

  async get(webhookIds: readonly string[]): Promise<readonly QueueRecord[]> {
    const rows = await this.#database.rows<QueueColumns>(this.#sql.get, [webhookIds]);
    return rows.map(queueOf);
  }

  async now(): Promise<number> {
    const [row] = await this.#database.rows<{ now: number }>(this.#sql.now, []);
    return row?.now ?? 0;
  }

  async takeTokens(requests: readonly TokenRequest[]): Promise<readonly TokenGrant[]> {
    return this.#buckets.take(requests);
  }

  async returnTokens(entries: readonly TokenReturn[]): Promise<void> {
    return this.#buckets.giveBack(entries);
  }

  async recordOutcomes(tallies: readonly OutcomeTally[]): Promise<void> {
    return this.#outcomes.record(tallies);
  }

  async outcomes(request: {
    readonly webhookId: string;
    readonly since: number;
  }): Promise<readonly OutcomeTally[]> {
    return this.#outcomes.of(request);
  }

  async pruneState({
    outcomesBefore,
    limit,
  }: {
    readonly outcomesBefore: number;
    readonly limit: number;
  }): Promise<boolean> {
    const more = [await this.#outcomes.prune(outcomesBefore, limit), await this.#buckets.prune(limit)];
    return more.includes(true);
  }

  /** Results by the index of their change; changes that were lost have none. */
  async #save(round: readonly Placed<QueueChange>[], now: number): Promise<ReadonlyMap<number, SaveResult>> {
    const rows = await this.#database.rows<SavedRow>(this.#sql.save, saveValues(round, now));
    const results = new Map<number, SaveResult>();
    for (const { place, wakes } of rows) {
      const placed = round[place - 1];
      if (placed !== undefined) results.set(placed.index, savedResult(placed.item, wakes));
    }
    const refused = round.filter(({ index }) => !results.has(index));
    if (refused.length > 0)
      for (const [index, result] of await this.#refusals(refused)) results.set(index, result);
    return results;
  }

  /** A change that was not applied although its token is the present one was woken. */
  async #refusals(
    refused: readonly Placed<QueueChange>[],
  ): Promise<readonly (readonly [number, SaveResult])[]> {
    const records = await this.get(refused.map(({ item }) => item.webhookId));
    const byId = new Map(records.map((record) => [record.webhookId, record]));
    return refused.map(({ item, index }) => {
      const record = byId.get(item.webhookId);
      if (record === undefined || record.token !== item.token) return [index, { result: 'lost' }];
      return [index, { result: 'woken', wakes: record.wakes }];
    });
  }
}

interface AcquiredRow extends Omit<QueueColumns, 'webhook_id'> {
  readonly webhook_id: string | null;
  readonly others_at: number | null;
}

interface SavedRow {
  readonly place: number;
  readonly wakes: number;
}

function savedResult(change: QueueChange, wakes: number): SaveResult {
  return change.close ? { result: 'closed' } : { result: 'saved', wakes };
}

/** A lease crosses as its length, because the server's clock counts it. */
function saveValues(round: readonly Placed<QueueChange>[], now: number): unknown[] {
  const items = round.map(({ item }) => item);
  return [
    items.map(({ webhookId }) => webhookId),
    items.map(({ token }) => token),
    items.map(({ failures }) => failures),
    items.map(({ notBefore }) => Math.round(notBefore)),
    items.map(({ nextAt }) => (nextAt === null ? null : Math.round(nextAt))),
    items.map(({ leaseUntil }) => (leaseUntil === undefined ? null : leaseUntil - now)),
    items.map(({ close }) => (close ? 1 : 0)),
    items.map(({ ifWakes }) => ifWakes ?? null),
  ];
}
