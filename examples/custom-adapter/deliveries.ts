/** What becomes of a delivery. Its sorted keys follow from its state (`placesOf`), so that none is forgotten on the way. */
import type {
  AttemptRecord,
  ClaimedDelivery,
  DeliveryRecord,
  EventRecord,
  LeaseTimes,
  SettledState,
  Settlement,
  SettleResult,
} from 'surehook';
import type { Transaction } from './database.ts';
import { type Key, key, keys, type Order, type StoredDelivery, type StoredEvent } from './keys.ts';

export const EXPRESS: Order = ['due', 'express'];
export const OWN: Order = ['due', 'own'];
export const REPLAYS: Order = ['replay'];

/** What becomes different about a delivery. */
type Changes = Partial<Omit<DeliveryRecord, 'id'> & Pick<StoredDelivery, 'since' | 'hasAttempts'>>;

/** Stores `to` in the place of `from`; either may be absent. */
export function replace(tx: Transaction, from?: StoredDelivery, to?: StoredDelivery): void {
  const id = (to ?? from)?.record.id ?? '';
  tx.move(id, from ? placesOf(from) : [], to ? placesOf(to) : []);
  if (to === undefined) tx.delete(keys.delivery(id));
  else tx.put(keys.delivery(id), to);
}

/** Gives a delivery another status with these fields, and takes from it those that only its former status had. */
export function change(tx: Transaction, from: StoredDelivery, fields: Changes): DeliveryRecord {
  const { since = from.since, hasAttempts = from.hasAttempts, ...others } = fields;
  const { reason: _, leaseUntil: __, completedAt: ___, ...kept } = from.record;
  const record: DeliveryRecord = { ...kept, ...others };
  replace(tx, from, { ...from, record, since, hasAttempts });
  return record;
}

/** Leases a delivery. One that is leased already has lost that claim: its attempt is recorded as lost. */
export async function lease(tx: Transaction, id: string, times: LeaseTimes): Promise<ClaimedDelivery> {
  const { now: since, leaseUntil } = times;
  const before = await tx.must(keys.delivery(id));
  const { status, token, attempts, lost, eventId } = before.record;
  const claimed: Changes = { status: 'delivering', token: token + 1, leaseUntil, since };
  const event = eventOf(await tx.must(keys.event(eventId)));
  if (status !== 'delivering') return { delivery: change(tx, before, claimed), event };
  tx.put(keys.attempt(id, token), lostAttempt(before));
  const counted = { attempts: attempts + 1, lost: lost + 1, hasAttempts: true };
  return { delivery: change(tx, before, { ...claimed, ...counted }), event };
}

/** Ends a claim. */
export async function settle(tx: Transaction, settlement: Settlement, now: number): Promise<SettleResult> {
  const { deliveryId, token, attempt, next } = settlement;
  const before = await tx.get(keys.delivery(deliveryId));
  if (before === undefined) return 'unknown';
  const { record } = before;
  if (record.status !== 'delivering' || record.token !== token) return settleLate(tx, settlement, record);
  if (attempt === undefined) {
    change(tx, before, stateAfter(next, record.tries, now));
    return 'applied';
  }
  const number = record.attempts + 1;
  const tries = record.tries + (attempt.counted ? 1 : 0);
  tx.put(keys.attempt(deliveryId, token), { ...attempt, number, token, late: false });
  change(tx, before, { ...stateAfter(next, tries, now), attempts: number, tries, hasAttempts: true });
  return 'applied';
}

/** Deletes all attempts of these deliveries and resolves with how many there were. */
export async function dropAttempts(tx: Transaction, ids: readonly string[]): Promise<number> {
  let dropped = 0;
  for (const id of ids) {
    for await (const { token } of tx.scan(keys.attempts(id))) {
      tx.delete(keys.attempt(id, token));
      dropped += 1;
    }
    const before = await tx.must(keys.delivery(id));
    replace(tx, before, { ...before, hasAttempts: false });
  }
  return dropped;
}

/** When a delivery that waits or is leased can be claimed. */
export function claimableAt({ status, dueAt, leaseUntil = 0 }: DeliveryRecord): number {
  return status === 'delivering' ? leaseUntil : dueAt;
}

/** The event as it was given. */
export function eventOf(stored: StoredEvent): EventRecord {
  return { ...stored, body: new Uint8Array(Buffer.from(stored.body, 'base64')) };
}

/** Every sorted key by which a delivery is found, in the state it is in. */
function placesOf({ record, order, since, hasAttempts }: StoredDelivery): Key<string>[] {
  const { id, createdAt, status, completedAt = 0 } = record;
  const pages = [['all'], ['tenant', record.tenantId], ['webhook', record.webhookId]];
  const places = pages.map((page): Key<string> => key('page', ...page, createdAt, id));
  switch (status) {
    case 'pending':
    case 'failed':
    case 'delivering': {
      const queue = record.queue === 'express' ? EXPRESS : [...OWN, record.webhookId];
      return [...places, key(...queue, claimableAt(record), order)];
    }
    case 'replaying':
      return [...places, key(...REPLAYS, since, order)];
    case 'delivered':
    case 'exhausted':
      if (hasAttempts) places.push(key('attempted', status, completedAt, order));
      return [...places, key('ended', status, completedAt, order)];
  }
}

function stateAfter(next: SettledState, tries: number, now: number): Changes {
  switch (next.status) {
    case 'delivered':
      return { status: 'delivered', completedAt: now };
    case 'exhausted':
      return { status: 'exhausted', reason: next.reason, completedAt: now };
    case 'waiting':
      return { status: tries > 0 ? 'failed' : 'pending', dueAt: next.dueAt, queue: next.queue };
  }
}

/** A claim that nobody settled has left a lost attempt, in whose place its worker may still tell what happened. */
async function settleLate(
  tx: Transaction,
  settlement: Settlement,
  record: DeliveryRecord,
): Promise<SettleResult> {
  const { token, attempt } = settlement;
  if (token < 1 || token > record.token) return 'late';
  const known = await tx.get(keys.attempt(record.id, token));
  if (known?.late) return 'late';
  if (known?.error?.kind !== 'lost') return 'repeated';
  const { number } = known;
  if (attempt) tx.put(keys.attempt(record.id, token), { ...attempt, number, token, late: true });
  return 'late';
}

function lostAttempt({ record, since }: StoredDelivery): AttemptRecord {
  return {
    number: record.attempts + 1,
    token: record.token,
    late: false,
    startedAt: since,
    durationMs: Math.max(0, (record.leaseUntil ?? since) - since),
    httpStatus: 0,
    responseBody: '',
    request: { url: '', headers: {} },
    error: { kind: 'lost', message: 'Nobody reported the outcome of this claim' },
    counted: false,
  };
}
