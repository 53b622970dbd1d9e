/** Measured processes: their start, their end, and what several come to. */
import { type ChildProcess, fork } from 'node:child_process';
import type { ChildResult, Job } from './protocol.ts';

export function forkMeasured(job: Job): ChildProcess {
  const execArgv = ['--expose-gc', ...(process.env.SUREHOOK_BENCH_NODE?.split(' ') ?? [])];
  return fork(new URL('measured.ts', import.meta.url), [JSON.stringify(job)], { execArgv });
}

/** A measured process ends by itself when nobody is left to talk to. */
export function end(child: ChildProcess): void {
  if (child.connected) child.disconnect();
  setTimeout(() => child.kill('SIGKILL'), 5_000).unref();
}

export function sum(results: readonly ChildResult[]): ChildResult {
  const of = (figure: (result: ChildResult) => number): number[] => results.map(figure);
  const total = (figures: readonly number[]): number => figures.reduce((all, one) => all + one, 0);
  return {
    cpuMs: total(of(({ cpuMs }) => cpuMs)),
    peakMiB: Math.max(...of(({ peakMiB }) => peakMiB)),
    heldMiB: Math.max(...of(({ heldMiB }) => heldMiB)),
    residentMiB: Math.max(...of(({ residentMiB }) => residentMiB)),
    delivered: total(of(({ delivered }) => delivered)),
    addedPerSecond: Math.max(...of(({ addedPerSecond }) => addedPerSecond)),
    due: results.flatMap(({ due }) => due),
    figures: Object.assign({}, ...results.map(({ figures }) => figures)),
  };
}
