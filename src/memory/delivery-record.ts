import type { BatchMembership } from '../domain/batch.ts';
import type { DeliveryRecord, ExhaustedReason } from '../domain/delivery.ts';
import type { Settlement } from '../repos.ts';

/** The fields that only some statuses have. */
type StatusField = 'reason' | 'blocks' | 'leaseUntil' | 'completedAt';

/** The fields that only some records have, whatever their status. */
type RareField = 'orderingKey' | 'batch';

type Draft = { -readonly [Field in keyof DeliveryRecord]: DeliveryRecord[Field] };

/** Every field of a record but those of its status, written out because a spread is several times slower. */
function carried(record: DeliveryRecord): Draft {
  const draft: Draft = {
    id: record.id,
    eventId: record.eventId,
    webhookId: record.webhookId,
    tenantId: record.tenantId,
    eventType: record.eventType,
    status: record.status,
    queue: record.queue,
    dueAt: record.dueAt,
    token: record.token,
    attempts: record.attempts,
    tries: record.tries,
    lost: record.lost,
    createdAt: record.createdAt,
  } satisfies Record<Exclude<keyof DeliveryRecord, StatusField | RareField>, unknown>;
  if (record.orderingKey !== undefined) draft.orderingKey = record.orderingKey;
  if (record.batch !== undefined) draft.batch = record.batch;
  return draft;
}

/** The record under a new lease. A record that was leased already has lost that claim, which counts as an attempt. */
export function claimedRecord(
  record: DeliveryRecord,
  leaseUntil: number,
  batch: BatchMembership | undefined,
): DeliveryRecord {
  const next = carried(record);
  if (record.status === 'delivering') {
    next.attempts += 1;
    next.lost += 1;
  }
  next.status = 'delivering';
  next.token += 1;
  next.leaseUntil = leaseUntil;
  setBatch(next, batch);
  return next;
}

/** The record after its claim ended as the settlement says. */
export function settledRecord(
  record: DeliveryRecord,
  { attempt, next: end }: Settlement,
  now: number,
): DeliveryRecord {
  const next = carried(record);
  if (attempt !== undefined) next.attempts += 1;
  if (attempt?.counted) next.tries += 1;
  switch (end.status) {
    case 'delivered':
      next.status = 'delivered';
      next.completedAt = now;
      return next;
    case 'exhausted':
      return exhausted(next, end, now);
    case 'waiting':
      next.status = next.tries > 0 ? 'failed' : 'pending';
      next.dueAt = end.dueAt;
      next.queue = end.queue;
      setBatch(next, end.batch);
      return next;
  }
}

/** The record given up. */
export function exhaustedRecord(record: DeliveryRecord, end: GivingUp, now: number): DeliveryRecord {
  return exhausted(carried(record), end, now);
}

/** How a delivery is given up. */
interface GivingUp {
  readonly reason: ExhaustedReason;
  readonly blocks?: true;
}

function exhausted(next: Draft, { reason, blocks }: GivingUp, now: number): DeliveryRecord {
  next.status = 'exhausted';
  next.reason = reason;
  next.completedAt = now;
  if (blocks && next.orderingKey !== undefined) next.blocks = true;
  return next;
}

/** The record marked for replay: its counters start again, its number of attempts goes on, and its token rises: nobody marks it by what was read before. */
export function replayingRecord(record: DeliveryRecord): DeliveryRecord {
  const next = carried(record);
  next.token += 1;
  next.status = 'replaying';
  next.tries = 0;
  next.lost = 0;
  setBatch(next, undefined);
  return next;
}

/**
 * The record cancelled: what waits is given up, an exhausted one that blocks does so no more. Undefined where there is nothing to cancel.
 */
export function cancelledRecord(record: DeliveryRecord, now: number): DeliveryRecord | undefined {
  switch (record.status) {
    case 'pending':
    case 'failed':
    case 'replaying':
      return exhaustedRecord(record, { reason: 'cancelled' }, now);
    case 'exhausted': {
      const { blocks, ...kept } = record;
      return blocks && kept;
    }
    case 'delivering':
    case 'delivered':
      return undefined;
  }
}

/** The record of a replay whose turn has come. */
export function promotedRecord(record: DeliveryRecord, now: number): DeliveryRecord {
  const next = carried(record);
  next.status = 'pending';
  next.queue = 'express';
  next.dueAt = now;
  return next;
}

function setBatch(draft: Draft, batch: BatchMembership | undefined): void {
  if (batch !== undefined) draft.batch = batch;
  // Not where there is none: deleting is slow.
  else if (draft.batch !== undefined) delete draft.batch;
}

/** The record with one more attempt and nothing else changed. */
export function withLateAttempt(record: DeliveryRecord): DeliveryRecord {
  return { ...record, attempts: record.attempts + 1 };
}
