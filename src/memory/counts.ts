import type { DeliveryStatus } from '../domain/delivery.ts';
import type { DeliveryCounts } from '../repos.ts';
import type { DeliveryRow } from './delivery-row.ts';

/** How many deliveries of each webhook wait and are given up: kept up to date, because counting them would cost more the more there are. */
export class Counts {
  /** Only those that have any. */
  readonly #ofWebhook = new Map<string, Record<keyof DeliveryCounts, number>>();

  /** Takes note of what a row's record says now. */
  note(row: DeliveryRow): void {
    const counted = row.isGone ? undefined : countedAs(row.record.status);
    const before = row.countedAs;
    if (counted === before) return;
    row.countedAs = counted;
    const { webhookId } = row.record;
    const counts = this.#ofWebhook.get(webhookId) ?? this.#begin(webhookId);
    if (before !== undefined) counts[before] -= 1;
    if (counted !== undefined) counts[counted] += 1;
    if (counts.waiting + counts.dead === 0) this.#ofWebhook.delete(webhookId);
  }

  #begin(webhookId: string): Record<keyof DeliveryCounts, number> {
    const counts = { waiting: 0, dead: 0 };
    this.#ofWebhook.set(webhookId, counts);
    return counts;
  }

  /** Those of one webhook, up to `limit` of each. */
  of({ webhookId, limit }: { readonly webhookId: string; readonly limit: number }): DeliveryCounts {
    const { waiting, dead } = this.#ofWebhook.get(webhookId) ?? { waiting: 0, dead: 0 };
    return { waiting: Math.min(waiting, limit), dead: Math.min(dead, limit) };
  }
}

function countedAs(status: DeliveryStatus): keyof DeliveryCounts | undefined {
  switch (status) {
    case 'pending':
    case 'failed':
    case 'delivering':
      return 'waiting';
    case 'exhausted':
      return 'dead';
    case 'delivered':
    case 'replaying':
      return undefined;
  }
}
