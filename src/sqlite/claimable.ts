/** What a claim reads of a delivery, in this order. */
export const CLAIMABLE =
  'd.seq, d.event_seq, d.id, d.webhook_id, d.tenant_id, d.event_type, d.created_at, d.status, d.due_at, d.wake_at, d.claimed_at, d.token, d.attempts, d.tries, d.lost, d.ordering_key, d.batch_id, d.batch_size, d.refusals, d.body_length';

/** The columns of `CLAIMABLE`. `wakeAt` is the end of the lost lease where `status` is delivering. */
export type ClaimableRow = readonly [
  seq: number,
  eventSeq: number,
  id: string,
  webhookId: string,
  tenantId: string,
  eventType: string,
  createdAt: number,
  status: number,
  dueAt: number,
  wakeAt: number,
  claimedAt: number | null,
  token: number,
  attempts: number,
  tries: number,
  lost: number,
  orderingKey: string | null,
  batchId: string | null,
  batchSize: number | null,
  refusals: number | null,
  bodyLength: number | null,
];

/** Places in a `ClaimableRow`. */
export const at = {
  eventType: 5,
  dueAt: 8,
  wakeAt: 9,
  tries: 13,
  orderingKey: 15,
  batchId: 16,
  batchSize: 17,
  refusals: 18,
  bodyLength: 19,
} as const;
