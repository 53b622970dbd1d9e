import type { DeliveryRecord } from '../domain/delivery.ts';
import type { WebhookRecord } from '../domain/webhook.ts';

/** Why an exhausted delivery of this webhook cannot be replayed; `undefined` where it can. */
export function obstacleToReplay(
  { attempts }: DeliveryRecord,
  webhook: WebhookRecord | undefined,
): string | undefined {
  if (webhook === undefined) return 'its webhook was deleted';
  if (webhook.status.state === 'unavailable') return 'its webhook is unavailable; enable it first';
  if (webhook.delivery.semantics === 'at-most-once' && attempts > 0) {
    return 'it is at-most-once and was attempted, so that it may have been received';
  }
  return undefined;
}
