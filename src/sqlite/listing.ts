import type { DeliveryRecord } from '../domain/delivery.ts';
import type { DeliveryCounts, DeliveryQuery } from '../repos.ts';
import { HELD_BACK, statusCodes } from '../sql/codes.ts';
import { type DeliveryColumns, deliveryOf } from '../sql/delivery-columns.ts';
import { boundsOf } from '../sql/page-bounds.ts';
import { DELIVERY } from './delivery-rows.ts';
import type { Statements, Value } from './statements.ts';

/** Leaves out where all are held back. Skips from webhook to webhook along the index, so that a queue costs the same whatever waits in it. */
const OWN_QUEUES = `WITH RECURSIVE own (id) AS (
    SELECT min(webhook_id) FROM surehook_deliveries
      WHERE queue = 1 AND wake_at IS NOT NULL AND webhook_id > ?
    UNION ALL
    SELECT (SELECT min(d.webhook_id) FROM surehook_deliveries d
      WHERE d.queue = 1 AND d.wake_at IS NOT NULL AND d.webhook_id > own.id)
    FROM own WHERE own.id IS NOT NULL
  )
  SELECT id FROM own WHERE id IS NOT NULL AND ${HELD_BACK} > (
    SELECT d.wake_at FROM surehook_deliveries d
    WHERE d.queue = 1 AND d.webhook_id = own.id AND d.wake_at IS NOT NULL ORDER BY d.wake_at LIMIT 1
  ) LIMIT ?`;

/** Each part reads the first so many of one index. */
const COUNTS = `SELECT
  (SELECT count(*) FROM (SELECT 1 FROM surehook_deliveries
    WHERE queue = 1 AND webhook_id = ? AND wake_at IS NOT NULL LIMIT +?)) +
  (SELECT count(*) FROM (SELECT webhook_id FROM surehook_deliveries
    WHERE queue = 0 AND wake_at IS NOT NULL ORDER BY wake_at LIMIT +?) WHERE webhook_id = ?) AS waiting,
  (SELECT count(*) FROM (SELECT 1 FROM surehook_deliveries
    WHERE status = ${statusCodes.exhausted} AND webhook_id = ? LIMIT +?)) AS dead`;

/** A part of a WHERE and what is bound to it. */
type Condition = readonly [sql: string, ...values: Value[]];

/** One page of deliveries. It reads the narrowest order that the query allows and passes over what the other conditions exclude. */
export function listDeliveries(sql: Statements, query: DeliveryQuery): DeliveryRecord[] {
  const { text, values } = deliveriesQuery(query);
  return sql.all<DeliveryColumns>(text, ...values).map(deliveryOf);
}

/** The statement of a page, and what is bound to it. */
function deliveriesQuery(query: DeliveryQuery): {
  readonly text: string;
  readonly values: readonly Value[];
} {
  const conditions = conditionsOf(query);
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.map(([part]) => part).join(' AND ')}`;
  const direction = query.order === 'oldest' ? 'ASC' : 'DESC';
  const text = `SELECT ${DELIVERY} FROM surehook_deliveries d INDEXED BY ${narrowestIndex(query)} ${where}
    ORDER BY d.created_at ${direction}, d.id ${direction} LIMIT ?`;
  return { text, values: [...conditions.flatMap(([, ...values]) => values), query.limit] };
}

/** Dead letters have orders of their own: few among many that were delivered. */
function narrowestIndex({ webhookId, tenantId, status }: DeliveryQuery): string {
  const isDead = status === 'exhausted';
  if (webhookId !== undefined) return `surehook_deliveries_${isDead ? 'dead_webhook' : 'webhook'}`;
  if (isDead) return 'surehook_deliveries_dead';
  return tenantId === undefined ? 'surehook_deliveries_all' : 'surehook_deliveries_tenant';
}

function conditionsOf(query: DeliveryQuery): Condition[] {
  const { tenantId, webhookId, eventType, status, order, after } = query;
  const { since, until } = boundsOf(query);
  const conditions: Condition[] = [];
  if (webhookId !== undefined) conditions.push(['d.webhook_id = ?', webhookId]);
  if (tenantId !== undefined) conditions.push(['d.tenant_id = ?', tenantId]);
  if (eventType !== undefined) conditions.push(['d.event_type = ?', eventType]);
  // Not as a parameter: a partial index is used only where the statement itself has its condition.
  if (status !== undefined) conditions.push([`d.status = ${statusCodes[status]}`]);
  if (since !== undefined) conditions.push(['d.created_at >= ?', since]);
  if (until !== undefined) conditions.push(['d.created_at < ?', until]);
  const behind = order === 'oldest' ? '>' : '<';
  if (after !== undefined)
    conditions.push([`(d.created_at, d.id) ${behind} (?, ?)`, after.createdAt, after.id]);
  return conditions;
}

/** Ids of webhooks whose own queue is not empty, ascending. */
export function ownQueues(
  sql: Statements,
  { after = '', limit }: { readonly after?: string; readonly limit: number },
): string[] {
  return sql.all<{ id: string }>(OWN_QUEUES, after, limit).map(({ id }) => id);
}

/** How much of a webhook's waits and is given up. */
export function countDeliveries(
  sql: Statements,
  { webhookId, limit }: { readonly webhookId: string; readonly limit: number },
): DeliveryCounts {
  const counts = sql.get<DeliveryCounts>(COUNTS, webhookId, limit, limit, webhookId, webhookId, limit);
  const { waiting = 0, dead = 0 } = counts ?? {};
  return { waiting: Math.min(waiting, limit), dead };
}
