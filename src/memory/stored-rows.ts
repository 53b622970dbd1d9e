import type { DeliveryRecord } from '../domain/delivery.ts';
import type { EventRecord } from '../domain/event.ts';
import { ConflictError, quote } from '../errors.ts';
import type { AppendEntry, AppendResult } from '../repos.ts';
import { DeliveryRow } from './delivery-row.ts';
import { EventLog, type StoredEvent } from './event-log.ts';

/** Where an entry of an append is stored, and whether it was before. */
export interface Placed {
  readonly stored: StoredEvent;
  readonly duplicate: boolean;
}

/** All events and deliveries by their ids. */
export class StoredRows {
  readonly #events = new EventLog();
  readonly #rows = new Map<string, DeliveryRow>();
  #appended = 0;

  /** The delivery of that id, if there is one. */
  get(id: string): DeliveryRow | undefined {
    return this.#rows.get(id);
  }

  /** Those deliveries that are there, each once. */
  getAll(ids: readonly string[]): readonly DeliveryRow[] {
    const rows = Array.from(new Set(ids), (id) => this.#rows.get(id));
    return rows.filter((row) => row !== undefined);
  }

  /** Those events that are there, each once. */
  events(ids: readonly string[]): readonly EventRecord[] {
    const stored = Array.from(new Set(ids), (id) => this.#events.get(id));
    return stored.filter((entry) => entry !== undefined).map(({ event }) => event);
  }

  /** The deliveries of an event as they are now. */
  deliveriesOf(eventId: string): readonly DeliveryRecord[] {
    const stored = this.#events.get(eventId);
    return stored === undefined ? [] : recordsOf(stored);
  }

  /** Gives every entry its place by id and key, or, when one cannot have it, none of them. */
  place(entries: readonly AppendEntry[]): readonly Placed[] {
    const added: StoredEvent[] = [];
    try {
      return entries.map((entry) => this.#placeOne(entry, added));
    } catch (error) {
      for (const stored of added) {
        for (const row of stored.rows) this.#rows.delete(row.record.id);
        this.#events.remove(stored);
      }
      throw error;
    }
  }

  /** Takes a delivery out, and its event with the last one. Returns how many events went. */
  remove(row: DeliveryRow): number {
    row.isGone = true;
    this.#rows.delete(row.record.id);
    const stored = this.#events.get(row.record.eventId);
    if (stored === undefined) return 0;
    // The event keeps its rows as long as one of them is there; a body of the row's own goes at once.
    row.event = stored.event;
    if (stored.rows.some(({ isGone }) => !isGone)) return 0;
    this.#events.remove(stored);
    return 1;
  }

  /** Takes out an event that has no deliveries. */
  removeEvent(stored: StoredEvent): void {
    this.#events.remove(stored);
  }

  #placeOne({ event, deliveries, bodies }: AppendEntry, added: StoredEvent[]): Placed {
    const known = this.#events.find(event);
    if (known !== undefined) return { stored: known, duplicate: true };
    const stored = this.#events.add(event);
    added.push(stored);
    for (const record of deliveries) {
      if (this.#rows.has(record.id)) throw new ConflictError(`The delivery id ${quote(record.id)} is in use`);
      const body = bodies?.get(record.id);
      const row = new DeliveryRow(record, body ? { ...event, body } : event, this.#appended);
      this.#appended += 1;
      this.#rows.set(record.id, row);
      stored.rows.push(row);
    }
    return { stored, duplicate: false };
  }
}

/** What an append answers for an entry. */
export function resultOf({ stored, duplicate }: Placed): AppendResult {
  return { event: stored.event, deliveries: recordsOf(stored), duplicate };
}

function recordsOf({ rows }: StoredEvent): readonly DeliveryRecord[] {
  return rows.filter((row) => !row.isGone).map((row) => row.record);
}
