import type { AttemptData, AttemptRecord, DeliveryRecord, SettledState } from '../domain/delivery.ts';
import type { EventRepo, Settlement, SettleResult } from '../repos.ts';
import { BatchWriter } from '../runtime/batch-writer.ts';
import type { Run } from '../runtime/run.ts';
import { type Delivery, toAttempt, toDelivery } from '../views.ts';
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
    if (result === 'unknown') return;
    const { claim } = ending;
    this.#reportOne(claim.delivery, ending, result);
    for (const delivery of claim.others) this.#reportOne(delivery, ending, result);
  }

  #reportOne(delivery: DeliveryRecord, ending: Ending, result: SettleResult): void {
    const { reporter } = this.#run;
    const { attempt, next } = ending;
    const after = (): Delivery => toDelivery(stateAfter(delivery, ending, this.#run.now()));
    if (attempt !== undefined && reporter.wants('delivery:attempted')) {
      const record = recordOf(delivery, attempt, result);
      reporter.emit('delivery:attempted', { delivery: after(), attempt: toAttempt(record) });
    }
    if (result === 'late') return;
    if (next.status === 'delivered' && reporter.wants('delivery:delivered')) {
      reporter.emit('delivery:delivered', { delivery: after() });
    }
    if (next.status === 'exhausted' && reporter.wants('delivery:exhausted')) {
      reporter.emit('delivery:exhausted', { delivery: after() });
    }
    if (next.status === 'waiting' && attempt?.counted === true && reporter.wants('delivery:failed')) {
      reporter.emit('delivery:failed', { delivery: after() });
    }
  }
}

function toSettlement({ claim, attempt, next }: Ending): Settlement {
  const { delivery, others } = claim;
  const settlement: { -readonly [Field in keyof Settlement]: Settlement[Field] } = {
    deliveryId: delivery.id,
    token: delivery.token,
    next,
  };
  if (attempt !== undefined) settlement.attempt = attempt;
  if (others.length > 0) settlement.others = others.map(({ id, token }) => ({ deliveryId: id, token }));
  return settlement;
}

/** What the store made of a delivery, without asking it. */
function stateAfter(claimed: DeliveryRecord, { attempt, next }: Ending, now: number): DeliveryRecord {
  const { leaseUntil: _leaseUntil, ...delivery } = claimed;
  const tries = delivery.tries + (attempt?.counted === true ? 1 : 0);
  const base = { ...delivery, tries, attempts: delivery.attempts + (attempt === undefined ? 0 : 1) };
  switch (next.status) {
    case 'delivered':
      return { ...base, status: 'delivered', completedAt: now };
    case 'exhausted':
      return { ...base, ...next, completedAt: now };
    case 'waiting': {
      const { batch: _batch, ...rest } = base;
      return { ...rest, ...next, status: tries > 0 ? 'failed' : 'pending' };
    }
  }
}

function recordOf(
  { attempts, token }: DeliveryRecord,
  attempt: AttemptData,
  result: SettleResult,
): AttemptRecord {
  return { ...attempt, number: attempts + 1, token, late: result === 'late' };
}
