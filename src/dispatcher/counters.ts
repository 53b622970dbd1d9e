import type { AttemptData, SettledState } from '../domain/delivery.ts';
import type { SettleResult } from '../repos.ts';
import { wasStored } from './settler.ts';

interface Ended {
  readonly next: SettledState;
  readonly deliveries: number;
}

/** What this process has done since it started: the counting half of `stats()`. */
export class Counters {
  /** Attempts that ended, whatever their outcome. */
  attempted = 0;
  delivered = 0;
  /** Counted attempts that failed and will be followed by another. */
  failed = 0;
  exhausted = 0;
  /** Outcomes that came too late to count. */
  late = 0;

  /** Takes note of one claim's end; its deliveries are counted, a request of several is one attempt of each. */
  count({ next, deliveries }: Ended, attempt: AttemptData | undefined, result: SettleResult): void {
    if (attempt !== undefined) this.attempted += deliveries;
    if (result === 'late') this.late += deliveries;
    if (!wasStored(result)) return;
    if (next.status === 'delivered') this.delivered += deliveries;
    else if (next.status === 'exhausted') this.exhausted += deliveries;
    else if (attempt?.counted === true) this.failed += deliveries;
  }
}
