import {
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

const LIMIT_REQUIRED = 0.85;
const LIMIT_AIM = 0.95;

/**
 * surehook on the memory repos against a bare loop, the same backlog each. The processes live on and take turns of a few seconds, because the speed
 * of a machine changes by more than what is measured; the ratio is the median of those of neighbours. Before it counts they are warm: of
 * the first deliveries of a process a good part goes into compiling, the more the more code there is. So does the beginning of every round: it has a contender of its own,
 * and what was compiled for the objects of the one before is compiled again; in rounds of a second the ratio is 0.03 lower. The first round is printed, without an aim.
 */
export const limit: Scenario = async (bench, { rounds, warmUps, scale }) => {
  const events = Math.round(60_000 * scale);
  using loop = bench.drainer('limit', events);
  using crypto = bench.drainer('limit-crypto', events);
  using surehook = bench.drainer('memory', events);
  const cases = {
    limit: drained(loop, events),
    surehook: drained(surehook, events),
    crypto: drained(crypto, events),
  };
  const cold = await takeTurns(cases, warmUps);
  const runs = await takeTurns(cases, rounds);
  const reached = ratioOfNeighbours(runs.surehook, runs.limit, rate);
  return [
    rateRow('undici loop, standardwebhooks', runs.limit),
    rateRow('undici loop, node:crypto', runs.crypto),
    rateRow('surehook, memory repos', runs.surehook),
    ratioRow('surehook / loop with standardwebhooks', reached, LIMIT_REQUIRED, ` (in the end ${LIMIT_AIM})`),
    infoRow('the same by CPU per delivery', ratioOfNeighbours(runs.limit, runs.surehook, cpuMicros)),
    infoRow('surehook / loop with node:crypto', ratioOfNeighbours(runs.surehook, runs.crypto, rate)),
    infoRow('surehook / loop, the first round', rate(cold.surehook[0]) / rate(cold.limit[0])),
  ];
};
