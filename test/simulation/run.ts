/**
 * node test/simulation/run.ts [--seeds 2000] [--from 1] [--adapter memory|sqlite]
 * node test/simulation/run.ts --seed 7 [--trace] [--adapter memory|sqlite]
 * node test/simulation/run.ts --crash-points
 * node test/simulation/run.ts --mutants [--only part-of-a-name]
 *
 * Runs histories of the real engine in virtual time and holds each against the invariants of `faults.md`. The same seed of the same commit is
 * the same history, on any machine. Ends with status 1 on a violation.
 */
import { parseArgs } from 'node:util';
import { Crew } from './crew.ts';
import { Digest } from './digest.ts';
import { runHistory } from './history.ts';
import { mutants } from './mutants.ts';
import type { AdapterName } from './plan.ts';
import { scenarios } from './scenarios.ts';
import { planOf } from './swarm.ts';
import type { Task, TaskResult, Violated } from './tasks.ts';
import { fatesByWeather } from './weather.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '2000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    adapter: { type: 'string', default: 'memory' },
    trace: { type: 'boolean', default: false },
    marks: { type: 'boolean', default: false },
    'crash-points': { type: 'boolean', default: false },
    mutants: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
  },
});

/** Violations that are shown in full. */
const SHOWN = 10;
const SEEDS_PER_TASK = 100;
/** Pieces that the crashes of a scenario are cut into. */
const PARTS = 4;
/** A planted bug is hunted so often, each time through so many seeds at most. */
const TRIALS = 3;
const HUNT_LIMIT = 400;

function whole(name: 'seeds' | 'from' | 'seed', given: string | undefined): number {
  const number = Number(given);
  if (Number.isInteger(number) && number >= 0) return number;
  throw new RangeError(`--${name} must be a whole number, not ${given}`);
}

function adapter(): AdapterName {
  if (values.adapter === 'memory' || values.adapter === 'sqlite') return values.adapter;
  throw new RangeError(`--adapter must be memory or sqlite, not ${values.adapter}`);
}

function seedTasks(): Task[] {
  const seeds = whole('seeds', values.seeds);
  const from = whole('from', values.from);
  return Array.from({ length: Math.ceil(seeds / SEEDS_PER_TASK) }, (_, n) => ({
    kind: 'seeds',
    adapter: adapter(),
    from: from + n * SEEDS_PER_TASK,
    count: Math.min(SEEDS_PER_TASK, seeds - n * SEEDS_PER_TASK),
  }));
}

/** Every single crash on both stores, and on memory all pairs of some. */
function crashTasks(): Task[] {
  return scenarios.flatMap(({ hasPairs }, scenario) => {
    const parts = Array.from(
      { length: PARTS },
      (_, part) => ({ kind: 'crashes', scenario, part, parts: PARTS }) as const,
    );
    return [
      ...(hasPairs ? parts.map((part): Task => ({ ...part, adapter: 'memory', crashes: 2 })) : []),
      ...parts.map((part): Task => ({ ...part, adapter: 'sqlite', crashes: 1 })),
      ...parts.map((part): Task => ({ ...part, adapter: 'memory', crashes: 1 })),
    ];
  });
}

function show(violated: readonly Violated[]): void {
  for (const { name, violations } of violated.slice(0, SHOWN))
    console.log(`VIOLATION ${name}\n  ${violations.join('\n  ')}`);
}

function sumOf(results: readonly TaskResult[]): {
  histories: number;
  violated: Violated[];
  marks: Map<string, number>;
  hash: string;
  perSecond: number;
} {
  const digest = new Digest();
  const marks = new Map<string, number>();
  let [histories, cpuMs] = [0, 0];
  for (const result of results) {
    histories += result.histories;
    cpuMs += result.cpuMs;
    digest.add(result.hash);
    for (const [name, hits] of Object.entries(result.marks)) marks.set(name, (marks.get(name) ?? 0) + hits);
  }
  const violated = results.flatMap(({ violations }) => violations);
  return { histories, violated, marks, hash: digest.hex, perSecond: (histories / cpuMs) * 1_000 };
}

/** One history, told line by line if that is asked for. */
async function one(seed: number): Promise<number> {
  const plan = planOf(seed, adapter());
  const { lines, violations, hash } = await runHistory(plan, {
    fates: fatesByWeather(plan),
    isRead: values.trace,
  });
  if (values.trace) console.log([JSON.stringify(plan, null, 2), ...lines].join('\n'));
  if (violations.length > 0) show([{ name: `--adapter ${plan.adapter} --seed ${seed}`, violations }]);
  console.log(`seed ${seed}, hash ${hash}, ${violations.length} violations`);
  return violations.length;
}

async function many(tasks: readonly Task[], what: string): Promise<number> {
  const { histories, violated, marks, hash, perSecond } = sumOf(await new Crew(tasks).work());
  show(violated);
  if (values.marks)
    for (const [name, hits] of [...marks].sort()) console.log(`${String(hits).padStart(8)} ${name}`);
  console.log(`hash ${hash}, ${perSecond.toFixed(0)} ${what} a second of CPU`);
  console.log(`${histories} ${what}, ${violated.length} violations, ${marks.size} marks`);
  return violated.length;
}

/** Every planted bug has to be found. Returns how many were not. */
async function hunt(): Promise<number> {
  const tasks = mutants
    .filter(({ name }) => name.includes(values.only))
    .map(({ name }): Task => ({ kind: 'hunt', mutant: name, trials: TRIALS, limit: HUNT_LIMIT }));
  let escaped = 0;
  const results = await new Crew(tasks, ({ seeds = [], violations }, task) => {
    const median =
      seeds.map((taken) => taken ?? Number.POSITIVE_INFINITY).sort((a, b) => a - b)[seeds.length >> 1] ?? 0;
    const isCaught = Number.isFinite(median);
    if (!isCaught) escaped += 1;
    const name = task.kind === 'hunt' ? task.mutant : '';
    const by = violations[0]?.violations[0]?.split(' ')[0] ?? '';
    console.log(`${isCaught ? String(median).padStart(5) : '  ***'} ${by.padEnd(4)} ${name}`);
  }).work();
  const { histories } = sumOf(results);
  console.log(`${histories} seeds, ${tasks.length} mutants, ${escaped} not caught`);
  return escaped;
}

const violations =
  values.seed !== undefined
    ? await one(whole('seed', values.seed))
    : values['crash-points']
      ? await many(crashTasks(), 'histories')
      : values.mutants
        ? await hunt()
        : await many(seedTasks(), 'seeds');
if (violations > 0) process.exitCode = 1;
