import assert from 'node:assert/strict';
import { quote } from '../../errors.ts';
import type { TestFunction } from '../contract/run.ts';
import { type CrashPoint, crashPhases } from './crash-point.ts';
import { runHistory, type Told } from './history.ts';
import { brokenPromises } from './promise.ts';
import { type Scenario, scenarios } from './scenarios.ts';
import type { CrashSubject } from './subject.ts';

/** Which adapter to run through crash histories. */
export interface CrashOptions {
  /** Called once per history: empty repos of its own each time. */
  create(): Promise<CrashSubject> | CrashSubject;
  /**
   * How many points of each scenario to let a process end at, spread over all its calls and the four ways to end at one. `Infinity` tries every one.
   * Default: 40, or 3 where the subject's time flows, because then every lease is really waited for.
   */
  readonly points?: number;
  /**
   * Length of a lease, ms. Where time flows: well above the time of some calls, as a lease that runs out in a living process is reported.
   * Default: 1 000.
   */
  readonly leaseMs?: number;
}

/** The histories of one scenario, bound to one adapter. */
export interface BoundScenario {
  readonly name: string;
  /** Runs it without a crash, then with one at each of the points; rejects with an `AssertionError` at the first history that breaks the promise. */
  run(): Promise<void>;
}

const DEFAULT_POINTS = 40;
const DEFAULT_FLOWING_POINTS = 3;
const DEFAULT_LEASE_MS = 1_000;
const MIN_LEASE_MS = 400;

/**
 * Crash histories, ready to run on an adapter: for runners that `runCrashHistories` does not fit. Throws `RangeError` for a wrong `points` or
 * `leaseMs`.
 */
export function crashHistories(options: CrashOptions): readonly BoundScenario[] {
  const { points, leaseMs = DEFAULT_LEASE_MS } = options;
  if (points !== undefined && !(points >= 0))
    throw new RangeError(`points must be a number of at least 0, not ${quote(points)}`);
  if (!(Number.isInteger(leaseMs) && leaseMs >= MIN_LEASE_MS))
    throw new RangeError(
      `leaseMs must be a whole number of at least ${MIN_LEASE_MS} ms, not ${quote(leaseMs)}`,
    );
  return scenarios.map((scenario) => ({
    name: scenario.name,
    run: () => runScenario(scenario, { ...options, leaseMs }),
  }));
}

/**
 * Runs the real engine on an adapter's repos, through small histories in which a process ends at a call of the store and the next one goes on; one
 * test per scenario:
 *
 *     import { test } from 'vitest'; // or node:test, or the global of jest
 *     runCrashHistories({ test, create: async () => ({ repos: await myRepos(), dispose: dropThem }) });
 *
 * After each history the promise is checked: no acknowledged event is lost or stuck, at-most-once is never sent twice, every duplicate has an attempt
 * that was recorded as lost or late, ordered events keep their order, and a batch its bytes. Time is moved by hand, in step with `time` where there
 * is one; only where `time.flows` is it really waited. Throws as `crashHistories` does.
 */
export function runCrashHistories(options: CrashOptions & { readonly test: TestFunction }): void {
  const { test } = options;
  for (const { name, run } of crashHistories(options)) test(`crashes: ${name}`, () => run());
}

async function runScenario(
  scenario: Scenario,
  { create, leaseMs, points }: CrashOptions & { readonly leaseMs: number },
): Promise<void> {
  const attempt = async (point: CrashPoint | undefined): Promise<{ calls: number; flows: boolean }> => {
    const subject = await create();
    try {
      const told = await runHistory({ scenario, subject, leaseMs, point });
      const broken = await brokenPromises(told);
      if (broken.length > 0) assert.fail(complaint(told, broken));
      return { calls: told.calls, flows: subject.time?.flows ?? false };
    } finally {
      await subject.dispose?.();
    }
  };
  const { calls, flows } = await attempt(undefined);
  const count = points ?? (flows ? DEFAULT_FLOWING_POINTS : DEFAULT_POINTS);
  for (const point of pointsOf(calls, count)) await attempt(point);
}

/** All points, or so many of them spread over the calls, their phases taken in turns. */
function pointsOf(calls: number, count: number): CrashPoint[] {
  const phase = (index: number): CrashPoint['phase'] => crashPhases[index % crashPhases.length] ?? 'before';
  const total = calls * crashPhases.length;
  if (count >= total)
    return Array.from({ length: total }, (_, index) => ({
      call: Math.floor(index / crashPhases.length),
      phase: phase(index),
    }));
  return Array.from({ length: Math.floor(count) }, (_, index) => ({
    call: Math.floor(((index + 0.5) * calls) / count),
    phase: phase(index),
  }));
}

function complaint({ scenario, point, operation }: Told, broken: readonly string[]): string {
  const where =
    point === undefined
      ? 'without a crash'
      : `with a process that ended at call ${point.call} (${operation}), ${shown[point.phase]}`;
  return `${scenario.name}, ${where}: ${broken.join('; ')}`;
}

const shown: Readonly<Record<CrashPoint['phase'], string>> = {
  before: 'before it was made',
  applied: 'after it was applied',
  returned: 'after it returned',
  late: 'which reached the store late',
};
