import type { Settlement } from '../../../src/index.ts';
import type { Life } from '../life.ts';
import type { Outcome, PortCall } from '../ports.ts';
import type { Timeline } from '../timeline.ts';
import type { Findings } from './findings.ts';
import type { DeliveryNotes, Ledger } from './ledger.ts';

/** What the checks of causes work with. */
export interface CauseLawParts {
  readonly ledger: Ledger;
  readonly findings: Findings;
  readonly timeline: Timeline;
  readonly storageTimeoutMs: number;
}

/**
 * Nothing is lost for no reason: a claim whose outcome nobody recorded belonged to a process that ended, stood still or had trouble with the
 * store (I9). And no trouble with the store makes a process that goes on forget an outcome (I19).
 */
export class CauseLaws {
  readonly #parts: CauseLawParts;
  /** Processes for which a call of the store did not go as it should. */
  readonly #troubled = new Set<Life>();
  /** By process: what it has tried to settle and does not know to be settled. */
  readonly #unsettled = new Map<Life, Map<string, Settlement>>();

  constructor(parts: CauseLawParts) {
    this.#parts = parts;
  }

  /** A call was made. */
  called(call: PortCall): void {
    if (call.name !== 'events.settle') return;
    const open = this.#unsettled.get(call.life) ?? new Map<string, Settlement>();
    this.#unsettled.set(call.life, open);
    for (const settlement of call.args[0] as readonly Settlement[]) open.set(keyOf(settlement), settlement);
  }

  /** Whether a call of this process has not gone as it should. */
  isTroubled(life: Life): boolean {
    return this.#troubled.has(life);
  }

  /** A call will never return, or not as it should. */
  troubled(life: Life): void {
    this.#troubled.add(life);
  }

  returned({ life, name, args, at }: PortCall, outcome: Outcome): void {
    const { timeline, storageTimeoutMs } = this.#parts;
    if ('error' in outcome || timeline.now - at >= storageTimeoutMs) this.#troubled.add(life);
    if ('error' in outcome || name !== 'events.settle') return;
    for (const settlement of args[0] as readonly Settlement[])
      this.#unsettled.get(life)?.delete(keyOf(settlement));
  }

  /** A delivery was claimed whose last claim nobody ended; the notes hold it as it was. */
  lost({ record, claims }: DeliveryNotes): void {
    const life = claims.get(record.token)?.life;
    if (life === undefined || !life.isAlive || life.disturbedAt > 0 || this.#troubled.has(life)) return;
    this.#parts.findings.violate(
      'I9',
      `the claim ${record.token} of ${record.id} by ${life.name} is lost, for no reason`,
    );
  }

  /** A process was stopped: with the store at hand it has given everything back. */
  stopped(life: Life): void {
    const { ledger, findings } = this.#parts;
    if (life.disturbedAt > 0 || this.#troubled.has(life)) return;
    for (const { record, claims } of ledger.deliveries.values()) {
      if (record.status !== 'delivering' || claims.get(record.token)?.life !== life) continue;
      findings.violate('L', `${life.name} has stopped and still holds ${record.id}`);
    }
  }

  /** At the end: whoever still runs has stored what it wanted to. */
  audit(lives: readonly Life[]): void {
    for (const life of lives) {
      for (const { deliveryId, token } of this.#unsettled.get(life)?.values() ?? []) {
        this.#parts.findings.violate(
          'I19',
          `${life.name} has forgotten the outcome of ${deliveryId} under token ${token}`,
        );
      }
    }
  }
}

function keyOf({ deliveryId, token }: Settlement): string {
  return `${deliveryId} ${token}`;
}
