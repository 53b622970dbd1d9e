/** surehook, used as a host would. */
import { createSurehook } from '../../src/index.ts';
import type { Contender } from './contender.ts';
import type { Store } from './stores/open.ts';
import { type BenchEvent, ENDPOINTS, typeOf } from './work.ts';

export interface SurehookUse {
  readonly urlOf: (endpoint: number) => string;
  /** Requests at a time; absent: surehook's default. */
  readonly maxInFlight?: number;
  /** Whether the webhooks are there already. */
  readonly joins: boolean;
}

export async function surehookContender(store: Store, use: SurehookUse): Promise<Contender> {
  const surehook = createSurehook({
    repos: store.repos,
    endpoints: { allowHttp: true, allowPrivateAddresses: true },
    ...(use.maxInFlight === undefined ? {} : { maxInFlight: use.maxInFlight }),
  });
  for (let n = 0; n < ENDPOINTS && !use.joins; n++) {
    await surehook.webhooks.create({ url: use.urlOf(n), events: [typeOf(n)] });
  }
  return {
    async add(events) {
      const published = await surehook.publishMany(events.map(inputOf));
      return published.map((one) => one.event.id);
    },
    addOne: async (event) => (await surehook.publish(inputOf(event))).event.id,
    start: () => surehook.start(),
    settled: () => surehook.idle(),
    delivered: () => surehook.stats().delivered,
    async stop(options) {
      await surehook.stop(options);
      await store.dispose();
    },
  };
}

function inputOf({ type, timestamp, data }: BenchEvent): { type: string; timestamp: Date; data: unknown } {
  return { type, timestamp: new Date(timestamp), data };
}
