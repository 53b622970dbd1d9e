import type { AttemptData } from '../domain/delivery.ts';
import type { Settlement, SettleResult } from '../repos.ts';
import { attemptKinds, attemptText } from '../sql/attempt-columns.ts';
import { type Database, rowsOf } from './database.ts';
import { errorCode, type PostgresQueryable } from './driver.ts';
import { type Folds, membersOf } from './folds.ts';
import { type Placed, roundsOf } from './rounds.ts';
import { NOT_WHOLE, type SettleStatements, settleStatements } from './settle-statements.ts';
import { claimsOf, endsOf, plainEndsOf } from './settle-values.ts';
import type { Tables } from './tables.ts';

/**
 * Ends claims: one statement for all that hold their token, as nearly all do, one more for all batches that were delivered, and one short transaction for each that does not
 * hold it.
 */
export class Settling {
  readonly #database: Database;
  readonly #sql: SettleStatements;
  readonly #folds: Folds;
  /** Whether there are keys or batches, as far as this process knows. Where there are none it uses the statement that costs less. */
  #isPlain = true;

  constructor(database: Database, tables: Tables, folds: Folds) {
    this.#database = database;
    this.#sql = settleStatements(tables);
    this.#folds = folds;
  }

  /** See `EventRepo.settle`. */
  async settle(settlements: readonly Settlement[], now: number): Promise<readonly SettleResult[]> {
    const results: SettleResult[] = settlements.map(() => 'applied');
    for (const round of roundsOf(settlements, ({ deliveryId }) => deliveryId, othersOf)) {
      let left = await this.#apply(round, now);
      if (left.length > 0) {
        await this.#folds.unfold(idsOf(left));
        left = await this.#apply(left, now);
      }
      for (const { item, index } of left) {
        results[index] = await this.#database.transaction((tx) => this.#allTooLate(tx, item));
      }
    }
    return results;
  }

  /** Returns those that were not applied. */
  async #apply(round: readonly Placed<Settlement>[], now: number): Promise<readonly Placed<Settlement>[]> {
    if (round.every(isSingle)) return this.#applySingles(round, now);
    const singles = round.filter(isSingle);
    const batches = round.filter((placed) => !isSingle(placed));
    const left = singles.length > 0 ? await this.#applySingles(singles, now) : [];
    return left.concat(await this.#applyBatches(batches, now));
  }

  async #applySingles(
    round: readonly Placed<Settlement>[],
    now: number,
  ): Promise<readonly Placed<Settlement>[]> {
    if (!this.#isPlain || round.some(staysInBatch)) return this.#applyAny(round, now);
    const items = round.map(({ item }) => item);
    const values = [...plainEndsOf(items), now, ...claimsOf(items)];
    const left = notAppliedOf(round, await this.#database.rows<NotApplied>(this.#sql.applyPlain, values));
    if (left.length === 0) return left;
    const late = await this.#applyAny(left, now);
    this.#isPlain = late.length === left.length;
    return late;
  }

  async #applyAny(round: readonly Placed<Settlement>[], now: number): Promise<readonly Placed<Settlement>[]> {
    const items = round.map(({ item }) => item);
    const values = [...endsOf(items), now, ...claimsOf(items)];
    return notAppliedOf(round, await this.#database.rows<NotApplied>(this.#sql.apply, values));
  }

  async #applyBatches(
    round: readonly Placed<Settlement>[],
    now: number,
  ): Promise<readonly Placed<Settlement>[]> {
    const left = await this.#delivered(round, now);
    if (left.length === 0) return left;
    const items = left.map(({ item }) => item);
    const members = items
      .flatMap((item, index) => membersOf(item).map((one) => ({ ...one, end: index + 1 })))
      .sort(byId);
    const values = [
      ...endsOf(items),
      now,
      members.map(({ deliveryId }) => deliveryId),
      members.map(({ token }) => token),
      members.map(({ end }) => end),
      items.map((item) => membersOf(item).length),
    ];
    if (await this.#appliedWhole(values)) return [];
    return notAppliedOf(left, await this.#database.rows<NotApplied>(this.#sql.applyBatches, values));
  }

  /** Settles the folds that were delivered, and unfolds those that were not. Returns what is to be settled row by row. */
  async #delivered(
    round: readonly Placed<Settlement>[],
    now: number,
  ): Promise<readonly Placed<Settlement>[]> {
    const [delivered, failed] = [round.filter(isDelivered), round.filter((placed) => !isDelivered(placed))];
    if (failed.length > 0) await this.#folds.unfold(idsOf(failed));
    return delivered.length > 0 ? failed.concat(await this.#folds.settle(delivered, now)) : failed;
  }

  /** Nearly always all batches are whole; to find out which are costs half as much again. */
  async #appliedWhole(values: unknown[]): Promise<boolean> {
    try {
      await this.#database.rows(this.#sql.applyWhole, values);
      return true;
    } catch (error) {
      if (errorCode(error) === NOT_WHOLE) return false;
      throw error;
    }
  }

  /** Each member of a batch by itself. */
  async #allTooLate(tx: PostgresQueryable, settlement: Settlement): Promise<SettleResult> {
    const { deliveryId, attempt } = settlement;
    let result: SettleResult = 'unknown';
    const members = membersOf(settlement).toSorted(byId);
    for (const { token, ...member } of members) {
      const found = await this.#tooLate(tx, { ...member, token, attempt });
      if (member.deliveryId === deliveryId) result = found;
    }
    return result;
  }

  /**
   * Every token below the present one, and the present one once it has been settled, either settled the delivery or left an
   * attempt that is lost or, reported since, late.
   */
  async #tooLate(tx: PostgresQueryable, { deliveryId, token, attempt }: Report): Promise<SettleResult> {
    const [delivery] = await rowsOf<Present>(tx, this.#sql.lock, [deliveryId]);
    if (delivery === undefined) return 'unknown';
    // Of a batch one claim can be lost, and others not.
    if (delivery.is_held && delivery.token === token) return 'late';
    const [known] = await rowsOf<KnownAttempt>(tx, this.#sql.find, [deliveryId, token]);
    const wasGiven = token >= 1 && token <= delivery.token;
    if (wasGiven && (known === undefined || known.kind === attemptKinds.settled)) return 'repeated';
    if (attempt !== undefined) await this.#recordLate(tx, { deliveryId, token, attempt, known });
    return 'late';
  }

  async #recordLate(tx: PostgresQueryable, { deliveryId, token, attempt, known }: LateReport): Promise<void> {
    if (known === undefined) await rowsOf(tx, this.#sql.addLate, [deliveryId, token, attemptText(attempt)]);
    else if (known.kind === attemptKinds.lost) {
      await rowsOf(tx, this.#sql.replaceLost, [deliveryId, known.number, attemptText(attempt)]);
    }
  }
}

interface Present {
  readonly token: number;
  readonly is_held: boolean;
}

interface KnownAttempt {
  readonly number: number;
  readonly kind: number;
}

interface Report {
  readonly deliveryId: string;
  readonly token: number;
  readonly attempt: AttemptData | undefined;
}

interface LateReport extends Report {
  readonly attempt: AttemptData;
  readonly known: KnownAttempt | undefined;
}

/** The place of one that was not applied, from 1; null is none. */
interface NotApplied {
  readonly place: number | null;
}

function notAppliedOf(
  round: readonly Placed<Settlement>[],
  rows: readonly NotApplied[],
): readonly Placed<Settlement>[] {
  return rows.flatMap(({ place }) => (place === null ? [] : (round[place - 1] ?? [])));
}

function isSingle({ item: { others } }: Placed<Settlement>): boolean {
  return others === undefined || others.length === 0;
}

function staysInBatch({ item: { next } }: Placed<Settlement>): boolean {
  return next.status === 'waiting' && next.batch !== undefined;
}

function isDelivered({ item: { next } }: Placed<Settlement>): boolean {
  return next.status === 'delivered';
}

function idsOf(round: readonly Placed<Settlement>[]): readonly string[] {
  return round.flatMap(({ item }) => membersOf(item).map(({ deliveryId }) => deliveryId));
}

const NONE: readonly string[] = [];

function othersOf({ others }: Settlement): readonly string[] {
  return others === undefined ? NONE : others.map(({ deliveryId }) => deliveryId);
}

/** The order in which all lock them. */
function byId(a: { readonly deliveryId: string }, b: { readonly deliveryId: string }): number {
  return a.deliveryId < b.deliveryId ? -1 : 1;
}
