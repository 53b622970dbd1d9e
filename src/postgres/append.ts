import type { DeliveryRecord } from '../domain/delivery.ts';
import type { AppendEntry, AppendResult } from '../repos.ts';
import { type AppendPlan, deliveryIdInUse, planAppend } from '../sql/append-plan.ts';
import { queueCodes, reasonCodes, statusCodes } from '../sql/codes.ts';
import { type DeliveryColumns, deliveryOf } from '../sql/delivery-columns.ts';
import { type EventColumns, eventOf, extraText } from '../sql/event-columns.ts';
import { errorCode, errorConstraint } from './driver.ts';
import { deliveryList, eventList } from './rows.ts';
import type { Tables } from './tables.ts';

/** Runs one statement in whatever transaction the append belongs to. A statement that failed has left no trace there. */
export type RunStatement = <Row>(text: string, values: unknown[]) => Promise<readonly Row[]>;

const UNIQUE_VIOLATION = '23505';
/** Each round but the first follows upon somebody else's append of the same id or key. */
const ROUNDS = 10;

/**
 * Stores entries by one statement, which stores all or nothing. It takes for granted that nothing is stored yet; only when an id
 * or a key turns out to be taken does it look what by, and store the rest.
 */
export class Append {
  readonly #sql: Statements;

  constructor(tables: Tables) {
    this.#sql = statementsFor(tables);
  }

  /** `payloads` makes the notifications of what is stored, for channel `$1`; they go out when the transaction commits. */
  async run(
    run: RunStatement,
    entries: readonly AppendEntry[],
    notify: (fresh: readonly AppendEntry[]) => Notices,
  ): Promise<{ readonly results: readonly AppendResult[]; readonly fresh: readonly AppendEntry[] }> {
    let plan = planAppend(entries, []);
    for (let round = 1; ; round += 1) {
      try {
        if (plan.fresh.length > 0) await this.#insert(run, plan.fresh, notify(plan.fresh));
        const results = await this.#results(run, entries, plan);
        if (results !== undefined) return { results, fresh: plan.fresh };
      } catch (error) {
        if (errorCode(error) !== UNIQUE_VIOLATION || round >= ROUNDS) throw error;
        const next = planAppend(entries, await this.#known(run, entries));
        if (next.fresh.length === plan.fresh.length) await this.#refuse(run, plan, error);
        plan = next;
        continue;
      }
      // What stood for an entry was pruned in between.
      plan = planAppend(entries, await this.#known(run, entries));
    }
  }

  async #insert(run: RunStatement, fresh: readonly AppendEntry[], notices: Notices): Promise<void> {
    const values = [...eventValues(fresh), ...deliveryValues(fresh.flatMap((entry) => entry.deliveries))];
    if (notices === undefined) await run(this.#sql.insert, values);
    else await run(this.#sql.insertAndNotify, [...values, notices.channel, notices.payloads]);
  }

  async #known(run: RunStatement, entries: readonly AppendEntry[]): Promise<readonly KnownRow[]> {
    const events = entries.map(({ event }) => event);
    const keyed = events.filter((event) => event.idempotencyKey !== undefined);
    const rows = await run<KnownColumns>(this.#sql.known, [
      events.map(({ id }) => id),
      keyed.map(({ tenantId }) => tenantId),
      keyed.map(({ idempotencyKey }) => idempotencyKey),
    ]);
    return rows.map(({ id, tenant_id, idempotency_key, fingerprint }) => ({
      id,
      tenantId: tenant_id,
      fingerprint,
      ...(idempotency_key !== null && { idempotencyKey: idempotency_key }),
    }));
  }

  /** The violation was of a delivery's id, unless what it met has gone since. */
  async #refuse(run: RunStatement, plan: AppendPlan, error: unknown): Promise<void> {
    if (errorConstraint(error) !== undefined && errorConstraint(error) !== 'deliveries_pkey') return;
    const ids = plan.fresh.flatMap((entry) => entry.deliveries.map(({ id }) => id));
    const [taken] = await run<{ id: string }>(this.#sql.takenDelivery, [ids]);
    const id = taken?.id ?? ids.find((one, index) => ids.indexOf(one) !== index);
    if (id !== undefined) throw deliveryIdInUse(id);
  }

  /** Undefined where a stored event that stands for an entry is there no more. */
  async #results(
    run: RunStatement,
    entries: readonly AppendEntry[],
    plan: AppendPlan,
  ): Promise<readonly AppendResult[] | undefined> {
    if (plan.fresh.length === entries.length) {
      return entries.map(({ event, deliveries }) => ({ event, deliveries, duplicate: false }));
    }
    const stored = new Map<string, Stored>(plan.fresh.map((entry) => [entry.event.id, entry]));
    const missing = plan.eventIds.filter((id) => !stored.has(id));
    for (const known of await this.#stored(run, missing)) stored.set(known.event.id, known);
    const results: AppendResult[] = [];
    for (const [index, id] of plan.eventIds.entries()) {
      const found = stored.get(id);
      if (found === undefined) return undefined;
      const { event, deliveries } = found;
      results.push({ event, deliveries, duplicate: plan.duplicates[index] ?? false });
    }
    return results;
  }

  async #stored(run: RunStatement, ids: readonly string[]): Promise<readonly Stored[]> {
    if (ids.length === 0) return [];
    const events = await run<EventColumns & { delivery_ids: string }>(this.#sql.stored, [ids]);
    const idLists = events.map((row): readonly string[] => JSON.parse(row.delivery_ids));
    const rows = await run<DeliveryColumns>(this.#sql.deliveries, [idLists.flat()]);
    const deliveries = new Map(rows.map((row) => [row.id, deliveryOf(row)]));
    return events.map((row, index) => ({
      event: eventOf(row),
      deliveries: (idLists[index] ?? []).flatMap((id) => deliveries.get(id) ?? []),
    }));
  }
}

/** What is to be told at commit; undefined where nothing is. */
export type Notices = { readonly channel: string; readonly payloads: readonly string[] } | undefined;

type Stored = Pick<AppendResult, 'event' | 'deliveries'>;

interface KnownColumns {
  readonly id: string;
  readonly tenant_id: string;
  readonly idempotency_key: string | null;
  readonly fingerprint: string;
}

interface KnownRow {
  readonly id: string;
  readonly tenantId: string;
  readonly idempotencyKey?: string;
  readonly fingerprint: string;
}

/** All bodies are one value, cut apart by the server: a driver sends that as bytes, but an array of bodies as escaped text. */
function eventValues(entries: readonly AppendEntry[]): unknown[] {
  const events = entries.map(({ event }) => event);
  return [
    Buffer.concat(events.map(({ body }) => body)),
    events.map(({ body }) => body.byteLength),
    events.map(({ id }) => id),
    events.map(({ tenantId }) => tenantId),
    events.map(({ type }) => type),
    events.map(({ createdAt }) => createdAt),
    events.map(({ idempotencyKey }) => idempotencyKey ?? null),
    events.map(({ fingerprint }) => fingerprint),
    events.map(extraText),
    entries.map(({ deliveries }) => JSON.stringify(deliveries.map(({ id }) => id))),
  ];
}

function deliveryValues(deliveries: readonly DeliveryRecord[]): unknown[] {
  return [
    deliveries.map(({ id }) => id),
    deliveries.map(({ eventId }) => eventId),
    deliveries.map(({ webhookId }) => webhookId),
    deliveries.map(({ tenantId }) => tenantId),
    deliveries.map(({ eventType }) => eventType),
    deliveries.map(({ createdAt }) => createdAt),
    deliveries.map(({ dueAt }) => dueAt),
    deliveries.map(({ status }) => statusCodes[status]),
    deliveries.map(({ reason }) => (reason === undefined ? null : reasonCodes[reason])),
    deliveries.map(({ queue }) => queueCodes[queue]),
    deliveries.map(({ completedAt }) => completedAt ?? null),
  ];
}

interface Statements {
  readonly insert: string;
  readonly insertAndNotify: string;
  readonly known: string;
  readonly takenDelivery: string;
  readonly stored: string;
  readonly deliveries: string;
}

function statementsFor({ events, deliveries, listings }: Tables): Statements {
  const insert = `
WITH new_events AS (
  INSERT INTO ${events} (id, tenant_id, type, body, created_at, idempotency_key, fingerprint, extra, delivery_ids)
  SELECT id, tenant_id, type, substring($1::bytea FROM (sum(size) OVER (ORDER BY place) - size)::int + 1 FOR size),
    created_at, idempotency_key, fingerprint, extra, delivery_ids
  FROM unnest($2::int[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[])
    WITH ORDINALITY AS i(size, id, tenant_id, type, created_at, idempotency_key, fingerprint, extra, delivery_ids, place)
), given AS MATERIALIZED (
  SELECT * FROM unnest($11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::bigint[], $17::bigint[],
    $18::smallint[], $19::smallint[], $20::smallint[], $21::bigint[])
    AS i(id, event_id, webhook_id, tenant_id, event_type, created_at, due_at, status, reason, queue, completed_at)
), new_deliveries AS (
  INSERT INTO ${deliveries} (id, event_id, webhook_id, tenant_id, event_type, created_at, due_at, wake_at, status, reason,
    queue, completed_at, token, attempts, tries, lost)
  SELECT id, event_id, webhook_id, tenant_id, event_type, created_at, due_at, CASE WHEN status IN (0, 2) THEN due_at END,
    status, reason, queue, completed_at, 0, 0, 0, 0
  FROM given
), new_listings AS (
  INSERT INTO ${listings} (delivery_id, webhook_id, tenant_id, event_type, created_at)
  SELECT id, webhook_id, tenant_id, event_type, created_at FROM given
)`;
  return {
    insert: `${insert}
SELECT 1`,
    insertAndNotify: `${insert}
SELECT count(pg_notify($22::text, payload)) FROM unnest($23::text[]) AS payload`,
    known: `
SELECT id, tenant_id, idempotency_key, fingerprint FROM ${events} WHERE id = ANY ($1::text[])
UNION ALL
SELECT e.id, e.tenant_id, e.idempotency_key, e.fingerprint
FROM unnest($2::text[], $3::text[]) AS i(tenant_id, idempotency_key)
  JOIN ${events} e ON e.tenant_id = i.tenant_id AND e.idempotency_key = i.idempotency_key`,
    takenDelivery: `SELECT id FROM ${deliveries} WHERE id = ANY ($1::text[]) LIMIT 1`,
    stored: `SELECT ${eventList('e')}, e.delivery_ids FROM ${events} e WHERE e.id = ANY ($1::text[])`,
    deliveries: `SELECT ${deliveryList('d')} FROM ${deliveries} d WHERE d.id = ANY ($1::text[])`,
  };
}
