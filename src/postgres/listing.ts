import type { DeliveryRecord } from '../domain/delivery.ts';
import type { DeliveryQuery } from '../repos.ts';
import { statusCodes } from '../sql/codes.ts';
import { type DeliveryColumns, deliveryOf } from '../sql/delivery-columns.ts';
import { boundsOf } from '../sql/page-bounds.ts';
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

/** Deliveries by age, one page. Dead letters have an order of their own: few among many that were delivered. */
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
  tables: Tables,
  query: DeliveryQuery,
): { readonly text: string; readonly values: unknown[] } {
  const { status } = query;
  const [direction, behind] = query.order === 'oldest' ? ['ASC', '>'] : ['DESC', '<'];
  const isInOrder = status === undefined || status === 'delivered';
  const [l, id] = isInOrder ? ['l', 'l.delivery_id'] : ['d', 'd.id'];
  const conditions = new Conditions();
  conditions.add(`${l}.tenant_id = $`, 'text', query.tenantId);
  conditions.add(`${l}.webhook_id = $`, 'text', query.webhookId);
  conditions.add(`${l}.event_type = $`, 'text', query.eventType);
  const { since, until } = boundsOf(query);
  conditions.add(`${l}.created_at >= $`, 'bigint', since);
  conditions.add(`${l}.created_at < $`, 'bigint', until);
  if (status !== undefined) conditions.always(`d.status = ${statusCodes[status]}`);
  if (query.after !== undefined) {
    const { createdAt, id: afterId } = query.after;
    const place = `${conditions.bind('bigint', createdAt)}, ${conditions.bind('text', afterId)}`;
    conditions.always(`(${l}.created_at, ${id}) ${behind} (${place})`);
  }
  const from = isInOrder
    ? inOrder(tables)
    : `${status === 'delivering' ? tables.current : tables.deliveries} d`;
  if (!isInOrder && status !== 'exhausted') conditions.always(unfinished(status, tables));
  const { where } = conditions;
  const text = `SELECT ${deliveryList('d')} FROM ${from} ${where}
ORDER BY ${l}.created_at ${direction}, ${id} ${direction} LIMIT ${conditions.bind('int', query.limit)}`;
  return { text, values: conditions.values };
}

/** One by one in the order of listings: statistics that are behind must not make a join of it that begins with deliveries. */
function inOrder({ current, listings }: Tables): string {
  return `${listings} l CROSS JOIN LATERAL (SELECT * FROM ${current} d WHERE d.id = l.delivery_id LIMIT 1) d`;
}

/** What has not ended, but for most of those that are delivering in folds, is in indexes as such, few among many that have: those are looked through, and put in order. Marks begin at 1; comparing them makes the planner expect few. */
function unfinished(status: 'pending' | 'delivering' | 'failed' | 'replaying', { folds }: Tables): string {
  if (status === 'replaying') return 'd.marked > 0';
  const inQueues = '(d.queue = 0 AND d.wake_at IS NOT NULL) OR (d.queue = 1 AND d.wake_at IS NOT NULL)';
  if (status !== 'delivering') return `(${inQueues})`;
  return `(${inQueues} OR d.id = ANY (ARRAY(SELECT unnest(f.members) FROM ${folds} f WHERE f.completed_at IS NULL)))`;
}
