/**
 * node test/simulation/run.ts [--seeds 2000] [--from 1] [--adapter memory|sqlite]
 * node test/simulation/run.ts --seed 7 [--trace | --shrink] [--adapter memory|sqlite]
 * node test/simulation/run.ts --crash-points [--singles] [--adapter memory|sqlite]
 * node test/simulation/run.ts --mutants [--only part-of-a-name] [--shrink]
 *
 * `--twice` runs every seed two times and fails where the two differ. `--marks` tells how often each interesting situation came about; from 20 000 seeds
 * on each must have at least 100 times in 20 000. `--shrink` makes a plan that finds something as small as it gets: a line for `cases.jsonl`.
 * Runs histories of the real engine in virtual time and holds each against the invariants of `faults.md`. The same seed of the same commit is
 * the same history, on any machine. Ends with status 1 on a violation.
 */
import { parseArgs } from 'node:util';
import { expectedMarks } from './check/marks.ts';
import { Crew } from './crew.ts';
import { Digest } from './digest.ts';
import { runHistory } from './history.ts';
import { mutants } from './mutants.ts';
import type { AdapterName } from './plan.ts';
import { scenarios } from './scenarios.ts';
import { shrink, textOf } from './shrink.ts';
import { planOf } from './swarm.ts';
import type { Task, TaskResult, Violated } from './tasks.ts';
import { fatesByWeather } from './weather.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '2000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    adapter: { type: 'string' },
    trace: { type: 'boolean', default: false },
    marks: { type: 'boolean', default: false },
    twice: { type: 'boolean', default: false },
    shrink: { type: 'boolean', default: false },
    'crash-points': { type: 'boolean', default: false },
    singles: { type: 'boolean', default: false },
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
const HUNT_LIMIT = 500;
/** Seeds that bring every interesting situation about, and how often. */
const MARKED_SEEDS = 20_000;
const LEAST_MARKS = 100;

function whole(name: 'seeds' | 'from' | 'seed', given: string | undefined): number {
  const number = Number(given);
  if (Number.isInteger(number) && number >= 0) return number;
  throw new RangeError(`--${name} must be a whole number, not ${given}`);
}

function adapter(): AdapterName {
  if (values.adapter === undefined) return 'memory';
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

/** Every single crash on both stores, or one; and on memory all pairs of some. */
function crashTasks(): Task[] {
  const stores: readonly AdapterName[] = values.adapter === undefined ? ['sqlite', 'memory'] : [adapter()];
  const hasAllPairs = !values.singles && stores.includes('memory');
  return scenarios.flatMap(({ hasPairs }, scenario) => {
    const parts = Array.from(
      { length: PARTS },
      (_, part) => ({ kind: 'crashes', scenario, part, parts: PARTS }) as const,
    );
    return [
      ...(hasPairs && hasAllPairs
        ? parts.map((part): Task => ({ ...part, adapter: 'memory', crashes: 2 }))
        : []),
      ...stores.flatMap((store) => parts.map((part): Task => ({ ...part, adapter: store, crashes: 1 }))),
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
  const drawn = planOf(seed, adapter());
  const plan = values.shrink ? await shrink(drawn) : drawn;
  if (values.shrink) console.log(textOf(plan));
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
  const rare = rareAmong(marks, what === 'seeds' ? histories : 0);
  for (const name of rare) console.log(`RARE ${marks.get(name) ?? 0} times: ${name}`);
  const differing = values.twice ? await differingFrom(tasks, hash) : 0;
  if (values.marks)
    for (const [name, hits] of [...marks].sort()) console.log(`${String(hits).padStart(8)} ${name}`);
  console.log(`${perSecond.toFixed(0)} ${what} a second of CPU`);
  console.log(`hash ${hash}`);
  console.log(`${histories} ${what}, ${violated.length} violations, ${marks.size} marks`);
  return violated.length + rare.length + differing;
}

/** The situations that came about less often than they should, in a run that is long enough to tell. */
function rareAmong(marks: ReadonlyMap<string, number>, seeds: number): readonly string[] {
  if (seeds < MARKED_SEEDS) return [];
  const least = LEAST_MARKS * Math.floor(seeds / MARKED_SEEDS);
  return expectedMarks.filter((name) => (marks.get(name) ?? 0) < least);
}

/** Runs everything once more. Returns how many histories were not the same: all count as one. */
async function differingFrom(tasks: readonly Task[], hash: string): Promise<number> {
  const again = sumOf(await new Crew(tasks).work()).hash;
  console.log(again === hash ? 'twice the same' : `DIFFERENT the second time: ${again}, not ${hash}`);
  return again === hash ? 0 : 1;
}

/** Every planted bug has to be found. Returns how many were not. */
async function hunt(): Promise<number> {
  const tasks = mutants
    .filter(({ name }) => name.includes(values.only))
    .map(
      ({ name }): Task => ({
        kind: 'hunt',
        mutant: name,
        trials: TRIALS,
        limit: HUNT_LIMIT,
        shrinks: values.shrink,
      }),
    );
  let escaped = 0;
  const results = await new Crew(tasks, (result, task) => {
    const { seeds = [], violations, foundBy, plan } = result;
    const median =
      seeds.map((taken) => taken ?? Number.POSITIVE_INFINITY).sort((a, b) => a - b)[seeds.length >> 1] ?? 0;
    const isCaught = Number.isFinite(median) || foundBy !== undefined;
    if (!isCaught) escaped += 1;
    const name = task.kind === 'hunt' ? task.mutant : '';
    const by = violations[0]?.violations[0]?.split(' ')[0] ?? '';
    const taken = Number.isFinite(median) ? String(median) : isCaught ? '>' : '***';
    console.log(
      `${taken.padStart(5)} ${by.padEnd(4)} ${name}${foundBy === undefined ? '' : `, by ${foundBy}`}`,
    );
    if (plan !== undefined) console.log(`${name}\t${plan}`);
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
