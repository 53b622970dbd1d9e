import {
  type BatchCandidate,
  type BatchMembership,
  batchKind,
  batchOf,
  bytesInBatch,
} from '../domain/batch.ts';
import type { BatchClaim } from '../repos.ts';
import type { DeliveryRow } from './delivery-row.ts';
import type { DueQueue } from './due-queue.ts';

/** What was taken out of a queue for one batch. */
export interface TakenBatch {
  readonly rows: readonly DeliveryRow[];
  readonly batch: BatchMembership;
  /** From when on it is to be handed out, epoch ms: a batch to which more could come waits. */
  readonly ripeAt: number;
  /** Taken as well, but not part of it. */
  readonly rest: readonly DeliveryRow[];
}

/** Which rows that wait or are leased are in which batch, and how batches are formed of them. */
export class Batches {
  readonly #members = new Map<string, Set<DeliveryRow>>();

  /** Takes note of what a row's record says now. */
  note(row: DeliveryRow): void {
    const { record, batchId } = row;
    const id = row.isGone || record.completedAt !== undefined ? undefined : record.batch?.id;
    if (id === batchId) return;
    if (batchId !== undefined) this.#remove(batchId, row);
    if (id !== undefined) this.#add(id, row);
    row.batchId = id;
  }

  /** Takes the next batch out of a queue; undefined when nothing is due. */
  take(queue: DueQueue<DeliveryRow>, now: number, rule: BatchClaim): TakenBatch | undefined {
    const first = queue.takeDue(now);
    if (first === undefined) return undefined;
    const rows = this.#whole(first, now);
    if (rows === undefined) return this.#form(first, queue, { now, rule });
    for (const row of rows) if (row !== first && row.ticket !== undefined) queue.drop(row.ticket);
    return { rows, batch: first.record.batch as BatchMembership, ripeAt: 0, rest: [] };
  }

  /** All members of a row's batch, if they are all there and can be claimed. */
  #whole({ record, home }: DeliveryRow, now: number): readonly DeliveryRow[] | undefined {
    const { batch } = record;
    const known = batch && this.#members.get(batch.id);
    if (known === undefined || known.size !== batch?.size) return undefined;
    const members = [...known];
    // By its place in the queue, where it has one: who waits for a turn is out of reach.
    const isWhole = members.every((row) => row.home === home && (row.ticket?.at ?? instantOf(row)) <= now);
    return isWhole ? members.sort(byAppend) : undefined;
  }

  #form(first: DeliveryRow, queue: DueQueue<DeliveryRow>, { now, rule }: Forming): TakenBatch {
    const candidates = [first];
    while (candidates.length <= rule.maxEvents) {
      const next = queue.takeDue(now);
      if (next === undefined) break;
      candidates.push(next);
    }
    const judged = candidates.map((row) => this.#judged(row, now));
    const { length: size, isFull } = batchOf(judged, rule);
    const ripeAt = isFull ? 0 : first.record.dueAt + rule.maxWaitMs;
    const batch = { id: rule.id, size, refusals: 0 };
    return { rows: candidates.slice(0, size).sort(byAppend), batch, ripeAt, rest: candidates.slice(size) };
  }

  #judged(row: DeliveryRow, now: number): BatchCandidate {
    const { event, record } = row;
    const isTaken = this.#whole(row, now) !== undefined;
    return { bytes: bytesInBatch(event), kind: batchKind(event), tries: record.tries, isTaken };
  }

  #add(id: string, row: DeliveryRow): void {
    const members = this.#members.get(id);
    if (members === undefined) this.#members.set(id, new Set([row]));
    else members.add(row);
  }

  #remove(id: string, row: DeliveryRow): void {
    const members = this.#members.get(id);
    members?.delete(row);
    if (members?.size === 0) this.#members.delete(id);
  }
}

interface Forming {
  readonly now: number;
  readonly rule: BatchClaim;
}

/** The order in a batch: the same whenever it is claimed, because its id stands for the same bytes. */
function byAppend(a: DeliveryRow, b: DeliveryRow): number {
  return a.order - b.order;
}

/** When a row can be claimed: at the end of its lease, or when it is due. */
export function instantOf({ record }: DeliveryRow): number {
  return record.leaseUntil ?? record.dueAt;
}
