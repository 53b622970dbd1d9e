import type { WebhookRecord } from '../domain/webhook.ts';
import type { StatusChange, WebhookQuery, WebhookStore } from '../repos.ts';
import { patternsFor } from '../sql/patterns.ts';
import { statusText, type WebhookColumns, webhookColumns, webhookOf } from '../sql/webhook-columns.ts';
import type { Database } from './database.ts';
import type { Hub } from './hub.ts';
import { Conditions } from './listing.ts';
import { roundsOf } from './rounds.ts';
import { asNumber } from './rows.ts';
import type { Tables } from './tables.ts';

/** Webhooks in a table. */
export class PostgresWebhookRepo implements WebhookStore {
  readonly #database: Database;
  readonly #hub: Hub;
  readonly #sql: Statements;

  constructor(database: Database, tables: Tables, hub: Hub) {
    this.#database = database;
    this.#hub = hub;
    this.#sql = statementsFor(tables);
  }

  async getMany(ids: readonly string[]): Promise<readonly WebhookRecord[]> {
    return this.#webhooks(this.#sql.getMany, [ids]);
  }

  async subscribers(tenantId: string, eventType: string): Promise<readonly WebhookRecord[]> {
    return this.#webhooks(this.#sql.subscribers, [keysOf(tenantId, patternsFor(eventType))]);
  }

  async subscribersOfAll(
    pairs: readonly { readonly tenantId: string; readonly eventType: string }[],
  ): Promise<readonly WebhookRecord[]> {
    const keys = pairs.flatMap(({ tenantId, eventType }) => keysOf(tenantId, patternsFor(eventType)));
    return this.#webhooks(this.#sql.subscribers, [[...new Set(keys)]]);
  }

  async setStatus(changes: readonly StatusChange[]): Promise<readonly boolean[]> {
    const applied = changes.map(() => false);
    for (const round of roundsOf(changes, ({ webhookId }) => webhookId)) {
      const items = round.map(({ item }) => item);
      const changed = await this.#change(this.#sql.setStatus, [
        items.map(({ webhookId }) => webhookId),
        items.map(({ from }) => statusText(from)),
        items.map(({ to }) => statusText(to)),
      ]);
      for (const { item, index } of round) applied[index] = changed.has(item.webhookId);
    }
    return applied;
  }

  async insert(webhook: WebhookRecord): Promise<boolean> {
    const changed = await this.#change(this.#sql.insert, valuesOf(webhook));
    return changed.size > 0;
  }

  async update(webhook: WebhookRecord, expectedRevision: number): Promise<boolean> {
    const changed = await this.#change(this.#sql.update, [...valuesOf(webhook), expectedRevision]);
    return changed.size > 0;
  }

  async delete(id: string): Promise<boolean> {
    const changed = await this.#change(this.#sql.remove, [id]);
    return changed.size > 0;
  }

  async list(query: WebhookQuery): Promise<readonly WebhookRecord[]> {
    const conditions = new Conditions();
    conditions.add('tenant_id = $', 'text', query.tenantId);
    if (query.after !== undefined) {
      const { createdAt, id } = query.after;
      const place = `${conditions.bind('bigint', createdAt)}, ${conditions.bind('text', id)}`;
      conditions.always(`(w.created_at, w.id) < (${place})`);
    }
    const limit = conditions.bind('int', query.limit);
    return this.#webhooks(
      `${this.#sql.all} ${conditions.where} ORDER BY w.created_at DESC, w.id DESC LIMIT ${limit}`,
      conditions.values,
    );
  }

  onChange(listener: (ids: readonly string[]) => void): () => void {
    return this.#hub.onChange(listener);
  }

  /** Runs a statement that returns the ids of what it changed, and tells everybody of them. */
  async #change(statement: Statement, values: unknown[]): Promise<ReadonlySet<string>> {
    const { address } = this.#hub;
    const rows = await this.#database.rows<{ id: string }>(
      address === undefined ? statement.silent : statement.telling,
      address === undefined ? values : [...values, address.channel, address.sender],
    );
    const ids = rows.map(({ id }) => id);
    this.#hub.tellChange(ids);
    return new Set(ids);
  }

  async #webhooks(text: string, values: unknown[]): Promise<readonly WebhookRecord[]> {
    const rows = await this.#database.rows<WebhookColumns>(text, values);
    return rows.map(webhookOf);
  }
}

/** What subscriptions are found by: a pattern holds no space, so no two pairs make one key. */
function keysOf(tenantId: string, patterns: readonly string[]): readonly string[] {
  return patterns.map((pattern) => `${pattern} ${tenantId}`);
}

function valuesOf(webhook: WebhookRecord): unknown[] {
  const { id, tenant_id, created_at, revision, status, config } = webhookColumns(webhook);
  return [id, tenant_id, created_at, revision, status, config, keysOf(tenant_id, webhook.events)];
}

/** A change, with and without the notification of each row that it changed. */
interface Statement {
  readonly silent: string;
  readonly telling: string;
}

interface Statements {
  readonly all: string;
  readonly getMany: string;
  readonly subscribers: string;
  readonly setStatus: Statement;
  readonly insert: Statement;
  readonly update: Statement;
  readonly remove: Statement;
}

function statementsFor({ webhooks }: Tables): Statements {
  const instants = ['created_at', 'revision'].map((column) => asNumber(`w.${column}`, column));
  const all = `SELECT w.id, w.tenant_id, w.status, w.config, ${instants.join(', ')} FROM ${webhooks} w`;
  return {
    all,
    getMany: `${all} WHERE w.id = ANY ($1::text[])`,
    subscribers: `${all} WHERE w.patterns && $1::text[]`,
    setStatus: changing(
      `UPDATE ${webhooks} w SET status = i.new_status
FROM unnest($1::text[], $2::text[], $3::text[]) AS i(id, old_status, new_status)
WHERE w.id = i.id AND w.status = i.old_status
RETURNING w.id`,
      3,
    ),
    insert: changing(
      `INSERT INTO ${webhooks} (id, tenant_id, created_at, revision, status, config, patterns)
VALUES ($1::text, $2::text, $3::bigint, $4::bigint, $5::text, $6::text, $7::text[])
ON CONFLICT DO NOTHING
RETURNING id`,
      7,
    ),
    // $5, the status, stays as it is stored; it is named so that all parameters have a type.
    update: changing(
      `UPDATE ${webhooks}
SET tenant_id = $2::text, created_at = $3::bigint, revision = $4::bigint, config = $6::text, patterns = $7::text[]
WHERE id = $1::text AND revision = $8::bigint AND $5::text IS NOT NULL
RETURNING id`,
      8,
    ),
    remove: changing(`DELETE FROM ${webhooks} WHERE id = $1::text RETURNING id`, 1),
  };
}

/** `parameters` is how many the change has; the channel and the sender follow. */
function changing(change: string, parameters: number): Statement {
  const [channel, sender] = [`$${parameters + 1}::text`, `$${parameters + 2}::text`];
  return {
    silent: change,
    telling: `
WITH changed AS (${change}), told AS MATERIALIZED (
  SELECT count(pg_notify(${channel}, json_build_object('s', ${sender}, 'w', ids)::text)) AS told
  FROM (
    SELECT json_agg(id) AS ids
    FROM (SELECT id, (row_number() OVER () - 1) / 20 AS part FROM changed WHERE octet_length(id) <= 128) c GROUP BY part
  ) parts
)
SELECT changed.id FROM changed, told`,
  };
}
