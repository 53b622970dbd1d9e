/** Repos that break the laws of token buckets and of tallies. */
import type { OutcomeTally } from '../../src/domain/tally.ts';
import type { StateRepo, TokenGrant, TokenRequest } from '../../src/repos.ts';
import { state, type WrongRepos } from './wrong.ts';

/** Wishes are granted as what is made of them. */
function taking(fault: string, change: (request: TokenRequest) => TokenRequest): WrongRepos {
  return state(fault, (real) => ({
    takeTokens: (requests, options) => real.takeTokens(requests.map(change), options),
  }));
}

function granting(
  fault: string,
  change: (grant: TokenGrant, request: TokenRequest) => TokenGrant,
): WrongRepos {
  return state(fault, (real) => ({
    takeTokens: async (requests, options) =>
      (await real.takeTokens(requests, options)).map((grant, index) => {
        const request = requests[index];
        return request === undefined ? grant : change(grant, request);
      }),
  }));
}

/** A bucket of whole tokens that never gets any, judged before it is written. */
function withGap(real: StateRepo): Partial<StateRepo> {
  const left = new Map<string, number>();
  return {
    takeTokens: async (requests, options) => {
      const before = requests.map(({ bucket, burst }) => left.get(bucket) ?? burst);
      await Promise.resolve();
      return requests.map(({ bucket, wanted }, index) => {
        const granted = Math.min(wanted, before[index] ?? 0);
        left.set(bucket, (before[index] ?? 0) - granted);
        return { granted, availableAt: options.now };
      });
    },
    returnTokens: (entries, options) => real.returnTokens(entries, options),
  };
}

/** Buckets that are all new after each step that a change says. */
function emptied(fault: string, when: 'prune' | 'return'): WrongRepos {
  return state(fault, (real) => {
    let generation = 0;
    return {
      takeTokens: (requests, options) =>
        real.takeTokens(
          requests.map((request) => ({ ...request, bucket: `${generation} ${request.bucket}` })),
          options,
        ),
      pruneState: async (request) => {
        if (when === 'prune') generation += 1;
        return real.pruneState(request);
      },
      returnTokens: async () => {
        if (when === 'return') generation += 1;
      },
    };
  });
}

export const tokenFaults: readonly WrongRepos[] = [
  granting('grants whatever is wanted', ({ availableAt }, { wanted }) => ({ granted: wanted, availableAt })),
  granting('never knows when', ({ granted }) => ({ granted, availableAt: 0 })),
  granting('promises what will never be there', ({ granted, availableAt }) => ({
    granted,
    availableAt: Number.isFinite(availableAt) ? availableAt : 9_000_000_000_000,
  })),
  taking('grants less than has to be', (request) => ({ ...request, atLeast: 1 })),
  taking('grants all that is wanted or nothing', (request) => ({ ...request, atLeast: request.wanted })),
  taking('knows no burst', (request) => ({ ...request, burst: request.burst * 10 })),
  taking('takes the rate for one by the hour', (request) => ({
    ...request,
    perMinute: request.perMinute / 60,
  })),
  taking('takes the rate for one by the second', (request) => ({
    ...request,
    perMinute: request.perMinute * 60,
  })),
  taking('has one bucket', (request) => ({ ...request, bucket: 'one' })),
  taking('folds the names of buckets', (request) => ({
    ...request,
    bucket: request.bucket.trim().toLowerCase(),
  })),
  state('answers in another order', (real) => ({
    takeTokens: async (requests, options) => (await real.takeTokens(requests, options)).toReversed(),
  })),
  state('refuses an empty batch of wishes', (real) => ({
    takeTokens: async (requests, options) => {
      if (requests.length === 0) throw new Error('syntax error at or near VALUES');
      return real.takeTokens(requests, options);
    },
  })),
  state('looks at a bucket once for all wishes of a call', (real) => ({
    takeTokens: async (requests, options) => {
      const first = new Map<string, TokenGrant>();
      for (const request of requests) {
        const known = first.get(request.bucket);
        const [grant] = known ? [known] : await real.takeTokens([request], options);
        if (grant !== undefined) first.set(request.bucket, grant);
      }
      return requests.map(({ bucket }) => first.get(bucket) ?? { granted: 0, availableAt: 0 });
    },
  })),
  state('reads buckets before it writes them, with a gap between', withGap),
  state('keeps what comes back', () => ({ returnTokens: async () => {} })),
  state('puts back one token at most', (real) => ({
    returnTokens: (entries, options) =>
      real.returnTokens(
        entries.map((entry) => ({ ...entry, count: Math.min(1, entry.count) })),
        options,
      ),
  })),
  emptied('fills a bucket when anything comes back', 'return'),
  state('has more than the burst after a return', (real) => {
    let extra = 0;
    return {
      returnTokens: async (entries) => {
        for (const { count } of entries) extra += count;
      },
      takeTokens: async (requests, options) => {
        const grants = await real.takeTokens(requests, options);
        return grants.map(({ granted, availableAt }, index) => {
          const more = Math.min(extra, (requests[index]?.wanted ?? 0) - granted);
          extra -= more;
          return { granted: granted + more, availableAt };
        });
      },
    };
  }),
  state('puts back into another bucket', (real) => ({
    returnTokens: (entries, options) =>
      real.returnTokens(
        entries.map((entry) => ({ ...entry, bucket: 'b' })),
        options,
      ),
  })),
  emptied('forgets buckets that are not full', 'prune'),
  state('never forgets a bucket', () => ({ pruneState: async () => false })),
  state('tells the time of another clock', () => ({
    now: async () => 0,
  })),
  state('never has done with forgetting', () => ({ pruneState: async () => true })),
];

function tallying(fault: string, change: (tally: OutcomeTally) => OutcomeTally): WrongRepos {
  return state(fault, (real) => ({ recordOutcomes: (tallies) => real.recordOutcomes(tallies.map(change)) }));
}

export const outcomeFaults: readonly WrongRepos[] = [
  tallying('forgets failures', ({ lastFailure: _, ...tally }) => tally),
  tallying('forgets when something went well', ({ lastSuccessAt: _, ...tally }) => tally),
  tallying('forgets latencies', (tally) => ({ ...tally, latencies: [] })),
  tallying('keeps one tally for all writers', (tally) => ({ ...tally, writer: 'writer' })),
  tallying('keeps one tally for all periods', (tally) => ({ ...tally, startsAt: 0 })),
  tallying('keeps one tally for all webhooks', (tally) => ({ ...tally, webhookId: 'whk_a' })),
  state('adds a tally to the earlier one', (real) => ({
    recordOutcomes: async (tallies) => {
      for (const tally of tallies) {
        const { webhookId, startsAt, writer } = tally;
        const known = (await real.outcomes({ webhookId, since: startsAt })).find(
          (one) => one.startsAt === startsAt && one.writer === writer,
        );
        const succeeded = tally.succeeded + (known?.succeeded ?? 0);
        await real.recordOutcomes([{ ...known, ...tally, succeeded }]);
      }
    },
  })),
  state('keeps the first tally', (real) => ({
    recordOutcomes: async (tallies) => {
      for (const tally of tallies) {
        const { webhookId, startsAt, writer } = tally;
        const known = await real.outcomes({ webhookId, since: startsAt });
        if (!known.some((one) => one.startsAt === startsAt && one.writer === writer)) {
          await real.recordOutcomes([tally]);
        }
      }
    },
  })),
  state('stores a hundred at most', (real) => ({
    recordOutcomes: (tallies) => real.recordOutcomes(tallies.slice(0, 100)),
  })),
  state('loses what others store at a time', (real) => {
    let running = 0;
    return {
      recordOutcomes: async (tallies) => {
        running += 1;
        if (running === 1) await real.recordOutcomes(tallies);
        await Promise.resolve();
        running -= 1;
      },
    };
  }),
  state('takes since as after', (real) => ({
    outcomes: ({ webhookId, since }) => real.outcomes({ webhookId, since: since + 1 }),
  })),
  state('returns all there are', (real) => ({
    outcomes: ({ webhookId }) => real.outcomes({ webhookId, since: 0 }),
  })),
  state('forgets the period that starts at the bound too', (real) => ({
    pruneState: (request) => real.pruneState({ ...request, outcomesBefore: request.outcomesBefore + 1 }),
  })),
  state('forgets any number at a time', (real) => ({
    pruneState: async (request) => {
      await real.pruneState({ ...request, limit: 1_000 });
      return false;
    },
  })),
  state('never tells that there is more', (real) => ({
    pruneState: async (request) => {
      await real.pruneState(request);
      return false;
    },
  })),
  state('forgets nothing', () => ({ pruneState: async () => false })),
];
