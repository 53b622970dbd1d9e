import type { DeliveryRecord } from '../domain/delivery.ts';
import { queueOfCode, reasonOfCode, statusOfCode } from './codes.ts';

/** A delivery in columns. Numbers are numbers: a driver that reads 64-bit integers as text converts them first. */
export interface DeliveryColumns {
  readonly id: string;
  readonly event_id: string;
  readonly webhook_id: string;
  readonly tenant_id: string;
  readonly event_type: string;
  /** Of `statusCodes`. */
  readonly status: number;
  /** Of `reasonCodes`; null unless exhausted. */
  readonly reason: number | null;
  /** Of `queueCodes`. */
  readonly queue: number;
  readonly ordering_key: string | null;
  /** Whether an exhausted one holds its place in the line of its key: 0 or 1. */
  readonly blocks: number;
  readonly batch_id: string | null;
  /** Null with `batch_id`. */
  readonly batch_size: number | null;
  /** Null with `batch_id`. */
  readonly refusals: number | null;
  readonly due_at: number;
  readonly token: number;
  /** Null unless delivering. */
  readonly lease_until: number | null;
  readonly attempts: number;
  readonly tries: number;
  readonly lost: number;
  readonly created_at: number;
  /** Null unless delivered or exhausted. */
  readonly completed_at: number | null;
}

/** The delivery of columns. */
export function deliveryOf(columns: DeliveryColumns): DeliveryRecord {
  const delivery: { -readonly [Field in keyof DeliveryRecord]: DeliveryRecord[Field] } = {
    id: columns.id,
    eventId: columns.event_id,
    webhookId: columns.webhook_id,
    tenantId: columns.tenant_id,
    eventType: columns.event_type,
    status: statusOfCode(columns.status),
    queue: queueOfCode(columns.queue),
    dueAt: columns.due_at,
    token: columns.token,
    attempts: columns.attempts,
    tries: columns.tries,
    lost: columns.lost,
    createdAt: columns.created_at,
  };
  if (columns.ordering_key !== null) delivery.orderingKey = columns.ordering_key;
  const { batch_id: id, batch_size: size, refusals } = columns;
  if (id !== null) delivery.batch = { id, size: size ?? 1, refusals: refusals ?? 0 };
  if (columns.blocks !== 0) delivery.blocks = true;
  if (columns.reason !== null) delivery.reason = reasonOfCode(columns.reason);
  if (columns.lease_until !== null) delivery.leaseUntil = columns.lease_until;
  if (columns.completed_at !== null) delivery.completedAt = columns.completed_at;
  return delivery;
}
