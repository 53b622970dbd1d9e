import type { Settlement } from '../repos.ts';
import { attemptText } from '../sql/attempt-columns.ts';
import type { Database } from './database.ts';
import { type FoldStatements, foldStatements } from './fold-statements.ts';
import type { Placed } from './rounds.ts';
import type { Tables } from './tables.ts';

/**
 * A fold is one row that stands for the claim of a whole batch: until when it is leased, or that it was delivered, when, and by what attempt. The rows of its
 * members are written once, when it is claimed: they are `delivering`, have a higher token and the number of the fold, no lease and no `wake_at`. Only the first by `seq` has one,
 * the end of the lease, by which the batch is met in its queue.
 *
 * - Deliveries that were in no batch before are claimed so, two at least, and so they are delivered, as nearly all are. Everything else that is to happen to a member, a lease
 *   that has run out included, unfolds first: the row of the fold goes, and what it says is written to each member, with its attempt.
 * - Whoever changes a fold or its members locks the row of the fold first. So a settlement and what unfolds come one after the other, and
 *   the later one finds the fold changed or gone.
 * - Statements that change deliveries pass over those in a fold; those that read them read the view `current_deliveries`.
 */
export class Folds {
  readonly #database: Database;
  readonly #sql: FoldStatements;

  constructor(database: Database, tables: Tables) {
    this.#database = database;
    this.#sql = foldStatements(tables);
  }

  /** Ends batches as delivered that are in one fold each. Returns the others. */
  async settle(batches: readonly Placed<Settlement>[], now: number): Promise<readonly Placed<Settlement>[]> {
    const members = batches.map(({ item }) => membersOf(item));
    const left = await this.#database.rows<{ place: number }>(this.#sql.settle, [
      batches.map(({ item }) => item.deliveryId),
      // Of an array each element is escaped by itself, which takes longer than all the rest.
      members.map((all) => all.map(({ deliveryId }) => deliveryId).join()),
      members.map((all) => all.map(({ token }) => token).join()),
      batches.map(({ item: { attempt } }) => (attempt === undefined ? null : attemptText(attempt))),
      batches.map(({ item: { attempt } }) => (attempt?.counted ? 1 : 0)),
      now,
    ]);
    return left.flatMap(({ place }) => batches[place - 1] ?? []);
  }

  /** Undoes the folds that these deliveries are in. */
  async unfold(ids: readonly string[]): Promise<void> {
    await this.#database.rows(this.#sql.unfold, [ids]);
  }
}

/** All that end with a settlement. */
export function membersOf({
  deliveryId,
  token,
  others = [],
}: Settlement): readonly { readonly deliveryId: string; readonly token: number }[] {
  return [{ deliveryId, token }, ...others];
}
