import { bodyList, bodyOf, isTextOf } from './bodies.ts';
import type { Tables } from './tables.ts';

/**
 * Drivers disagree on 64-bit integers (text, number, bigint), but all read double precision as numbers, and every instant
 * and counter here is below 2^53.
 */
export function asNumber(expression: string, name: string = expression): string {
  return `${expression}::float8 AS ${name}`;
}

/** The select list of a delivery, with the alias of its table. */
export function deliveryList(d: string): string {
  const instants = ['due_at', 'token', 'lease_until', 'created_at', 'completed_at'];
  const others = ['id', 'event_id', 'webhook_id', 'tenant_id', 'event_type', 'status', 'reason', 'queue'];
  const counters = ['attempts', 'tries', 'lost'];
  const rare = ['ordering_key', 'batch_id', 'batch_size', 'refusals'];
  return [
    ...others.concat(counters, rare).map((column) => `${d}.${column}`),
    // Only one that blocks holds its place when it is exhausted (4).
    `(${d}.line_place IS NOT NULL AND ${d}.status = 4)::int AS blocks`,
    ...instants.map((column) => asNumber(`${d}.${column}`, column)),
  ].join(', ');
}

/** The select list of an event, with the alias of its table: `Sent<EventColumns>`. */
export function eventList(e: string): string {
  const columns = ['id', 'tenant_id', 'type', 'idempotency_key', 'fingerprint', 'extra'];
  return `${columns.map((column) => `${e}.${column}`).join(', ')}, ${asNumber(`${e}.created_at`, 'created_at')}, ${bodyList(`${e}.is_text`, `${e}.body`)}`;
}

/** The select list of a delivery `d` with its event `e` as its webhook gets it: `Sent<ContentColumns>`. */
export function contentList(tables: Tables, d: string, e: string): string {
  return `${deliveryList(d)}, ${e}.tenant_id AS e_tenant_id, ${e}.type AS e_type, ${asNumber(`${e}.created_at`, 'e_created_at')},
  ${bodyList(isTextOf(d, e), bodyOf(tables, d, e), `${e}.body`)}, ${e}.idempotency_key, ${e}.fingerprint, ${e}.extra`;
}
