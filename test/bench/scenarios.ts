/** What is measured, and what it should come to (design: performance). Cases of one scenario take turns. */
import type { Bench, Drainer, Run } from './harness.ts';
import { median, quantile } from './statistics.ts';

export interface Row {
  readonly scenario: string;
  readonly what: string;
  readonly measured: string;
  /** What it should come to; absent where a row only informs. */
  readonly aim?: string;
  readonly met?: boolean;
}

export interface Plan {
  readonly reps: number;
  /** 1, or less for a quick look that proves nothing. */
  readonly scale: number;
}

export type Scenario = (bench: Bench, plan: Plan) => Promise<Row[]>;

type Case = (rep: number) => Promise<Run>;

/** Runs every case once per repetition, in turn, and gathers each one's runs. */
async function takeTurns<K extends string>(
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

const round = (value: number): string => Math.round(value).toLocaleString('en');
const ratio = (value: number): string => value.toFixed(2);

/** Deliveries per second from the start, or the first mark, to the last mark. */
function rate(run: Run | undefined): number {
  if (run === undefined) throw new Error('A rate needs a run');
  const [first, last] = [run.marks[0], run.marks.at(-1)];
  if (first === undefined || last === undefined) throw new Error('A rate needs a mark');
  const [fromCount, fromMs] = run.marks.length > 1 ? [first.mark, first.at] : [0, run.startedAt];
  return ((last.mark - fromCount) / (last.at - fromMs)) * 1000;
}

function rateRow(scenario: string, what: string, runs: readonly Run[]): Row {
  const perSecond = round(median(runs.map(rate)));
  const all = runs.map((run) => round(rate(run))).join(' ');
  const cpu = round(median(runs.map(cpuMicros)));
  const sinkCpu = round(median(runs.map((run) => (run.sink.cpuMs * 1000) / run.sink.distinct)));
  const peak = round(median(runs.map((run) => run.peakMiB)));
  return {
    scenario,
    what,
    measured: `${perSecond}/s (${all}), ${cpu} µs CPU each (sink ${sinkCpu}), peak ${peak} MiB`,
  };
}

/** CPU time of the measured process per delivery. */
function cpuMicros(run: Run): number {
  return (run.cpuMs * 1000) / run.sink.distinct;
}

/** The median of the ratios of runs that were made one after the other. */
function ratioOfNeighbours(of: readonly Run[], to: readonly Run[], figure: (run: Run) => number): number {
  return median(of.map((run, n) => figure(run) / figure(to[n] as Run)));
}

function rateRatio(of: readonly Run[], to: readonly Run[]): number {
  return median(of.map(rate)) / median(to.map(rate));
}

const LIMIT_REQUIRED = 0.85;
const LIMIT_AIM = 0.95;

const WARM_UP_ROUNDS = 2;
const ROUNDS_PER_REPETITION = 4;

/**
 * surehook on the memory repos against a bare loop, the same backlog each. The processes live on and take turns of a second or two, because the speed
 * of a machine changes by more than what is measured; the ratio is the median of those of neighbours. Before it counts they are warm: of
 * the first deliveries of a process a good part goes into compiling, the more the more code there is. The first round is printed, without an aim.
 */
export const limit: Scenario = async (bench, { reps, scale }) => {
  const events = Math.round(20_000 * scale);
  using loop = bench.drainer('limit', events);
  using crypto = bench.drainer('limit-crypto', events);
  using surehook = bench.drainer('surehook', events);
  const cases = {
    limit: drained(loop, events),
    surehook: drained(surehook, events),
    crypto: drained(crypto, events),
  };
  const cold = await takeTurns(cases, WARM_UP_ROUNDS);
  const runs = await takeTurns(cases, reps * ROUNDS_PER_REPETITION);
  const reached = ratioOfNeighbours(runs.surehook, runs.limit, rate);
  return [
    rateRow('limit', 'undici loop, standardwebhooks', runs.limit),
    rateRow('limit', 'undici loop, node:crypto', runs.crypto),
    rateRow('limit', 'surehook, memory repos', runs.surehook),
    {
      scenario: 'limit',
      what: 'surehook / loop with standardwebhooks',
      measured: ratio(reached),
      aim: `>= ${LIMIT_REQUIRED} (in the end ${LIMIT_AIM})`,
      met: reached >= LIMIT_REQUIRED,
    },
    ...[
      ['the same by CPU per delivery', ratioOfNeighbours(runs.limit, runs.surehook, cpuMicros)] as const,
      ['surehook / loop with node:crypto', ratioOfNeighbours(runs.surehook, runs.crypto, rate)] as const,
      ['surehook / loop, the first round', rate(cold.surehook[0]) / rate(cold.limit[0])] as const,
    ].map(([what, value]): Row => ({ scenario: 'limit', what, measured: ratio(value) })),
  ];
};

const SQLITE_AIM = 0.8;

/** surehook on an SQLite file against the bare loop, as in `limit`. */
export const sqlite: Scenario = async (bench, { reps, scale }) => {
  const events = Math.round(20_000 * scale);
  using loop = bench.drainer('limit', events);
  using normal = bench.drainer('surehook-sqlite', events);
  using full = bench.drainer('surehook-sqlite-full', events);
  const cases = {
    limit: drained(loop, events),
    normal: drained(normal, events),
    full: drained(full, events),
  };
  await takeTurns(cases, WARM_UP_ROUNDS);
  const runs = await takeTurns(cases, reps * ROUNDS_PER_REPETITION);
  const reached = ratioOfNeighbours(runs.normal, runs.limit, rate);
  return [
    rateRow('sqlite', 'undici loop, standardwebhooks', runs.limit),
    rateRow('sqlite', 'surehook, synchronous NORMAL', runs.normal),
    rateRow('sqlite', 'surehook, synchronous FULL', runs.full),
    {
      scenario: 'sqlite',
      what: 'NORMAL / loop',
      measured: ratio(reached),
      aim: `>= ${SQLITE_AIM.toFixed(2)}`,
      met: reached >= SQLITE_AIM,
    },
    ...[
      ['the same by CPU per delivery', ratioOfNeighbours(runs.limit, runs.normal, cpuMicros)] as const,
      ['FULL / loop', ratioOfNeighbours(runs.full, runs.limit, rate)] as const,
    ].map(([what, value]): Row => ({ scenario: 'sqlite', what, measured: ratio(value) })),
  ];
};

/** One round of a drainer; it counts only when everything was recorded. */
function drained(drainer: Drainer, events: number): Case {
  return async () => {
    const run = await drainer.round();
    if (run.delivered !== events) throw new Error(`${run.delivered} of ${events} were recorded as delivered`);
    return run;
  };
}

interface FeedOptions {
  readonly waiting: number;
  readonly waitingForDead: number;
  readonly scale: number;
}

function feed(bench: Bench, { waiting, waitingForDead, scale }: FeedOptions): Promise<Run> {
  const [warmUp, measured] = [Math.round(5_000 * scale), Math.round(12_000 * scale)];
  return bench.run(
    { contender: 'surehook', mode: 'feed', waiting, waitingForDead },
    { marks: [warmUp, warmUp + measured] },
  );
}

/** The same deliveries while little or much waits. */
export const flat: Scenario = async (bench, { reps, scale }) => {
  const [few, many] = [1_000, Math.round(200_000 * scale)];
  const runs = await takeTurns(
    {
      few: () => feed(bench, { waiting: few, waitingForDead: 0, scale }),
      many: () => feed(bench, { waiting: many, waitingForDead: 0, scale }),
    },
    reps,
  );
  const reached = rateRatio(runs.many, runs.few);
  return [
    rateRow('flat', `${round(few)} waiting`, runs.few),
    rateRow('flat', `${round(many)} waiting`, runs.many),
    {
      scenario: 'flat',
      what: 'rate with many / with few waiting',
      measured: ratio(reached),
      aim: '0.90 to 1.10',
      met: reached >= 0.9,
    },
  ];
};

/** The others' rate while much waits for one endpoint that answers 500. */
export const dead: Scenario = async (bench, { reps, scale }) => {
  const waitingForDead = Math.round(100_000 * scale);
  const runs = await takeTurns(
    {
      without: () => feed(bench, { waiting: 2_000, waitingForDead: 0, scale }),
      with: () => feed(bench, { waiting: 2_000, waitingForDead, scale }),
    },
    reps,
  );
  if (runs.with.some((run) => run.sink.dead === 0)) throw new Error('The dead endpoint was never called');
  const reached = rateRatio(runs.with, runs.without);
  const fromStart = (run: Run): number => 1 / ((run.marks.at(-1)?.at ?? Number.NaN) - run.startedAt);
  return [
    rateRow('dead', 'nothing waits for it', runs.without),
    rateRow('dead', `${round(waitingForDead)} wait for it`, runs.with),
    {
      scenario: 'dead',
      what: "the others' rate, steady state",
      measured: ratio(reached),
      aim: '>= 0.95',
      met: reached >= 0.95,
    },
    {
      scenario: 'dead',
      what: "the others' rate, from the start",
      measured: ratio(median(runs.with.map(fromStart)) / median(runs.without.map(fromStart))),
    },
  ];
};

const GRACE_MS = 2_000;

/** From when an event for the healthy endpoint was due to be published until it arrived; Infinity if it did not. */
function latencies(run: Run): number[] {
  const arrivals = new Map(run.sink.arrivals);
  return run.due.map(([id, due]) => (arrivals.get(id) ?? Number.POSITIVE_INFINITY) - due);
}

/** One healthy endpoint while the 99 others, all with work waiting, never answer. */
export const hang: Scenario = async (bench, { reps, scale }) => {
  const measure = (othersHang: boolean) => (): Promise<Run> =>
    bench.runLatency(
      {
        contender: 'surehook',
        mode: 'latency',
        othersHang,
        perSecond: 50,
        measureMs: Math.max(1_000, 5_000 * scale),
      },
      GRACE_MS,
    );
  const runs = await takeTurns({ answer: measure(false), hang: measure(true) }, reps);
  if (runs.hang.some((run) => run.sink.hanging === 0)) throw new Error('No hanging endpoint was called');
  const at = (of: readonly Run[], q: number): number => median(of.map((run) => quantile(latencies(run), q)));
  const [baseline, reached] = [at(runs.answer, 0.99), at(runs.hang, 0.99)];
  const bound = Math.max(1.5 * baseline, baseline + 25);
  const show = (of: readonly Run[]): string =>
    `p50 ${at(of, 0.5).toFixed(1)} ms, p99 ${at(of, 0.99).toFixed(1)} ms`;
  return [
    { scenario: 'hang', what: 'healthy endpoint, all answer', measured: show(runs.answer) },
    { scenario: 'hang', what: 'healthy endpoint, 99 others hang', measured: show(runs.hang) },
    {
      scenario: 'hang',
      what: 'p99 of the healthy one',
      measured: `${reached.toFixed(1)} ms`,
      aim: `<= ${bound.toFixed(1)} ms`,
      met: reached <= bound,
    },
  ];
};
