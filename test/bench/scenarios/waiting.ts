import {
  infoRow,
  rate,
  rateRow,
  ratio,
  ratioOfNeighbours,
  round,
  takeTurns,
  wholeMicros,
} from '../figures.ts';
import type { Bench, Run } from '../harness.ts';
import type { StoreName } from '../protocol.ts';
import type { Plan, Row, Scenario } from '../scenario.ts';
import { median } from '../statistics.ts';
import { feed } from './feeds.ts';

const FEW = 1_000;
const MANY = 1_000_000;
const MEMORY_AIM_MIB = 20;

/** The same deliveries while a thousand or a million wait in a database, and what the process needs for it. */
export const waiting: Scenario = async (bench, plan) => [
  ...(await waitingIn(bench, plan, 'sqlite')),
  ...(await waitingIn(bench, plan, 'postgres')),
];

async function waitingIn(bench: Bench, { reps, scale }: Plan, store: StoreName): Promise<Row[]> {
  const many = Math.round(MANY * scale);
  const fill = (count: number) =>
    bench.filled(store, { mode: 'fill', waiting: count, deadWebhooks: 0, waitingForDead: 0 });
  const [little, much] = [await fill(FEW), await fill(many)];
  const runs = await takeTurns(
    {
      few: () => feed(bench, store, { waiting: FEW, filled: little, scale }),
      many: () => feed(bench, store, { waiting: many, filled: much, scale }),
    },
    reps,
  );
  for (const { home } of [little, much]) await bench.remove(home);
  const reached = ratioOfNeighbours(runs.many, runs.few, rate);
  const held = (of: readonly Run[]): number => median(of.map(({ heldMiB }) => heldMiB));
  const resident = (of: readonly Run[]): string => round(median(of.map(({ residentMiB }) => residentMiB)));
  const growth = held(runs.many) - held(runs.few);
  return [
    { what: `${store}: filled by its repos`, measured: `${round(much.perSecond)}/s` },
    rateRow(`${store}: ${round(FEW)} waiting`, runs.few),
    rateRow(`${store}: ${round(many)} waiting`, runs.many),
    {
      what: `${store}: rate with many / with few`,
      measured: ratio(reached),
      aim: '>= 0.90',
      met: reached >= 0.9,
    },
    infoRow(
      `${store}: the same by CPU, server's included`,
      ratioOfNeighbours(runs.few, runs.many, wholeMicros),
    ),
    {
      what: `${store}: memory held, few to many`,
      measured: `${held(runs.few).toFixed(1)} to ${held(runs.many).toFixed(1)} MiB (resident ${resident(runs.few)} to ${resident(runs.many)})`,
      aim: `<= ${MEMORY_AIM_MIB} MiB more`,
      met: growth <= MEMORY_AIM_MIB,
    },
  ];
}
