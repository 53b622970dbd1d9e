import type { DeliveryRecord } from '../domain/delivery.ts';
import type { DeliveryQuery } from '../repos.ts';
import { statusCodes } from '../sql/codes.ts';
import { type DeliveryColumns, deliveryOf } from '../sql/delivery-columns.ts';
import type { Database } from './database.ts';
import { deliveryList } from './rows.ts';
import type { Tables } from './tables.ts';

/** Collects conditions and their values; the text depends only on which conditions there are. */
export class Conditions {
  readonly values: unknown[] = [];
  readonly #texts: string[] = [];

  /** Adds `text` with `$` standing for the value of that type, unless there is none. */
  add(text: string, type: string, value: unknown): void {
    if (value === undefined) return;
    this.#texts.push(text.replace('$', this.bind(type, value)));
  }

  /** Adds a condition without a value. */
  always(text: string): void {
    this.#texts.push(text);
  }

  /** A parameter with this value. */
  bind(type: string, value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}::${type}`;
  }

  /** All of them, or nothing. */
  get where(): string {
    return this.#texts.length === 0 ? '' : `WHERE ${this.#texts.join(' AND ')}`;
  }
}

/** Deliveries newest first, one page. Dead letters have an order of their own: few among many that were delivered. */
export async function listDeliveries(
  database: Database,
  tables: Tables,
  query: DeliveryQuery,
): Promise<readonly DeliveryRecord[]> {
  const { text, values } = listStatement(tables, query);
  const rows = await database.rows<DeliveryColumns>(text, values);
  return rows.map(deliveryOf);
}

/** The statement of a listing. */
function listStatement(
  { deliveries, listings }: Tables,
  query: DeliveryQuery,
): { readonly text: string; readonly values: unknown[] } {
  const isDead = query.status === 'exhausted';
  const [l, id] = isDead ? ['d', 'd.id'] : ['l', 'l.delivery_id'];
  const conditions = new Conditions();
  conditions.add(`${l}.tenant_id = $`, 'text', query.tenantId);
  conditions.add(`${l}.webhook_id = $`, 'text', query.webhookId);
  conditions.add(`${l}.event_type = $`, 'text', query.eventType);
  conditions.add(`${l}.created_at >= $`, 'bigint', query.since);
  conditions.add(`${l}.created_at < $`, 'bigint', query.until);
  if (query.status !== undefined) conditions.always(`d.status = ${statusCodes[query.status]}`);
  if (query.after !== undefined) {
    const { createdAt, id: afterId } = query.after;
    const place = `${conditions.bind('bigint', createdAt)}, ${conditions.bind('text', afterId)}`;
    conditions.always(`(${l}.created_at, ${id}) < (${place})`);
  }
  const from = isDead ? `${deliveries} d` : `${listings} l JOIN ${deliveries} d ON d.id = l.delivery_id`;
  const { where } = conditions;
  const text = `SELECT ${deliveryList('d')} FROM ${from} ${where}
ORDER BY ${l}.created_at DESC, ${id} DESC LIMIT ${conditions.bind('int', query.limit)}`;
  return { text, values: conditions.values };
}
