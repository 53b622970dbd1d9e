import assert from 'node:assert/strict';
import type { TokenGrant, TokenRequest } from '../../repos.ts';
import type { LawContext } from './context.ts';
import { only, same } from './expect.ts';
import { type Law, lawsOf } from './law.ts';
import { HOSTILE, LONG_AGO_MS, times } from './records.ts';

/** One token in 16 minutes: so few that none comes in while a law runs. */
const SLOW = { perMinute: 0.0625, burst: 5 };
const SLOW_TOKEN_MS = 960_000;

/** Buckets of tokens, out of which nobody gets more than the rate allows. */
export const tokensLaws: readonly Law[] = lawsOf('tokens', {
  'grants what is there, up to what is wanted; a bucket never seen is full': async (context) => {
    const grants: number[] = [];
    for (const wanted of [3, 1, 9, 1]) grants.push(await granted(context, { wanted }));
    same(grants, [3, 1, 1, 0]);
  },

  'takes nothing where fewer are there than have to be': async (context) => {
    same(await granted(context, { wanted: 3 }), 3);
    same(await granted(context, { wanted: 5, atLeast: 3 }), 0);
    same(await granted(context, { wanted: 5, atLeast: 2 }), 2);
  },

  'tells when there will be enough': async (context) => {
    const before = await context.now();
    const { availableAt } = only(await take(context, { wanted: 5 }));
    const after = await context.now();
    isBetween(availableAt, before, after);
    for (const atLeast of [1, 5]) {
      const refused = only(await take(context, { wanted: 9, atLeast }));
      same(refused.granted, 0);
      isBetween(refused.availableAt, before + atLeast * SLOW_TOKEN_MS, after + atLeast * SLOW_TOKEN_MS);
    }
  },

  'tells no other time than the one it judges by': async (context) => {
    const { state } = context.repos;
    if (state.now === undefined) return;
    const before = await context.now();
    const told = await state.now();
    isBetween(told, before, await context.now());
    await context.advance(context.leaseMs);
    assert.ok((await state.now()) >= told + context.leaseMs, 'its time stands still');
  },

  'never has more than the burst': async (context) => {
    const never = { granted: 0, availableAt: Number.POSITIVE_INFINITY };
    same(only(await take(context, { wanted: 9, atLeast: 6 })), never);
    same(await granted(context, { wanted: 9 }), 5);
    same(only(await take(context, { wanted: 9, atLeast: 6 })), never);
  },

  'has a token again when its time has come, and not before': async (context) => {
    const limit = { perMinute: 60_000 / context.leaseMs, burst: 2 };
    same(await granted(context, { ...limit, wanted: 2 }), 2);
    await context.advance(context.leaseMs - context.marginMs);
    same(await granted(context, { ...limit, wanted: 2 }), 0);
    await context.advance(context.marginMs);
    same(await granted(context, { ...limit, wanted: 2 }), 1);
    same(await granted(context, { ...limit, wanted: 2 }), 0);
  },

  'fills a bucket up to its burst, however long nobody takes any': async (context) => {
    const limit = { perMinute: 240_000 / context.leaseMs, burst: 3 };
    same(await granted(context, { ...limit, wanted: 3 }), 3);
    await context.outliveLease();
    same(await granted(context, { ...limit, wanted: 9 }), 3);
  },

  'keeps buckets apart, and answers in the order of the requests': async (context) => {
    const buckets = [...HOSTILE.map((text) => text.slice(0, 300)), 'tenant', 'TENANT', 'tenant '];
    const first = await take(context, ...buckets.map((bucket, n) => ({ bucket, wanted: (n % 5) + 1 })));
    same(
      first.map((grant) => grant.granted),
      buckets.map((_, n) => (n % 5) + 1),
    );
    const rest = await take(context, ...buckets.map((bucket) => ({ bucket, wanted: 9 })));
    same(
      rest.map((grant) => grant.granted),
      buckets.map((_, n) => 4 - (n % 5)),
    );
    same(await take(context), []);
  },

  'grants the wishes for one bucket one after the other': async (context) => {
    const grants = await take(context, { wanted: 4 }, { wanted: 2, atLeast: 2 }, { wanted: 9 }, {});
    same(
      grants.map((grant) => grant.granted),
      [4, 0, 1, 0],
    );
  },

  'grants each token once, however many take from the same buckets': async (context) => {
    const wishes = ['a', 'b', 'c'].map((bucket) => ({ bucket, wanted: 3, burst: 20 }));
    const calls = times(12, (n) => take(context, ...(n % 2 === 0 ? wishes : wishes.toReversed())));
    const grants = (await Promise.all(calls)).map((call, n) => (n % 2 === 0 ? call : call.toReversed()));
    for (const [index] of wishes.entries()) {
      same(
        grants.reduce((sum, call) => sum + (call[index]?.granted ?? 0), 0),
        20,
      );
    }
  },

  'puts tokens back, up to the burst': async (context) => {
    const giveBack = async (...counts: readonly number[]): Promise<void> =>
      context.repos.state.returnTokens(
        counts.map((count) => ({ bucket: 'tenant', perMinute: SLOW.perMinute, count })),
        { now: await context.now() },
      );
    await giveBack(9);
    same(await granted(context, { wanted: 9 }), 5);
    await giveBack();
    same(await granted(context, { wanted: 9 }), 0);
    await giveBack(2);
    same(await granted(context, { wanted: 9 }), 2);
    await giveBack(1, 2);
    same(await granted(context, { wanted: 9 }), 3);
    await giveBack(99);
    same(await granted(context, { wanted: 9 }), 5);
  },

  'puts tokens back into the bucket that is named': async (context) => {
    await take(context, { bucket: 'a', wanted: 5 }, { bucket: 'b', wanted: 5 });
    const now = await context.now();
    await context.repos.state.returnTokens([{ bucket: 'a', perMinute: SLOW.perMinute, count: 3 }], { now });
    const grants = await take(context, { bucket: 'a', wanted: 9 }, { bucket: 'b', wanted: 9 });
    same(
      grants.map((grant) => grant.granted),
      [3, 0],
    );
  },

  'forgets buckets that are full, a few at a time, and no others': async (context) => {
    const fast = { perMinute: 240_000 / context.leaseMs, burst: 3 };
    await take(context, ...['a', 'b', 'c'].map((bucket) => ({ bucket, ...fast, wanted: 3 })));
    await take(context, { wanted: 4 });
    same(await prune(context), false);
    await context.outliveLease();
    let calls = 1;
    while (calls < 9 && (await prune(context))) calls += 1;
    assert.ok(3 <= calls && calls <= 4, `three full buckets took ${calls} calls`);
    same(await granted(context, { wanted: 9 }), 1);
    same(await granted(context, { bucket: 'a', ...fast, wanted: 9 }), 3);
  },
});

/** Takes tokens; what is not said is one token of the slow bucket `tenant`. */
async function take(
  context: LawContext,
  ...wishes: readonly Partial<TokenRequest>[]
): Promise<readonly TokenGrant[]> {
  const requests = wishes.map((wish) => ({ bucket: 'tenant', ...SLOW, wanted: 1, atLeast: 1, ...wish }));
  return context.repos.state.takeTokens(requests, { now: await context.now() });
}

async function granted(context: LawContext, wish: Partial<TokenRequest>): Promise<number> {
  return only(await take(context, wish)).granted;
}

/** One call that may remove one bucket; resolves whether there may be more. */
async function prune(context: LawContext): Promise<boolean> {
  const request = { now: await context.now(), outcomesBefore: LONG_AGO_MS, limit: 1 };
  return context.repos.state.pruneState(request);
}

/** An instant of the store's, up to the fraction of a millisecond that a clock may have. */
function isBetween(at: number, from: number, to: number): void {
  assert.ok(from <= at && at <= to + 1, `${at} is not between ${from} and ${to}`);
}
