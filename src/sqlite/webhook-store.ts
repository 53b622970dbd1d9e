import type { WebhookRecord } from '../domain/webhook.ts';
import type { Listeners } from '../memory/listeners.ts';
import type { StatusChange, WebhookQuery, WebhookStore } from '../repos.ts';
import { patternsFor } from '../sql/patterns.ts';
import { statusText, type WebhookColumns, webhookColumns, webhookOf } from '../sql/webhook-columns.ts';
import type { Connection } from './connection.ts';
import type { Statements } from './statements.ts';

const COLUMNS = 'id, tenant_id, created_at, revision, status, config';
const BY_IDS = `SELECT ${COLUMNS} FROM surehook_webhooks WHERE id IN (SELECT value FROM json_each(?))`;
const SUBSCRIBERS = `SELECT ${COLUMNS} FROM surehook_webhooks WHERE id IN (
  SELECT webhook_id FROM surehook_subscriptions
  WHERE tenant_id = ? AND pattern IN (SELECT value FROM json_each(?)))`;
const SET_STATUS = 'UPDATE surehook_webhooks SET status = ? WHERE id = ? AND status = ?';
const INSERT = `INSERT INTO surehook_webhooks (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`;
const SUBSCRIBE =
  'INSERT INTO surehook_subscriptions (tenant_id, pattern, webhook_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING';
const UNSUBSCRIBE =
  'DELETE FROM surehook_subscriptions WHERE tenant_id = ? AND pattern = ? AND webhook_id = ?';
const BY_ID = `SELECT ${COLUMNS} FROM surehook_webhooks WHERE id = ?`;
const UPDATE =
  'UPDATE surehook_webhooks SET tenant_id = ?, created_at = ?, revision = ?, config = ? WHERE id = ?';
const DELETE = 'DELETE FROM surehook_webhooks WHERE id = ?';

/** Webhooks and who subscribes to what. */
export class SqliteWebhookStore implements WebhookStore {
  readonly #connection: Connection;
  readonly #listeners: Listeners<readonly string[]>;

  constructor(connection: Connection, listeners: Listeners<readonly string[]>) {
    this.#connection = connection;
    this.#listeners = listeners;
  }

  async getMany(ids: readonly string[]): Promise<readonly WebhookRecord[]> {
    if (ids.length === 0) return [];
    return this.#connection.read((sql) =>
      sql.all<WebhookColumns>(BY_IDS, JSON.stringify(ids)).map(webhookOf),
    );
  }

  async subscribers(tenantId: string, eventType: string): Promise<readonly WebhookRecord[]> {
    const patterns = JSON.stringify(patternsFor(eventType));
    return this.#connection.read((sql) =>
      sql.all<WebhookColumns>(SUBSCRIBERS, tenantId, patterns).map(webhookOf),
    );
  }

  async setStatus(changes: readonly StatusChange[]): Promise<readonly boolean[]> {
    if (changes.length === 0) return [];
    const applied = await this.#connection.write((sql) =>
      changes.map(({ webhookId, from, to }) => {
        return sql.run(SET_STATUS, statusText(to), webhookId, statusText(from)) > 0;
      }),
    );
    this.#announce(changes.filter((_, index) => applied[index]).map(({ webhookId }) => webhookId));
    return applied;
  }

  async insert(webhook: WebhookRecord): Promise<boolean> {
    const { id, tenant_id, created_at, revision, status, config } = webhookColumns(webhook);
    const inserted = await this.#connection.write((sql) => {
      if (sql.run(INSERT, id, tenant_id, created_at, revision, status, config) === 0) return false;
      subscribe(sql, webhook);
      return true;
    });
    if (inserted) this.#announce([id]);
    return inserted;
  }

  async update(webhook: WebhookRecord, expectedRevision: number): Promise<boolean> {
    const { id, tenant_id, created_at, revision, config } = webhookColumns(webhook);
    const updated = await this.#connection.write((sql) => {
      const present = find(sql, id);
      if (present?.revision !== expectedRevision) return false;
      unsubscribe(sql, present);
      sql.run(UPDATE, tenant_id, created_at, revision, config, id);
      subscribe(sql, webhook);
      return true;
    });
    if (updated) this.#announce([id]);
    return updated;
  }

  async delete(id: string): Promise<boolean> {
    const deleted = await this.#connection.write((sql) => {
      const present = find(sql, id);
      if (present === undefined) return false;
      unsubscribe(sql, present);
      sql.run(DELETE, id);
      return true;
    });
    if (deleted) this.#announce([id]);
    return deleted;
  }

  async list({ tenantId, after, limit }: WebhookQuery): Promise<readonly WebhookRecord[]> {
    const tenant = tenantId === undefined ? [] : [tenantId];
    const place = after === undefined ? [] : [after.createdAt, after.id];
    const conditions = [
      ...tenant.map(() => 'tenant_id = ?'),
      ...place.slice(1).map(() => '(created_at, id) < (?, ?)'),
    ];
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
    const page = `SELECT ${COLUMNS} FROM surehook_webhooks ${where} ORDER BY created_at DESC, id DESC LIMIT ?`;
    return this.#connection.read((sql) =>
      sql.all<WebhookColumns>(page, ...tenant, ...place, limit).map(webhookOf),
    );
  }

  onChange(listener: (ids: readonly string[]) => void): () => void {
    return this.#listeners.add(listener);
  }

  #announce(ids: readonly string[]): void {
    if (ids.length > 0) this.#listeners.emit(ids);
  }
}

function find(sql: Statements, id: string): WebhookRecord | undefined {
  const columns = sql.get<WebhookColumns>(BY_ID, id);
  return columns === undefined ? undefined : webhookOf(columns);
}

function subscribe(sql: Statements, { id, tenantId, events }: WebhookRecord): void {
  for (const pattern of events) sql.run(SUBSCRIBE, tenantId, pattern, id);
}

function unsubscribe(sql: Statements, { id, tenantId, events }: WebhookRecord): void {
  for (const pattern of events) sql.run(UNSUBSCRIBE, tenantId, pattern, id);
}
