import type { ClaimedDelivery } from '../repos.ts';
import type { Claim } from './lane.ts';

/** What a repo claimed, with the lease as this process counts it: from before the call. */
export function toClaims(deliveries: readonly ClaimedDelivery[], leaseUntil: number): Claim[] {
  return deliveries.map(({ delivery, event }) => ({ delivery, event, leaseUntil }));
}
