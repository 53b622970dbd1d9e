import { round } from '../figures.ts';
import type { Bench } from '../harness.ts';
import type { StoreName } from '../protocol.ts';
import type { Plan, Row, Scenario } from '../scenario.ts';
import { median, quantile } from '../statistics.ts';

const DELIVERIES = 1_000_000;
const CALLS = 50;
const AIM_MS = 50;

/** How long it takes to see how a webhook fares, and to see pages of deliveries, when a million are stored of it. */
export const health: Scenario = async (bench, plan) => [
  ...(await healthOn(bench, plan, 'sqlite')),
  ...(await healthOn(bench, plan, 'postgres')),
];

async function healthOn(bench: Bench, { scale }: Plan, store: StoreName): Promise<Row[]> {
  const deliveries = Math.round(DELIVERIES * scale);
  const { home, perSecond } = await bench.filled(store, { mode: 'history', deliveries });
  const { figures } = await bench.look(store, { mode: 'looks', calls: CALLS }, home);
  await bench.remove(home);
  return [
    { what: `${store}: ${round(deliveries)} filled by its repos`, measured: `${round(perSecond)}/s` },
    ...Object.entries(figures).map(([what, times]) => lookRow(store, what, times)),
  ];
}

/** The first of a process prepares its statements, and counts. */
function lookRow(store: StoreName, what: string, times: readonly number[]): Row {
  const p99 = quantile(times, 0.99);
  const all = [median(times), p99, times[0] ?? Number.NaN].map((ms) => `${ms.toFixed(1)} ms`);
  const row = { what: `${store}: ${what}`, measured: `median ${all[0]}, p99 ${all[1]}, the first ${all[2]}` };
  return what.startsWith('health') ? { ...row, aim: `< ${AIM_MS} ms`, met: p99 < AIM_MS } : row;
}
