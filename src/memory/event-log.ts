import type { EventRecord } from '../domain/event.ts';
import { ConflictError, quote } from '../errors.ts';
import type { DeliveryRow } from './delivery-row.ts';

/** An event and its deliveries, in the order they were appended. */
export interface StoredEvent {
  readonly event: EventRecord;
  readonly rows: DeliveryRow[];
}

/** Events by id and by idempotency key. */
export class EventLog {
  readonly #byId = new Map<string, StoredEvent>();
  readonly #byKey = new Map<string, StoredEvent>();

  /** The event of that id, if there is one. */
  get(id: string): StoredEvent | undefined {
    return this.#byId.get(id);
  }

  /**
   * What is stored for this event already: the one of its id, else the one of its tenant and key. Throws `ConflictError`
   * where either has another fingerprint.
   */
  find(event: EventRecord): StoredEvent | undefined {
    const sameId = this.#byId.get(event.id);
    const sameKey = event.idempotencyKey === undefined ? undefined : this.#byKey.get(keyOf(event));
    if (sameId !== undefined && sameId.event.fingerprint !== event.fingerprint) {
      throw new ConflictError(`The event id ${quote(event.id)} is in use for other content`);
    }
    if (sameKey !== undefined && sameKey.event.fingerprint !== event.fingerprint) {
      throw new ConflictError(
        `The idempotency key ${quote(event.idempotencyKey)} is in use for other content`,
      );
    }
    return sameId ?? sameKey;
  }

  /** Stores an event that was not found. */
  add(event: EventRecord): StoredEvent {
    const stored: StoredEvent = { event, rows: [] };
    this.#byId.set(event.id, stored);
    if (event.idempotencyKey !== undefined) this.#byKey.set(keyOf(event), stored);
    return stored;
  }

  /** Undoes `add`. */
  remove({ event }: StoredEvent): void {
    this.#byId.delete(event.id);
    if (event.idempotencyKey !== undefined) this.#byKey.delete(keyOf(event));
  }
}

/** The length tells where the tenant ends, whatever characters either part has. */
function keyOf({ tenantId, idempotencyKey }: EventRecord): string {
  return `${tenantId.length}:${tenantId}${idempotencyKey}`;
}
