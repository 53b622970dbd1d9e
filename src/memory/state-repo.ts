import type { OutcomeTally } from '../domain/tally.ts';
import type {
  AcquireResult,
  QueueAcquisition,
  QueueChange,
  QueueOpening,
  QueueRecord,
  QueueReset,
  SaveResult,
  StateRepo,
  TokenGrant,
  TokenRequest,
  TokenReturn,
} from '../repos.ts';
import { DueQueue, type Ticket } from './due-queue.ts';
import type { StoreTime } from './store-time.ts';
import { Tallies } from './tallies.ts';
import { TokenBuckets } from './token-buckets.ts';

/** One queue's record, which is replaced and never changed, and the place where it waits to be acquired. */
interface QueueRow {
  record: QueueRecord;
  readonly order: number;
  home: DueQueue<QueueRow> | undefined;
  ticket: Ticket<QueueRow> | undefined;
}

/**
 * The state of the retry queues. A record waits in one of three heaps: without a lease by `nextAt`, healthy and failing
 * apart; with one by the instant from which it can be acquired (the later of `nextAt` and the end of the lease). A held
 * record waits in none.
 */
export class MemoryStateRepo implements StateRepo {
  readonly now?: () => Promise<number>;
  readonly #time: StoreTime;
  readonly #rows = new Map<string, QueueRow>();
  readonly #healthy = new DueQueue<QueueRow>();
  readonly #failing = new DueQueue<QueueRow>();
  readonly #leased = new DueQueue<QueueRow>();
  readonly #buckets = new TokenBuckets();
  readonly #tallies = new Tallies();
  #created = 0;
  /** The highest token of a closed record: keeps new tokens above old ones even where time stands still. */
  #closedToken = 0;

  constructor(time: StoreTime) {
    this.#time = time;
    if (time.telling !== undefined) this.now = time.telling;
  }

  async open(entries: readonly QueueOpening[], options: { readonly now: number }): Promise<void> {
    const now = this.#time.now(options.now);
    for (const entry of entries) this.#open(entry, now);
  }

  async acquire(request: QueueAcquisition): Promise<AcquireResult> {
    const now = this.#time.now(request.now);
    this.#endLeases(now);
    const taken = [
      ...this.#take(this.#healthy, { now, limit: request.healthy }),
      ...this.#take(this.#failing, { now, limit: request.failing }),
    ];
    const nextAt = this.#nextAt();
    const leaseUntil = this.#time.leaseEnd(request);
    for (const row of taken) this.#put(row, { ...row.record, token: row.record.token + 1, leaseUntil });
    const queues = taken.map((row) => row.record).sort((a, b) => (a.nextAt ?? 0) - (b.nextAt ?? 0));
    return nextAt === undefined ? { queues } : { queues, nextAt };
  }

  async save(
    changes: readonly QueueChange[],
    options: { readonly now: number },
  ): Promise<readonly SaveResult[]> {
    return changes.map((change) => this.#save(change, options.now));
  }

  async reset(entries: readonly QueueReset[], options: { readonly now: number }): Promise<void> {
    const now = this.#time.now(options.now);
    for (const { webhookId, nextAt } of entries) {
      const row = this.#row(webhookId, now);
      const { wakes, token } = row.record;
      this.#put(row, { webhookId, failures: 0, notBefore: 0, nextAt, wakes: wakes + 1, token: token + 1 });
    }
  }

  async get(webhookIds: readonly string[]): Promise<readonly QueueRecord[]> {
    const found: QueueRecord[] = [];
    for (const id of new Set(webhookIds)) {
      const row = this.#rows.get(id);
      if (row !== undefined) found.push(row.record);
    }
    return found;
  }

  async takeTokens(
    requests: readonly TokenRequest[],
    options: { readonly now: number },
  ): Promise<readonly TokenGrant[]> {
    const now = this.#time.now(options.now);
    return requests.map((request) => this.#buckets.take(request, now));
  }

  async returnTokens(entries: readonly TokenReturn[]): Promise<void> {
    for (const entry of entries) this.#buckets.giveBack(entry);
  }

  async recordOutcomes(tallies: readonly OutcomeTally[]): Promise<void> {
    for (const tally of tallies) this.#tallies.put(tally);
  }

  async outcomes(request: {
    readonly webhookId: string;
    readonly since: number;
  }): Promise<readonly OutcomeTally[]> {
    return this.#tallies.of(request.webhookId, request.since);
  }

  async pruneState(request: {
    readonly now: number;
    readonly outcomesBefore: number;
    readonly limit: number;
  }): Promise<boolean> {
    const { outcomesBefore, limit } = request;
    const tallies = this.#tallies.prune(outcomesBefore, limit);
    const buckets = this.#buckets.prune(this.#time.now(request.now), limit);
    return Math.max(tallies, buckets) >= limit;
  }

  #open({ webhookId, failures, nextAt }: QueueOpening, now: number): void {
    const isNew = !this.#rows.has(webhookId);
    const row = this.#row(webhookId, now);
    const woken: QueueRecord = { ...row.record, wakes: row.record.wakes + 1 };
    if (isNew || (isFree(woken, now) && failures > 0 && woken.failures === 0)) {
      this.#put(row, { ...woken, failures, notBefore: failures > 0 ? nextAt : 0, nextAt });
    } else if (isFree(woken, now)) {
      const earlier = Math.min(woken.nextAt ?? nextAt, nextAt);
      this.#put(row, { ...woken, nextAt: Math.max(woken.notBefore, earlier) });
    } else {
      row.record = woken;
    }
  }

  #save(change: QueueChange, callersNow: number): SaveResult {
    const row = this.#rows.get(change.webhookId);
    if (row === undefined || row.record.token !== change.token) return { result: 'lost' };
    const { wakes, leaseUntil: heldUntil = 0 } = row.record;
    if (change.ifWakes !== undefined && change.ifWakes !== wakes) return { result: 'woken', wakes };
    if (change.close) {
      this.#withdraw(row);
      this.#rows.delete(change.webhookId);
      this.#closedToken = Math.max(this.#closedToken, change.token);
      return { result: 'closed' };
    }
    const { webhookId, token, failures, notBefore, nextAt, leaseUntil } = change;
    const kept: QueueRecord = { webhookId, failures, notBefore, nextAt, wakes, token };
    if (leaseUntil === undefined) this.#put(row, kept);
    else {
      const end = this.#time.leaseEnd({ now: callersNow, leaseUntil });
      this.#put(row, { ...kept, leaseUntil: Math.max(heldUntil, end) });
    }
    return { result: 'saved', wakes };
  }

  /** The row of a webhook; a new one is held and was never woken until something is put into it. */
  #row(webhookId: string, now: number): QueueRow {
    const known = this.#rows.get(webhookId);
    if (known !== undefined) return known;
    const token = Math.max(now, this.#closedToken + 1);
    const record: QueueRecord = { webhookId, failures: 0, notBefore: 0, nextAt: null, wakes: 0, token };
    const row: QueueRow = { record, order: this.#created, home: undefined, ticket: undefined };
    this.#created += 1;
    this.#rows.set(webhookId, row);
    return row;
  }

  /** Replaces a row's record and queues it where it belongs now. */
  #put(row: QueueRow, record: QueueRecord): void {
    this.#withdraw(row);
    row.record = record;
    if (record.nextAt === null) return;
    if (record.leaseUntil === undefined) this.#wait(row, this.#free(record), record.nextAt);
    else this.#wait(row, this.#leased, Math.max(record.nextAt, record.leaseUntil));
  }

  #free(record: QueueRecord): DueQueue<QueueRow> {
    return record.failures === 0 ? this.#healthy : this.#failing;
  }

  #wait(row: QueueRow, home: DueQueue<QueueRow>, at: number): void {
    row.home = home;
    row.ticket = home.add(row, at, row.order);
  }

  #withdraw(row: QueueRow): void {
    if (row.ticket !== undefined) row.home?.drop(row.ticket);
    row.ticket = undefined;
  }

  /** Queues those whose lease has run out by `nextAt` again: acquisition goes by that, not by the lease. */
  #endLeases(now: number): void {
    for (let row = this.#leased.takeDue(now); row !== undefined; row = this.#leased.takeDue(now)) {
      this.#wait(row, this.#free(row.record), row.record.nextAt ?? now);
    }
  }

  #take(heap: DueQueue<QueueRow>, { now, limit }: { now: number; limit: number }): QueueRow[] {
    const taken: QueueRow[] = [];
    while (taken.length < limit) {
      const row = heap.takeDue(now);
      if (row === undefined) break;
      // Only for a caller whose clock is behind the one that ended the lease: to this caller it still runs.
      if ((row.record.leaseUntil ?? now) > now) this.#put(row, row.record);
      else taken.push(row);
    }
    return taken;
  }

  #nextAt(): number | undefined {
    const instants = [this.#healthy.nextAt, this.#failing.nextAt, this.#leased.nextAt];
    const known = instants.filter((instant) => instant !== undefined);
    return known.length === 0 ? undefined : Math.min(...known);
  }
}

/** Whether nobody serves the queue and nothing holds it back. */
function isFree(record: QueueRecord, now: number): boolean {
  return record.nextAt !== null && (record.leaseUntil === undefined || record.leaseUntil <= now);
}
