/** How an event with its deliveries comes into the store, and how it leaves it. */
import { type AppendEntry, type AppendResult, ConflictError, type EventRecord } from 'surehook';
import { inTurn, type Transaction } from './database.ts';
import { eventOf } from './deliveries.ts';
import { key, keys, type StoredEvent } from './keys.ts';
import { replace } from './places.ts';

/** Stores an event with its deliveries, or finds that it is stored. */
export async function append(
  tx: Transaction,
  { event, deliveries, bodies }: AppendEntry,
): Promise<AppendResult> {
  const known = await findKnown(tx, event);
  if (known !== undefined) {
    const ids = await tx.must(keys.deliveries(known.id));
    const stored = await inTurn(ids, async (id) => (await tx.must(keys.delivery(id))).record);
    return { event: eventOf(known), deliveries: stored, duplicate: true };
  }
  const { id: eventId, tenantId, idempotencyKey, createdAt } = event;
  const ids = deliveries.map(({ id }) => id);
  tx.put(keys.event(eventId), { ...event, body: textOf(event.body) });
  tx.put(keys.deliveries(eventId), ids);
  if (idempotencyKey !== undefined) tx.put(keys.idempotency(tenantId, idempotencyKey), eventId);
  if (ids.length === 0) tx.put(key('unheard', createdAt, eventId), eventId);
  for (const record of deliveries) {
    const taken = await tx.get(keys.delivery(record.id));
    if (taken !== undefined)
      throw new ConflictError(`The delivery id ${JSON.stringify(record.id)} is in use`);
    const body = bodies?.get(record.id);
    if (body !== undefined) tx.put(keys.body(record.id), textOf(body));
    const hasBody = body !== undefined;
    const order = await tx.next();
    const fresh = { record, order, since: createdAt, hasBody, hasAttempts: false, hasTurn: false };
    await replace(tx, undefined, fresh);
  }
  return { event, deliveries, duplicate: false };
}

/** Deletes a delivery, and with the last one its event. Resolves whether that went. */
export async function remove(tx: Transaction, id: string): Promise<boolean> {
  const delivery = await tx.must(keys.delivery(id));
  const { eventId } = delivery.record;
  tx.delete(keys.body(id));
  await replace(tx, delivery, undefined);
  const others = (await tx.must(keys.deliveries(eventId))).filter((other) => other !== id);
  if (others.length > 0) tx.put(keys.deliveries(eventId), others);
  else await removeEvent(tx, eventId);
  return others.length === 0;
}

/** Deletes an event that has no deliveries. */
export async function removeEvent(tx: Transaction, id: string): Promise<void> {
  const { tenantId, idempotencyKey, createdAt } = await tx.must(keys.event(id));
  for (const gone of [keys.event(id), keys.deliveries(id), key('unheard', createdAt, id)]) tx.delete(gone);
  if (idempotencyKey !== undefined) tx.delete(keys.idempotency(tenantId, idempotencyKey));
}

/** Bytes as JSON can hold them. */
function textOf(body: Uint8Array): string {
  return Buffer.from(body).toString('base64');
}

/** The stored event of this id or, else, of this tenant and key. */
async function findKnown(tx: Transaction, event: EventRecord): Promise<StoredEvent | undefined> {
  const { id, tenantId, idempotencyKey, fingerprint } = event;
  const sameKey =
    idempotencyKey === undefined ? undefined : await tx.get(keys.idempotency(tenantId, idempotencyKey));
  const ids = [id, sameKey].filter((known) => known !== undefined);
  const stored = (await inTurn(ids, (known) => tx.get(keys.event(known)))).filter(
    (known) => known !== undefined,
  );
  if (stored.every((known) => known.fingerprint === fingerprint)) return stored[0];
  throw new ConflictError(`The id or the key of event ${JSON.stringify(id)} is in use for other content`);
}
