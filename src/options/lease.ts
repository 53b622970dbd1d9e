/** How leases and requests fit into each other. */

/** A lease must cover this many request time-outs: the rest is the margin for waiting, renewal and clock skew. */
export const LEASE_SHARE_OF_TIMEOUT = 0.7;

/** The share of a lease that must be left when a request starts, beyond the request's own time-out. */
export const leaseMargin: number = 0.1;

/** The longest request time-out that a lease covers. */
export function longestTimeoutMs({ leaseMs }: { readonly leaseMs: number }): number {
  return Math.floor(leaseMs * LEASE_SHARE_OF_TIMEOUT);
}
