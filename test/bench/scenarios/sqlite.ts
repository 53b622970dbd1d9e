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

const AIM = 0.8;
const ADDED_AIM = 60_000;

/** surehook on an SQLite file against the bare loop, as in `limit`. */
export const sqlite: Scenario = async (bench, plan) => {
  const events = Math.round(20_000 * plan.scale);
  using loop = bench.drainer('limit', events);
  using normal = bench.drainer('sqlite', events);
  using full = bench.drainer('sqlite-full', events);
  const cases = {
    limit: drained(loop, events),
    normal: drained(normal, events),
    full: drained(full, events),
  };
  await takeTurns(cases, plan.warmUps);
  const runs = await takeTurns(cases, plan.rounds);
  return [
    rateRow('undici loop, standardwebhooks', runs.limit),
    rateRow('surehook, synchronous NORMAL', runs.normal),
    rateRow('surehook, synchronous FULL', runs.full),
    ratioRow('NORMAL / loop', ratioOfNeighbours(runs.normal, runs.limit, rate), AIM),
    infoRow('the same by CPU per delivery', ratioOfNeighbours(runs.limit, runs.normal, cpuMicros)),
    infoRow('FULL / loop', ratioOfNeighbours(runs.full, runs.limit, rate)),
    addedRow('published in bulk, NORMAL', runs.normal, ADDED_AIM),
    ...(await singlePublishes(bench, plan, ['sqlite', 'sqlite-full'])),
  ];
};
