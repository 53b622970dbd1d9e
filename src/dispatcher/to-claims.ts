import { batchEvent } from '../domain/batch.ts';
import type { ClaimedDelivery } from '../repos.ts';
import type { Claim } from './lane.ts';

const none: Claim['others'] = [];

/** What a repo claimed one by one, with the lease as this process counts it: from before the call. */
export function toClaims(deliveries: readonly ClaimedDelivery[], leaseUntil: number): Claim[] {
  return deliveries.map(({ delivery, event }) => ({ delivery, event, others: none, leaseUntil }));
}

/** What a repo claimed as one batch: one request for all of it. */
export function toBatchClaim(deliveries: readonly ClaimedDelivery[], leaseUntil: number): Claim {
  const [first, ...rest] = deliveries;
  const id = first?.delivery.batch?.id;
  if (first === undefined || id === undefined) throw new Error('a claimed batch has no id');
  const event = batchEvent(
    id,
    deliveries.map((one) => one.event),
  );
  return {
    delivery: first.delivery,
    event,
    others: rest.map(({ delivery }) => delivery),
    leaseUntil,
    members: deliveries,
  };
}

/** Each delivery of a batch by itself, in none. */
export function singles(claim: Claim): readonly Claim[] {
  return (claim.members ?? []).map(({ delivery: { batch: _batch, ...delivery }, event }) => ({
    delivery,
    event,
    others: none,
    leaseUntil: claim.leaseUntil,
  }));
}

/** Two batches of the two halves of one. */
export function halves(claim: Claim): readonly Claim[] {
  const members = claim.members ?? [];
  const middle = Math.ceil(members.length / 2);
  return [members.slice(0, middle), members.slice(middle)]
    .filter((half) => half.length > 0)
    .map((half) => ({ ...claim, ...partOf(half), members: half }));
}

function partOf(members: readonly ClaimedDelivery[]): Pick<Claim, 'others'> & Partial<Claim> {
  const [first, ...rest] = members;
  return { ...(first && { delivery: first.delivery }), others: rest.map(({ delivery }) => delivery) };
}
