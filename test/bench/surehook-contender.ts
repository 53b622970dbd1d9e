/** surehook, used as a host would. */
import { createSurehook } from '../../src/index.ts';
import type { Contender } from './contender.ts';
import type { Store } from './stores.ts';
import { ENDPOINTS, typeOf } from './work.ts';

/** @param maxInFlight requests at a time; absent: surehook's default. */
export async function surehookContender(
  store: Store,
  urlOf: (endpoint: number) => string,
  maxInFlight?: number,
): Promise<Contender> {
  const surehook = createSurehook({
    repos: store.repos,
    endpoints: { allowHttp: true, allowPrivateAddresses: true },
    ...(maxInFlight === undefined ? {} : { maxInFlight }),
  });
  for (let n = 0; n < ENDPOINTS; n++) {
    await surehook.webhooks.create({ url: urlOf(n), events: [typeOf(n)] });
  }
  return {
    async add(events) {
      const published = await surehook.publishMany(
        events.map(({ type, timestamp, data }) => ({ type, timestamp: new Date(timestamp), data })),
      );
      return published.map((one) => one.event.id);
    },
    start: () => surehook.start(),
    delivered: () => surehook.stats().delivered,
    async stop() {
      await surehook.stop();
      await store.dispose();
    },
  };
}
