/** surehook, used as a host would. */
import { createSurehook, type Surehook } from '../../src/index.ts';
import type { Contender } from './contender.ts';
import type { Store } from './stores/open.ts';
import { type BenchEvent, ENDPOINTS, typeOf } from './work.ts';

export interface SurehookUse {
  readonly urlOf: (endpoint: number) => string;
  /** Requests at a time; absent: surehook's default. */
  readonly maxInFlight?: number;
  /** Whether each tenant has a rate, higher than any that is reached; absent: none. */
  readonly isLimited?: boolean;
  /** Whether the webhooks are there already. */
  readonly joins: boolean;
}

export interface SurehookContender extends Contender {
  readonly surehook: Surehook;
}

const UNREACHED = { perMinute: 60_000_000, burst: 1_000_000 } as const;

export async function surehookContender(store: Store, use: SurehookUse): Promise<SurehookContender> {
  const surehook = createSurehook({
    repos: store.repos,
    endpoints: { allowHttp: true, allowPrivateAddresses: true },
    ...(use.maxInFlight === undefined ? {} : { maxInFlight: use.maxInFlight }),
    rateLimit: use.isLimited === true && UNREACHED,
  });
  for (let n = 0; n < ENDPOINTS && !use.joins; n++) {
    await surehook.webhooks.create({ url: use.urlOf(n), events: [typeOf(n)] });
  }
  return {
    surehook,
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
