/** What runs come to. */
import type { Drainer, Run } from './harness.ts';
import type { Row } from './scenario.ts';
import { median } from './statistics.ts';

export type Case = (rep: number) => Promise<Run>;

/** Runs every case once per repetition, in turn, and gathers each one's runs. */
export async function takeTurns<K extends string>(
  cases: Readonly<Record<K, Case>>,
  reps: number,
): Promise<Readonly<Record<K, Run[]>>> {
  const names = Object.keys(cases) as K[];
  const runs = Object.fromEntries(names.map((name) => [name, [] as Run[]])) as Record<K, Run[]>;
  for (let rep = 0; rep < reps; rep++) {
    for (const name of names) runs[name].push(checked(await cases[name](rep)));
  }
  return runs;
}

/** A run counts only if everything arrived as it should. */
function checked(run: Run): Run {
  const { duplicates, malformed } = run.sink;
  if (duplicates > 0 || malformed > 0) {
    throw new Error(`Not a valid run: ${duplicates} duplicates, ${malformed} malformed requests at the sink`);
  }
  return run;
}

/** One round of a drainer; it counts only when everything was recorded. */
export function drained(drainer: Drainer, events: number): Case {
  return drainedAll(events, () => drainer.round());
}

/** A run that counts only when everything was recorded. */
export function drainedAll(events: number, drain: () => Promise<Run>): Case {
  return async () => {
    const run = await drain();
    if (run.delivered !== events) throw new Error(`${run.delivered} of ${events} were recorded as delivered`);
    return run;
  };
}

export const round = (value: number): string => Math.round(value).toLocaleString('en');
export const ratio = (value: number): string => value.toFixed(2);

/** Deliveries per second from the start, or the first mark, to the last mark. */
export function rate(run: Run | undefined): number {
  if (run === undefined) throw new Error('A rate needs a run');
  const [first, last] = [run.marks[0], run.marks.at(-1)];
  if (first === undefined || last === undefined) throw new Error('A rate needs a mark');
  const [fromCount, fromMs] = run.marks.length > 1 ? [first.mark, first.at] : [0, run.startedAt];
  return ((last.mark - fromCount) / (last.at - fromMs)) * 1000;
}

/** CPU time of the measured processes per delivery. */
export function cpuMicros(run: Run): number {
  return (run.cpuMs * 1000) / run.sink.distinct;
}

/** The same with that of the database server: what the machine has to do for one. */
export function wholeMicros(run: Run): number {
  return cpuMicros(run) + (run.serverCpuMs * 1000) / run.sink.distinct;
}

export function rateRow(what: string, runs: readonly Run[]): Row {
  const perSecond = round(median(runs.map(rate)));
  const all = runs.map((run) => round(rate(run))).join(' ');
  const each = (figure: (run: Run) => number): string =>
    round(median(runs.map((run) => (figure(run) * 1000) / run.sink.distinct)));
  const peak = round(median(runs.map((run) => run.peakMiB)));
  const server =
    median(runs.map((run) => run.serverCpuMs)) > 0 ? `server ${each((run) => run.serverCpuMs)}, ` : '';
  const cpu = `${each((run) => run.cpuMs)} µs CPU each (${server}sink ${each((run) => run.sink.cpuMs)})`;
  return { what, measured: `${perSecond}/s (${all}), ${cpu}, peak ${peak} MiB` };
}

/** How fast backlogs were published in bulk. */
export function addedRow(what: string, runs: readonly Run[], aim: number): Row {
  const rates = runs.map((run) => run.addedPerSecond);
  const reached = median(rates);
  return {
    what,
    measured: `${round(reached)}/s (${rates.map(round).join(' ')})`,
    aim: `>= ${round(aim)}/s`,
    met: reached >= aim,
  };
}

export function ratioRow(what: string, reached: number, aim: number, note: string = ''): Row {
  return { what, measured: ratio(reached), aim: `>= ${ratio(aim)}${note}`, met: reached >= aim };
}

export function infoRow(what: string, value: number): Row {
  return { what, measured: ratio(value) };
}

/** The median of the ratios of runs that were made one after the other. */
export function ratioOfNeighbours(
  of: readonly Run[],
  to: readonly Run[],
  figure: (run: Run) => number,
): number {
  return median(of.map((run, n) => figure(run) / figure(to[n] as Run)));
}

export function rateRatio(of: readonly Run[], to: readonly Run[]): number {
  return median(of.map(rate)) / median(to.map(rate));
}

/** From when an event was due to be published until it arrived; Infinity if it did not. */
export function latencies(run: Run): number[] {
  const arrivals = new Map(run.sink.arrivals);
  return run.due.map(([id, due]) => (arrivals.get(id) ?? Number.POSITIVE_INFINITY) - due);
}
