import type { DeliveryRecord } from '../../../src/index.ts';
import type { Sending } from '../network.ts';
import type { Ending, Managing } from '../watcher.ts';
import type { Findings } from './findings.ts';
import type { DeliveryNotes, Ledger } from './ledger.ts';
import { holdsPlace } from './order.ts';

/** What the checks of cancelling work with. */
export interface CancelLawParts {
  readonly ledger: Ledger;
  readonly findings: Findings;
}

/** I24: what was cancelled is not sent under a claim that is made after its host knows, ends so and stays so, unless it is replayed. */
export class CancelLaws {
  readonly #parts: CancelLawParts;

  constructor(parts: CancelLawParts) {
    this.#parts = parts;
  }

  /** A delivery is given up, or let go; its notes hold it as it was. */
  cancelled({ record }: DeliveryNotes): void {
    const { findings, ledger } = this.#parts;
    findings.mark(`cancel: of ${record.status}`);
    if (record.batch !== undefined) findings.mark('cancel: a member of a batch');
    const [first, ...others] = ledger.line(record).filter((one) => holdsPlace(one.record));
    if (first?.record.id === record.id && others.length > 0) findings.mark('cancel: the first of a line');
  }

  /** A host was told that it is done. */
  managed({ action, id, at }: Managing, ending: Ending<unknown>, now: number): void {
    const notes = this.#parts.ledger.deliveries.get(id);
    // Retention may have taken it; and somebody may replay it meanwhile.
    if (action.do !== 'cancel' || 'error' in ending || notes === undefined || notes.markedAt >= at) return;
    if (!isCancelled(notes.record))
      this.#parts.findings.violate(
        'I24',
        `${id} is cancelled, its host was told, and it is ${notes.record.status}`,
      );
    notes.cancelledAt = now;
  }

  /** A request for a delivery is about to start. */
  sent({ life, at }: Sending, { record, claims, cancelledAt }: DeliveryNotes): void {
    if (cancelledAt === undefined) return;
    const claim = [...claims.values()].findLast((one) => one.life === life);
    if (claim !== undefined && claim.at > cancelledAt)
      this.#parts.findings.violate(
        'I24',
        `${life.name} sends ${record.id} ${at - cancelledAt} ms after it was cancelled`,
      );
  }

  /** At the end. */
  audit(): void {
    for (const { record, cancelledAt } of this.#parts.ledger.deliveries.values()) {
      if (cancelledAt !== undefined && !isCancelled(record))
        this.#parts.findings.violate('I24', `${record.id} was cancelled, and is ${record.status}`);
    }
  }
}

/** One that was given up before, and blocked, keeps its reason. */
function isCancelled({ status, reason, blocks }: DeliveryRecord): boolean {
  return status === 'exhausted' && (reason === 'cancelled' || blocks !== true);
}
