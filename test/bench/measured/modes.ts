import { createSurehook, type NewWebhook, type Surehook } from '../../../src/index.ts';
import type { ChildResult, Job, ModesTask } from '../protocol.ts';
import { monotonicMs } from '../protocol.ts';
import { openStore } from '../stores/open.ts';
import { ENDPOINTS, makeEvent, typeOf } from '../work.ts';
import { resultOf, say, told } from './child.ts';

const KEYS = 1_000;
const AT_ONCE = 1_000;

const deliveries: Readonly<Record<ModesTask['kind'], NewWebhook['delivery']>> = {
  single: {},
  batched: { mode: 'batched' },
  one: {},
  ordered: { ordered: true },
};

/** Delivers a backlog once to warm up, and once to be measured. */
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
  await backlog(surehook, events);
  await surehook.start();
  await surehook.idle();
  await surehook.stop();
  await backlog(surehook, events);
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
  void say({ published: true });
  await told('finish');
  await surehook.stop();
  await store.dispose();
  return resultOf({ cpu: used, delivered: delivered - events, addedPerSecond: perSecond });
}

async function backlog(surehook: Surehook, count: number): Promise<void> {
  for (let from = 0; from < count; from += AT_ONCE) {
    await surehook.publishMany(
      Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, k) => {
        const { type, timestamp, data } = makeEvent(from + k);
        return { type, timestamp: new Date(timestamp), data, orderingKey: `key ${(from + k) % KEYS}` };
      }),
    );
  }
}
