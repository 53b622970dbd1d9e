import { type BatchMembership, batchKind, bytesInBatch } from '../domain/batch.ts';
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
    const members = [...(this.#members.get(batch?.id ?? '') ?? [])];
    if (members.length === 0 || members.length !== batch?.size) return undefined;
    const isWhole = members.every((row) => row.home === home && instantOf(row) <= now);
    return isWhole ? members.sort((a, b) => a.order - b.order) : undefined;
  }

  #form(first: DeliveryRow, queue: DueQueue<DeliveryRow>, { now, rule }: Forming): TakenBatch {
    const rows = [first];
    const rest: DeliveryRow[] = [];
    const kind = batchKind(first.event);
    let bytes = bytesInBatch(first.event);
    let isOpen = true;
    while (isOpen) {
      const next = rows.length < rule.maxEvents ? queue.takeDue(now) : undefined;
      if (next === undefined) break;
      bytes += bytesInBatch(next.event);
      isOpen =
        bytes <= rule.maxBytes &&
        next.record.tries === first.record.tries &&
        batchKind(next.event) === kind &&
        this.#whole(next, now) === undefined;
      (isOpen ? rows : rest).push(next);
    }
    const isFull = !isOpen || rows.length === rule.maxEvents;
    const ripeAt = isFull ? 0 : first.record.dueAt + rule.maxWaitMs;
    return { rows, batch: { id: rule.id, size: rows.length, refusals: 0 }, ripeAt, rest };
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

/** When a row can be claimed: at the end of its lease, or when it is due. */
export function instantOf({ record }: DeliveryRow): number {
  return record.leaseUntil ?? record.dueAt;
}
