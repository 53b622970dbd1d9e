import {
  infoRow,
  rate,
  rateRow,
  ratioOfNeighbours,
  ratioRow,
  round,
  takeTurns,
  wholeMicros,
} from '../figures.ts';
import type { Bench, Run } from '../harness.ts';
import type { GivenUp, StoreName } from '../protocol.ts';
import type { Plan, Row, Scenario } from '../scenario.ts';
import { median } from '../statistics.ts';
import type { Home } from '../stores/home.ts';

const AIM = 0.95;
const WAITING = 2_000;
const GIVEN_UP = 100_000;
const SEVERAL = 20;
const [WARM_UP, MEASURED] = [20_000, 100_000];

/**
 * Live traffic while a hundred thousand exhausted deliveries of webhooks apart are replayed, against the same while nothing is. What is measured begins with
 * the call that marks them, once the process is warm; they are sent, a few at a time, as soon as the first are marked. All of one webhook is the harder case: what comes in
 * at once may be more than it gets at a time.
 */
export const replay: Scenario = async (bench, plan) => [
  ...(await replayOn(bench, plan, 'memory')),
  ...(await replayOn(bench, plan, 'sqlite')),
  ...(await replayOn(bench, plan, 'postgres')),
];

async function replayOn(bench: Bench, { reps, scale }: Plan, store: StoreName): Promise<Row[]> {
  const run = (isReplaying: boolean, webhooks: number) => () =>
    measured(bench, scale, { store, isReplaying, webhooks });
  const runs = await takeTurns(
    { without: run(false, SEVERAL), several: run(true, SEVERAL), one: run(true, 1) },
    reps,
  );
  return [
    rateRow(`${store}: ${round(GIVEN_UP * scale)} given up`, runs.without),
    ...replayRows(`${store}: of ${SEVERAL} webhooks`, runs.several, runs.without),
    ...replayRows(`${store}: of one webhook`, runs.one, runs.without),
  ];
}

function replayRows(what: string, runs: readonly Run[], without: readonly Run[]): Row[] {
  return [
    rateRow(what, runs),
    { what, measured: replaysOf(runs) },
    ratioRow(`${what}, the others' rate`, ratioOfNeighbours(runs, without, rate), AIM),
    infoRow(`${what}, by CPU of both`, ratioOfNeighbours(without, runs, wholeMicros)),
  ];
}

async function measured(
  bench: Bench,
  scale: number,
  {
    store,
    isReplaying,
    webhooks,
  }: { readonly store: StoreName; readonly isReplaying: boolean; readonly webhooks: number },
): Promise<Run> {
  const scaled = (n: number): number => Math.round(n * scale);
  const givenUp = { deliveries: scaled(GIVEN_UP), webhooks };
  const warmUp = scaled(WARM_UP);
  const task = {
    mode: 'replay',
    waiting: WAITING,
    givenUp,
    filled: store !== 'memory',
    replayAfter: isReplaying ? warmUp : null,
  } as const;
  // Replays change what is stored: every run has a store of its own.
  const home = task.filled ? await filled(bench, store, givenUp) : undefined;
  try {
    const marks = [warmUp, warmUp + scaled(MEASURED)];
    return await bench.feed({ contender: store, task, marks, home });
  } finally {
    await bench.remove(home);
  }
}

async function filled(bench: Bench, store: StoreName, givenUp: GivenUp): Promise<Home | undefined> {
  const none = { deadWebhooks: 0, waitingForDead: 0 };
  const { home } = await bench.filled(store, { mode: 'fill', waiting: WAITING, ...none, givenUp });
  return home;
}

/** What the runs say of their replays, which must have been seen to wait for their slots, and to be let in. */
function replaysOf(runs: readonly Run[]): string {
  const of = (name: string): number => median(runs.map(({ figures }) => figures[name]?.[0] ?? Number.NaN));
  if (runs.some(({ figures }) => !(Number(figures.replaying?.[0]) > 0 && Number(figures.sent?.[0]) > 0))) {
    throw new Error('Nothing was seen to be replayed');
  }
  const seconds = (of('markingMs') / 1000).toFixed(1);
  return `${round(of('marked'))} marked in ${seconds} s; at the end ${round(of('sent'))} sent, ${round(of('replaying'))} replaying`;
}
