import type { ClaimedDelivery, ClaimResult, ExpressClaim, QueuesClaim } from '../repos.ts';
import { attemptKinds, attemptText, lostAttempt } from '../sql/attempt-columns.ts';
import { type DeliveryColumns, deliveryOf } from '../sql/delivery-columns.ts';
import { eventOf } from '../sql/event-columns.ts';
import type { Database } from './database.ts';
import { Floor, type Found } from './floor.ts';
import { roundsOf } from './rounds.ts';
import { asNumber, deliveryList } from './rows.ts';
import { quoted } from './schema-name.ts';
import type { Tables } from './tables.ts';

/** One claimed delivery with its event, or, with a null id, only the instant of a queue that gave none. */
interface ClaimRow extends Omit<DeliveryColumns, 'id'> {
  readonly id: string | null;
  readonly place: number;
  readonly next_at: number | null;
  /** Where it lay in the queue. */
  readonly was_due: number | null;
  readonly seq: number | null;
  /** The store's time. */
  readonly now: number;
  /** How many entries of the queue's index the statement has read. */
  readonly read: number;
  readonly e_tenant_id: string;
  readonly e_type: string;
  readonly e_created_at: number;
  readonly body: Uint8Array;
  readonly idempotency_key: string | null;
  readonly fingerprint: string;
  readonly extra: string | null;
}

/**
 * Claims: one statement leases what is due, records the claims that were lost, and brings the events. Rows that another
 * claim holds at that moment are passed over, so nobody waits.
 */
export class Claims {
  readonly #database: Database;
  readonly #express: string;
  readonly #queues: string;
  readonly #floor = new Floor();

  constructor(database: Database, tables: Tables) {
    this.#database = database;
    this.#express = claimStatement(tables, EXPRESS);
    this.#queues = claimStatement(tables, OWN);
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

  /** Leases what is due in queues of webhooks. */
  async queues({ now, leaseUntil, queues }: QueuesClaim): Promise<readonly ClaimResult[]> {
    const results: ClaimResult[] = queues.map(() => ({ deliveries: [] }));
    for (const round of roundsOf(queues, ({ webhookId }) => webhookId)) {
      const ids = round.map(({ item }) => item.webhookId);
      const limits = round.map(({ item }) => item.limit);
      const total = limits.reduce((sum, limit) => sum + limit, 0);
      const rows = await this.#database.rows<ClaimRow>(this.#queues, [leaseUntil - now, ids, limits, total]);
      const byPlace = Map.groupBy(rows, (row) => row.place);
      for (const [place, { index }] of round.entries())
        results[index] = resultOf(byPlace.get(place + 1) ?? []);
    }
    return results;
  }
}

function resultOf(rows: readonly ClaimRow[]): ClaimResult {
  const deliveries: ClaimedDelivery[] = [];
  for (const row of rows) {
    if (row.id !== null) deliveries.push(claimedOf(row, row.id));
  }
  const nextDueAt = rows[0]?.next_at;
  return nextDueAt === undefined || nextDueAt === null ? { deliveries } : { deliveries, nextDueAt };
}

function foundBy({ now, read, was_due, seq }: ClaimRow, rows: number): Found {
  const head = was_due === null || seq === null ? undefined : { wakeAt: was_due, seq };
  return { now, head, wasted: read - rows };
}

function claimedOf(row: ClaimRow, id: string): ClaimedDelivery {
  const { body, idempotency_key, fingerprint, extra } = row;
  const event = eventOf({
    id: row.event_id,
    tenant_id: row.e_tenant_id,
    type: row.e_type,
    body,
    created_at: row.e_created_at,
    idempotency_key,
    fingerprint,
    extra,
  });
  return { delivery: deliveryOf({ ...row, id }), event };
}

/** What is different between claiming the express queue and claiming queues of webhooks. */
interface ClaimKind {
  /** The requests `a`. */
  readonly asked: string;
  /** How many rows there can be, for the planner: it knows of the limits of requests only that they take the first few of an order. */
  readonly total: string;
  /** Which rows are in the queue of a request `a`. */
  readonly inQueue: string;
  /** Where in their order to begin, and where behind those that are claimed. */
  readonly from: string;
  readonly behind: string;
  /** When to look again, where `first` is when the first of those behind is due. */
  readonly next: (first: string) => string;
  /** The index that the rows are found by. */
  readonly index: string;
}

const EXPRESS: ClaimKind = {
  asked: 'SELECT 1 AS place, $2::int AS most',
  total: '$2::int',
  inQueue: 'd.queue = 0 AND d.wake_at IS NOT NULL',
  from: '(d.wake_at, d.seq) >= ($3::bigint, $4::bigint)',
  behind: 'd.wake_at >= (SELECT coalesce(max(due.wake_at), $3::bigint) FROM due)',
  next: (first) => `coalesce((SELECT now + $5::bigint FROM clock), ${first})`,
  index: 'deliveries_express',
};

const OWN: ClaimKind = {
  asked:
    'SELECT i.place::int, i.webhook_id, i.most FROM unnest($2::text[], $3::int[]) WITH ORDINALITY AS i(webhook_id, most, place)',
  total: '$4::int',
  inQueue: 'd.queue = 1 AND d.wake_at IS NOT NULL AND d.webhook_id = a.webhook_id',
  from: 'true',
  behind: 'true',
  next: (first) => first,
  index: 'deliveries_own',
};

/** The text of a lost attempt in two halves, between which the server puts its instants. */
const LOST_TEXT = attemptText(lostAttempt(0, 0));
const LOST_HEAD = '{"startedAt":0,"durationMs":0';

/**
 * `$1` is the length of the lease in ms. The time and what is asked are read once: an index scan can then go by them. Deliveries
 * are named twice, as in settling.ts, and events are looked up one by one: five hundred of them in a table of some ten thousand rows would
 * otherwise be looked for in the whole of it.
 */
function claimStatement(
  { schema, deliveries, events, attempts, nowMs }: Tables,
  { asked, total, inQueue, from, behind, next, index }: ClaimKind,
): string {
  const entriesRead = `pg_stat_get_xact_tuples_returned('${quoted(schema)}.${index}'::regclass)`;
  return `
WITH clock AS MATERIALIZED (SELECT ${nowMs} AS now, ${entriesRead} AS read), asked AS MATERIALIZED (${asked}),
due AS MATERIALIZED (
  SELECT a.place, d.*
  FROM asked a CROSS JOIN LATERAL (
    SELECT d.id, d.wake_at, d.seq, d.status, d.token, d.attempts, d.claimed_at, d.lease_until
    FROM ${deliveries} d
    WHERE ${inQueue} AND ${from} AND d.wake_at <= (SELECT now FROM clock)
    ORDER BY d.wake_at, d.seq LIMIT a.most FOR UPDATE SKIP LOCKED
  ) d
  LIMIT ${total}
), lost AS (
  INSERT INTO ${attempts} (delivery_id, number, token, kind, data)
  SELECT id, attempts + 1, token, ${attemptKinds.lost},
    '{"startedAt":' || claimed_at || ',"durationMs":' || greatest(0, lease_until - claimed_at) || '${LOST_TEXT.slice(LOST_HEAD.length)}'
  FROM due WHERE status = 1
), claimed AS (
  UPDATE ${deliveries} d
  SET status = 1, token = d.token + 1, lease_until = clock.now + $1::bigint, wake_at = clock.now + $1::bigint,
    claimed_at = clock.now, attempts = d.attempts + (due.status = 1)::int, lost = d.lost + (due.status = 1)::int
  FROM due, clock
  WHERE d.id = ANY (ARRAY(SELECT id FROM due)) AND d.id = due.id
  RETURNING d.*, due.place, due.wake_at AS was_due, clock.now + $1::bigint AS ends
), next AS MATERIALIZED (
  SELECT a.place, least(
    ${next(`(SELECT d.wake_at FROM ${deliveries} d
      WHERE ${inQueue} AND ${behind} AND d.id NOT IN (SELECT due.id FROM due) ORDER BY d.wake_at, d.seq LIMIT 1)`)},
    (SELECT min(c.ends) FROM claimed c WHERE c.place = a.place)
  ) AS at
  FROM asked a
)
SELECT n.place, ${asNumber('n.at', 'next_at')}, ${deliveryList('c')},
  ${asNumber('c.was_due', 'was_due')}, ${asNumber('c.seq', 'seq')}, ${asNumber('clock.now', 'now')},
  ${asNumber(`(${entriesRead} - clock.read)`, 'read')},
  e.tenant_id AS e_tenant_id, e.type AS e_type, ${asNumber('e.created_at', 'e_created_at')},
  e.body, e.idempotency_key, e.fingerprint, e.extra
FROM clock, next n LEFT JOIN (
  claimed c CROSS JOIN LATERAL (SELECT * FROM ${events} e WHERE e.id = c.event_id LIMIT 1) e
) ON c.place = n.place
ORDER BY n.place, c.was_due, c.seq`;
}
