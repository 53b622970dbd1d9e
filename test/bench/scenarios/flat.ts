import { rateRatio, rateRow, ratio, round, takeTurns } from '../figures.ts';
import type { Scenario } from '../scenario.ts';
import { feed } from './feeds.ts';

/** The same deliveries while little or much waits in memory. */
export const flat: Scenario = async (bench, { reps, scale }) => {
  const [few, many] = [1_000, Math.round(200_000 * scale)];
  const runs = await takeTurns(
    {
      few: () => feed(bench, 'memory', { waiting: few, scale }),
      many: () => feed(bench, 'memory', { waiting: many, scale }),
    },
    reps,
  );
  const reached = rateRatio(runs.many, runs.few);
  return [
    rateRow(`${round(few)} waiting`, runs.few),
    rateRow(`${round(many)} waiting`, runs.many),
    {
      what: 'rate with many / with few waiting',
      measured: ratio(reached),
      aim: '0.90 to 1.10',
      met: reached >= 0.9,
    },
  ];
};
