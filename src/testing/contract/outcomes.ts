import assert from 'node:assert/strict';
import { type OutcomeTally, PERIOD_MS } from '../../domain/tally.ts';
import type { LawContext } from './context.ts';
import { only, same, sameInAnyOrder } from './expect.ts';
import { type Law, lawsOf } from './law.ts';
import { HOSTILE, LONG_AGO_MS, times } from './records.ts';

const WEBHOOK = 'whk_a';

/** What attempts of webhooks came to: stored by whoever counted it, read for one webhook, kept for a while. */
export const outcomesLaws: readonly Law[] = lawsOf('outcomes', {
  'keeps every field of a tally': async (context) => {
    const bare = aTally({ writer: 'bare', latencies: [] });
    const failure = { at: LONG_AGO_MS + 9, httpStatus: 0, kind: 'timeout', message: 'no "\\ 😀' } as const;
    const full = aTally({ lastSuccessAt: LONG_AGO_MS + 7, lastFailure: failure });
    const answered = aTally({ writer: 'answered', lastFailure: { at: LONG_AGO_MS, httpStatus: 503 } });
    await record(context, bare, full, answered);
    inAnyOrder(await outcomes(context), [bare, full, answered]);
  },

  'puts a tally in the place of the earlier one of its webhook, period and writer': async (context) => {
    const failure = { at: LONG_AGO_MS, httpStatus: 500 };
    await record(context, aTally({ lastSuccessAt: LONG_AGO_MS, lastFailure: failure, latencies: [1, 2, 3] }));
    const later = aTally({ succeeded: 9, failed: 0, latencies: [4] });
    await record(context, later);
    same(only(await outcomes(context)), later);
    await record(context, later);
    same(only(await outcomes(context)), later);
  },

  'keeps webhooks, periods and writers apart': async (context) => {
    const writers = HOSTILE.map((writer, n) => aTally({ writer, succeeded: n }));
    const periods = times(5, (n) => aTally({ startsAt: LONG_AGO_MS + (n + 1) * PERIOD_MS, succeeded: n }));
    const webhooks = HOSTILE.map((webhookId, n) => aTally({ webhookId, failed: n }));
    await record(context, ...writers, ...periods, ...webhooks);
    inAnyOrder(await outcomes(context), [...writers, ...periods]);
    for (const tally of webhooks) same(await outcomes(context, 0, tally.webhookId), [tally]);
  },

  'returns those whose period starts at an instant or after it': async (context) => {
    const tallies = times(4, (n) => aTally({ startsAt: LONG_AGO_MS + n * PERIOD_MS }));
    await record(context, ...tallies.toReversed());
    inAnyOrder(await outcomes(context, LONG_AGO_MS + 2 * PERIOD_MS), tallies.slice(2));
    inAnyOrder(await outcomes(context, LONG_AGO_MS + 2 * PERIOD_MS + 1), tallies.slice(3));
    same(await outcomes(context, LONG_AGO_MS + 9 * PERIOD_MS), []);
    same(await outcomes(context, 0, 'whk_unknown'), []);
  },

  'stores many at once, and accepts none': async (context) => {
    await record(context);
    same(await outcomes(context), []);
    const tallies = times(500, (n) => aTally({ writer: `${n}`, succeeded: n }));
    await record(context, ...tallies);
    inAnyOrder(await outcomes(context), tallies);
  },

  'keeps what each of many writers stores at a time': async (context) => {
    const writers = times(10, String);
    await Promise.all(writers.flatMap((writer) => [1, 2].map(() => record(context, aTally({ writer })))));
    inAnyOrder(
      await outcomes(context),
      writers.map((writer) => aTally({ writer })),
    );
  },

  'forgets those whose period started before an instant, and no others': async (context) => {
    const tallies = times(4, (n) => aTally({ startsAt: LONG_AGO_MS + n * PERIOD_MS }));
    const other = aTally({ webhookId: 'whk_b' });
    await record(context, ...tallies, other);
    same(await prune(context, LONG_AGO_MS + 2 * PERIOD_MS, 100), false);
    inAnyOrder(await outcomes(context), tallies.slice(2));
    same(await outcomes(context, 0, 'whk_b'), []);
  },

  'forgets a few at a time, and tells when there is no more': async (context) => {
    const old = times(7, (n) => aTally({ writer: `${n}` }));
    const kept = aTally({ startsAt: LONG_AGO_MS + PERIOD_MS });
    await record(context, ...old, kept);
    const left: number[] = [];
    for (let isMore = true; isMore && left.length < 9; left.push((await outcomes(context)).length)) {
      isMore = await prune(context, LONG_AGO_MS + PERIOD_MS, 3);
    }
    same(left, [5, 2, 1]);
    same(only(await outcomes(context)), kept);
  },
});

/** What one process saw of `whk_a` in one period, but for the fields given. */
function aTally(fields: Partial<OutcomeTally> = {}): OutcomeTally {
  return {
    webhookId: WEBHOOK,
    writer: 'writer',
    startsAt: LONG_AGO_MS,
    succeeded: 3,
    failed: 1,
    latencies: [0, 2, 0, 2],
    ...fields,
  };
}

async function record(context: LawContext, ...tallies: readonly OutcomeTally[]): Promise<void> {
  await context.repos.state.recordOutcomes(tallies);
}

async function outcomes(
  context: LawContext,
  since = 0,
  webhookId: string = WEBHOOK,
): Promise<readonly OutcomeTally[]> {
  return context.repos.state.outcomes({ webhookId, since });
}

async function prune(context: LawContext, outcomesBefore: number, limit: number): Promise<boolean> {
  return context.repos.state.pruneState({ now: await context.now(), outcomesBefore, limit });
}

function inAnyOrder(actual: readonly OutcomeTally[], expected: readonly OutcomeTally[]): void {
  const named = (tally: OutcomeTally): { id: string; tally: OutcomeTally } => ({
    id: `${tally.startsAt} ${tally.writer}`,
    tally,
  });
  assert.ok(new Set(expected.map((tally) => named(tally).id)).size === expected.length);
  sameInAnyOrder(actual.map(named), expected.map(named));
}
