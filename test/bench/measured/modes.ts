import { createSurehook, type NewWebhook } from '../../../src/index.ts';
import type { ChildResult, Job, ModesTask } from '../protocol.ts';
import { monotonicMs } from '../protocol.ts';
import { openStore, type Store } from '../stores/open.ts';
import { bodyOf, ENDPOINTS, makeEvent, typeOf } from '../work.ts';
import { resultOf, say, told } from './child.ts';
import { deliveryRecord, eventRecord } from './records.ts';

const KEYS = 1_000;
const AT_ONCE = 1_000;

const deliveries: Readonly<Record<ModesTask['kind'], NewWebhook['delivery']>> = {
  single: {},
  batched: { mode: 'batched' },
  one: {},
  ordered: { ordered: true },
};

/** Of the first deliveries of a process a good part goes into compiling, and of few large ones the more. */
const WARM_UPS = 4;

/** Delivers backlogs to warm up, and one to be measured. */
export async function modes({ contender, origin }: Job, { kind, events }: ModesTask): Promise<ChildResult> {
  if (contender === 'limit' || contender === 'limit-crypto')
    throw new TypeError('The bare loop has no modes');
  const { home } = await told('prepare');
  const store = await openStore(contender, home);
  const surehook = createSurehook({
    repos: store.repos,
    endpoints: { allowHttp: true, allowPrivateAddresses: true },
  });
  const endpoints = kind === 'one' || kind === 'ordered' ? 1 : ENDPOINTS;
  for (let n = 0; n < endpoints; n++) {
    const type = endpoints === 1 ? '*' : typeOf(n);
    await surehook.webhooks.create({
      url: `${origin}/any/${n}`,
      events: [type],
      delivery: deliveries[kind],
    });
  }
  const warmUp = events / WARM_UPS;
  for (let round = 0; round < WARM_UPS; round++) {
    await backlog(store, kind, { from: round * warmUp, events: warmUp });
    await surehook.start();
    await surehook.idle();
    await surehook.stop();
  }
  await backlog(store, kind, { from: events, events });
  // What filling has left behind is not to be cleared away within what is measured.
  globalThis.gc?.();
  const going = told('go');
  await say({ ready: true, addedPerSecond: 0 });
  await going;
  const [cpu, startedAt] = [process.cpuUsage(), monotonicMs()];
  void say({ startedAt });
  await surehook.start();
  await surehook.idle();
  const perSecond = (events / (monotonicMs() - startedAt)) * 1000;
  const used = process.cpuUsage(cpu);
  const { delivered } = surehook.stats();
  // The warm-up is as much again. Queues that are not served would make the rest look fast.
  if (delivered !== 2 * events) throw new Error(`${delivered - events} of ${events} were delivered`);
  void say({ published: true });
  await told('finish');
  await surehook.stop();
  await store.dispose();
  return resultOf({ cpu: used, delivered: delivered - events, addedPerSecond: perSecond });
}

/** Puts a backlog where a process that delivers would have put it: what has turns or batches into own queues. */
async function backlog({ repos }: Store, kind: ModesTask['kind'], { from, events }: Backlog): Promise<void> {
  const webhooks = await repos.webhooks.list({ limit: ENDPOINTS });
  const ids = new Map(webhooks.map((webhook) => [webhook.events[0], webhook.id]));
  const queue = kind === 'batched' || kind === 'ordered' ? 'own' : 'express';
  for (let start = 0; start < events; start += AT_ONCE) {
    const now = Date.now();
    const entries = Array.from({ length: Math.min(AT_ONCE, events - start) }, (_, k) => {
      const n = from + start + k;
      const made = makeEvent(n);
      const timestamp = Date.parse(made.timestamp);
      const event = { ...eventRecord(`evt_${n}`, made.type, { now, body: bodyOf(made) }), timestamp };
      const webhookId = ids.get(made.type) ?? ids.get('*') ?? '';
      const delivery = deliveryRecord(`dlv_${n}`, event, { webhookId, queue });
      const orderingKey = `key ${n % KEYS}`;
      return { event, deliveries: [kind === 'ordered' ? { ...delivery, orderingKey } : delivery] };
    });
    await repos.events.append(entries, { now });
  }
}

interface Backlog {
  /** The number of its first event. */
  readonly from: number;
  readonly events: number;
}
