/** What becomes of a delivery. */
import type {
  AttemptData,
  AttemptRecord,
  BatchMembership,
  ClaimedDelivery,
  DeliveryRecord,
  EventRecord,
  ExhaustRequest,
  LeaseTimes,
  SettledState,
  Settlement,
  SettleResult,
} from 'surehook';
import { inTurn, type Transaction } from './database.ts';
import { keys, type StoredDelivery, type StoredEvent } from './keys.ts';
import { replace } from './places.ts';

/** What becomes different about a delivery. */
type Changes = Partial<Omit<DeliveryRecord, 'id'> & Pick<StoredDelivery, 'since' | 'hasAttempts'>>;

type GivingUp = Pick<ExhaustRequest, 'reason' | 'blocks' | 'now'>;

/**
 * Gives a delivery another status with these fields, and takes from it those that only its former status had. The batch that it was in
 * is forgotten too, unless it ends in it.
 */
export async function change(
  tx: Transaction,
  from: StoredDelivery,
  fields: Changes,
): Promise<DeliveryRecord> {
  const { since = from.since, hasAttempts = from.hasAttempts, ...others } = fields;
  const { reason: _, leaseUntil: __, completedAt: ___, blocks: ____, batch, ...kept } = from.record;
  const record: DeliveryRecord = {
    ...kept,
    ...(batch && others.completedAt !== undefined && { batch }),
    ...others,
  };
  await replace(tx, from, { ...from, record, since, hasAttempts });
  return record;
}

/** Leases a delivery. One that is leased already has lost that claim: its attempt is recorded as lost. */
export async function lease(
  tx: Transaction,
  id: string,
  { now: since, leaseUntil, batch }: LeaseTimes & { readonly batch?: BatchMembership },
): Promise<ClaimedDelivery> {
  const before = await tx.must(keys.delivery(id));
  const { status, token, attempts, lost } = before.record;
  const claimed: Changes = {
    ...{ status: 'delivering', token: token + 1, leaseUntil, since },
    ...(batch && { batch }),
  };
  const event = await eventFor(tx, before);
  if (status !== 'delivering') return { delivery: await change(tx, before, claimed), event };
  tx.put(keys.attempt(id, token), lostAttempt(before));
  const counted = { attempts: attempts + 1, lost: lost + 1, hasAttempts: true };
  return { delivery: await change(tx, before, { ...claimed, ...counted }), event };
}

/** Gives a delivery up. Only one that stands in line can block it. */
export function giveUp(
  tx: Transaction,
  before: StoredDelivery,
  { reason, blocks, now }: GivingUp,
): Promise<DeliveryRecord> {
  const isBlocking = blocks && before.record.orderingKey !== undefined;
  const fields: Changes = { status: 'exhausted', reason, completedAt: now };
  return change(tx, before, isBlocking ? { ...fields, blocks } : fields);
}

/** Gives up what waits, and lets what is given up block no more. Resolves with `undefined` where there is nothing to cancel. */
export async function cancel(tx: Transaction, id: string, now: number): Promise<DeliveryRecord | undefined> {
  const before = await tx.get(keys.delivery(id));
  switch (before?.record.status) {
    case 'pending':
    case 'failed':
    case 'replaying':
      return await giveUp(tx, before, { reason: 'cancelled', now });
    case 'exhausted': {
      const { blocks, ...record } = before.record;
      if (!blocks) return undefined;
      await replace(tx, before, { ...before, record });
      return record;
    }
    default:
      return undefined;
  }
}

/** Ends a claim. One of a batch ends for all of its members, or, where one of those claims is lost, for none. */
export async function settle(tx: Transaction, settlement: Settlement, now: number): Promise<SettleResult> {
  const { deliveryId, token, others = [], attempt, next } = settlement;
  const claims = [{ deliveryId, token }, ...others];
  const found = await inTurn(claims, (claim) => tx.get(keys.delivery(claim.deliveryId)));
  const isHeld = found.every(
    (delivery, index) =>
      delivery?.record.status === 'delivering' && delivery.record.token === claims[index]?.token,
  );
  const results = await inTurn(claims, async (claim): Promise<SettleResult> => {
    const before = await tx.get(keys.delivery(claim.deliveryId));
    if (before === undefined) return 'unknown';
    if (!isHeld) return await settleLate(tx, before.record, claim.token, attempt);
    await end(tx, attempt ? await count(tx, before, attempt) : before, next, now);
    return 'applied';
  });
  return results[0] ?? 'unknown';
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
    await replace(tx, before, { ...before, hasAttempts: false });
  }
  return dropped;
}

/** The event as the webhook of a delivery gets it. */
export async function eventFor(tx: Transaction, { record, hasBody }: StoredDelivery): Promise<EventRecord> {
  const stored = await tx.must(keys.event(record.eventId));
  return eventOf(hasBody ? { ...stored, body: await tx.must(keys.body(record.id)) } : stored);
}

/** The event as it was given. */
export function eventOf(stored: StoredEvent): EventRecord {
  return { ...stored, body: new Uint8Array(Buffer.from(stored.body, 'base64')) };
}

/** Stores the attempt of a claim that ends, and resolves with the delivery that has it. */
async function count(tx: Transaction, before: StoredDelivery, attempt: AttemptData): Promise<StoredDelivery> {
  const { id, token } = before.record;
  const number = before.record.attempts + 1;
  const tries = before.record.tries + (attempt.counted ? 1 : 0);
  tx.put(keys.attempt(id, token), { ...attempt, number, token, late: false });
  const after = { ...before, record: { ...before.record, attempts: number, tries }, hasAttempts: true };
  await replace(tx, before, after);
  return after;
}

async function end(tx: Transaction, before: StoredDelivery, next: SettledState, now: number): Promise<void> {
  switch (next.status) {
    case 'delivered':
      await change(tx, before, { status: 'delivered', completedAt: now });
      return;
    case 'exhausted':
      await giveUp(tx, before, { ...next, now });
      return;
    case 'waiting':
      await change(tx, before, { ...next, status: before.record.tries > 0 ? 'failed' : 'pending' });
  }
}

/** A claim that nobody settled has left a lost attempt, in whose place its worker may still tell what happened. */
async function settleLate(
  tx: Transaction,
  record: DeliveryRecord,
  token: number,
  attempt: AttemptData | undefined,
): Promise<SettleResult> {
  // Of a batch one claim can be lost, and others not.
  const isPresent = token === record.token && record.status === 'delivering';
  if (isPresent || token < 1 || token > record.token) return 'late';
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
