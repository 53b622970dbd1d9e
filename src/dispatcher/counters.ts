import type { SettledState } from '../domain/delivery.ts';
import type { SettleResult } from '../repos.ts';
import { wasStored } from './settler.ts';

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

  count(next: SettledState, attempted: boolean, result: SettleResult): void {
    if (attempted) this.attempted += 1;
    if (result === 'late') this.late += 1;
    if (!wasStored(result)) return;
    if (next.status === 'delivered') this.delivered += 1;
    else if (next.status === 'exhausted') this.exhausted += 1;
    else if (attempted) this.failed += 1;
  }
}
