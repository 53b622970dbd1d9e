import type { QueueRecord } from '../repos.ts';

/** The state of a retry queue in columns. Numbers are numbers, as in `DeliveryColumns`. */
export interface QueueColumns {
  readonly webhook_id: string;
  readonly failures: number;
  readonly not_before: number;
  readonly next_at: number | null;
  readonly wakes: number;
  readonly token: number;
  readonly lease_until: number | null;
}

/** The queue of columns. */
export function queueOf(columns: QueueColumns): QueueRecord {
  const queue: QueueRecord = {
    webhookId: columns.webhook_id,
    failures: columns.failures,
    notBefore: columns.not_before,
    nextAt: columns.next_at,
    wakes: columns.wakes,
    token: columns.token,
  };
  return columns.lease_until === null ? queue : { ...queue, leaseUntil: columns.lease_until };
}
