/**
 * npm run bench -- [limit] [sqlite] [flat] [hang] [dead] [--reps N] [--smoke] [--check]
 *
 * Everything is a ratio inside one run: cases take turns in fresh processes, and medians are compared. `--check` ends with status 1 when an
 * aim is missed, `--smoke` only shows that the scenarios work.
 */
import { parseArgs } from 'node:util';
import { Bench } from './harness.ts';
import { dead, flat, hang, limit, type Plan, type Row, type Scenario, sqlite } from './scenarios.ts';

const SCENARIOS: Readonly<Record<string, Scenario>> = { limit, sqlite, flat, hang, dead };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    reps: { type: 'string', default: '3' },
    smoke: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
  },
});

function plan(): Plan {
  if (values.smoke) return { reps: 1, scale: 0.05 };
  const reps = Number(values.reps);
  if (!Number.isInteger(reps) || reps < 1)
    throw new RangeError(`--reps ${values.reps} is no number of repetitions`);
  return { reps, scale: 1 };
}

function chosen(): readonly (readonly [string, Scenario])[] {
  const names = positionals.length > 0 ? positionals : Object.keys(SCENARIOS);
  return names.map((name) => {
    const scenario = Object.hasOwn(SCENARIOS, name) ? SCENARIOS[name] : undefined;
    if (scenario === undefined) {
      throw new RangeError(`There is no scenario ${name}; there are ${Object.keys(SCENARIOS).join(', ')}`);
    }
    return [name, scenario];
  });
}

function line({ scenario, what, measured, aim, met }: Row): string {
  const verdict = met === undefined ? '' : met ? '  met' : '  MISSED';
  return `${scenario.padEnd(6)} ${what.padEnd(38)} ${measured}${aim === undefined ? '' : `   aim ${aim}`}${verdict}`;
}

/** A scenario that could not be measured is a row that is not met. */
async function measure(name: string, scenario: Scenario, bench: Bench): Promise<Row[]> {
  try {
    return await scenario(bench, setting);
  } catch (thrown) {
    return [{ scenario: name, what: 'FAILED', measured: String(thrown), aim: 'to be measured', met: false }];
  }
}

const setting = plan();
const rows: Row[] = [];
await using bench = await Bench.open();
for (const [name, scenario] of chosen()) {
  const found = await measure(name, scenario, bench);
  rows.push(...found);
  console.log(found.map(line).join('\n'));
}
const missed = rows.filter((row) => row.met === false).length;
console.log(`${setting.reps} repetitions; ${missed} aims missed`);
if (rows.some((row) => row.what === 'FAILED') || (values.check && missed > 0)) process.exitCode = 1;
