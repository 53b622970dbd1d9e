import { expect, test } from 'vitest';
import { type OutcomeTally, PERIOD_MS } from '../../src/domain/tally.ts';
import { Reporter } from '../../src/events.ts';
import { memoryRepos } from '../../src/index.ts';
import { Run } from '../../src/runtime/run.ts';
import { Tallies } from '../../src/runtime/tallies.ts';
import { type ManualClock, manualClock, seededRandom } from '../../src/testing/index.ts';

interface Bench {
  readonly clock: ManualClock;
  readonly tallies: Tallies;
  /** By webhook, oldest period first. */
  stored(webhookId: string): Promise<readonly OutcomeTally[]>;
  count(webhookId: string, times?: number): void;
}

function bench(): Bench {
  const clock = manualClock();
  const { state } = memoryRepos();
  const run = new Run({ clock, reporter: new Reporter(), storageTimeoutMs: 1_000 });
  const tallies = new Tallies({ run, state, random: seededRandom(1) });
  const answer = { httpStatus: 200, responseBody: '', request: { url: '', headers: {} }, counted: true };
  return {
    clock,
    tallies,
    stored: async (webhookId) => await state.outcomes({ webhookId, since: 0 }),
    count: (webhookId, times = 1) => {
      for (let n = 0; n < times; n += 1)
        tallies.count(webhookId, true, { ...answer, startedAt: clock.now() - 5, durationMs: 5 });
    },
  };
}

test('a later tally of the same period takes the earlier one’s place', async () => {
  const { clock, count, stored } = bench();
  count('a', 3);
  await clock.advance(11_000);
  count('a', 2);
  await clock.advance(11_000);
  expect(await stored('a')).toMatchObject([{ succeeded: 5 }]);
});

test('an attempt counts where it ended, and those of a period that ended are stored with the next', async () => {
  const { clock, count, stored } = bench();
  await clock.advance(PERIOD_MS - 5_000);
  count('a', 3);
  await clock.advance(5_000);
  count('a', 4);
  await clock.advance(11_000);
  expect((await stored('a')).map(({ succeeded }) => succeeded)).toEqual([3, 4]);
});

test('what was forgotten is not overwritten by what is counted after it, also where the clock goes back', async () => {
  const { clock, count, stored, tallies } = bench();
  count('a', 3);
  await clock.advance(PERIOD_MS);
  count('b');
  await tallies.store();
  const before = clock.now() - PERIOD_MS;
  tallies.count('a', false, {
    ...{ startedAt: before, durationMs: 0, httpStatus: 500, responseBody: '', counted: true },
    request: { url: '', headers: {} },
  });
  await tallies.store();
  expect(await stored('a')).toMatchObject([
    { succeeded: 3, failed: 0 },
    { succeeded: 0, failed: 1, lastFailure: { at: before, httpStatus: 500 } },
  ]);
});

test('no more than 10 000 are kept: more webhooks than that cost rows, not memory', async () => {
  const { count, stored, tallies } = bench();
  for (let n = 0; n < 10_000; n += 1) count(`w${n}`);
  await tallies.store();
  count('w1');
  await tallies.store();
  expect(await stored('w1')).toMatchObject([{ succeeded: 2 }]);
  count('w10000');
  await tallies.store();
  count('w1');
  await tallies.store();
  expect((await stored('w1')).map(({ succeeded }) => succeeded)).toEqual([2, 1]);
});
