import {
  infoRow,
  rate,
  rateRatio,
  rateRow,
  ratioOfNeighbours,
  ratioRow,
  round,
  takeTurns,
  wholeMicros,
} from '../figures.ts';
import type { Bench, Run } from '../harness.ts';
import type { StoreName } from '../protocol.ts';
import type { Plan, Row, Scenario } from '../scenario.ts';
import { median } from '../statistics.ts';
import { feed } from './feeds.ts';

const AIM = 0.95;
const HEALTHY_WAITING = 2_000;
const DEAD_WEBHOOKS = 10_000;
const WAITING_FOR_DEAD = 1_000_000;

/** The others' rate while much waits for endpoints that answer 500: for one, in memory, and for ten thousand in a database. */
export const dead: Scenario = async (bench, plan) => [
  ...(await oneDead(bench, plan)),
  ...(await manyDead(bench, plan, 'sqlite')),
  ...(await manyDead(bench, plan, 'postgres')),
];

async function oneDead(bench: Bench, { reps, scale }: Plan): Promise<Row[]> {
  const waitingForDead = Math.round(100_000 * scale);
  const waiting = HEALTHY_WAITING;
  const runs = await takeTurns(
    {
      without: () => feed(bench, 'memory', { waiting, scale }),
      with: () => feed(bench, 'memory', { waiting, waitingForDead, scale }),
    },
    reps,
  );
  if (runs.with.some((run) => run.sink.dead === 0)) throw new Error('The dead endpoint was never called');
  const fromStart = (run: Run): number => 1 / ((run.marks.at(-1)?.at ?? Number.NaN) - run.startedAt);
  return [
    rateRow('memory: nothing waits for it', runs.without),
    rateRow(`memory: ${round(waitingForDead)} wait for it`, runs.with),
    ratioRow("memory: the others' rate, steady state", rateRatio(runs.with, runs.without), AIM),
    infoRow(
      "memory: the others' rate, from the start",
      median(runs.with.map(fromStart)) / median(runs.without.map(fromStart)),
    ),
  ];
}

async function manyDead(bench: Bench, { reps, scale }: Plan, store: StoreName): Promise<Row[]> {
  const [deadWebhooks, waitingForDead] = [DEAD_WEBHOOKS, WAITING_FOR_DEAD].map((n) => Math.round(n * scale));
  const waiting = HEALTHY_WAITING;
  const none = await bench.filled(store, { mode: 'fill', waiting, deadWebhooks: 0, waitingForDead: 0 });
  const some = await bench.filled(store, {
    mode: 'fill',
    waiting,
    deadWebhooks: deadWebhooks ?? 0,
    waitingForDead: waitingForDead ?? 0,
  });
  const cases = {
    without: () => feed(bench, store, { waiting, filled: none, scale }),
    with: () => feed(bench, store, { waiting, filled: some, scale }),
  };
  // Serves the probes that came due while the store was filled, a minute's worth.
  await cases.with();
  const runs = await takeTurns(cases, reps);
  for (const { home } of [none, some]) await bench.remove(home);
  const probes = runs.with.reduce((sum, run) => sum + run.sink.dead, 0);
  return [
    rateRow(`${store}: no dead webhooks`, runs.without),
    rateRow(`${store}: ${round(deadWebhooks ?? 0)} with ${round(waitingForDead ?? 0)} waiting`, runs.with),
    ratioRow(`${store}: the others' rate`, ratioOfNeighbours(runs.with, runs.without, rate), AIM),
    infoRow(
      `${store}: the same by CPU, server's included`,
      ratioOfNeighbours(runs.without, runs.with, wholeMicros),
    ),
    { what: `${store}: probes of dead endpoints`, measured: `${probes} in all runs` },
  ];
}
