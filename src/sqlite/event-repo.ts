import type { DatabaseSync } from 'node:sqlite';
import type { Clock } from '../clock.ts';
import type { AttemptRecord, DeliveryRecord } from '../domain/delivery.ts';
import type { EventRecord } from '../domain/event.ts';
import type { Listeners } from '../memory/listeners.ts';
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
import { workBehind } from '../sql/cancelled-work.ts';
import { append } from './append.ts';
import { attemptsOf } from './attempt-rows.ts';
import { claimExpress, claimQueues } from './claim.ts';
import { ClaimedPlaces } from './claimed-places.ts';
import type { Connection } from './connection.ts';
import { contentsById } from './contents.ts';
import { deliveriesById, deliveriesOfEventId } from './delivery-rows.ts';
import { eventsById } from './event-rows.ts';
import { afterTransaction, type Home, statementsOf, withSavepoint } from './host-transaction.ts';
import { countDeliveries, listDeliveries, ownQueues } from './listing.ts';
import { type AttemptsPruned, nothingPruned, prune } from './prune.ts';
import { cancel, exhaustQueue, markReplay, promoteReplays } from './replay.ts';
import { settleAll } from './settle.ts';

/** What the repo of events works with. */
export interface EventRepoParts {
  readonly connection: Connection;
  readonly home: Home;
  readonly listeners: Listeners<Work>;
  readonly clock: Clock;
}

/** Events, deliveries and attempts. Instants are judged by each caller's `now`: one machine has one clock. */
export class SqliteEventRepo implements EventRepo {
  readonly #connection: Connection;
  readonly #home: Home;
  readonly #listeners: Listeners<Work>;
  readonly #clock: Clock;
  readonly #places = new ClaimedPlaces();
  #attemptsPruned: AttemptsPruned = nothingPruned;

  constructor({ connection, home, listeners, clock }: EventRepoParts) {
    this.#connection = connection;
    this.#home = home;
    this.#listeners = listeners;
    this.#clock = clock;
  }

  async append(entries: readonly AppendEntry[], { tx }: AppendOptions): Promise<readonly AppendResult[]> {
    if (tx !== undefined) return this.#appendIn(tx, entries);
    if (entries.length === 0) return [];
    const results = await this.#connection.write((sql) => append(sql, entries));
    this.#announce(workOf(storedBy(results)));
    return results;
  }

  async claimExpress(request: ExpressClaim): Promise<ClaimResult> {
    return this.#connection.write((sql) => claimExpress(sql, request, this.#places));
  }

  async claimQueues(request: QueuesClaim): Promise<readonly ClaimResult[]> {
    if (request.queues.length === 0) return [];
    return this.#connection.write((sql) => claimQueues(sql, request, this.#places));
  }

  async settle(
    settlements: readonly Settlement[],
    { now }: { readonly now: number },
  ): Promise<readonly SettleResult[]> {
    if (settlements.length === 0) return [];
    return this.#connection.write((sql) => settleAll(sql, settlements, { now, places: this.#places }));
  }

  async exhaustQueue(request: ExhaustRequest): Promise<readonly DeliveryRecord[]> {
    return this.#connection.write((sql) => exhaustQueue(sql, request));
  }

  async ownQueues(request: { readonly after?: string; readonly limit: number }): Promise<readonly string[]> {
    return this.#connection.read((sql) => ownQueues(sql, request));
  }

  async markReplay(
    ids: readonly string[],
    { tokens = [] }: ReplayOptions,
  ): Promise<readonly DeliveryRecord[]> {
    if (ids.length === 0) return [];
    const marked = await this.#connection.write((sql) => markReplay(sql, ids, tokens));
    if (marked.length > 0) this.#announce({ express: false, replays: true, ownQueues: [] });
    return marked;
  }

  async cancel(
    ids: readonly string[],
    { now }: { readonly now: number },
  ): Promise<readonly DeliveryRecord[]> {
    if (ids.length === 0) return [];
    const cancelled = await this.#connection.write((sql) => cancel(sql, ids, now));
    const work = workBehind(cancelled);
    if (work.ownQueues.length > 0) this.#announce(work);
    return cancelled;
  }

  async promoteReplays(request: {
    readonly now: number;
    readonly limit: number;
  }): Promise<readonly DeliveryRecord[]> {
    const promoted = await this.#connection.write((sql) => promoteReplays(sql, request));
    this.#announce(workOf(promoted));
    return promoted;
  }

  async getDeliveries(ids: readonly string[]): Promise<readonly DeliveryRecord[]> {
    if (ids.length === 0) return [];
    return this.#connection.read((sql) => deliveriesById(sql, ids));
  }

  async deliveriesOf(eventId: string): Promise<readonly DeliveryRecord[]> {
    return this.#connection.read((sql) => deliveriesOfEventId(sql, eventId));
  }

  async getContents(ids: readonly string[]): Promise<readonly DeliveryContent[]> {
    if (ids.length === 0) return [];
    return this.#connection.read((sql) => contentsById(sql, ids));
  }

  async getEvents(ids: readonly string[]): Promise<readonly EventRecord[]> {
    if (ids.length === 0) return [];
    return this.#connection.read((sql) => eventsById(sql, ids));
  }

  async attempts(deliveryId: string): Promise<readonly AttemptRecord[]> {
    return this.#connection.read((sql) => attemptsOf(sql, deliveryId));
  }

  async listDeliveries(query: DeliveryQuery): Promise<readonly DeliveryRecord[]> {
    return this.#connection.read((sql) => listDeliveries(sql, query));
  }

  async countDeliveries(request: {
    readonly webhookId: string;
    readonly limit: number;
  }): Promise<DeliveryCounts> {
    return this.#connection.read((sql) => countDeliveries(sql, request));
  }

  async prune(request: PruneRequest): Promise<PruneResult> {
    const { result, pruned } = await this.#connection.write((sql) =>
      prune(sql, request, this.#attemptsPruned),
    );
    this.#attemptsPruned = pruned;
    return result;
  }

  onWork(listener: (work: Work) => void): () => void {
    return this.#listeners.add(listener);
  }

  async #appendIn(tx: unknown, entries: readonly AppendEntry[]): Promise<readonly AppendResult[]> {
    let host: DatabaseSync | undefined;
    const results = await this.#connection.read(() => {
      const sql = statementsOf(tx, this.#home);
      host = sql.db;
      return withSavepoint(sql, () => append(sql, entries));
    });
    const work = workOf(storedBy(results));
    if (host !== undefined && work !== undefined) {
      afterTransaction(host, this.#clock, () => this.#announce(work));
    }
    return results;
  }

  #announce(work: Work | undefined): void {
    if (work !== undefined) this.#listeners.emit(work);
  }
}

/** What came in with these deliveries; undefined when nothing of it can ever be claimed. */
function workOf(deliveries: readonly DeliveryRecord[]): Work | undefined {
  const own = new Set<string>();
  let express = false;
  for (const { status, queue, webhookId } of deliveries) {
    if (status !== 'pending' && status !== 'failed') continue;
    if (queue === 'express') express = true;
    else own.add(webhookId);
  }
  return express || own.size > 0 ? { express, replays: false, ownQueues: [...own] } : undefined;
}

/** The deliveries that were stored now. */
function storedBy(results: readonly AppendResult[]): readonly DeliveryRecord[] {
  return results.flatMap(({ deliveries, duplicate }) => (duplicate ? [] : deliveries));
}
