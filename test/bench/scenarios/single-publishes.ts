import { round, takeTurns } from '../figures.ts';
import type { Bench } from '../harness.ts';
import type { PublishTask, StoreName } from '../protocol.ts';
import type { Plan, Row } from '../scenario.ts';
import { median } from '../statistics.ts';

/** One event per call and no rate, where nothing else is said. */
export function publishing(task: Pick<PublishTask, 'events' | 'lanes'> & Partial<PublishTask>): PublishTask {
  return { mode: 'publish', perCall: 1, isLimited: false, ...task, events: Math.round(task.events) };
}

/** How many `publish` calls a second, one after the other and 32 at a time. */
export async function singlePublishes(
  bench: Bench,
  { reps, scale }: Plan,
  stores: readonly StoreName[],
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const store of stores) {
    const publish = (lanes: number, events: number) => () =>
      bench.publish(store, publishing({ lanes, events: events * scale }), 0);
    const runs = await takeTurns({ one: publish(1, 1_500), many: publish(32, 6_000) }, reps);
    const perSecond = (of: typeof runs.one): string =>
      `${round(median(of.map((run) => run.addedPerSecond)))}/s`;
    rows.push({
      what: `published singly, ${store}`,
      measured: `${perSecond(runs.one)} one at a time, ${perSecond(runs.many)} with 32 at a time`,
    });
  }
  return rows;
}
