import type { AttemptData, AttemptRecord, DeliveryRecord, SettledState } from '../domain/delivery.ts';
import type { EventRepo, SettleResult } from '../repos.ts';
import { BatchWriter } from '../runtime/batch-writer.ts';
import type { Run } from '../runtime/run.ts';
import { toAttempt, toDelivery } from '../views.ts';
import type { Claim, Lane } from './lane.ts';

/** The end of a claim, on its way to the store. */
export interface Ending {
  readonly claim: Claim;
  readonly lane: Lane;
  readonly attempt?: AttemptData;
  readonly next: SettledState;
}

/** Who hears what was stored. */
export interface SettleListener {
  settled(ending: Ending, result: SettleResult): void;
  /** Called after the last of a batch. */
  batchSettled(): void;
}

/** Whether the outcome is what the store holds now: stored by this call, or by an earlier one whose acknowledgement was lost. */
export function wasStored(result: SettleResult): boolean {
  return result === 'applied' || result === 'repeated';
}

/**
 * Stores how claims ended, in batches, and then tells listeners. What could not be stored is kept and tried again: a
 * store that is away for a while causes no duplicates unless its leases run out.
 */
export class Settler {
  readonly #run: Run;
  readonly #writer: BatchWriter<Ending, SettleResult>;

  constructor(run: Run, repo: EventRepo, listener: SettleListener) {
    this.#run = run;
    this.#writer = new BatchWriter({
      run,
      operation: 'events.settle',
      maxBatch: 500,
      write: (endings) => repo.settle(endings.map(toSettlement), { now: run.now() }),
      written: (ending, result) => {
        this.#report(ending, result);
        listener.settled(ending, result);
      },
      batchWritten: () => listener.batchSettled(),
    });
  }

  /** Endings not stored yet. */
  get pending(): number {
    return this.#writer.size;
  }

  add(ending: Ending): void {
    this.#writer.add(ending);
  }

  #report(ending: Ending, result: SettleResult): void {
    const { reporter } = this.#run;
    if (result === 'unknown') return;
    const { attempt, next } = ending;
    const after = (): DeliveryRecord => stateAfter(ending, this.#run.now());
    if (attempt !== undefined && reporter.wants('delivery:attempted')) {
      const delivery = toDelivery(after());
      reporter.emit('delivery:attempted', {
        delivery,
        attempt: toAttempt(recordOf(ending, attempt, result)),
      });
    }
    if (result === 'late') return;
    if (next.status === 'delivered' && reporter.wants('delivery:delivered')) {
      reporter.emit('delivery:delivered', { delivery: toDelivery(after()) });
    }
    if (next.status === 'exhausted' && reporter.wants('delivery:exhausted')) {
      reporter.emit('delivery:exhausted', { delivery: toDelivery(after()) });
    }
    if (next.status === 'waiting' && attempt?.counted === true && reporter.wants('delivery:failed')) {
      reporter.emit('delivery:failed', { delivery: toDelivery(after()) });
    }
  }
}

function toSettlement({ claim, attempt, next }: Ending): {
  deliveryId: string;
  token: number;
  next: SettledState;
  attempt?: AttemptData;
} {
  const { id, token } = claim.delivery;
  return attempt === undefined ? { deliveryId: id, token, next } : { deliveryId: id, token, next, attempt };
}

/** What the store made of the delivery, without asking it. */
function stateAfter({ claim, attempt, next }: Ending, now: number): DeliveryRecord {
  const { leaseUntil: _leaseUntil, ...delivery } = claim.delivery;
  const tries = delivery.tries + (attempt?.counted === true ? 1 : 0);
  const base = { ...delivery, tries, attempts: delivery.attempts + (attempt === undefined ? 0 : 1) };
  switch (next.status) {
    case 'delivered':
      return { ...base, status: 'delivered', completedAt: now };
    case 'exhausted':
      return { ...base, ...next, completedAt: now };
    case 'waiting':
      return { ...base, status: tries > 0 ? 'failed' : 'pending', dueAt: next.dueAt, queue: next.queue };
  }
}

function recordOf({ claim }: Ending, attempt: AttemptData, result: SettleResult): AttemptRecord {
  const { attempts, token } = claim.delivery;
  return { ...attempt, number: attempts + 1, token, late: result === 'late' };
}
