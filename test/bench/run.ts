/**
 * npm run bench -- [limit] [sqlite] [postgres] [latency] [flat] [waiting] [hang] [dead] [replay] [health] [rates] [modes] [peers] [--reps N] [--smoke] [--check]
 *
 * Everything is a ratio inside one run: cases take turns in fresh processes, and medians are compared. `--check` ends with status 1 when an
 * aim is missed, `--smoke` only shows that the scenarios work.
 */
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { Bench } from './harness.ts';
import type { Plan, Row, Scenario } from './scenario.ts';
import { dead } from './scenarios/dead.ts';
import { flat } from './scenarios/flat.ts';
import { hang } from './scenarios/hang.ts';
import { health } from './scenarios/health.ts';
import { latency } from './scenarios/latency.ts';
import { limit } from './scenarios/limit.ts';
import { modes } from './scenarios/modes.ts';
import { peers } from './scenarios/peers.ts';
import { postgres } from './scenarios/postgres.ts';
import { rates } from './scenarios/rates.ts';
import { replay } from './scenarios/replay.ts';
import { sqlite } from './scenarios/sqlite.ts';
import { waiting } from './scenarios/waiting.ts';

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  limit,
  sqlite,
  postgres,
  latency,
  flat,
  waiting,
  hang,
  dead,
  replay,
  health,
  rates,
  modes,
  peers,
};

const WARM_UP_ROUNDS = 2;
const ROUNDS_PER_REPETITION = 4;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    reps: { type: 'string', default: '3' },
    smoke: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
  },
});

function plan(): Plan {
  if (values.smoke) return { reps: 1, rounds: 1, warmUps: 1, scale: 0.02 };
  const reps = Number(values.reps);
  if (!Number.isInteger(reps) || reps < 1)
    throw new RangeError(`--reps ${values.reps} is no number of repetitions`);
  return { reps, rounds: reps * ROUNDS_PER_REPETITION, warmUps: WARM_UP_ROUNDS, scale: 1 };
}

function chosen(): readonly (readonly [string, Scenario])[] {
  const names =
    positionals.length > 0
      ? positionals
      : Object.keys(SCENARIOS).filter((name) => name !== 'peers' || !values.smoke);
  return names.map((name) => {
    const scenario = Object.hasOwn(SCENARIOS, name) ? SCENARIOS[name] : undefined;
    if (scenario === undefined) {
      throw new RangeError(`There is no scenario ${name}; there are ${Object.keys(SCENARIOS).join(', ')}`);
    }
    return [name, scenario];
  });
}

function line(scenario: string, { what, measured, aim, met }: Row): string {
  const verdict = met === undefined ? '' : met ? '  met' : '  MISSED';
  return `${scenario.padEnd(8)} ${what.padEnd(40)} ${measured}${aim === undefined ? '' : `   aim ${aim}`}${verdict}`;
}

/** A scenario that could not be measured is a row that is not met. */
async function measure(scenario: Scenario, bench: Bench): Promise<Row[]> {
  try {
    return await scenario(bench, setting);
  } catch (thrown) {
    return [{ what: 'FAILED', measured: String(thrown), aim: 'to be measured', met: false }];
  }
}

const setting = plan();
const rows: Row[] = [];
await using bench = await Bench.open();
for (const [name, scenario] of chosen()) {
  const found = await measure(scenario, bench);
  rows.push(...found);
  found.push({ what: 'load of the machine at the end', measured: (loadavg()[0] ?? 0).toFixed(1) });
  console.log(found.map((row) => line(name, row)).join('\n'));
}
const missed = rows.filter((row) => row.met === false).length;
console.log(`${setting.reps} repetitions; ${missed} aims missed`);
if (rows.some((row) => row.what === 'FAILED') || (values.check && missed > 0)) process.exitCode = 1;
