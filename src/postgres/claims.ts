import type { ClaimResult, ExpressClaim, LeaseTimes, QueueClaim, QueuesClaim } from '../repos.ts';
import { BatchClaims, mostOf, type QueueWishes } from './batch-claims.ts';
import { EXPRESS, OWN } from './claim-kinds.ts';
import { type ClaimRow, resultOf } from './claim-rows.ts';
import { claimStatement, MOST_PASSES, PASSED_AT_A_TIME, passStatement } from './claim-statement.ts';
import type { Database } from './database.ts';
import { errorCode } from './driver.ts';
import { Floor, type Found } from './floor.ts';
import type { Folds } from './folds.ts';
import { Forming } from './forming.ts';
import { type Placed, roundsOf } from './rounds.ts';
import type { Tables } from './tables.ts';

const UNIQUE_VIOLATION = '23505';
const RUNS = 5;
/** Deliveries that one transaction leases in batches, about: their bodies fit the memory that the server gives a step of a statement. */
const MOST_LEASED = 2_500;
/** Such transactions at a time: a server process works on one processor, and a claim of many batches is the better part of its work. */
const AT_ONCE = 2;

/**
 * Claims: one statement leases what is due, records the claims that were lost, and brings the events. Rows that another
 * claim holds at that moment are passed over, so nobody waits.
 */
export class Claims {
  readonly #database: Database;
  readonly #express: string;
  readonly #queues: string;
  readonly #pass: string;
  readonly #forming: Forming;
  readonly #batches: BatchClaims;
  readonly #folds: Folds;
  readonly #floor = new Floor();

  constructor(database: Database, tables: Tables, folds: Folds) {
    this.#database = database;
    this.#express = claimStatement(tables, EXPRESS);
    this.#queues = claimStatement(tables, OWN);
    this.#pass = passStatement(tables);
    this.#forming = new Forming(database, tables);
    this.#batches = new BatchClaims(database, tables, folds);
    this.#folds = folds;
  }

  /** Leases what is due in the express queue. */
  async express({ now, leaseUntil, limit }: ExpressClaim): Promise<ClaimResult> {
    const from = this.#floor.place;
    const rows = await this.#database.rows<ClaimRow>(this.#express, [
      leaseUntil - now,
      limit,
      from.wakeAt,
      from.seq,
      this.#floor.restMs,
    ]);
    const [first] = rows;
    if (first !== undefined) this.#floor.note(from, foundBy(first, rows.length));
    return resultOf(rows);
  }

  /**
   * Leases what is due in queues of webhooks. Where that takes several transactions and one of them fails, what the others claimed is handed out, and the rest is
   * to be asked for again.
   */
  async queues({ queues, ...times }: QueuesClaim): Promise<readonly ClaimResult[]> {
    const results: ClaimResult[] = queues.map(() => ({ deliveries: [], nextDueAt: times.now }));
    try {
      await this.#claimAll(queues, times, results);
    } catch (error) {
      if (results.every(({ deliveries }) => deliveries.length === 0)) throw error;
    }
    return results;
  }

  async #claimAll(queues: readonly QueueClaim[], times: LeaseTimes, results: ClaimResult[]): Promise<void> {
    const placed = queues.map((item, index) => ({ item, index }));
    const singles = placed.filter(({ item }) => item.batch === undefined);
    for (const round of roundsOf(singles, ({ item }) => item.webhookId)) {
      const ofRound = round.map(({ item }) => item);
      await this.#singles(ofRound, times, results);
    }
    const batched = placed.filter(({ item }) => item.batch !== undefined);
    const wishes = Array.from(
      Map.groupBy(batched, ({ item }) => item.webhookId),
      wishesOf,
    );
    await sideBySide(sharesOf(wishes), (share) => this.#claimBatches(share, times, results));
  }

  async #claimBatches(
    queues: readonly QueueWishes[],
    times: LeaseTimes,
    results: ClaimResult[],
  ): Promise<void> {
    const { results: formed, left } = await this.#forming.claim(queues, times);
    for (const { item, index } of formed) results[index] = item;
    if (left.length === 0) return;
    const found = await untilAlone(() => this.#batches.claim(left, times));
    for (const { item, index } of found) results[index] = item;
  }

  /** Claims from queues, each of another webhook, and once more from those where others stood before those whose turn it is. */
  async #singles(
    queues: readonly Placed<QueueClaim>[],
    times: LeaseTimes,
    results: ClaimResult[],
  ): Promise<void> {
    let open = queues;
    for (let passes = 0; open.length > 0; passes += 1) {
      const rows = await this.#claim(open, times);
      const byPlace = Map.groupBy(rows, ({ place }) => place);
      const { held = 0, now = 0, folded = null } = rows[0] ?? {};
      if (folded !== null) await this.#folds.unfold(folded);
      const next: Placed<QueueClaim>[] = [];
      const looks: Placed<QueueClaim>[] = [];
      for (const [place, { item, index }] of open.entries()) {
        const { deliveries, ...rest } = resultOf(byPlace.get(place + 1) ?? []);
        results[index] = { deliveries: [...(results[index]?.deliveries ?? []), ...deliveries], ...rest };
        const limit = item.limit - deliveries.length;
        if ((held > 0 || folded !== null) && limit > 0) next.push({ item: { ...item, limit }, index });
        if (item.limit === 0 && (rest.nextDueAt ?? now + 1) <= now) looks.push({ item, index });
      }
      if (passes === MOST_PASSES) return;
      // What a look found to be due may only stand before those whose turn it is.
      const isPast = looks.length > 0 && (await this.#passOver(looks, 1)) > 0;
      open = isPast ? next.concat(looks) : next;
      if (open.length > 0) await this.#passOver(open, PASSED_AT_A_TIME);
    }
  }

  async #passOver(queues: readonly Placed<QueueClaim>[], atATime: number): Promise<number> {
    const ids = queues.map(({ item }) => item.webhookId);
    const [row] = await this.#database.rows<{ held: number }>(this.#pass, [ids, atATime]);
    return row?.held ?? 0;
  }

  #claim(
    queues: readonly Placed<QueueClaim>[],
    { now, leaseUntil }: LeaseTimes,
  ): Promise<readonly ClaimRow[]> {
    const ids = queues.map(({ item }) => item.webhookId);
    const limits = queues.map(({ item }) => item.limit);
    const total = limits.reduce((sum, limit) => sum + limit, 0);
    const values = [leaseUntil - now, ids, limits, total];
    return untilAlone(() => this.#database.rows<ClaimRow>(this.#queues, values));
  }
}

function wishesOf([webhookId, claims]: [string, readonly Placed<QueueClaim>[]]): QueueWishes {
  return { webhookId, claims };
}

/** What a transaction takes together: so many deliveries at most, or one queue. */
function sharesOf(queues: readonly QueueWishes[]): readonly (readonly QueueWishes[])[] {
  const shares: QueueWishes[][] = [];
  let left = 0;
  for (const queue of queues) {
    const most = mostOf(queue);
    if (most > left) {
      shares.push([]);
      left = MOST_LEASED;
    }
    shares.at(-1)?.push(queue);
    left -= most;
  }
  return shares;
}

/** Runs `AT_ONCE` at a time; one that fails ends its row of them. All are over when it rejects. */
async function sideBySide<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  const row = async (): Promise<void> => {
    for (const item of left) await run(item);
  };
  const ends = await Promise.allSettled(Array.from({ length: AT_ONCE }, row));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

/** Runs again where another claim, of the same queue at the same moment, took another of one line for the first of it. */
async function untilAlone<T>(run: () => Promise<T>): Promise<T> {
  for (let runs = 1; ; runs += 1) {
    try {
      return await run();
    } catch (error) {
      if (runs >= RUNS || errorCode(error) !== UNIQUE_VIOLATION) throw error;
    }
  }
}

function foundBy({ now, read, was_due, seq }: ClaimRow, rows: number): Found {
  const head = was_due === null || seq === null ? undefined : { wakeAt: was_due, seq };
  return { now, head, wasted: read - rows };
}
