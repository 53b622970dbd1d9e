import type { EventRecord } from '../domain/event.ts';
import type { AppendEntry, AppendResult } from '../repos.ts';
import { planAppend } from '../sql/append-plan.ts';
import { extraText } from '../sql/event-columns.ts';
import { insertDeliveries, type Placed } from './append-deliveries.ts';
import { deliveriesOfEvent } from './delivery-rows.ts';
import { EVENT, type EventRow, eventOfRow } from './event-rows.ts';
import { behind, nextPlace } from './next-place.ts';
import { insertRows, ROWS_AT_ONCE, rowsInsert } from './rows-insert.ts';
import type { Statements, Value } from './statements.ts';

const INSERT_EVENTS = rowsInsert(
  'surehook_events (seq, id, tenant_id, type, created_at, idempotency_key, fingerprint, extra, fan_out, body)',
  '(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  ' ON CONFLICT DO NOTHING',
);
const TAKE_BACK = 'DELETE FROM surehook_events WHERE seq >= ? AND seq < ?';
const BY_ID = `SELECT ${EVENT}, seq, fan_out FROM surehook_events WHERE id = ?`;
const BY_KEY = `SELECT ${EVENT}, seq, fan_out FROM surehook_events WHERE tenant_id = ? AND idempotency_key = ?`;

type StoredEvent = EventRow & { readonly seq: number; readonly fan_out: number };

/** Stores events with their deliveries, as `EventRepo.append` says. Must be run in a transaction, which is undone when this throws. */
export function append(sql: Statements, entries: readonly AppendEntry[]): AppendResult[] {
  let seq = nextPlace(sql);
  const results: AppendResult[] = [];
  for (let from = 0; from < entries.length; from += ROWS_AT_ONCE) {
    const group = entries.slice(from, from + ROWS_AT_ONCE).map((entry): Placed => {
      const placed = { entry, seq };
      seq = behind(seq, entry.deliveries.length);
      return placed;
    });
    if (insertAll(sql, group, seq)) results.push(...group.map(({ entry }) => freshOf(entry)));
    else for (const placed of group) results.push(insertOrFind(sql, placed));
  }
  return results;
}

/** Stores entries, or nothing where one is stored already. `end` is the place behind them. */
function insertAll(sql: Statements, group: readonly Placed[], end: number): boolean {
  if (insertRows(sql, INSERT_EVENTS, group.flatMap(eventValues)) < group.length) {
    if (group.length > 1) sql.run(TAKE_BACK, group[0]?.seq ?? end, end);
    return false;
  }
  insertDeliveries(sql, group);
  return true;
}

/** Stores an entry, or finds what stands for it. An entry is compared with those before it alone, so that these go one by one. */
function insertOrFind(sql: Statements, placed: Placed): AppendResult {
  return insertAll(sql, [placed], placed.seq) ? freshOf(placed.entry) : duplicateOf(sql, placed.entry);
}

function freshOf({ event, deliveries }: AppendEntry): AppendResult {
  return { event, deliveries, duplicate: false };
}

function eventValues({ entry: { event, deliveries }, seq }: Placed): Value[] {
  const { id, tenantId, type, createdAt, idempotencyKey = null, fingerprint, body } = event;
  const extra = extraText(event);
  return [seq, id, tenantId, type, createdAt, idempotencyKey, fingerprint, extra, deliveries.length, body];
}

/** What is stored under the id or the key of an entry. Throws `ConflictError` where that is other content. */
function duplicateOf(sql: Statements, entry: AppendEntry): AppendResult {
  const { id, tenantId, idempotencyKey } = entry.event;
  const sameId = sql.get<StoredEvent>(BY_ID, id);
  const sameKey =
    idempotencyKey === undefined ? undefined : sql.get<StoredEvent>(BY_KEY, tenantId, idempotencyKey);
  const rows = [sameId, sameKey].filter((row) => row !== undefined);
  const known = rows.map((row): EventRecord => eventOfRow(row));
  const { eventIds } = planAppend([entry], known);
  const index = known.findIndex((event) => event.id === eventIds[0]);
  const [event, row] = [known[index], rows[index]];
  if (event === undefined || row === undefined)
    throw new Error('An event was refused that nothing stands for');
  return { event, deliveries: deliveriesOfEvent(sql, row), duplicate: true };
}
