import type { DeliveryRecord } from '../domain/delivery.ts';
import type { QueueRecord } from '../repos.ts';
import type { Wait } from './delivery-explanation.ts';
import { type RecordParts, webhooksOf } from './records.ts';

const NEIGHBOURS = 500;

/** What a delivery that is `pending`, `failed` or `replaying` waits for. */
export async function waitOf(parts: RecordParts, record: DeliveryRecord): Promise<Wait> {
  if (record.status === 'replaying') return { waitsFor: 'replay-slot' };
  const webhook = (await webhooksOf(parts, [record])).get(record.webhookId);
  if (webhook?.status.state === 'disabled') return { waitsFor: 'enabling' };
  const before = await placeBefore(parts, record);
  if (before !== undefined) return { waitsFor: 'turn', behind: before.id };
  const { settings, storage } = parts;
  const [queue] = await storage.once('state.get', () => settings.repos.state.get([record.webhookId]));
  return timeOf(record, queue, settings.clock.now());
}

function timeOf({ dueAt }: DeliveryRecord, queue: QueueRecord | undefined, now: number): Wait {
  const backOff = queue?.notBefore ?? 0;
  if (Math.max(dueAt, backOff) <= now) return { waitsFor: 'worker' };
  return backOff > dueAt
    ? { waitsFor: 'back-off', until: new Date(backOff) }
    : { waitsFor: 'due-time', until: new Date(dueAt) };
}

/** The nearest delivery before this one that holds a place in its line. */
async function placeBefore(
  { settings, storage }: RecordParts,
  record: DeliveryRecord,
): Promise<DeliveryRecord | undefined> {
  const { webhookId, orderingKey, createdAt } = record;
  if (orderingKey === undefined) return undefined;
  const neighbours = await storage.once('events.listDeliveries', () =>
    settings.repos.events.listDeliveries({ webhookId, until: createdAt + 1, limit: NEIGHBOURS }),
  );
  return neighbours.find(
    (other) => other.orderingKey === orderingKey && holdsPlace(other) && isBefore(other, record),
  );
}

function holdsPlace({ status, blocks }: DeliveryRecord): boolean {
  return status === 'exhausted' ? blocks === true : status !== 'delivered';
}

/** Of two published in one millisecond the one that is or was attempted has had its turn before the one that was not; of others it is not known. */
function isBefore(other: DeliveryRecord, record: DeliveryRecord): boolean {
  const isAhead = other.status === 'delivering' || (other.attempts > 0 && record.attempts === 0);
  return other.createdAt < record.createdAt || (isAhead && other.id !== record.id);
}
