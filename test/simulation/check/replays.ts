import type { DeliveryRecord } from '../../../src/index.ts';
import type { Life } from '../life.ts';
import type { PortCall } from '../ports.ts';
import type { Ending, Managing } from '../watcher.ts';
import type { Findings } from './findings.ts';
import type { Ledger } from './ledger.ts';

/** What the checks of replaying many work with. */
export interface ReplayLawParts {
  readonly ledger: Ledger;
  readonly findings: Findings;
  /** Whether a call of this process has not gone as it should. */
  readonly isTroubled: (life: Life) => boolean;
}

/** One call that replays many, while it runs. */
interface Run {
  readonly at: number;
  readonly marked: Set<string>;
}

/** I25: a replay of many marks each delivery once at most, tells how many it marked, and all of them are sent again or given up. */
export class ReplayLaws {
  readonly #parts: ReplayLawParts;
  readonly #runs = new Map<Life, Run>();

  constructor(parts: ReplayLawParts) {
    this.#parts = parts;
  }

  /** A host begins to replay many; nothing else is replayed through the same process meanwhile. */
  replaying({ life, at }: Managing): void {
    this.#runs.set(life, { at, marked: new Set() });
  }

  /** Deliveries were marked. */
  marked({ life, at }: PortCall, records: readonly DeliveryRecord[]): void {
    const run = this.#runs.get(life);
    // What an earlier call gave up on may be applied now.
    if (run === undefined || at < run.at) return;
    for (const { id } of records) {
      this.#parts.findings.mark('replay: one of many');
      if (run.marked.has(id))
        this.#parts.findings.violate('I25', `${id} was marked twice by one replay of many`);
      run.marked.add(id);
    }
  }

  managed({ life, action }: Managing, ending: Ending<unknown>): void {
    if (action.do !== 'replay-many') return;
    const marked = this.#runs.get(life)?.marked.size ?? 0;
    this.#runs.delete(life);
    // Where an answer was lost it goes by what it finds.
    if ('error' in ending || this.#parts.isTroubled(life)) return;
    const { count } = ending.value as { readonly count: number };
    if (count !== marked)
      this.#parts.findings.violate('I25', `a replay of many tells of ${count}, and marked ${marked}`);
  }

  /** At the end: what was replayed and delivered was sent again. */
  audit(): void {
    const { ledger, findings } = this.#parts;
    for (const { record, wasReplayed, sendings, sendingsBefore } of ledger.deliveries.values()) {
      if (wasReplayed && record.status === 'delivered' && sendings.length === sendingsBefore)
        findings.violate('I25', `${record.id} was replayed, was not sent again, and is delivered`);
    }
  }
}
