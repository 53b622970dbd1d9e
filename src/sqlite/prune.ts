import type { PruneRequest, PruneResult } from '../repos.ts';
import { statusCodes } from '../sql/codes.ts';
import { align } from './line.ts';
import { keepNextPlace } from './next-place.ts';
import type { Statements } from './statements.ts';

/** `line` is the ordering key of one that blocks. */
const ENDED = `SELECT seq, event_seq, webhook_id, iif(place IS NULL, NULL, ordering_key) AS line, body_length FROM surehook_deliveries
  WHERE status = ? AND completed_at IS NOT NULL AND completed_at < ? ORDER BY completed_at, seq LIMIT ?`;
const ENDED_BEHIND = `SELECT seq, completed_at FROM surehook_deliveries
  WHERE status = ? AND completed_at IS NOT NULL AND completed_at < ? AND (completed_at, seq) > (?, ?)
  ORDER BY completed_at, seq LIMIT ?`;
const DROP_ATTEMPTS = 'DELETE FROM surehook_attempts WHERE delivery_seq IN (SELECT value FROM json_each(?))';
const DROP_BODIES = 'DELETE FROM surehook_bodies WHERE delivery_seq IN (SELECT value FROM json_each(?))';
const DROP_DELIVERIES = 'DELETE FROM surehook_deliveries WHERE seq IN (SELECT value FROM json_each(?))';
const DROP_EVENTS = `DELETE FROM surehook_events WHERE seq IN (SELECT value FROM json_each(?)) AND NOT EXISTS (
  SELECT 1 FROM surehook_deliveries d
  WHERE d.seq >= surehook_events.seq AND d.seq < surehook_events.seq + surehook_events.fan_out)`;
const UNHEARD = `SELECT seq FROM surehook_events WHERE fan_out = 0 AND created_at < ? ORDER BY created_at LIMIT ?`;
const DROP_UNHEARD = 'DELETE FROM surehook_events WHERE seq IN (SELECT value FROM json_each(?))';

/** A place in the order in which deliveries of one status ended. */
interface Place {
  readonly completedAt: number;
  readonly seq: number;
}

const START: Place = { completedAt: -1, seq: -1 };

/** How far the attempts of each status are gone. */
export interface AttemptsPruned {
  readonly delivered: Place;
  readonly exhausted: Place;
}

/** Nothing is gone yet, or nothing is known of it: looks at those without attempts once more. */
export const nothingPruned: AttemptsPruned = { delivered: START, exhausted: START };

/** What a step of pruning did, and where the next one goes on. */
export interface Pruned {
  readonly result: PruneResult;
  readonly pruned: AttemptsPruned;
}

/** Removes what may go, as `EventRepo.prune` says. Must be run in a transaction; `pruned` counts once that is committed. */
export function prune(sql: Statements, request: PruneRequest, pruned: AttemptsPruned): Pruned {
  const { deliveredBefore, exhaustedBefore, limit } = request;
  const delivered = ended(sql, statusCodes.delivered, { before: deliveredBefore, limit });
  const exhausted = ended(sql, statusCodes.exhausted, { before: exhaustedBefore, limit });
  const unheard = deliveredBefore === undefined ? [] : sql.all<Numbered>(UNHEARD, deliveredBefore, limit);
  if (delivered.length + exhausted.length + unheard.length > 0) keepNextPlace(sql);
  const gone = remove(sql, [...delivered, ...exhausted]);
  const { attemptsBefore: before } = request;
  const stripped = [
    strip(sql, pruned.delivered, { status: 'delivered', before, limit }),
    strip(sql, pruned.exhausted, { status: 'exhausted', before, limit }),
  ] as const;
  const sizes = [delivered, exhausted, unheard, stripped[0].rows, stripped[1].rows].map(
    ({ length }) => length,
  );
  const result = {
    deliveries: gone.deliveries,
    events: gone.events + dropAll(sql, DROP_UNHEARD, unheard),
    attempts: gone.attempts + stripped[0].attempts + stripped[1].attempts,
    more: sizes.some((size) => size >= limit),
  };
  return { result, pruned: { delivered: stripped[0].place, exhausted: stripped[1].place } };
}

interface Numbered {
  readonly seq: number;
}

interface Ended extends Numbered {
  readonly event_seq: number;
  readonly webhook_id: string;
  readonly line: string | null;
  readonly body_length: number | null;
}

function ended(
  sql: Statements,
  status: number,
  { before, limit }: { readonly before: number | undefined; readonly limit: number },
): Ended[] {
  return before === undefined ? [] : sql.all<Ended>(ENDED, status, before, limit);
}

function remove(sql: Statements, rows: readonly Ended[]): Omit<PruneResult, 'more'> {
  const attempts = dropAll(sql, DROP_ATTEMPTS, rows);
  const withBody = rows.filter(({ body_length }) => body_length !== null);
  dropAll(sql, DROP_BODIES, withBody);
  const deliveries = dropAll(sql, DROP_DELIVERIES, rows);
  for (const { webhook_id: webhookId, line } of rows) {
    if (line !== null) align(sql, { webhookId, orderingKey: line });
  }
  const events = new Set(rows.map(({ event_seq }) => event_seq));
  return {
    attempts,
    deliveries,
    events: dropAll(
      sql,
      DROP_EVENTS,
      Array.from(events, (seq) => ({ seq })),
    ),
  };
}

interface Stripping {
  readonly status: keyof AttemptsPruned;
  readonly before: number | undefined;
  readonly limit: number;
}

/** Removes the attempts of the next deliveries behind `place` that ended so. */
function strip(sql: Statements, place: Place, { status, before, limit }: Stripping): Stripped {
  if (before === undefined) return { rows: [], attempts: 0, place };
  const { completedAt, seq } = place;
  const rows = sql.all<Numbered & { completed_at: number }>(
    ENDED_BEHIND,
    ...[statusCodes[status], before, completedAt, seq, limit],
  );
  const last = rows.at(-1);
  const next = last === undefined ? place : { completedAt: last.completed_at, seq: last.seq };
  return { rows, attempts: dropAll(sql, DROP_ATTEMPTS, rows), place: next };
}

interface Stripped {
  readonly rows: readonly Numbered[];
  readonly attempts: number;
  readonly place: Place;
}

function dropAll(sql: Statements, statement: string, rows: readonly Numbered[]): number {
  if (rows.length === 0) return 0;
  return sql.run(statement, JSON.stringify(rows.map(({ seq }) => seq)));
}
