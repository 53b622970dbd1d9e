import type { DeliveryRecord } from '../domain/delivery.ts';
import type { Work } from '../repos.ts';

/** What may be claimable now that these have left their lines: the turn is that of the next one. */
export function workBehind(cancelled: readonly DeliveryRecord[]): Work {
  const webhookIds = cancelled.flatMap(({ webhookId, orderingKey }) =>
    orderingKey === undefined ? [] : webhookId,
  );
  return { express: false, replays: false, ownQueues: [...new Set(webhookIds)] };
}
