import type { DeliveryRecord, Settlement, SettleResult } from '../../../src/index.ts';

type Draft = { -readonly [Field in keyof DeliveryRecord]: DeliveryRecord[Field] };

/** The record without what only some statuses have. */
function plain({
  reason: _reason,
  blocks: _blocks,
  leaseUntil: _lease,
  completedAt: _completed,
  ...rest
}: DeliveryRecord): Draft {
  return rest;
}

/** The same in no batch. */
function alone({ batch: _batch, ...rest }: Draft): Draft {
  return rest;
}

/** A record under a new lease: what the ports promise, said once more and apart from every adapter. */
export function whenClaimed(
  record: DeliveryRecord,
  leaseUntil: number,
  batch: DeliveryRecord['batch'],
): DeliveryRecord {
  const lostOne = record.status === 'delivering' ? 1 : 0;
  const { token, attempts, lost } = record;
  return {
    ...alone(plain(record)),
    ...(batch !== undefined && { batch }),
    status: 'delivering',
    token: token + 1,
    attempts: attempts + lostOne,
    lost: lost + lostOne,
    leaseUntil,
  };
}

/** A record after a settlement with that result. */
export function whenSettled(
  record: DeliveryRecord,
  settlement: Settlement,
  { result, now, wasLate }: { result: SettleResult; now: number; wasLate: boolean },
): DeliveryRecord {
  const { attempt, next } = settlement;
  if (result !== 'applied')
    return result === 'late' && wasLate ? { ...record, attempts: record.attempts + 1 } : record;
  const settled = plain(record);
  if (attempt !== undefined) settled.attempts += 1;
  if (attempt?.counted) settled.tries += 1;
  switch (next.status) {
    case 'delivered':
      return { ...settled, status: 'delivered', completedAt: now };
    case 'exhausted':
      return whenGivenUp(settled, next, now);
    case 'waiting':
      return {
        ...alone(settled),
        ...(next.batch !== undefined && { batch: next.batch }),
        status: settled.tries > 0 ? 'failed' : 'pending',
        dueAt: next.dueAt,
        queue: next.queue,
      };
  }
}

/** A record given up; what takes turns may keep its place. */
export function whenGivenUp(
  record: DeliveryRecord,
  { reason, blocks }: { readonly reason: DeliveryRecord['reason'] & string; readonly blocks?: true },
  now: number,
): DeliveryRecord {
  const keeps = blocks && record.orderingKey !== undefined;
  return {
    ...plain(record),
    status: 'exhausted',
    reason,
    completedAt: now,
    ...(keeps && { blocks: true as const }),
  };
}

/** A record cancelled: given up, or let go where it blocked others; `undefined` where there is nothing to cancel. */
export function whenCancelled(record: DeliveryRecord, now: number): DeliveryRecord | undefined {
  switch (record.status) {
    case 'pending':
    case 'failed':
    case 'replaying':
      return whenGivenUp(record, { reason: 'cancelled' }, now);
    case 'exhausted': {
      const { blocks, ...rest } = record;
      return blocks ? rest : undefined;
    }
    case 'delivering':
    case 'delivered':
      return undefined;
  }
}

/** A record marked for replay. */
export function whenMarked(record: DeliveryRecord): DeliveryRecord {
  return { ...alone(plain(record)), status: 'replaying', token: record.token + 1, tries: 0, lost: 0 };
}

/** A replay let into the express queue. */
export function whenPromoted(record: DeliveryRecord, now: number): DeliveryRecord {
  return { ...plain(record), status: 'pending', queue: 'express', dueAt: now };
}

/** The names of fields in which two records differ. */
export function differences(expected: DeliveryRecord, actual: DeliveryRecord): string[] {
  const names = new Set([...Object.keys(expected), ...Object.keys(actual)]) as Set<keyof DeliveryRecord>;
  return [...names].filter((name) =>
    name === 'batch'
      ? JSON.stringify(expected.batch) !== JSON.stringify(actual.batch)
      : expected[name] !== actual[name],
  );
}
