import { HELD_BACK } from '../sql/codes.ts';
import { turnAt } from './claim-kinds.ts';
import { holdBack } from './claim-statement.ts';
import { turnOf } from './line.ts';
import { asNumber } from './rows.ts';
import type { Tables } from './tables.ts';

/** The statements that find batches. */
export interface BatchStatements {
  /** `$1` webhook, `$2` how many to look at. At least one row, with a null id where nothing is due. */
  readonly candidates: string;
  /** `$1` id of a batch, `$2` the time: its members that can be claimed now and that nobody else has locked, in order of append. */
  readonly members: string;
  /** `$1` webhook. */
  readonly next: string;
}

/** A delivery that may go into a batch, and what its event takes up. */
export interface CandidateRow {
  readonly id: string | null;
  readonly seq: number;
  readonly due_at: number;
  readonly tries: number;
  readonly batch_id: string | null;
  readonly batch_size: number;
  readonly refusals: number;
  /** Whether all members of its batch can be claimed, as far as that can be seen without locking them. */
  readonly whole: boolean;
  readonly event_id: string;
  readonly event_type: string;
  readonly body_length: number;
  readonly extra: string | null;
  /** The store's time. */
  readonly now: number;
  /** How many the statement held back whose turn it is not. */
  readonly held: number;
}

/** The statements for one schema. */
export function batchStatements({ deliveries, events, nowMs }: Tables): BatchStatements {
  return {
    candidates: `
WITH clock AS MATERIALIZED (SELECT ${nowMs} AS now),
due AS MATERIALIZED (
  SELECT 1 AS place, d.*, ${turnAt(deliveries)} AS turn
  FROM (
    SELECT d.id, d.event_id, d.event_type, d.webhook_id, d.ordering_key, d.wake_at, d.seq, d.status, d.due_at, d.tries, d.batch_id, d.batch_size, d.refusals
    FROM ${deliveries} d
    WHERE d.queue = 1 AND d.wake_at IS NOT NULL AND d.webhook_id = $1::text AND d.wake_at <= (SELECT now FROM clock)
    ORDER BY d.wake_at, d.seq LIMIT $2::int FOR UPDATE SKIP LOCKED
  ) d
),${holdBack(deliveries)},
batches AS MATERIALIZED (
  SELECT b.batch_id, (SELECT count(*) FILTER (WHERE m.queue = 1 AND m.wake_at <= (SELECT now FROM clock)
      AND CASE WHEN m.ordering_key IS NULL THEN true ELSE m.id = ${turnOf(deliveries, 'm')} END) FROM ${deliveries} m
    WHERE m.batch_id = b.batch_id AND m.wake_at IS NOT NULL) AS members
  FROM (SELECT DISTINCT batch_id FROM due WHERE batch_id IS NOT NULL) b
)
SELECT due.id, ${asNumber('due.seq', 'seq')}, ${asNumber('due.due_at', 'due_at')}, due.tries, due.batch_id, due.batch_size, due.refusals,
  coalesce(b.members = due.batch_size, false) AS whole, due.event_id, due.event_type, due.body_length, due.extra,
  ${asNumber('clock.now', 'now')}, (SELECT count(*) FROM held)::int AS held
FROM clock LEFT JOIN (
  SELECT d.*, e.body_length, e.extra
  FROM due d CROSS JOIN LATERAL (SELECT octet_length(e.body) AS body_length, e.extra FROM ${events} e WHERE e.id = d.event_id LIMIT 1) e
  WHERE d.turn = d.id
) due ON true LEFT JOIN batches b ON b.batch_id = due.batch_id
ORDER BY due.wake_at, due.seq`,
    members: `
SELECT d.id FROM ${deliveries} d
WHERE d.batch_id = $1::text AND d.wake_at IS NOT NULL AND CASE d.queue WHEN 1 THEN d.wake_at <= $2::bigint END
  AND d.id = ${turnAt(deliveries)}
FOR UPDATE SKIP LOCKED`,
    next: `
SELECT ${asNumber('wake_at')} FROM ${deliveries}
WHERE queue = 1 AND wake_at IS NOT NULL AND webhook_id = $1::text AND wake_at < ${HELD_BACK} ORDER BY wake_at, seq LIMIT 1`,
  };
}
