import { type HistoryResult, runHistory } from './history.ts';
import type { AdapterName, Plan } from './plan.ts';
import type { CrashPhase, Fate } from './ports.ts';
import type { Scenario } from './scenarios.ts';
import type { Fates } from './world.ts';

/** One crash: at which port call, in which phase of it, and for how long the process is away. */
export interface CrashPoint {
  readonly call: number;
  readonly phase: CrashPhase;
  readonly down: 'short' | 'long';
}

const phases: readonly CrashPhase[] = ['before', 'applied', 'returned'];
const downs = ['short', 'long'] as const;
const HALF_MS = 1;

/** Every call takes as long as every other, and those at crash points are the last of their process. */
function fatesByScript(points: readonly CrashPoint[], { settings }: Plan): Fates {
  const byCall = new Map(points.map((point) => [point.call, point]));
  const plain: Fate = { applyAfterMs: HALF_MS, returnAfterMs: HALF_MS };
  return ({ number }) => {
    const point = byCall.get(number);
    if (point === undefined) return plain;
    // Shorter than any lease, or longer than all of them.
    const downMs = point.down === 'short' ? 20 : settings.leaseMs * 2;
    return { ...plain, crash: { phase: point.phase, downMs } };
  };
}

/** Runs a scenario with these crashes. */
export async function runScenario(
  { plan }: Scenario,
  points: readonly CrashPoint[],
  adapter: AdapterName,
): Promise<HistoryResult> {
  const onAdapter = { ...plan, adapter };
  return await runHistory(onAdapter, { fates: fatesByScript(points, onAdapter) });
}

/** Every way to crash once at one call. */
function pointsAt(call: number): CrashPoint[] {
  return phases.flatMap((phase) => downs.map((down) => ({ call, phase, down })));
}

/** What was tried of a scenario. */
export interface CrashReport {
  readonly histories: number;
  readonly violations: readonly {
    readonly points: readonly CrashPoint[];
    readonly violations: readonly string[];
  }[];
}

/** Tries every single crash of a scenario; of those whose number leaves `part` when divided by `parts`. */
export async function trySingles(
  scenario: Scenario,
  adapter: AdapterName,
  { part, parts }: Share,
): Promise<CrashReport> {
  const { calls } = await runScenario(scenario, [], adapter);
  const report: Draft = { histories: 0, violations: [] };
  for (let call = part; call < calls; call += parts)
    for (const point of pointsAt(call)) await attempt(scenario, adapter, { points: [point], report });
  return report;
}

/** Tries all pairs: every first crash, and after it every later call of the history that it leads to. */
export async function tryPairs(
  scenario: Scenario,
  adapter: AdapterName,
  { part, parts }: Share,
): Promise<CrashReport> {
  const { calls } = await runScenario(scenario, [], adapter);
  const report: Draft = { histories: 0, violations: [] };
  for (let call = part; call < calls; call += parts) {
    for (const first of pointsAt(call)) {
      const after = await runScenario(scenario, [first], adapter);
      for (let second = call + 1; second < after.calls; second += 1) {
        for (const phase of phases)
          await attempt(scenario, adapter, {
            points: [first, { call: second, phase, down: 'short' }],
            report,
          });
      }
    }
  }
  return report;
}

/** Which part of the work is done here. */
export interface Share {
  readonly part: number;
  readonly parts: number;
}

interface Draft {
  histories: number;
  violations: { points: readonly CrashPoint[]; violations: readonly string[] }[];
}

async function attempt(
  scenario: Scenario,
  adapter: AdapterName,
  { points, report }: { points: readonly CrashPoint[]; report: Draft },
): Promise<void> {
  const { violations } = await runScenario(scenario, points, adapter);
  report.histories += 1;
  if (violations.length > 0) report.violations.push({ points, violations });
}
