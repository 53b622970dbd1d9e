import { afterFailure } from '../domain/batch.ts';
import type { AttemptData, SettledState } from '../domain/delivery.ts';
import { newId } from '../domain/ids.ts';
import type { Random } from '../random.ts';
import type { Claim } from './lane.ts';
import { halves } from './to-claims.ts';

/** How a claim ends, or the parts of it. */
export interface ClaimEnd {
  readonly claim: Claim;
  readonly attempt: AttemptData;
  readonly next: SettledState;
}

/** What the ids and the due times of the halves are made with. */
interface Splitting {
  readonly now: number;
  readonly random: Random;
}

/**
 * What an attempt makes of a claim: as a batch it stays whole, but one that is refused again is split in halves, which go out at once and have used
 * up no try by it. So a batch of n is down to the one event that is refused after about log2 n requests more, and only that one fails.
 */
export function endingsOf(end: ClaimEnd, { now, random }: Splitting): readonly ClaimEnd[] {
  const { claim, attempt, next } = end;
  const { batch } = claim.delivery;
  if (batch === undefined || claim.members === undefined) return [end];
  const isUsedUp = next.status === 'exhausted' && next.reason === 'attempts-used-up';
  if (next.status !== 'waiting' && !isUsedUp) return [end];
  const fate = afterFailure(batch, { httpStatus: attempt.httpStatus, isUsedUp });
  if (fate === 'splits') {
    return halves(claim).map((half) => {
      const size = half.others.length + 1;
      const part = { id: newId('bat', now, random), size, refusals: batch.refusals + 1 };
      const state: SettledState = { status: 'waiting', dueAt: now, queue: 'own', batch: part };
      return { claim: half, attempt: { ...attempt, counted: false }, next: state };
    });
  }
  if (next.status !== 'waiting') return [end];
  const refusals = batch.refusals + (fate === 'refused' ? 1 : 0);
  return [{ claim, attempt, next: { ...next, batch: { ...batch, refusals } } }];
}
