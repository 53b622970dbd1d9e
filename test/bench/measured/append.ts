/** Entries put straight into a store, in big batches. */
import type { AppendEntry } from '../../../src/repos.ts';
import type { Store } from '../stores/open.ts';
import { bodyOf, ENDPOINTS, makeEvent, typeOf } from '../work.ts';
import { FED_ENDPOINTS } from './feed.ts';
import { deliveryRecord, eventRecord } from './records.ts';

export const APPENDED_AT_ONCE = 2_000;

export interface Appending {
  readonly total: number;
  /** @default APPENDED_AT_ONCE */
  readonly atOnce?: number;
  /** Entry `i`, made at `now`. */
  readonly make: (i: number, now: number) => AppendEntry;
}

export async function append(
  { repos }: Store,
  { total, atOnce = APPENDED_AT_ONCE, make }: Appending,
): Promise<void> {
  for (let from = 0; from < total; from += atOnce) {
    const now = Date.now();
    const length = Math.min(atOnce, total - from);
    await repos.events.append(
      Array.from({ length }, (_, k) => make(from + k, now)),
      { now },
    );
  }
}

/** So many for the webhooks that answer, in the express queue, as the mode `feed` goes on from there. */
export async function appendWaiting(store: Store, total: number): Promise<void> {
  const healthy = await healthyIds(store);
  const make = (i: number, now: number): AppendEntry => {
    const made = makeEvent(i, FED_ENDPOINTS);
    const event = eventRecord(`evt_filled_${i}`, made.type, { now, body: bodyOf(made) });
    const webhookId = healthy.get(typeOf(made.endpoint)) ?? '';
    return { event, deliveries: [deliveryRecord(`dlv_filled_${i}`, event, { webhookId, queue: 'express' })] };
  };
  await append(store, { total, make });
}

/** Webhook ids by the event type that they get. */
async function healthyIds({ repos }: Store): Promise<ReadonlyMap<string, string>> {
  const webhooks = await repos.webhooks.list({ limit: ENDPOINTS });
  return new Map(webhooks.map(({ id, events }) => [events[0] ?? '', id]));
}
