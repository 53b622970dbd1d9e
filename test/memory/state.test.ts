import { describe, expect, it } from 'vitest';
import { type OutcomeTally, PERIOD_MS } from '../../src/domain/tally.ts';
import { memoryRepos } from '../../src/memory/index.ts';
import { Tallies } from '../../src/memory/tallies.ts';
import { TokenBuckets } from '../../src/memory/token-buckets.ts';
import { manualClock } from '../../src/testing/index.ts';

const NOW = 1_000_000;
const limit = { perMinute: 60, burst: 5 };

function tally(startsAt: number, writer: string): OutcomeTally {
  return { webhookId: `whk of ${writer}`, writer, startsAt, succeeded: 1, failed: 0, latencies: [1] };
}

describe('the in-memory buckets', () => {
  it('remember nothing of a wish that was not granted', () => {
    const buckets = new TokenBuckets();
    buckets.take({ bucket: 'a', ...limit, wanted: 6, atLeast: 6 }, NOW);
    expect(buckets.prune(NOW * 2, 9)).toBe(0);
  });

  it('are forgotten once they are full, a few at a time', () => {
    const buckets = new TokenBuckets();
    for (const [index, bucket] of ['a', 'b', 'c'].entries()) {
      buckets.take({ bucket, ...limit, wanted: index + 1, atLeast: 1 }, NOW);
    }
    const pruned = [999, 1_000, 3_000, 3_000].map((ms) => buckets.prune(NOW + ms, 1));
    expect(pruned).toEqual([0, 1, 1, 1]);
    expect(buckets.prune(NOW * 2, 9)).toBe(0);
  });

  it('go by the store’s clock where there is one', async () => {
    const clock = manualClock(NOW);
    const { state } = memoryRepos({ clock });
    const take = async (now: number) =>
      (await state.takeTokens([{ bucket: 'a', ...limit, wanted: 5, atLeast: 1 }], { now }))[0];
    expect(await take(NOW * 9)).toEqual({ granted: 5, availableAt: NOW });
    expect(await take(NOW * 99)).toEqual({ granted: 0, availableAt: NOW + 1_000 });
    await clock.advance(2_000);
    expect(await take(0)).toEqual({ granted: 2, availableAt: NOW + 2_000 });
  });
});

describe('the in-memory tallies', () => {
  it('are forgotten from any period that is over, up to the limit of a call', () => {
    const tallies = new Tallies();
    const periods = [3, 1, 2, 1, 3];
    for (const [index, n] of periods.entries()) tallies.put(tally(n * PERIOD_MS, `${index}`));
    expect([2, 2, 2].map((most) => tallies.prune(3 * PERIOD_MS, most))).toEqual([2, 1, 0]);
    expect([2, 2, 2].map((most) => tallies.prune(4 * PERIOD_MS, most))).toEqual([2, 0, 0]);
  });
});
