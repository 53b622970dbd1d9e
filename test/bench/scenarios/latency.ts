import { latencies, takeTurns } from '../figures.ts';
import type { Run } from '../harness.ts';
import type { StoreName } from '../protocol.ts';
import type { Row, Scenario } from '../scenario.ts';
import { median, quantile } from '../statistics.ts';

const GRACE_MS = 1_000;
const LEAST_GRACE_MS = 300;
const PER_SECOND = 200;
const MEASURE_MS = 7_000;
const [P50_AIM, P99_AIM] = [4, 12];

/** 200 events a second, published singly: from when each was due to be published until its headers arrived. */
export const latency: Scenario = async (bench, { reps, scale }) => {
  const measure = (store: StoreName) => (): Promise<Run> => {
    const measureMs = Math.max(1_000, MEASURE_MS * scale);
    return bench.publish(
      store,
      { mode: 'paced', perSecond: PER_SECOND, measureMs },
      Math.max(LEAST_GRACE_MS, GRACE_MS * scale),
    );
  };
  const runs = await takeTurns(
    { memory: measure('memory'), sqlite: measure('sqlite'), postgres: measure('postgres') },
    reps,
  );
  const at = (of: readonly Run[], q: number): number => median(of.map((run) => quantile(latencies(run), q)));
  const row = (what: string, of: readonly Run[]): Row => {
    const each = of.map(
      (run) => `${quantile(latencies(run), 0.5).toFixed(1)}/${quantile(latencies(run), 0.99).toFixed(1)}`,
    );
    return {
      what,
      measured: `p50 ${at(of, 0.5).toFixed(1)} ms, p99 ${at(of, 0.99).toFixed(1)} ms (${each.join(' ')})`,
    };
  };
  const [p50, p99] = [at(runs.postgres, 0.5), at(runs.postgres, 0.99)];
  return [
    row('memory', runs.memory),
    row('SQLite', runs.sqlite),
    row('PostgreSQL', runs.postgres),
    {
      what: 'PostgreSQL, p50',
      measured: `${p50.toFixed(1)} ms`,
      aim: `<= ${P50_AIM} ms`,
      met: p50 <= P50_AIM,
    },
    {
      what: 'PostgreSQL, p99',
      measured: `${p99.toFixed(1)} ms`,
      aim: `<= ${P99_AIM} ms`,
      met: p99 <= P99_AIM,
    },
  ];
};
