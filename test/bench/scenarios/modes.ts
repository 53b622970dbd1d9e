import { infoRow, ratioOfNeighbours, ratioRow, round, takeTurns } from '../figures.ts';
import type { Bench, Run } from '../harness.ts';
import type { ModesTask, StoreName } from '../protocol.ts';
import type { Plan, Row, Scenario } from '../scenario.ts';
import { median } from '../statistics.ts';

const BATCHED_AIM = { memory: 8, postgres: 4 } as const;
const ORDERED_AIM = 0.5;

/** Events a second of batched webhooks against single ones, and of an ordered webhook with 1 000 keys against the same without order. */
export const modes: Scenario = async (bench, plan) => [
  ...(await batched(bench, plan, 'memory')),
  ...(await batched(bench, plan, 'postgres')),
  ...(await ordered(bench, plan, 'memory')),
  ...(await ordered(bench, plan, 'sqlite')),
  ...(await ordered(bench, plan, 'postgres')),
];

async function batched(bench: Bench, plan: Plan, store: keyof typeof BATCHED_AIM): Promise<Row[]> {
  const runs = await takeTurns(
    {
      single: run(bench, plan, { store, kind: 'single' }),
      batched: run(bench, plan, { store, kind: 'batched' }),
    },
    plan.reps,
  );
  return [
    eventsRow(`${store}: single`, runs.single),
    eventsRow(`${store}: batched`, runs.batched),
    ratioRow(
      `${store}: batched / single`,
      ratioOfNeighbours(runs.batched, runs.single, perSecond),
      BATCHED_AIM[store],
    ),
    infoRow(`${store}: the same by CPU`, ratioOfNeighbours(runs.single, runs.batched, perEvent)),
  ];
}

async function ordered(bench: Bench, plan: Plan, store: StoreName): Promise<Row[]> {
  const runs = await takeTurns(
    { one: run(bench, plan, { store, kind: 'one' }), ordered: run(bench, plan, { store, kind: 'ordered' }) },
    plan.reps,
  );
  return [
    eventsRow(`${store}: one webhook`, runs.one),
    eventsRow(`${store}: one, ordered by 1 000 keys`, runs.ordered),
    ratioRow(`${store}: ordered / not`, ratioOfNeighbours(runs.ordered, runs.one, perSecond), ORDERED_AIM),
  ];
}

function run(
  bench: Bench,
  { scale }: Plan,
  { store, kind }: { readonly store: StoreName; readonly kind: ModesTask['kind'] },
): () => Promise<Run> {
  const events = Math.round(60_000 * scale);
  return () => bench.publish(store, { mode: 'modes', kind, events }, 0);
}

/** CPU time of the worker, per event. */
function perEvent({ cpuMs, delivered }: Run): number {
  return cpuMs / delivered;
}

function perSecond({ addedPerSecond }: Run): number {
  return addedPerSecond;
}

function eventsRow(what: string, runs: readonly Run[]): Row {
  return { what, measured: `${round(median(runs.map(perSecond)))} events/s` };
}
