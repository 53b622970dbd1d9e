import type { AttemptRecord, DeliveryRecord } from '../domain/delivery.ts';
import type { EventRecord } from '../domain/event.ts';
import type {
  AppendEntry,
  AppendOptions,
  AppendResult,
  ClaimResult,
  DeliveryContent,
  DeliveryCounts,
  DeliveryQuery,
  EventRepo,
  ExhaustRequest,
  ExpressClaim,
  PruneRequest,
  PruneResult,
  QueuesClaim,
  ReplayOptions,
  Settlement,
  SettleResult,
  Work,
} from '../repos.ts';
import { type AttemptColumns, attemptOf } from '../sql/attempt-columns.ts';
import { workBehind } from '../sql/cancelled-work.ts';
import { reasonCodes } from '../sql/codes.ts';
import { type ContentColumns, contentOf } from '../sql/content-columns.ts';
import { type DeliveryColumns, deliveryOf } from '../sql/delivery-columns.ts';
import { type EventColumns, eventOf } from '../sql/event-columns.ts';
import { Append } from './append.ts';
import { bodyIn, type Sent } from './bodies.ts';
import { Claims } from './claims.ts';
import type { Database } from './database.ts';
import { type EventStatements, eventStatements } from './event-statements.ts';
import { Folds } from './folds.ts';
import type { Hub } from './hub.ts';
import { listDeliveries } from './listing.ts';
import { Pruning } from './pruning.ts';
import { Settling } from './settling.ts';
import type { Tables } from './tables.ts';
import { inTransactionOf } from './transaction.ts';

/** Events, deliveries and attempts in tables. */
export class PostgresEventRepo implements EventRepo {
  readonly #database: Database;
  readonly #tables: Tables;
  readonly #hub: Hub;
  readonly #sql: EventStatements;
  readonly #append: Append;
  readonly #claims: Claims;
  readonly #settling: Settling;
  readonly #pruning: Pruning;

  constructor(database: Database, tables: Tables, hub: Hub) {
    this.#database = database;
    this.#tables = tables;
    this.#hub = hub;
    this.#sql = eventStatements(tables);
    this.#append = new Append(tables);
    const folds = new Folds(database, tables);
    this.#claims = new Claims(database, tables, folds);
    this.#settling = new Settling(database, tables, folds);
    this.#pruning = new Pruning(database, tables, folds);
  }

  async append(entries: readonly AppendEntry[], options: AppendOptions): Promise<readonly AppendResult[]> {
    if (options.tx !== undefined) return this.#appendIn(options.tx, entries);
    const { results, fresh } = await this.#append.run(this.#database, entries, (stored) =>
      this.#hub.workNotices(workOf(stored)),
    );
    if (this.#hub.isHeard) this.#hub.tellWork(workOf(fresh));
    return results;
  }

  async #appendIn(tx: unknown, entries: readonly AppendEntry[]): Promise<readonly AppendResult[]> {
    return inTransactionOf(tx, async (host) => {
      const { results } = await this.#append.run(host, entries, (stored) =>
        this.#hub.workNotices(workOf(stored), true),
      );
      return results;
    });
  }

  async claimExpress(request: ExpressClaim): Promise<ClaimResult> {
    return this.#claims.express(request);
  }

  async claimQueues(request: QueuesClaim): Promise<readonly ClaimResult[]> {
    return this.#claims.queues(request);
  }

  async settle(
    settlements: readonly Settlement[],
    options: { readonly now: number },
  ): Promise<readonly SettleResult[]> {
    return this.#settling.settle(settlements, options.now);
  }

  async exhaustQueue(request: ExhaustRequest): Promise<readonly DeliveryRecord[]> {
    const { webhookId, reason, now, limit, blocks = false } = request;
    return this.#deliveries(this.#sql.exhaust, [webhookId, reasonCodes[reason], now, limit, blocks]);
  }

  async ownQueues(request: { readonly after?: string; readonly limit: number }): Promise<readonly string[]> {
    const rows = await this.#database.rows<{ webhook_id: string }>(this.#sql.ownQueues, [
      request.after ?? null,
      request.limit,
    ]);
    return rows.map((row) => row.webhook_id);
  }

  async markReplay(
    ids: readonly string[],
    { tokens = [] }: ReplayOptions,
  ): Promise<readonly DeliveryRecord[]> {
    const work: Work = { express: false, replays: true, ownQueues: [] };
    const marked = await this.#deliveries(this.#sql.mark, [ids, ...this.#noticeValues(work), tokens]);
    if (marked.length > 0) this.#hub.tellWork(work);
    return marked;
  }

  async cancel(
    ids: readonly string[],
    { now }: { readonly now: number },
  ): Promise<readonly DeliveryRecord[]> {
    const { channel = null, sender = null } = this.#hub.address ?? {};
    const cancelled = await this.#deliveries(this.#sql.cancel, [ids, now, channel, sender]);
    this.#hub.tellWork(workBehind(cancelled));
    return cancelled;
  }

  async promoteReplays(request: {
    readonly now: number;
    readonly limit: number;
  }): Promise<readonly DeliveryRecord[]> {
    const work: Work = { express: true, replays: false, ownQueues: [] };
    const values = [request.now, request.limit, ...this.#noticeValues(work)];
    const promoted = await this.#deliveries(this.#sql.promote, values);
    if (promoted.length > 0) this.#hub.tellWork(work);
    return promoted;
  }

  async getDeliveries(ids: readonly string[]): Promise<readonly DeliveryRecord[]> {
    return this.#deliveries(this.#sql.getDeliveries, [ids]);
  }

  async deliveriesOf(eventId: string): Promise<readonly DeliveryRecord[]> {
    return this.#deliveries(this.#sql.deliveriesOf, [eventId]);
  }

  async getContents(ids: readonly string[]): Promise<readonly DeliveryContent[]> {
    const rows = await this.#database.rows<Sent<ContentColumns>>(this.#sql.getContents, [ids]);
    return rows.map((row) => contentOf({ ...row, body: bodyIn(row) }));
  }

  async getEvents(ids: readonly string[]): Promise<readonly EventRecord[]> {
    const rows = await this.#database.rows<Sent<EventColumns>>(this.#sql.getEvents, [ids]);
    return rows.map((row) => eventOf({ ...row, body: bodyIn(row) }));
  }

  async attempts(deliveryId: string): Promise<readonly AttemptRecord[]> {
    const rows = await this.#database.rows<AttemptColumns>(this.#sql.attempts, [deliveryId]);
    return rows.map(attemptOf);
  }

  async listDeliveries(query: DeliveryQuery): Promise<readonly DeliveryRecord[]> {
    return listDeliveries(this.#database, this.#tables, query);
  }

  async countDeliveries({
    webhookId,
    limit,
  }: {
    readonly webhookId: string;
    readonly limit: number;
  }): Promise<DeliveryCounts> {
    const [counts] = await this.#database.rows<DeliveryCounts>(this.#sql.count, [webhookId, limit]);
    return counts ?? { waiting: 0, dead: 0 };
  }

  async prune(request: PruneRequest): Promise<PruneResult> {
    return this.#pruning.prune(request);
  }

  onWork(listener: (work: Work) => void): () => void {
    return this.#hub.onWork(listener);
  }

  async #deliveries(text: string, values: unknown[]): Promise<readonly DeliveryRecord[]> {
    const rows = await this.#database.rows<DeliveryColumns>(text, values);
    return rows.map(deliveryOf);
  }

  /** The channel, null where nothing is to be notified, and the payload: the statement notifies only where it changed something. */
  #noticeValues(work: Work): unknown[] {
    const notices = this.#hub.workNotices(work);
    return [notices?.channel ?? null, notices?.payloads[0] ?? null];
  }
}

function workOf(entries: readonly AppendEntry[]): Work {
  const own = new Set<string>();
  let express = false;
  for (const { deliveries } of entries) {
    for (const { status, queue, webhookId } of deliveries) {
      if (status !== 'pending' && status !== 'failed') continue;
      if (queue === 'express') express = true;
      else own.add(webhookId);
    }
  }
  return { express, replays: false, ownQueues: [...own] };
}
