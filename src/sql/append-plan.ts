import type { EventRecord } from '../domain/event.ts';
import { ConflictError, quote } from '../errors.ts';
import type { AppendEntry } from '../repos.ts';

/** What must be known of an event that is stored already. */
export type KnownEvent = Pick<EventRecord, 'id' | 'tenantId' | 'idempotencyKey' | 'fingerprint'>;

/** What an append is to do. */
export interface AppendPlan {
  /** The entries to store: each id, and each key of a tenant, once. */
  readonly fresh: readonly AppendEntry[];
  /** For each entry, in order: the id of the event that stands for it, its own or that of an earlier one. */
  readonly eventIds: readonly string[];
  /** For each entry, in order: whether something earlier stands for it. */
  readonly duplicates: readonly boolean[];
}

/**
 * Plans an append. `known` are the stored events that have the id, or the tenant and key, of some entry; more of them do no harm.
 * Throws `ConflictError` for an entry whose id or key stands for other content.
 */
export function planAppend(entries: readonly AppendEntry[], known: readonly KnownEvent[]): AppendPlan {
  const events = new EventsSeen();
  for (const event of known) events.add(event);
  const fresh: AppendEntry[] = [];
  const eventIds: string[] = [];
  const duplicates: boolean[] = [];
  for (const entry of entries) {
    const found = events.find(entry.event);
    if (found === undefined) {
      events.add(entry.event);
      fresh.push(entry);
    }
    eventIds.push(found?.id ?? entry.event.id);
    duplicates.push(found !== undefined);
  }
  return { fresh, eventIds, duplicates };
}

/** The error for a delivery whose id is in use. */
export function deliveryIdInUse(id: string): ConflictError {
  return new ConflictError(`The delivery id ${quote(id)} is in use`);
}

/** Events by id and by idempotency key. */
class EventsSeen {
  readonly #byId = new Map<string, KnownEvent>();
  readonly #byKey = new Map<string, KnownEvent>();

  add(event: KnownEvent): void {
    this.#byId.set(event.id, event);
    if (event.idempotencyKey !== undefined) this.#byKey.set(keyOf(event), event);
  }

  find(event: KnownEvent): KnownEvent | undefined {
    const sameId = this.#byId.get(event.id);
    const sameKey = event.idempotencyKey === undefined ? undefined : this.#byKey.get(keyOf(event));
    if (sameId !== undefined && sameId.fingerprint !== event.fingerprint) {
      throw new ConflictError(`The event id ${quote(event.id)} is in use for other content`);
    }
    if (sameKey !== undefined && sameKey.fingerprint !== event.fingerprint) {
      throw new ConflictError(
        `The idempotency key ${quote(event.idempotencyKey)} is in use for other content`,
      );
    }
    return sameId ?? sameKey;
  }
}

/** The length tells where the tenant ends, whatever characters either part has. */
function keyOf({ tenantId, idempotencyKey }: KnownEvent): string {
  return `${tenantId.length}:${tenantId}${idempotencyKey}`;
}
