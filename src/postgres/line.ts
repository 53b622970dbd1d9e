import type { DeliveryRecord } from '../domain/delivery.ts';
import { HELD_BACK } from '../sql/codes.ts';
import { quoted } from './schema-name.ts';

/**
 * Deliveries of one webhook with one ordering key stand in a line. Column `line_place`: null: it holds no place; 0: it is delivering, claimed from its own
 * queue; 1: it holds its place otherwise. The turn is that of the first by (line_place, seq). A delivery that waits for its turn in its own
 * queue may be held back: its `wake_at` is then out of reach.
 *
 * Invariant of every committed state: in front of each one that is held back (delivering, or earlier in `seq`) stands one of its line that is not. So
 * whoever's turn it is is never held back.
 *
 * - An append locks nothing of a line and stores the delivery as one that can be claimed. Only a claim that meets it when it is due and not its turn
 *   holds it back, and to do so locks one in front of it that is not held back, as that is now (`SKIP LOCKED`: where that one is just changing,
 *   nobody is held back this time). It stays in front until the claim has committed.
 * - Whoever takes one away from in front of others (it ended, or was given back and is not delivering any more) opens, in the same transaction, the
 *   first that is held back behind where it was: `open_turns`. That one then stands in front of the others that are. It looks with a snapshot
 *   that begins when it has changed its own row: a claim that locked this row before has committed, and what it held back is seen; one that comes
 *   later does not get the lock. Two that do so at once open the same one, or each one of its own.
 * - One that was opened too early is held back again by the claim that meets it. Nobody is claimed because it is open, only because it is first.
 * - Two claims with snapshots of different age may each take another for the first: the unique index `deliveries_turn` lets one of them fail, and it looks again.
 */

/** The `line_place` of a delivery that is appended. */
export function linePlaceOf({ orderingKey, status, blocks }: DeliveryRecord): number | null {
  if (orderingKey === undefined || status === 'delivered') return null;
  return status === 'exhausted' && !blocks ? null : 1;
}

/** Who has the turn in the line of `of`: an expression that is an id. */
export function turnOf(deliveries: string, of: string): string {
  return `(SELECT t.id FROM ${deliveries} t
      WHERE t.webhook_id = ${of}.webhook_id AND t.ordering_key = ${of}.ordering_key AND t.line_place IS NOT NULL
      ORDER BY t.line_place, t.seq LIMIT 1)`;
}

/** Behind every place of a line. */
const END = '9223372036854775807';

/**
 * A common table expression `opened` over one, `ended`, of deliveries as they are after a change that may have taken them away from in front of others. A
 * statement that reads it opens whose turn it may be. Where no delivery has a key it costs nothing.
 */
export function openedBy(schema: string, ended: string): string {
  return `opened AS MATERIALIZED (
  SELECT ${quoted(schema)}.open_turns(array_agg(webhook_id), array_agg(ordering_key), array_agg(CASE WHEN line_place = 1 THEN seq ELSE ${END} END))
  FROM ${ended} WHERE ordering_key IS NOT NULL HAVING count(*) > 0
)`;
}

/** A condition, always true, that has `opened` done. */
export const AND_OPENED = 'AND (SELECT count(*) FROM opened) >= 0';

/**
 * The function `open_turns`: in each of the lines, opens the first that is held back before that place. It is a function because what is volatile looks
 * with a snapshot of its own in the middle of a statement, which spares two round trips and a transaction.
 */
export function openTurnsFunction(schema: string): string {
  const s = quoted(schema);
  return `
    CREATE FUNCTION ${s}.open_turns(webhook_ids text[], ordering_keys text[], before bigint[]) RETURNS void
    LANGUAGE sql VOLATILE AS $body$${openTurns(`${s}.deliveries`)}$body$`;
}

/** Its body. The last condition is such that no index but that of the key fits. */
export function openTurns(deliveries: string): string {
  return `
      WITH first AS MATERIALIZED (
        SELECT h.id FROM (
          SELECT i.webhook_id, i.ordering_key, max(i.before) AS before FROM unnest($1, $2, $3) AS i(webhook_id, ordering_key, before)
          GROUP BY i.webhook_id, i.ordering_key ORDER BY i.webhook_id, i.ordering_key
        ) line CROSS JOIN LATERAL (
          SELECT d.id FROM ${deliveries} d
          WHERE d.webhook_id = line.webhook_id AND d.ordering_key = line.ordering_key AND d.wake_at = ${HELD_BACK} AND d.seq < line.before
          ORDER BY d.seq LIMIT 1
        ) h
      )
      UPDATE ${deliveries} d SET wake_at = d.due_at
      FROM first f WHERE d.id = f.id AND d.wake_at IS NOT DISTINCT FROM ${HELD_BACK}`;
}
