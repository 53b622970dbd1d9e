import { HELD_BACK } from '../sql/codes.ts';
import { turnOf } from './line.ts';
import type { Tables } from './tables.ts';

/** What is different between the kinds of claims. */
export interface ClaimKind {
  /** The requests `a`. */
  readonly asked: string;
  /** The rows that may be claimed, with `DUE_COLUMNS` and the `place` of their request; under a lock. */
  readonly due: (tables: Tables) => string;
  /** Whether they take turns: then `due` also has a `turn`, the id of the one whose it is. */
  readonly takesTurns: boolean;
  /** What else is set of a row. */
  readonly sets: string;
  /** Which rows are in the queue of a request `a`. */
  readonly inQueue: string;
  /** Where in their order to begin behind those that are claimed. */
  readonly behind: string;
  /** When to look again, where `first` is when the first of those behind is due. */
  readonly next: (first: string) => string;
  /** The index that the rows are found by. */
  readonly index: string;
}

/** What a claim has to know of a row before it changes it. */
export const DUE_COLUMNS =
  'd.id, d.wake_at, d.seq, d.status, d.token, d.attempts, d.claimed_at, d.lease_until';

/** Whose turn it is where a row `d` waits. */
export function turnAt(deliveries: string): string {
  return `CASE WHEN d.ordering_key IS NULL THEN d.id ELSE ${turnOf(deliveries, 'd')} END`;
}

/** Which rows are in the own queue of a request `a`. */
export const IN_OWN = `d.queue = 1 AND d.wake_at IS NOT NULL AND d.webhook_id = a.webhook_id`;
const NO_BATCH = 'batch_id = NULL, batch_size = NULL, refusals = NULL';
/** One that delivers comes first in its line. */
export const DELIVERS: string = 'line_place = CASE WHEN d.ordering_key IS NOT NULL THEN 0 END';

/** The express queue: `$2` limit, `$3` and `$4` the place to begin at, `$5` after how many ms to look again, or null. */
export const EXPRESS: ClaimKind = {
  asked: 'SELECT 1 AS place, $2::int AS most',
  due: ({ deliveries }) => `
  SELECT a.place, d.*
  FROM asked a CROSS JOIN LATERAL (
    SELECT ${DUE_COLUMNS}
    FROM ${deliveries} d
    WHERE d.queue = 0 AND d.wake_at IS NOT NULL AND (d.wake_at, d.seq) >= ($3::bigint, $4::bigint)
      AND d.wake_at <= (SELECT now FROM clock)
    ORDER BY d.wake_at, d.seq LIMIT a.most FOR UPDATE SKIP LOCKED
  ) d
  LIMIT $2::int`,
  takesTurns: false,
  sets: NO_BATCH,
  inQueue: 'd.queue = 0 AND d.wake_at IS NOT NULL',
  behind: 'd.wake_at >= (SELECT coalesce(max(due.wake_at), $3::bigint) FROM due)',
  next: (first) => `coalesce((SELECT now + $5::bigint FROM clock), ${first})`,
  index: 'deliveries_express',
};

/** Queues of webhooks: `$2` webhooks, `$3` limits, `$4` their sum: the planner knows of the limits only that they take the first few of an order. */
export const OWN: ClaimKind = {
  asked:
    'SELECT i.place::int, i.webhook_id, i.most FROM unnest($2::text[], $3::int[]) WITH ORDINALITY AS i(webhook_id, most, place)',
  due: ({ deliveries }) => `
  SELECT a.place, d.*, ${turnAt(deliveries)} AS turn
  FROM asked a CROSS JOIN LATERAL (
    SELECT ${DUE_COLUMNS}, d.fold, d.webhook_id, d.ordering_key
    FROM ${deliveries} d
    WHERE ${IN_OWN} AND d.wake_at <= (SELECT now FROM clock)
    ORDER BY d.wake_at, d.seq LIMIT a.most FOR UPDATE SKIP LOCKED
  ) d
  LIMIT $4::int`,
  takesTurns: true,
  sets: `${DELIVERS}, ${NO_BATCH}`,
  inQueue: `${IN_OWN} AND d.wake_at < ${HELD_BACK}`,
  behind: 'true',
  next: (first) => first,
  index: 'deliveries_own',
};
