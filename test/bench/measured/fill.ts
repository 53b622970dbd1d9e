/** Fills a store by its repos, in big batches. */
import type { AppendEntry } from '../../../src/repos.ts';
import type { ChildResult, FillTask, Job, StoreName } from '../protocol.ts';
import { monotonicMs } from '../protocol.ts';
import { openStore, type Store } from '../stores/open.ts';
import { surehookContender } from '../surehook-contender.ts';
import { bodyOf, eventFor } from '../work.ts';
import { APPENDED_AT_ONCE, append, appendWaiting } from './append.ts';
import { resultOf, say, told } from './child.ts';
import { addGivenUp } from './given-up.ts';
import { DEAD_TYPE, deadWebhook, deliveryRecord, eventRecord } from './records.ts';

const LANES = 8;
const HOUR_MS = 3_600_000;
/** Deliveries of one event for dead webhooks. */
const FAN_OUT = 100;

export async function fill(job: Job, task: FillTask): Promise<ChildResult> {
  const { home } = await told('prepare');
  const store = await openStore(job.contender as StoreName, home);
  // It makes the webhooks that answer; one endpoint is never used, as in the mode `feed`.
  await surehookContender(store, { urlOf: (n) => `${job.origin}/e/${n}`, joins: false });
  const going = told('go');
  await say({ ready: true, addedPerSecond: 0 });
  await going;
  const [cpu, startedAt] = [process.cpuUsage(), monotonicMs()];
  void say({ startedAt });
  const { waiting, deadWebhooks, waitingForDead, givenUp } = task;
  await appendWaiting(store, waiting);
  if (deadWebhooks > 0) await addDead(store, job.origin, task);
  if (givenUp !== undefined) await addGivenUp(store, job.origin, givenUp);
  const seconds = (monotonicMs() - startedAt) / 1000;
  void say({ published: true });
  await told('finish');
  const result = resultOf({
    cpu: process.cpuUsage(cpu),
    delivered: 0,
    addedPerSecond: (waiting + waitingForDead + (givenUp?.deliveries ?? 0)) / seconds,
  });
  await store.dispose();
  return result;
}

/** Webhooks that are Retrying, each with its share of the deliveries in its own queue, to be probed within the hour. */
async function addDead(
  store: Store,
  origin: string,
  { deadWebhooks, waitingForDead }: FillTask,
): Promise<void> {
  const ids = Array.from({ length: deadWebhooks }, (_, n) => `whk_dead_${String(n).padStart(6, '0')}`);
  const events = Math.ceil(waitingForDead / FAN_OUT);
  const now = Date.now();
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let n = next++; n < ids.length; n = next++) {
      await store.repos.webhooks.insert(deadWebhook(ids[n] ?? '', `${origin}/dead/${n}`, now));
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  const atOnce = APPENDED_AT_ONCE / FAN_OUT;
  await append(store, { total: events, atOnce, make: (e) => deadEntry(e, now, ids) });
  const openings = ids.map((webhookId, n) => ({
    webhookId,
    failures: 12,
    nextAt: Math.round(now + (n / ids.length) * HOUR_MS),
  }));
  for (let at = 0; at < openings.length; at += APPENDED_AT_ONCE) {
    await store.repos.state.open(openings.slice(at, at + APPENDED_AT_ONCE), { now });
  }
}

function deadEntry(e: number, now: number, ids: readonly string[]): AppendEntry {
  const body = bodyOf(eventFor(0, e));
  const event = eventRecord(`evt_dead_${e}`, DEAD_TYPE, { now, body });
  const deliveries = Array.from({ length: Math.min(FAN_OUT, ids.length) }, (_, k) => {
    const webhookId = ids[(e * FAN_OUT + k) % ids.length] ?? '';
    return deliveryRecord(`dlv_dead_${e}_${k}`, event, { webhookId, queue: 'own' });
  });
  return { event, deliveries };
}
