import type { DeliveryRecord } from '../domain/delivery.ts';
import type { EventRecord } from '../domain/event.ts';
import type { AppendEntry, AppendResult } from '../repos.ts';
import { type AppendPlan, deliveryIdInUse, planAppend } from '../sql/append-plan.ts';
import { queueCodes, reasonCodes, statusCodes } from '../sql/codes.ts';
import { type DeliveryColumns, deliveryOf } from '../sql/delivery-columns.ts';
import { type EventColumns, eventOf, extraText } from '../sql/event-columns.ts';
import { type AppendStatements, appendStatements } from './append-statements.ts';
import { bodyIn, isText, type Sent } from './bodies.ts';
import { errorCode, errorConstraint } from './driver.ts';
import { linePlaceOf } from './line.ts';
import type { Tables } from './tables.ts';

/** Where an append is stored. */
export interface AppendPlace {
  /** Runs one statement. */
  rows<Row>(text: string, values: unknown[]): Promise<readonly Row[]>;
  /**
   * Present in a transaction of the host's: undoes what the append did there so far. A taken id or key is then found without a failing
   * statement: some libraries (postgres.js) end a transaction in which a statement failed, even when a savepoint has undone it.
   */
  undo?(): Promise<void>;
}

const UNIQUE_VIOLATION = '23505';
/** Each round but the first follows upon somebody else's append of the same id or key. */
const ROUNDS = 10;

/**
 * Stores entries by one statement, which stores all or nothing. Only when an id or a key turns out to be taken does it look what by,
 * and store the rest.
 */
export class Append {
  readonly #sql: AppendStatements;

  constructor(tables: Tables) {
    this.#sql = appendStatements(tables);
  }

  /** `notify` makes the notifications of what is stored; they go out when the transaction commits. */
  async run(
    place: AppendPlace,
    entries: readonly AppendEntry[],
    notify: (fresh: readonly AppendEntry[]) => Notices,
  ): Promise<{ readonly results: readonly AppendResult[]; readonly fresh: readonly AppendEntry[] }> {
    let plan = planAppend(entries, []);
    for (let round = 1; ; round += 1) {
      try {
        if (plan.fresh.length > 0) await this.#insert(place, plan.fresh, notify(plan.fresh));
        const results = await this.#results(place, entries, plan);
        if (results !== undefined) return { results, fresh: plan.fresh };
      } catch (error) {
        if (errorCode(error) !== UNIQUE_VIOLATION || round >= ROUNDS) throw error;
        await place.undo?.();
        const next = planAppend(entries, await this.#known(place, entries));
        if (next.fresh.length === plan.fresh.length) await this.#refuse(place, plan, error);
        plan = next;
        continue;
      }
      // What stood for an entry was pruned in between.
      plan = planAppend(entries, await this.#known(place, entries));
    }
  }

  async #insert(place: AppendPlace, fresh: readonly AppendEntry[], notices: Notices): Promise<void> {
    const bodies = bodiesOf(fresh);
    const values = [
      ...eventValues(fresh),
      ...deliveryValues(fresh.flatMap((entry) => entry.deliveries)),
      ...(bodies === undefined ? [] : bodyValues(bodies)),
    ];
    const kind = isCareful(place, fresh) ? this.#sql.insertFree : this.#sql.insert;
    const sql = bodies === undefined ? kind.plain : kind.withBodies;
    const [row] =
      notices === undefined
        ? await place.rows<Inserted>(sql.silent, values)
        : await place.rows<Inserted>(sql.telling, [...values, notices.channel, notices.payloads]);
    if ((row?.events ?? fresh.length) < fresh.length) throw new TakenError('An id or a key is taken');
  }

  async #known(place: AppendPlace, entries: readonly AppendEntry[]): Promise<readonly KnownRow[]> {
    const events = entries.map(({ event }) => event);
    const keyed = events.filter((event) => event.idempotencyKey !== undefined);
    const rows = await place.rows<KnownColumns>(this.#sql.known, [
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
  async #refuse(place: AppendPlace, plan: AppendPlan, error: unknown): Promise<void> {
    if (errorConstraint(error) !== undefined && errorConstraint(error) !== 'deliveries_pkey') return;
    const ids = plan.fresh.flatMap((entry) => entry.deliveries.map(({ id }) => id));
    const [taken] = await place.rows<{ id: string }>(this.#sql.takenDelivery, [ids]);
    const id = taken?.id ?? ids.find((one, index) => ids.indexOf(one) !== index);
    if (id !== undefined) throw deliveryIdInUse(id);
  }

  /** Undefined where a stored event that stands for an entry is there no more. */
  async #results(
    place: AppendPlace,
    entries: readonly AppendEntry[],
    plan: AppendPlan,
  ): Promise<readonly AppendResult[] | undefined> {
    if (plan.fresh.length === entries.length) {
      return entries.map(({ event, deliveries }) => ({ event, deliveries, duplicate: false }));
    }
    const stored = new Map<string, Stored>(plan.fresh.map((entry) => [entry.event.id, entry]));
    const missing = plan.eventIds.filter((id) => !stored.has(id));
    for (const known of await this.#stored(place, missing)) stored.set(known.event.id, known);
    const results: AppendResult[] = [];
    for (const [index, id] of plan.eventIds.entries()) {
      const found = stored.get(id);
      if (found === undefined) return undefined;
      const { event, deliveries } = found;
      results.push({ event, deliveries, duplicate: plan.duplicates[index] ?? false });
    }
    return results;
  }

  async #stored(place: AppendPlace, ids: readonly string[]): Promise<readonly Stored[]> {
    if (ids.length === 0) return [];
    const events = await place.rows<Sent<EventColumns> & { delivery_ids: string }>(this.#sql.stored, [ids]);
    const idLists = events.map((row): readonly string[] => JSON.parse(row.delivery_ids));
    const rows = await place.rows<DeliveryColumns>(this.#sql.deliveries, [idLists.flat()]);
    const deliveries = new Map(rows.map((row) => [row.id, deliveryOf(row)]));
    return events.map((row, index) => ({
      event: eventOf({ ...row, body: bodyIn(row) }),
      deliveries: (idLists[index] ?? []).flatMap((id) => deliveries.get(id) ?? []),
    }));
  }
}

/** What is to be told at commit; undefined where nothing is. */
export type Notices = { readonly channel: string; readonly payloads: readonly string[] } | undefined;

/**
 * Whether what is taken is to be found without a failing statement: in a transaction of the host's; and for a single event, of which then
 * nothing is stored, so that a repeated publish costs little and leaves no line in the server's log. An event without an id or a key of the
 * host's has no fingerprint, and is never repeated.
 */
function isCareful({ undo }: AppendPlace, [first, ...others]: readonly AppendEntry[]): boolean {
  return undo !== undefined || (others.length === 0 && first?.event.fingerprint !== '');
}

/** What the server would have said. */
class TakenError extends Error {
  readonly code: string = UNIQUE_VIOLATION;
}

interface Inserted {
  readonly events: number | null;
}

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
    textValues(events),
  ];
}

/** For each event whether its body is text: 1 or 0, for not every driver sends arrays of booleans. Null where all are. */
function textValues(events: readonly EventRecord[]): readonly number[] | null {
  const values = events.map(({ body }) => Number(isText(body)));
  return values.includes(0) ? values : null;
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
    ...lineValues(deliveries),
  ];
}

/** Nulls where nobody has a key: columns that are null then. */
function lineValues(deliveries: readonly DeliveryRecord[]): unknown[] {
  if (deliveries.every(({ orderingKey }) => orderingKey === undefined)) return [null, null];
  return [deliveries.map(({ orderingKey }) => orderingKey ?? null), deliveries.map(linePlaceOf)];
}

/** For each delivery its own body, if it has one; undefined where none has. */
function bodiesOf(entries: readonly AppendEntry[]): readonly (Uint8Array | undefined)[] | undefined {
  if (entries.every(({ bodies }) => bodies === undefined || bodies.size === 0)) return undefined;
  return entries.flatMap(({ deliveries, bodies }) => deliveries.map(({ id }) => bodies?.get(id)));
}

/** One value, cut apart by the server, as those of events. */
function bodyValues(bodies: readonly (Uint8Array | undefined)[]): unknown[] {
  return [
    bodies.map((body) => body?.byteLength ?? null),
    Buffer.concat(bodies.filter((body) => body !== undefined)),
  ];
}
