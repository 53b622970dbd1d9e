import type { AttemptRecord, DeliveryRecord } from '../domain/delivery.ts';
import type { EventRecord } from '../domain/event.ts';
import { ConflictError, quote } from '../errors.ts';
import type {
  AppendEntry,
  AppendOptions,
  AppendResult,
  ClaimResult,
  DeliveryQuery,
  EventRepo,
  ExhaustRequest,
  ExpressClaim,
  PruneRequest,
  PruneResult,
  QueuesClaim,
  Settlement,
  SettleResult,
  Work,
} from '../repos.ts';
import { DeliveryIndex } from './delivery-index.ts';
import { DeliveryQueues } from './delivery-queues.ts';
import { exhaustedRecord, promotedRecord, replayingRecord } from './delivery-record.ts';
import { DeliveryRow } from './delivery-row.ts';
import { DueQueue } from './due-queue.ts';
import { EventLog, type StoredEvent } from './event-log.ts';
import { Listeners } from './listeners.ts';
import { Pruning } from './pruning.ts';
import type { StoreTime } from './store-time.ts';

/**
 * Events, deliveries and attempts in maps and heaps. Each method applies in one step, before its promise is returned:
 * nothing of another call comes between, and that is all the atomicity there is to provide.
 *
 * Event records are kept as given, bodies included, without a copy: whoever publishes hands over bytes that are its own
 * and does not change them afterwards.
 */
export class MemoryEventRepo implements EventRepo {
  readonly #time: StoreTime;
  readonly #events = new EventLog();
  readonly #rows = new Map<string, DeliveryRow>();
  readonly #queues = new DeliveryQueues();
  /** Replaying deliveries by the order of their marking. */
  readonly #replays = new DueQueue<DeliveryRow>();
  readonly #index = new DeliveryIndex();
  readonly #pruning = new Pruning();
  readonly #listeners = new Listeners<Work>();
  #appended = 0;
  #marked = 0;

  constructor(time: StoreTime) {
    this.#time = time;
  }

  async append(entries: readonly AppendEntry[], options: AppendOptions): Promise<readonly AppendResult[]> {
    if (options.tx !== undefined) {
      throw new TypeError(
        `The in-memory repos have no transactions: tx must be undefined, not ${quote(options.tx)}`,
      );
    }
    const placed = this.#place(entries);
    for (const { stored, duplicate } of placed) {
      if (!duplicate) this.#enter(stored);
    }
    this.#announce(placed);
    return placed.map(({ stored, duplicate }) => ({
      event: stored.event,
      deliveries: stored.rows.filter((row) => !row.isGone).map((row) => row.record),
      duplicate,
    }));
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

  async markReplay(ids: readonly string[]): Promise<readonly DeliveryRecord[]> {
    const marked: DeliveryRecord[] = [];
    for (const id of ids) {
      const row = this.#rows.get(id);
      if (row?.record.status !== 'exhausted') continue;
      row.record = replayingRecord(row.record);
      this.#replays.add(row, this.#marked, 0);
      this.#marked += 1;
      this.#queues.align(row);
      marked.push(row.record);
    }
    if (marked.length > 0) this.#listeners.emit({ express: false, replays: true, ownQueues: [] });
    return marked;
  }

  async promoteReplays(request: {
    readonly now: number;
    readonly limit: number;
  }): Promise<readonly DeliveryRecord[]> {
    const promoted: DeliveryRecord[] = [];
    while (promoted.length < request.limit) {
      const row = this.#replays.takeDue(Number.POSITIVE_INFINITY);
      if (row === undefined) break;
      row.record = promotedRecord(row.record, request.now);
      this.#queues.enter(row);
      promoted.push(row.record);
    }
    if (promoted.length > 0) this.#listeners.emit(workOf(promoted));
    return promoted;
  }

  async getDeliveries(ids: readonly string[]): Promise<readonly DeliveryRecord[]> {
    const rows = Array.from(new Set(ids), (id) => this.#rows.get(id));
    return rows.filter((row) => row !== undefined).map((row) => row.record);
  }

  async getEvents(ids: readonly string[]): Promise<readonly EventRecord[]> {
    const stored = Array.from(new Set(ids), (id) => this.#events.get(id));
    return stored.filter((entry) => entry !== undefined).map((entry) => entry.event);
  }

  async attempts(deliveryId: string): Promise<readonly AttemptRecord[]> {
    return this.#rows.get(deliveryId)?.attempts ?? [];
  }

  async listDeliveries(query: DeliveryQuery): Promise<readonly DeliveryRecord[]> {
    return this.#index.page(query).map((row) => row.record);
  }

  async prune(request: PruneRequest): Promise<PruneResult> {
    const rows = this.#pruning.takeDeliveries(request);
    const stripped = this.#pruning.takeForAttempts(request);
    const unheard = this.#pruning.takeUnheard(request);
    let attempts = 0;
    for (const row of rows.concat(stripped)) attempts += row.dropAttempts();
    let events = unheard.length;
    for (const stored of unheard) this.#events.remove(stored);
    for (const row of rows) events += this.#remove(row);
    const { limit } = request;
    const more = rows.length >= limit || stripped.length >= limit || unheard.length >= limit;
    return { deliveries: rows.length, events, attempts, more };
  }

  onWork(listener: (work: Work) => void): () => void {
    return this.#listeners.add(listener);
  }

  /** Gives every entry its place by id and key, or, when one cannot have it, none of them. */
  #place(entries: readonly AppendEntry[]): readonly Placed[] {
    const added: StoredEvent[] = [];
    try {
      return entries.map((entry) => this.#placeOne(entry, added));
    } catch (error) {
      for (const stored of added) {
        for (const row of stored.rows) this.#rows.delete(row.record.id);
        this.#events.remove(stored);
      }
      throw error;
    }
  }

  #placeOne({ event, deliveries }: AppendEntry, added: StoredEvent[]): Placed {
    const known = this.#events.find(event);
    if (known !== undefined) return { stored: known, duplicate: true };
    const stored = this.#events.add(event);
    added.push(stored);
    for (const record of deliveries) {
      if (this.#rows.has(record.id)) throw new ConflictError(`The delivery id ${quote(record.id)} is in use`);
      const row = new DeliveryRow(record, event, this.#appended);
      this.#appended += 1;
      this.#rows.set(record.id, row);
      stored.rows.push(row);
    }
    return { stored, duplicate: false };
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

  /** Takes a delivery out, and its event with the last one. Returns how many events went. */
  #remove(row: DeliveryRow): number {
    row.isGone = true;
    this.#rows.delete(row.record.id);
    this.#index.forget(row);
    this.#queues.align(row);
    const stored = this.#events.get(row.record.eventId);
    if (stored === undefined || stored.rows.some(({ isGone }) => !isGone)) return 0;
    this.#events.remove(stored);
    return 1;
  }

  #settle(settlement: Settlement, now: number): SettleResult {
    const { others = [] } = settlement;
    if (others.length === 0) return this.#settleOne(settlement, now);
    const each = [settlement, ...others].map((one) => ({ ...settlement, ...one }));
    const results = each.every((one) => this.#isHeld(one))
      ? each.map((one) => this.#settleOne(one, now))
      : each.map((one) => this.#settleLate(one));
    return results[0] ?? 'unknown';
  }

  #settleOne(settlement: Settlement, now: number): SettleResult {
    const row = this.#rows.get(settlement.deliveryId);
    if (row === undefined || !this.#isHeld(settlement)) return this.#settleLate(settlement);
    this.#queues.leave(row);
    row.settle(settlement, now);
    this.#queueOrNote(row);
    return 'applied';
  }

  #settleLate(settlement: Settlement): SettleResult {
    const row = this.#rows.get(settlement.deliveryId);
    if (row === undefined) return 'unknown';
    // Of a batch one claim can be lost, and others not.
    if (this.#isHeld(settlement)) return 'late';
    if (row.wasSettledBy(settlement.token)) return 'repeated';
    row.recordLate(settlement);
    return 'late';
  }

  #isHeld({ deliveryId, token }: Settlement): boolean {
    const record = this.#rows.get(deliveryId)?.record;
    return record?.status === 'delivering' && record.token === token;
  }

  #announce(placed: readonly Placed[]): void {
    if (this.#listeners.none) return;
    const rows = placed.flatMap(({ stored, duplicate }) => (duplicate ? [] : stored.rows));
    const work = workOf(rows.filter(isWaiting).map(({ record }) => record));
    if (work.express || work.ownQueues.length > 0) this.#listeners.emit(work);
  }
}

/** Where an entry of an append is stored, and whether it was before. */
interface Placed {
  readonly stored: StoredEvent;
  readonly duplicate: boolean;
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
