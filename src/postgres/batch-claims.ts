import type { ClaimResult, LeaseTimes, QueueClaim } from '../repos.ts';
import { type Candidate, Choice, type Chosen, isCandidate } from './batch-choice.ts';
import { type BatchStatements, batchStatements, type CandidateRow } from './batch-statements.ts';
import { BATCHES } from './claim-kinds.ts';
import { type ClaimRow, resultOf } from './claim-rows.ts';
import { claimStatement, MOST_PASSES, PASSED_AT_A_TIME, passStatement } from './claim-statement.ts';
import { type Database, rowsOf } from './database.ts';
import type { PostgresQueryable } from './driver.ts';
import type { Placed } from './rounds.ts';
import type { Tables } from './tables.ts';

/**
 * Claims of batches: one transaction for all that are asked of a queue. It reads what is due there without the bodies, decides what goes together, and leases
 * that with one statement, which brings the bodies.
 */
export class BatchClaims {
  readonly #database: Database;
  readonly #sql: BatchStatements;
  readonly #pass: string;
  readonly #lease: string;

  constructor(database: Database, tables: Tables) {
    this.#database = database;
    this.#sql = batchStatements(tables);
    this.#pass = passStatement(tables);
    this.#lease = claimStatement(tables, BATCHES);
  }

  /** The results of claims of one queue. */
  async claim(
    webhookId: string,
    claims: readonly Placed<QueueClaim>[],
    times: LeaseTimes,
  ): Promise<readonly Placed<ClaimResult>[]> {
    return this.#database.transaction(async (tx) => {
      const found = await this.#find(tx, webhookId, claims);
      const taken = found.filter(({ ids }) => ids.length > 0);
      const results = taken.length > 0 ? await this.#take(tx, { webhookId, taken, times }) : [];
      const { nextDueAt } = results[0] ?? (await this.#look(tx, webhookId));
      return found.map(({ index, ripeAt }) => {
        const { deliveries } = results[taken.findIndex((one) => one.index === index)] ?? { deliveries: [] };
        const item =
          nextDueAt === undefined ? { deliveries } : { deliveries, nextDueAt: Math.max(nextDueAt, ripeAt) };
        return { item, index };
      });
    });
  }

  async #find(
    tx: PostgresQueryable,
    webhookId: string,
    claims: readonly Placed<QueueClaim>[],
  ): Promise<readonly FoundBatch[]> {
    const rules = claims.flatMap(({ item: { batch: rule, limit }, index }) =>
      rule === undefined ? [] : [{ rule, limit, index }],
    );
    // One more than can be taken: it tells whether the last batch is full.
    const most = rules.reduce((sum, { rule }) => sum + rule.maxEvents, 1);
    const { candidates, now } = await this.#candidates(tx, webhookId, most);
    const choice = new Choice(candidates, now);
    const found: FoundBatch[] = [];
    for (const { rule, limit, index } of rules) {
      const { ids, batch, ripeAt } = await choice.next(rule, (id) => this.#members(tx, id, now));
      found.push({ ids: limit > 0 ? ids : [], batch, ripeAt, index });
    }
    return found;
  }

  async #candidates(
    tx: PostgresQueryable,
    webhookId: string,
    most: number,
  ): Promise<{ readonly candidates: readonly Candidate[]; readonly now: number }> {
    for (let passes = 0; ; passes += 1) {
      const rows = await rowsOf<CandidateRow>(tx, this.#sql.candidates, [webhookId, most]);
      const { now = 0, held = 0 } = rows[0] ?? {};
      if (held === 0 || passes === MOST_PASSES) return { candidates: rows.filter(isCandidate), now };
      await rowsOf(tx, this.#pass, [[webhookId], PASSED_AT_A_TIME]);
    }
  }

  async #members(tx: PostgresQueryable, batchId: string, now: number): Promise<readonly string[]> {
    const rows = await rowsOf<{ id: string }>(tx, this.#sql.members, [batchId, now]);
    return rows.map(({ id }) => id);
  }

  /** Leases batches. One result for each. */
  async #take(tx: PostgresQueryable, { webhookId, taken, times }: Taking): Promise<readonly ClaimResult[]> {
    const rows = await rowsOf<ClaimRow>(tx, this.#lease, [
      times.leaseUntil - times.now,
      taken.flatMap(({ ids }) => ids),
      taken.flatMap(({ ids }, place) => ids.map(() => place + 1)),
      webhookId,
      taken.map(({ batch }) => batch?.id ?? null),
      taken.map(({ batch }) => batch?.size ?? null),
      taken.map(({ batch }) => batch?.refusals ?? null),
    ]);
    const byPlace = Map.groupBy(rows, ({ place }) => place);
    return taken.map((_, place) => resultOf((byPlace.get(place + 1) ?? []).toSorted(bySeq)));
  }

  async #look(tx: PostgresQueryable, webhookId: string): Promise<ClaimResult> {
    const [first] = await rowsOf<{ wake_at: number }>(tx, this.#sql.next, [webhookId]);
    return first === undefined ? { deliveries: [] } : { deliveries: [], nextDueAt: first.wake_at };
  }
}

/** What was found for one claim. */
interface FoundBatch extends Chosen {
  /** Of the claim among all. */
  readonly index: number;
}

interface Taking {
  readonly webhookId: string;
  readonly taken: readonly FoundBatch[];
  readonly times: LeaseTimes;
}

/** The same members make the same bytes, whenever each of them was due. */
function bySeq(a: ClaimRow, b: ClaimRow): number {
  return (a.seq ?? 0) - (b.seq ?? 0);
}
