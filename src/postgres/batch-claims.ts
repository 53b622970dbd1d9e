import type { ClaimResult, LeaseTimes, QueueClaim } from '../repos.ts';
import { statusCodes } from '../sql/codes.ts';
import { type ContentColumns, contentOf } from '../sql/content-columns.ts';
import { type Candidate, Choice, type Chosen, isCandidate, type Member } from './batch-choice.ts';
import { type BatchStatements, batchStatements, type CandidateRow } from './batch-statements.ts';
import { bodyIn, type Sent } from './bodies.ts';
import { MOST_PASSES, PASSED_AT_A_TIME, passStatement } from './claim-statement.ts';
import { type Database, rowsOf } from './database.ts';
import type { PostgresQueryable } from './driver.ts';
import type { Folds } from './folds.ts';
import type { Placed } from './rounds.ts';
import type { Tables } from './tables.ts';

/** All that is asked of one queue. */
export interface QueueWishes {
  readonly webhookId: string;
  readonly claims: readonly Placed<QueueClaim>[];
}

/**
 * Claims of batches: one transaction for several queues. It reads what is due there without the bodies, decides what goes together, and leases
 * that with one statement, which brings the bodies.
 */
export class BatchClaims {
  readonly #database: Database;
  readonly #sql: BatchStatements;
  readonly #pass: string;
  readonly #folds: Folds;

  constructor(database: Database, tables: Tables, folds: Folds) {
    this.#database = database;
    this.#folds = folds;
    this.#sql = batchStatements(tables);
    this.#pass = passStatement(tables);
  }

  /** The results of claims of queues, each of another webhook. */
  async claim(queues: readonly QueueWishes[], times: LeaseTimes): Promise<readonly Placed<ClaimResult>[]> {
    for (let passes = 0; ; passes += 1) {
      const { results, folded } = await this.#database.transaction((tx) => this.#claim(tx, queues, times));
      if (folded.length === 0 || passes === MOST_PASSES) return results;
      // Not in that transaction, which has them locked: the row of a fold is locked before its members.
      await this.#folds.unfold(folded);
    }
  }

  /** Claims nothing where it meets some that are in a fold. */
  async #claim(tx: PostgresQueryable, queues: readonly QueueWishes[], times: LeaseTimes): Promise<Claimed> {
    const { found, folded } = await this.#find(tx, queues);
    const deliveries = folded.length === 0 ? await this.#lease(tx, found, times) : [];
    const nextDueAt = await this.#next(tx, queues);
    const results = found.map(({ index, queue, ripeAt }, at) => {
      const taken = { deliveries: deliveries[at] ?? [] };
      const next = nextDueAt[queue];
      const item = typeof next === 'number' ? { ...taken, nextDueAt: Math.max(next, ripeAt) } : taken;
      return { item, index };
    });
    return { results, folded };
  }

  async #find(tx: PostgresQueryable, queues: readonly QueueWishes[]): Promise<FoundBatches> {
    const { candidates: all, now } = await this.#candidates(tx, queues);
    const candidates = all.filter(({ folded }) => !folded);
    const byPlace = Map.groupBy(candidates, ({ place }) => place);
    const found: FoundBatch[] = [];
    for (const [queue, { claims }] of queues.entries()) {
      const choice = new Choice(byPlace.get(queue + 1) ?? [], now);
      for (const {
        item: { batch: rule, limit },
        index,
      } of claims) {
        if (rule === undefined) continue;
        const chosen = await choice.next(rule, (id) => this.#members(tx, id, now));
        found.push({ ...chosen, ...(limit === 0 && { members: [] }), index, queue });
      }
    }
    return { found, folded: all.filter(({ folded }) => folded).map(({ id }) => id) };
  }

  async #candidates(
    tx: PostgresQueryable,
    queues: readonly QueueWishes[],
  ): Promise<{ readonly candidates: readonly Candidate[]; readonly now: number }> {
    const webhookIds = queues.map(({ webhookId }) => webhookId);
    const limits = queues.map(mostOf);
    for (let passes = 0; ; passes += 1) {
      const rows = await rowsOf<CandidateRow>(tx, this.#sql.candidates, [webhookIds, limits]);
      const { now = 0, held = 0 } = rows[0] ?? {};
      if (held === 0 || passes === MOST_PASSES) return { candidates: rows.filter(isCandidate), now };
      await rowsOf(tx, this.#pass, [webhookIds, PASSED_AT_A_TIME]);
    }
  }

  async #members(tx: PostgresQueryable, batchId: string, now: number): Promise<readonly Member[]> {
    return await rowsOf<Member>(tx, this.#sql.members, [batchId, now]);
  }

  /** Leases batches: the deliveries of each. */
  async #lease(
    tx: PostgresQueryable,
    found: readonly FoundBatch[],
    times: LeaseTimes,
  ): Promise<readonly ClaimResult['deliveries'][]> {
    const members = found.flatMap((one) => one.members);
    if (members.length === 0) return [];
    const rows = await rowsOf<Sent<ContentColumns>>(tx, this.#sql.lease, [
      times.leaseUntil - times.now,
      members.map(({ id }) => id),
      found.flatMap((one, at) => one.members.map(() => at + 1)),
      found.map(({ batch }) => batch?.id ?? null),
      found.map(({ batch }) => batch?.size ?? 0),
      found.map(({ batch }) => batch?.refusals ?? 0),
      members.filter(({ status }) => status === statusCodes.delivering).map(({ id }) => id),
    ]);
    const byId = new Map(rows.map((row) => [row.id, row]));
    return found.map((one) =>
      one.members.flatMap(({ id }) => {
        const row = byId.get(id);
        return row === undefined ? [] : contentOf({ ...row, body: bodyIn(row) });
      }),
    );
  }

  async #next(tx: PostgresQueryable, queues: readonly QueueWishes[]): Promise<readonly (number | null)[]> {
    const webhookIds = queues.map(({ webhookId }) => webhookId);
    const rows = await rowsOf<NextRow>(tx, this.#sql.next, [webhookIds]);
    return rows.map(({ wake_at }) => wake_at);
  }
}

/** One more than can be taken: it tells whether the last batch is full. */
export function mostOf({ claims }: QueueWishes): number {
  return claims.reduce((sum, { item }) => sum + (item.batch?.maxEvents ?? 0), 1);
}

/** What was found for one claim. */
interface FoundBatch extends Chosen {
  /** Of the claim among all. */
  readonly index: number;
  /** Of its queue among those that were asked for. */
  readonly queue: number;
}

interface FoundBatches {
  readonly found: readonly FoundBatch[];
  /** Deliveries in folds whose leases have run out. */
  readonly folded: readonly string[];
}

interface Claimed extends Pick<FoundBatches, 'folded'> {
  readonly results: readonly Placed<ClaimResult>[];
}

interface NextRow {
  readonly wake_at: number | null;
}
