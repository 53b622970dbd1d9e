import { cases } from './cases.ts';
import { type CrashPoint, runScenario, tryPairs, trySingles } from './crash-points.ts';
import { Digest } from './digest.ts';
import { runHistory } from './history.ts';
import type { AdapterName, Plan } from './plan.ts';
import { scenarios } from './scenarios.ts';
import { shrink, textOf } from './shrink.ts';
import { planOf } from './swarm.ts';
import { fatesByWeather } from './weather.ts';

/** A piece of work, small enough to be shared out among processes. */
export type Task =
  | { readonly kind: 'seeds'; readonly adapter: AdapterName; readonly from: number; readonly count: number }
  | {
      readonly kind: 'crashes';
      readonly adapter: AdapterName;
      readonly scenario: number;
      readonly crashes: 1 | 2;
      readonly part: number;
      readonly parts: number;
    }
  /** How many seeds it takes to find a planted bug, from several beginnings. */
  | {
      readonly kind: 'hunt';
      readonly mutant: string;
      readonly trials: number;
      readonly limit: number;
      /** Make the first plan that finds it small. */
      readonly shrinks: boolean;
    };

/** What came of a piece of work. */
export interface TaskResult {
  /** Histories that were run. */
  readonly histories: number;
  readonly violations: readonly Violated[];
  readonly marks: Readonly<Record<string, number>>;
  /** Of all their hashes. */
  readonly hash: string;
  readonly calls: number;
  /** Of a hunt: the seeds that each trial took; `null` where the limit was reached. */
  readonly seeds?: readonly (number | null)[];
  /** Of a hunt that no seed ended: the case or scenario that did. */
  readonly foundBy?: string;
  /** Of a hunt: the smallest plan that finds it, where that was asked for. */
  readonly plan?: string;
  /** CPU time of the process, ms. */
  readonly cpuMs: number;
}

/** A history that violated something. */
export interface Violated {
  /** How to run it again. */
  readonly name: string;
  readonly violations: readonly string[];
}

/** Does a piece of work. */
export async function perform(task: Task): Promise<TaskResult> {
  const before = process.cpuUsage();
  const result = await outcomeOf(task);
  const { user, system } = process.cpuUsage(before);
  return { ...result, cpuMs: (user + system) / 1_000 };
}

type Outcome = Omit<TaskResult, 'cpuMs'>;

async function outcomeOf(task: Task): Promise<Outcome> {
  switch (task.kind) {
    case 'seeds':
      return await performSeeds(task);
    case 'crashes':
      return await performCrashes(task);
    case 'hunt':
      return await performHunt(task);
  }
}

/** The seeds of one trial have nothing in common with those of the next. */
const TRIAL_SEEDS = 1_000_000;

async function performHunt({ mutant, trials, limit, shrinks }: Task & { kind: 'hunt' }): Promise<Outcome> {
  const seeds: (number | null)[] = [];
  const found: { readonly plan: Plan; readonly violated: Violated }[] = [];
  let histories = 0;
  for (let trial = 0; trial < trials; trial += 1) {
    let taken: number | null = null;
    for (let n = 1; n <= limit && taken === null; n += 1) {
      const plan = planOf(trial * TRIAL_SEEDS + n, 'memory');
      const { violations } = await runHistory(plan, { fates: fatesByWeather(plan) });
      histories += 1;
      if (violations.length === 0) continue;
      taken = n;
      found.push({ plan, violated: { name: `--seed ${plan.seed}`, violations: violations.slice(0, 1) } });
    }
    seeds.push(taken);
  }
  const isFound = found.length * 2 > trials;
  const directed = isFound ? undefined : await findDirected(mutant);
  const violated = found.map((one) => one.violated);
  const [first] = found;
  return {
    histories,
    violations: directed === undefined ? violated : [directed],
    marks: {},
    hash: '',
    calls: 0,
    seeds,
    ...(directed !== undefined && { foundBy: directed.name }),
    ...(shrinks && first !== undefined && { plan: textOf(await shrink(first.plan)) }),
  };
}

/** What chance brings about too rarely: the case that was kept of the same bug, the other cases, and the scenarios without a crash. */
async function findDirected(mutant: string): Promise<Violated | undefined> {
  const own = cases.filter(({ name }) => name === mutant);
  for (const { name, plan } of [...own, ...cases]) {
    const { violations } = await runHistory(plan, { fates: fatesByWeather(plan) });
    if (violations.length > 0) return { name: `the case of ${name}`, violations: violations.slice(0, 1) };
  }
  for (const scenario of scenarios) {
    const { violations } = await runScenario(scenario, [], 'memory');
    if (violations.length > 0)
      return { name: `the scenario ${scenario.name}`, violations: violations.slice(0, 1) };
  }
  return undefined;
}

async function performSeeds({ adapter, from, count }: Task & { kind: 'seeds' }): Promise<Outcome> {
  const digest = new Digest();
  const marks: Record<string, number> = {};
  const violations: Violated[] = [];
  let calls = 0;
  for (let seed = from; seed < from + count; seed += 1) {
    const plan = planOf(seed, adapter);
    const result = await runHistory(plan, { fates: fatesByWeather(plan) });
    digest.add(result.hash);
    calls += result.calls;
    for (const [name, hits] of result.marks) marks[name] = (marks[name] ?? 0) + hits;
    if (result.violations.length > 0)
      violations.push({ name: `--adapter ${adapter} --seed ${seed}`, violations: result.violations });
  }
  return { histories: count, violations, marks, hash: digest.hex, calls };
}

async function performCrashes({
  adapter,
  scenario,
  crashes,
  ...share
}: Task & { kind: 'crashes' }): Promise<Outcome> {
  const chosen = scenarios[scenario];
  if (chosen === undefined) throw new RangeError(`there is no scenario ${scenario}`);
  const report =
    crashes === 1 ? await trySingles(chosen, adapter, share) : await tryPairs(chosen, adapter, share);
  const violations = report.violations.map(({ points, violations: found }) => ({
    name: `${chosen.name} on ${adapter}, ${points.map(shown).join(' and ')}`,
    violations: found,
  }));
  return { histories: report.histories, violations, marks: {}, hash: '', calls: 0 };
}

function shown({ call, phase, down }: CrashPoint): string {
  return `crash at call ${call} ${phase}, ${down}`;
}
