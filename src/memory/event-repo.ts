import type { AttemptRecord, DeliveryRecord } from '../domain/delivery.ts';
import type { EventRecord } from '../domain/event.ts';
import { quote } from '../errors.ts';
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
import { DeliveryIndex } from './delivery-index.ts';
import { DeliveryQueues } from './delivery-queues.ts';
import { cancelledRecord, exhaustedRecord, promotedRecord, replayingRecord } from './delivery-record.ts';
import type { DeliveryRow } from './delivery-row.ts';
import type { StoredEvent } from './event-log.ts';
import { Listeners } from './listeners.ts';
import { Pruning } from './pruning.ts';
import { Replays } from './replays.ts';
import type { StoreTime } from './store-time.ts';
import { type Placed, resultOf, StoredRows } from './stored-rows.ts';

/**
 * Events, deliveries and attempts in maps and heaps. Each method applies in one step, before its promise is returned:
 * nothing of another call comes between, and that is all the atomicity there is to provide.
 *
 * Event records are kept as given, bodies included, without a copy: whoever publishes hands over bytes that are its own
 * and does not change them afterwards.
 */
export class MemoryEventRepo implements EventRepo {
  readonly #time: StoreTime;
  readonly #rows = new StoredRows();
  readonly #queues = new DeliveryQueues();
  readonly #replays = new Replays();
  readonly #index = new DeliveryIndex();
  readonly #pruning = new Pruning();
  readonly #listeners = new Listeners<Work>();

  constructor(time: StoreTime) {
    this.#time = time;
  }

  async append(entries: readonly AppendEntry[], options: AppendOptions): Promise<readonly AppendResult[]> {
    if (options.tx !== undefined) {
      throw new TypeError(
        `The in-memory repos have no transactions: tx must be undefined, not ${quote(options.tx)}`,
      );
    }
    const placed = this.#rows.place(entries);
    for (const { stored, duplicate } of placed) {
      if (!duplicate) this.#enter(stored);
    }
    this.#announce(placed);
    return placed.map(resultOf);
  }

  async claimExpress(request: ExpressClaim): Promise<ClaimResult> {
    const now = this.#time.now(request.now);
    const leaseUntil = this.#time.leaseEnd(request);
    return this.#queues.claimExpress({ now, leaseUntil, limit: request.limit });
  }

  async claimQueues(request: QueuesClaim): Promise<readonly ClaimResult[]> {
    const now = this.#time.now(request.now);
    const leaseUntil = this.#time.leaseEnd(request);
    return request.queues.map(({ webhookId, limit, batch }) =>
      batch === undefined
        ? this.#queues.claimOwn(webhookId, { now, leaseUntil, limit })
        : this.#queues.claimBatch(webhookId, { now, leaseUntil, limit, batch }),
    );
  }

  async settle(
    settlements: readonly Settlement[],
    options: { readonly now: number },
  ): Promise<readonly SettleResult[]> {
    return settlements.map((settlement) => this.#settle(settlement, options.now));
  }

  async exhaustQueue(request: ExhaustRequest): Promise<readonly DeliveryRecord[]> {
    const { webhookId, now, limit } = request;
    const rows = this.#queues.takeWaiting(webhookId, limit);
    for (const row of rows) {
      row.record = exhaustedRecord(row.record, request, now);
      this.#pruning.note(row);
    }
    for (const row of rows) this.#queues.align(row);
    return rows.map((row) => row.record);
  }

  async ownQueues(request: { readonly after?: string; readonly limit: number }): Promise<readonly string[]> {
    return this.#queues.ownIds(request.after, request.limit);
  }

  async markReplay(ids: readonly string[], { tokens }: ReplayOptions): Promise<readonly DeliveryRecord[]> {
    const marked: DeliveryRecord[] = [];
    for (const [index, id] of ids.entries()) {
      const row = this.#rows.get(id);
      if (row?.record.status !== 'exhausted') continue;
      if (tokens !== undefined && tokens[index] !== row.record.token) continue;
      row.record = replayingRecord(row.record);
      this.#replays.add(row);
      this.#queues.align(row);
      marked.push(row.record);
    }
    if (marked.length > 0) this.#listeners.emit({ express: false, replays: true, ownQueues: [] });
    return marked;
  }

  async cancel(
    ids: readonly string[],
    options: { readonly now: number },
  ): Promise<readonly DeliveryRecord[]> {
    const cancelled = ids.flatMap((id) => this.#cancel(id, options.now) ?? []);
    // Of a line another may have its turn now; what had no line held nothing back.
    const moved = cancelled.filter(({ orderingKey }) => orderingKey !== undefined);
    const ownQueues = [...new Set(moved.map(({ webhookId }) => webhookId))];
    if (ownQueues.length > 0) this.#listeners.emit({ express: false, replays: false, ownQueues });
    return cancelled;
  }

  async promoteReplays(request: {
    readonly now: number;
    readonly limit: number;
  }): Promise<readonly DeliveryRecord[]> {
    const promoted = this.#replays.take(request.limit).map((row) => {
      row.record = promotedRecord(row.record, request.now);
      this.#queues.enter(row);
      return row.record;
    });
    if (promoted.length > 0) this.#listeners.emit(workOf(promoted));
    return promoted;
  }

  async getDeliveries(ids: readonly string[]): Promise<readonly DeliveryRecord[]> {
    return this.#rows.getAll(ids).map((row) => row.record);
  }

  async deliveriesOf(eventId: string): Promise<readonly DeliveryRecord[]> {
    return this.#rows.deliveriesOf(eventId);
  }

  async getContents(ids: readonly string[]): Promise<readonly DeliveryContent[]> {
    return this.#rows.getAll(ids).map((row) => row.content);
  }

  async getEvents(ids: readonly string[]): Promise<readonly EventRecord[]> {
    return this.#rows.events(ids);
  }

  async attempts(deliveryId: string): Promise<readonly AttemptRecord[]> {
    return this.#rows.get(deliveryId)?.attempts ?? [];
  }

  async listDeliveries(query: DeliveryQuery): Promise<readonly DeliveryRecord[]> {
    return this.#index.page(query).map((row) => row.record);
  }

  async countDeliveries(request: {
    readonly webhookId: string;
    readonly limit: number;
  }): Promise<DeliveryCounts> {
    return this.#queues.countOf(request);
  }

  async prune(request: PruneRequest): Promise<PruneResult> {
    const rows = this.#pruning.takeDeliveries(request);
    const stripped = this.#pruning.takeForAttempts(request);
    const unheard = this.#pruning.takeUnheard(request);
    let attempts = 0;
    for (const row of rows.concat(stripped)) attempts += row.dropAttempts();
    let events = unheard.length;
    for (const stored of unheard) this.#rows.removeEvent(stored);
    for (const row of rows) events += this.#remove(row);
    const { limit } = request;
    const more = rows.length >= limit || stripped.length >= limit || unheard.length >= limit;
    return { deliveries: rows.length, events, attempts, more };
  }

  onWork(listener: (work: Work) => void): () => void {
    return this.#listeners.add(listener);
  }

  #enter(stored: StoredEvent): void {
    if (stored.rows.length === 0) this.#pruning.noteUnheard(stored);
    for (const row of stored.rows) {
      this.#index.add(row);
      this.#queueOrNote(row);
    }
  }

  #queueOrNote(row: DeliveryRow): void {
    if (isWaiting(row)) this.#queues.enter(row);
    else {
      this.#queues.align(row);
      this.#pruning.note(row);
    }
  }

  #remove(row: DeliveryRow): number {
    const events = this.#rows.remove(row);
    this.#index.forget(row);
    this.#queues.align(row);
    return events;
  }

  #cancel(id: string, now: number): DeliveryRecord | undefined {
    const row = this.#rows.get(id);
    const cancelled = row && cancelledRecord(row.record, now);
    if (row === undefined || cancelled === undefined) return undefined;
    const isEnding = row.record.status !== 'exhausted';
    this.#queues.leave(row);
    this.#replays.remove(row);
    row.record = cancelled;
    this.#queues.align(row);
    if (isEnding) this.#pruning.note(row);
    return cancelled;
  }

  #settle(settlement: Settlement, now: number): SettleResult {
    const { others = [] } = settlement;
    if (others.length === 0) return this.#settleOne(settlement, now);
    const each = [settlement, ...others];
    const rows = each.map((one) => this.#held(one));
    if (rows.every((row) => row !== undefined)) {
      for (const row of rows) this.#end(row, settlement, now);
      return 'applied';
    }
    const { attempt, next } = settlement;
    const results = each.map(({ deliveryId, token }) =>
      this.#settleLate({ deliveryId, token, next, ...(attempt && { attempt }) }),
    );
    return results[0] ?? 'unknown';
  }

  #settleOne(settlement: Settlement, now: number): SettleResult {
    const row = this.#held(settlement);
    if (row === undefined) return this.#settleLate(settlement);
    this.#end(row, settlement, now);
    return 'applied';
  }

  #end(row: DeliveryRow, settlement: Settlement, now: number): void {
    this.#queues.leave(row);
    row.settle(settlement, now);
    this.#queueOrNote(row);
  }

  #settleLate(settlement: Settlement): SettleResult {
    const row = this.#rows.get(settlement.deliveryId);
    if (row === undefined) return 'unknown';
    // Of a batch one claim can be lost, and others not.
    if (this.#held(settlement) !== undefined) return 'late';
    if (row.wasSettledBy(settlement.token)) return 'repeated';
    row.recordLate(settlement);
    return 'late';
  }

  /** The row whose present claim that is. */
  #held({ deliveryId, token }: Pick<Settlement, 'deliveryId' | 'token'>): DeliveryRow | undefined {
    const row = this.#rows.get(deliveryId);
    return row?.record.status === 'delivering' && row.record.token === token ? row : undefined;
  }

  #announce(placed: readonly Placed[]): void {
    if (this.#listeners.none) return;
    const rows = placed.flatMap(({ stored, duplicate }) => (duplicate ? [] : stored.rows));
    const work = workOf(rows.filter(isWaiting).map(({ record }) => record));
    if (work.express || work.ownQueues.length > 0) this.#listeners.emit(work);
  }
}

/** What came in with these deliveries that wait. */
function workOf(waiting: readonly DeliveryRecord[]): Work {
  const own = new Set<string>();
  let express = false;
  for (const { queue, webhookId } of waiting) {
    if (queue === 'express') express = true;
    else own.add(webhookId);
  }
  return { express, replays: false, ownQueues: [...own] };
}

function isWaiting({ record }: DeliveryRow): boolean {
  return record.status === 'pending' || record.status === 'failed';
}
