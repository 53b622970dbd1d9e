import { BEGINNING, type Timeline } from '../timeline.ts';

/**
 * The invariants of `faults.md`, and those that came after it: I21 batches, I22 the rates of webhooks, I23 bytes of one webhook's own, I24 cancelling, I25 replaying many,
 * I26 the rates of tenants, I27 tallies. L is for liveness.
 */
export type Invariant =
  | 'I1'
  | 'I2'
  | 'I3'
  | 'I4'
  | 'I5'
  | 'I6'
  | 'I7'
  | 'I8'
  | 'I9'
  | 'I10'
  | 'I11'
  | 'I12'
  | 'I13'
  | 'I14'
  | 'I15'
  | 'I16'
  | 'I17'
  | 'I18'
  | 'I19'
  | 'I20'
  | 'I21'
  | 'I22'
  | 'I23'
  | 'I24'
  | 'I25'
  | 'I26'
  | 'I27'
  | 'L';

/** How many violations of one history are kept: the first says most. */
const KEPT = 20;

/** What was found: violations, and interesting situations that came about. */
export class Findings {
  readonly violations: string[] = [];
  readonly marks: Map<string, number> = new Map();
  readonly #timeline: Timeline;

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
  }

  violate(invariant: Invariant, what: string): void {
    const at = (this.#timeline.now - BEGINNING).toFixed(2);
    if (this.violations.length < KEPT) this.violations.push(`${invariant} at ${at}: ${what}`);
  }

  mark(name: string): void {
    this.marks.set(name, (this.marks.get(name) ?? 0) + 1);
  }
}
