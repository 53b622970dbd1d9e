/** surehook on the in-memory repos, used as a host would. */
import { createSurehook, memoryRepos } from '../../src/index.ts';
import type { Contender, PathOf } from './contender.ts';
import { ENDPOINTS, typeOf } from './work.ts';

/** @param maxInFlight requests at a time; absent: surehook's default. */
export async function surehookContender(
  origin: string,
  pathOf: PathOf,
  maxInFlight?: number,
): Promise<Contender> {
  const surehook = createSurehook({
    repos: memoryRepos(),
    endpoints: { allowHttp: true, allowPrivateAddresses: true },
    ...(maxInFlight === undefined ? {} : { maxInFlight }),
  });
  for (let n = 0; n < ENDPOINTS; n++) {
    await surehook.webhooks.create({ url: `${origin}${pathOf(n)}`, events: [typeOf(n)] });
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
    stop: () => surehook.stop(),
  };
}
