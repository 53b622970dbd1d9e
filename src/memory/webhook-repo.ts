import { sameStatus, type WebhookRecord } from '../domain/webhook.ts';
import type { StatusChange, WebhookQuery, WebhookStore } from '../repos.ts';
import { ByAge } from './by-age.ts';
import { Listeners } from './listeners.ts';
import { Subscriptions } from './subscriptions.ts';

/** A webhook's place in the indexes; the record inside is replaced, never changed. */
export interface WebhookRow {
  record: WebhookRecord;
}

/** All that is known of one tenant's webhooks. */
interface Tenant {
  readonly list: ByAge<WebhookRow>;
  readonly subscriptions: Subscriptions<WebhookRow>;
}

/** Webhooks in maps. Each method applies in one step, before its promise is returned. */
export class MemoryWebhookRepo implements WebhookStore {
  readonly #rows = new Map<string, WebhookRow>();
  readonly #list = new ByAge<WebhookRow>();
  readonly #tenants = new Map<string, Tenant>();
  readonly #listeners = new Listeners<readonly string[]>();

  async getMany(ids: readonly string[]): Promise<readonly WebhookRecord[]> {
    const found: WebhookRecord[] = [];
    for (const id of new Set(ids)) {
      const row = this.#rows.get(id);
      if (row !== undefined) found.push(row.record);
    }
    return found;
  }

  async subscribers(tenantId: string, eventType: string): Promise<readonly WebhookRecord[]> {
    const rows = this.#tenants.get(tenantId)?.subscriptions.matching(eventType) ?? [];
    return rows.map((row) => row.record);
  }

  async setStatus(changes: readonly StatusChange[]): Promise<readonly boolean[]> {
    const applied = changes.map((change) => this.#setStatus(change));
    this.#announce(changes.filter((_, index) => applied[index]).map((change) => change.webhookId));
    return applied;
  }

  async insert(webhook: WebhookRecord): Promise<boolean> {
    if (this.#rows.has(webhook.id)) return false;
    this.#add({ record: webhook });
    this.#announce([webhook.id]);
    return true;
  }

  async update(webhook: WebhookRecord, expectedRevision: number): Promise<boolean> {
    const row = this.#rows.get(webhook.id);
    if (row === undefined || row.record.revision !== expectedRevision) return false;
    this.#remove(row);
    this.#add({ record: { ...webhook, status: row.record.status } });
    this.#announce([webhook.id]);
    return true;
  }

  async delete(id: string): Promise<boolean> {
    const row = this.#rows.get(id);
    if (row === undefined) return false;
    this.#remove(row);
    this.#announce([id]);
    return true;
  }

  async list(query: WebhookQuery): Promise<readonly WebhookRecord[]> {
    const list = query.tenantId === undefined ? this.#list : this.#tenants.get(query.tenantId)?.list;
    return list === undefined ? [] : list.page(query, query.limit).map((row) => row.record);
  }

  onChange(listener: (ids: readonly string[]) => void): () => void {
    return this.#listeners.add(listener);
  }

  #setStatus({ webhookId, from, to }: StatusChange): boolean {
    const row = this.#rows.get(webhookId);
    if (row === undefined || !sameStatus(row.record.status, from)) return false;
    row.record = { ...row.record, status: to };
    return true;
  }

  #add(row: WebhookRow): void {
    const tenant = this.#tenant(row.record.tenantId);
    this.#rows.set(row.record.id, row);
    this.#list.add(row);
    tenant.list.add(row);
    tenant.subscriptions.add(row, row.record.events);
  }

  #remove(row: WebhookRow): void {
    const tenant = this.#tenant(row.record.tenantId);
    this.#rows.delete(row.record.id);
    this.#list.remove(row.record);
    tenant.list.remove(row.record);
    tenant.subscriptions.remove(row, row.record.events);
    if (tenant.list.size === 0) this.#tenants.delete(row.record.tenantId);
  }

  #tenant(id: string): Tenant {
    const known = this.#tenants.get(id);
    if (known !== undefined) return known;
    const tenant: Tenant = { list: new ByAge(), subscriptions: new Subscriptions() };
    this.#tenants.set(id, tenant);
    return tenant;
  }

  #announce(ids: readonly string[]): void {
    if (ids.length > 0) this.#listeners.emit(ids);
  }
}
