import { latencies, takeTurns } from '../figures.ts';
import type { Run } from '../harness.ts';
import type { Scenario } from '../scenario.ts';
import { median, quantile } from '../statistics.ts';

const GRACE_MS = 2_000;
const LEAST_GRACE_MS = 300;

/** One healthy endpoint while the 99 others, all with work waiting, never answer. */
export const hang: Scenario = async (bench, { reps, scale }) => {
  const measure = (othersHang: boolean) => (): Promise<Run> => {
    const measureMs = Math.max(1_000, 5_000 * scale);
    return bench.publish(
      'memory',
      { mode: 'hang', othersHang, perSecond: 50, measureMs },
      Math.max(LEAST_GRACE_MS, GRACE_MS * scale),
    );
  };
  const runs = await takeTurns({ answer: measure(false), hang: measure(true) }, reps);
  if (runs.hang.some((run) => run.sink.hanging === 0)) throw new Error('No hanging endpoint was called');
  const at = (of: readonly Run[], q: number): number => median(of.map((run) => quantile(latencies(run), q)));
  const [baseline, reached] = [at(runs.answer, 0.99), at(runs.hang, 0.99)];
  const bound = Math.max(1.5 * baseline, baseline + 25);
  const show = (of: readonly Run[]): string =>
    `p50 ${at(of, 0.5).toFixed(1)} ms, p99 ${at(of, 0.99).toFixed(1)} ms`;
  return [
    { what: 'healthy endpoint, all answer', measured: show(runs.answer) },
    { what: 'healthy endpoint, 99 others hang', measured: show(runs.hang) },
    {
      what: 'p99 of the healthy one',
      measured: `${reached.toFixed(1)} ms`,
      aim: `<= ${bound.toFixed(1)} ms`,
      met: reached <= bound,
    },
  ];
};
