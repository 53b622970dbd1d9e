import { StorageError, type SurehookError } from '../../../src/index.ts';
import type { Life } from '../life.ts';
import type { Outcome, PortCall } from '../ports.ts';
import type { Timeline } from '../timeline.ts';
import type { Findings } from './findings.ts';

/** What the checks of faults work with. */
export interface FaultLawParts {
  readonly findings: Findings;
  readonly timeline: Timeline;
  readonly storageTimeoutMs: number;
  /** Grows with the webhooks. */
  readonly secrets: readonly string[];
}

/** Calls that nobody but the engine makes: who else makes a call hears of its failure as a rejection. */
const ofTheEngine: ReadonlySet<string> = new Set([
  ...[
    'events.claimExpress',
    'events.claimQueues',
    'events.settle',
    'events.exhaustQueue',
    'events.ownQueues',
  ],
  ...['events.promoteReplays', 'events.prune', 'state.acquire', 'state.save'],
  ...['state.takeTokens', 'state.returnTokens', 'state.recordOutcomes', 'state.pruneState'],
]);

/** A publisher takes tokens of its tenants, too: its host hears of that, and what cannot be put back comes again with time. */
function isOfHost(args: readonly unknown[]): boolean {
  const [first] = Array.isArray(args[0]) ? (args[0] as readonly { readonly bucket?: string }[]) : [];
  return first?.bucket?.startsWith('tenant:') === true;
}

/** I19: every fault that reached the engine is reported by an `error` event, and none of them tells a secret (I18). */
export class FaultLaws {
  readonly #parts: FaultLawParts;
  /** Per life and call: faults seen less faults reported. */
  readonly #unreported = new Map<Life, Map<string, number>>();

  constructor(parts: FaultLawParts) {
    this.#parts = parts;
  }

  returned({ life, name, at, args }: PortCall, outcome: Outcome): void {
    const { findings, timeline, storageTimeoutMs } = this.#parts;
    if ('value' in outcome || !ofTheEngine.has(name) || isOfHost(args)) return;
    findings.mark(`fault: ${name}`);
    // By then it was given up, and that was reported.
    if (timeline.now - at >= storageTimeoutMs - 1) return;
    this.#count(life, name, 1);
  }

  told(life: Life, error: SurehookError): void {
    const { findings, secrets } = this.#parts;
    if (secrets.some((secret) => error.message.includes(secret) || String(error.cause).includes(secret))) {
      findings.violate('I18', `an error event of ${life.name} tells a secret`);
    }
    if (error instanceof StorageError && error.message.includes('no answer within'))
      findings.mark('fault: a call without an answer');
    else if (error instanceof StorageError) this.#count(life, error.operation, -1);
  }

  /** Whatever a life that still runs was refused must have been told by now. */
  audit(lives: readonly Life[]): void {
    for (const life of lives) {
      for (const [name, count] of this.#unreported.get(life) ?? []) {
        if (count > 0)
          this.#parts.findings.violate(
            'I19',
            `${life.name} was refused ${name} ${count} times without an error event`,
          );
      }
    }
  }

  #count(life: Life, name: string, by: number): void {
    const counts = this.#unreported.get(life) ?? new Map<string, number>();
    this.#unreported.set(life, counts);
    counts.set(name, (counts.get(name) ?? 0) + by);
  }
}
