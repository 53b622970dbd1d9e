import { type Case, infoRow, ratioOfNeighbours, round, takeTurns } from '../figures.ts';
import type { Bench, Run } from '../harness.ts';
import type { StoreName } from '../protocol.ts';
import type { Plan, Row, Scenario } from '../scenario.ts';
import { median } from '../statistics.ts';
import { publishing } from './single-publishes.ts';

const STORES: readonly StoreName[] = ['memory', 'sqlite', 'postgres'];

/** Ways to publish. All events are of one tenant, so that all calls want the same bucket. */
const WAYS = {
  'one at a time': { lanes: 1, perCall: 1, events: 1_500 },
  '32 at a time': { lanes: 32, perCall: 1, events: 6_000 },
  '1 000 per call': { lanes: 1, perCall: 1_000, events: 20_000 },
} as const;

/** What it costs to count what a tenant publishes: the same with a rate that is never reached, and with none. */
export const rates: Scenario = async (bench, plan) => {
  const rows: Row[] = [];
  for (const store of STORES) {
    for (const way of Object.keys(WAYS) as (keyof typeof WAYS)[]) {
      rows.push(...(await compared(bench, plan, { store, way })));
    }
  }
  return rows;
};

async function compared(
  bench: Bench,
  { reps, scale }: Plan,
  { store, way }: { readonly store: StoreName; readonly way: keyof typeof WAYS },
): Promise<Row[]> {
  const { events, ...how } = WAYS[way];
  const publish =
    (isLimited: boolean): Case =>
    () =>
      bench.publish(store, publishing({ ...how, isLimited, events: events * scale }), 0);
  const runs = await takeTurns({ without: publish(false), with: publish(true) }, reps);
  const perSecond = (of: readonly Run[]): string => round(median(of.map((run) => run.addedPerSecond)));
  return [
    {
      what: `${store}: ${way}`,
      measured: `${perSecond(runs.without)} events/s, ${perSecond(runs.with)} with a rate`,
    },
    infoRow(
      `${store}: ${way}, with / without`,
      ratioOfNeighbours(runs.with, runs.without, (run) => run.addedPerSecond),
    ),
  ];
}
