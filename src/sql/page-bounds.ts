import type { DeliveryQuery } from '../repos.ts';

/** The bounds of a query that the place it goes on behind does not imply: one more would only keep an index from being read from that place on. */
export function boundsOf({ since, until, order, after }: DeliveryQuery): {
  readonly since: number | undefined;
  readonly until: number | undefined;
} {
  if (after === undefined) return { since, until };
  return order === 'oldest'
    ? { since: since !== undefined && since <= after.createdAt ? undefined : since, until }
    : { since, until: until !== undefined && after.createdAt < until ? undefined : until };
}
