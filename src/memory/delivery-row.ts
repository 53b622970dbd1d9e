import type { BatchMembership } from '../domain/batch.ts';
import type { AttemptData, AttemptRecord, DeliveryRecord } from '../domain/delivery.ts';
import type { EventRecord } from '../domain/event.ts';
import type { ClaimedDelivery, DeliveryContent, DeliveryCounts, Settlement } from '../repos.ts';
import { claimedRecord, settledRecord, withLateAttempt } from './delivery-record.ts';
import type { DueQueue, Ticket } from './due-queue.ts';

/** A delivery with all that belongs to it. Records are replaced, never changed: callers keep what they were given. */
export class DeliveryRow {
  record: DeliveryRecord;
  /** As its webhook gets it: with its own body where it has one. */
  event: EventRecord;
  /** Rises with every append: the order among deliveries due at the same instant. */
  readonly order: number;
  /** Where it waits while it is pending, failed or delivering. */
  home: DueQueue<DeliveryRow> | undefined = undefined;
  ticket: Ticket<DeliveryRow> | undefined = undefined;
  /** Its place in the line of its ordering key, while it holds one. */
  place: Ticket<DeliveryRow> | undefined = undefined;
  /** The batch that it is counted among. */
  batchId: string | undefined = undefined;
  /** What it is counted as. */
  countedAs: keyof DeliveryCounts | undefined = undefined;
  /** Pruned: in no queue, and passed over by listings. */
  isGone = false;
  /** Undefined until there is one: most rows of a backlog have none. */
  #attempts: AttemptRecord[] | undefined = undefined;
  #claimedAt = 0;

  constructor(record: DeliveryRecord, event: EventRecord, order: number) {
    this.record = record;
    this.event = event;
    this.order = order;
  }

  /** What its webhook gets. */
  get content(): DeliveryContent {
    return { delivery: this.record, event: this.event };
  }

  /** All attempts by ascending number. */
  get attempts(): readonly AttemptRecord[] {
    return this.#attempts === undefined ? [] : this.#attempts.slice();
  }

  /** Forgets its attempts, and returns how many there were. Only for a row that has ended. */
  dropAttempts(): number {
    const dropped = this.#attempts?.length ?? 0;
    this.#attempts = undefined;
    return dropped;
  }

  /** Puts the row under a lease, recording the claim that it replaces where one was lost. */
  claim(now: number, leaseUntil: number, batch?: BatchMembership): ClaimedDelivery {
    if (this.record.status === 'delivering') this.#addAttempt(lostAttempt(this.record, this.#claimedAt));
    this.record = claimedRecord(this.record, leaseUntil, batch);
    this.#claimedAt = now;
    return this.content;
  }

  /** Ends the present claim. */
  settle(settlement: Settlement, now: number): void {
    this.record = settledRecord(this.record, settlement, now);
    if (settlement.attempt === undefined) return;
    const { attempts, token } = this.record;
    this.#addAttempt(attemptRecord(settlement.attempt, attempts, token));
  }

  /**
   * Whether this token, which is not that of the present claim, has settled the row. Every token below the present one
   * either did or left an attempt that is lost or, reported since, late.
   */
  wasSettledBy(token: number): boolean {
    if (token < 1 || token > this.record.token) return false;
    const left = this.#attempts?.find((attempt) => attempt.token === token);
    return left === undefined || !(left.late || left.error?.kind === 'lost');
  }

  /** Records what a late worker reports, in the place of its lost attempt; a repeated report changes nothing. */
  recordLate({ attempt, token }: Settlement): void {
    if (attempt === undefined) return;
    const index = this.#attempts?.findIndex((known) => known.token === token) ?? -1;
    const known = this.#attempts?.[index];
    if (known?.late) return;
    if (known !== undefined) {
      this.#attempts?.splice(index, 1, { ...attempt, number: known.number, token, late: true });
      return;
    }
    this.record = withLateAttempt(this.record);
    this.#addAttempt({ ...attempt, number: this.record.attempts, token, late: true });
  }

  #addAttempt(attempt: AttemptRecord): void {
    if (this.#attempts === undefined) this.#attempts = [attempt];
    else this.#attempts.push(attempt);
  }
}

/** Written out, because a spread is several times slower, and there is one for every delivery. */
function attemptRecord(attempt: AttemptData, number: number, token: number): AttemptRecord {
  const record: { -readonly [Field in keyof AttemptRecord]: AttemptRecord[Field] } = {
    number,
    token,
    late: false,
    startedAt: attempt.startedAt,
    durationMs: attempt.durationMs,
    httpStatus: attempt.httpStatus,
    responseBody: attempt.responseBody,
    request: attempt.request,
    counted: attempt.counted,
  };
  if (attempt.responseHeaders !== undefined) record.responseHeaders = attempt.responseHeaders;
  if (attempt.error !== undefined) record.error = attempt.error;
  return record;
}

/** The attempt of a claim whose outcome nobody recorded: it lasted as long as its lease. */
function lostAttempt({ attempts, token, leaseUntil }: DeliveryRecord, claimedAt: number): AttemptRecord {
  return {
    number: attempts + 1,
    token,
    late: false,
    startedAt: claimedAt,
    durationMs: Math.max(0, (leaseUntil ?? claimedAt) - claimedAt),
    httpStatus: 0,
    responseBody: '',
    request: { url: '', headers: {} },
    error: { kind: 'lost', message: 'The worker that held this claim never reported its outcome' },
    counted: false,
  };
}
