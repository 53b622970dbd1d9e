/** What endpoints missed during an hour in which they were not there, and get by one call after it. */
import type { DeliveryRecord } from '../../../src/index.ts';
import type { AppendEntry } from '../../../src/repos.ts';
import type { GivenUp } from '../protocol.ts';
import type { Store } from '../stores/open.ts';
import { bodyOf, eventFor } from '../work.ts';
import { append } from './append.ts';
import { deliveryRecord, eventRecord, healthyWebhook } from './records.ts';

export const MISSED = 'bench.missed';
const HOUR_MS = 3_600_000;

/** Exhausted deliveries of webhooks apart, of the type `MISSED`. */
export async function addGivenUp(
  store: Store,
  origin: string,
  { deliveries: total, webhooks }: GivenUp,
): Promise<void> {
  const since = Date.now() - HOUR_MS;
  const ids = Array.from({ length: webhooks }, (_, n) => `whk_missed_${n}`);
  for (const [n, id] of ids.entries()) {
    const webhook = healthyWebhook(id, { url: `${origin}/any/${n}`, type: MISSED, now: since });
    await store.repos.webhooks.insert(webhook);
  }
  const make = (i: number): AppendEntry => {
    const now = since + Math.floor((i / total) * HOUR_MS);
    const event = eventRecord(`evt_missed_${i}`, MISSED, { now, body: bodyOf(eventFor(0, i)) });
    const where = { webhookId: ids[i % webhooks] ?? '', queue: 'express' } as const;
    const delivery: DeliveryRecord = {
      ...deliveryRecord(`dlv_missed_${i}`, event, where),
      status: 'exhausted',
      reason: 'webhook-unavailable',
      completedAt: now,
    };
    return { event, deliveries: [delivery] };
  };
  await append(store, { total, make });
}
