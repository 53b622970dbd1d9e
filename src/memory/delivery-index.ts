import type { DeliveryQuery } from '../repos.ts';
import { ByAge } from './by-age.ts';
import type { DeliveryRow } from './delivery-row.ts';

/** The orders by age of all deliveries, of each tenant's and of each webhook's. */
export class DeliveryIndex {
  readonly #all = new ByAge<DeliveryRow>(isGone);
  readonly #ofTenant = new Map<string, ByAge<DeliveryRow>>();
  readonly #ofWebhook = new Map<string, ByAge<DeliveryRow>>();

  /** Adds a delivery that is in none of the orders. */
  add(row: DeliveryRow): void {
    this.#all.add(row);
    orderOf(this.#ofTenant, row.record.tenantId).add(row);
    orderOf(this.#ofWebhook, row.record.webhookId).add(row);
  }

  /** Takes out a row that is gone. */
  forget({ record }: DeliveryRow): void {
    this.#all.forget();
    forgetIn(this.#ofTenant, record.tenantId);
    forgetIn(this.#ofWebhook, record.webhookId);
  }

  /** One page. It reads the narrowest order that the query allows and passes over what the other conditions exclude. */
  page(query: DeliveryQuery): readonly DeliveryRow[] {
    const order = this.#narrowest(query);
    return order === undefined ? [] : order.page(query, query.limit, (row) => matches(row, query));
  }

  #narrowest(query: DeliveryQuery): ByAge<DeliveryRow> | undefined {
    if (query.webhookId !== undefined) return this.#ofWebhook.get(query.webhookId);
    if (query.tenantId !== undefined) return this.#ofTenant.get(query.tenantId);
    return this.#all;
  }
}

function orderOf(orders: Map<string, ByAge<DeliveryRow>>, key: string): ByAge<DeliveryRow> {
  const known = orders.get(key);
  if (known !== undefined) return known;
  const order = new ByAge<DeliveryRow>(isGone);
  orders.set(key, order);
  return order;
}

function forgetIn(orders: Map<string, ByAge<DeliveryRow>>, key: string): void {
  const order = orders.get(key);
  order?.forget();
  if (order?.size === 0) orders.delete(key);
}

function isGone(row: DeliveryRow): boolean {
  return row.isGone;
}

function matches({ record }: DeliveryRow, { tenantId, eventType, status }: DeliveryQuery): boolean {
  if (tenantId !== undefined && record.tenantId !== tenantId) return false;
  if (eventType !== undefined && record.eventType !== eventType) return false;
  return status === undefined || record.status === status;
}
