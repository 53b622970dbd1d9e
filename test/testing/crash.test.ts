/** Crash histories: good adapters come through every one of them, wrong ones do not. */
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { type Clock, sleep, systemClock } from '../../src/clock.ts';
import { type MemoryRepos, memoryRepos } from '../../src/memory/index.ts';
import type { EventRepo, Repos } from '../../src/repos.ts';
import { sqliteRepos } from '../../src/sqlite/index.ts';
import {
  type CrashOptions,
  type CrashSubject,
  crashHistories,
  manualClock,
  runCrashHistories,
} from '../../src/testing/index.ts';

describe('the in-memory repos, judging by each caller’s now', () => {
  runCrashHistories({ test, create: () => ({ repos: memoryRepos() }) });
});

describe('the in-memory repos with a clock of their own', () => {
  runCrashHistories({
    test,
    points: 10,
    create: () => {
      const clock = manualClock();
      const time = { now: () => clock.now(), advance: (ms: number) => clock.advance(ms) };
      return { repos: memoryRepos({ clock }), time };
    },
  });
});

describe('the SQLite repos, opened anew by each process', () => {
  runCrashHistories({
    test,
    points: 10,
    create: () => {
      const db = new DatabaseSync(':memory:');
      return { repos: sqliteRepos(db), reopen: () => sqliteRepos(db), dispose: () => db.close() };
    },
  });
});

/** The in-memory repos, with some of their methods for events replaced. */
function spoiled(change: (real: EventRepo) => Partial<EventRepo>, repos: MemoryRepos = memoryRepos()): Repos {
  const changed = change(repos.events);
  const events = new Proxy(repos.events, {
    get: (real, name) => {
      const member: unknown = Reflect.get(name in changed ? changed : real, name);
      return typeof member === 'function' ? member.bind(real) : member;
    },
  });
  return { ...repos, events };
}

/** What the first broken promise is, in the histories of one scenario. */
async function complaint(
  scenario: string,
  create: () => CrashSubject,
  more: Partial<CrashOptions> = {},
): Promise<string> {
  const bound = crashHistories({ create, ...more }).find(({ name }) => name === scenario);
  return await (bound?.run() ?? Promise.resolve()).then(
    () => 'none',
    (error: Error) => error.message,
  );
}

const memoryOnly = (): CrashSubject => ({ repos: memoryRepos() });

/** Hands out again what is under a lease, as if every lease had run out. */
function withoutLeases(): CrashSubject {
  const late = (now: number): { now: number; leaseUntil: number } => ({
    now: now + 2_000,
    leaseUntil: now + 2_000,
  });
  const repos = spoiled((real) => ({
    claimExpress: (claim) => real.claimExpress({ ...claim, ...late(claim.now) }),
    claimQueues: (claim) => real.claimQueues({ ...claim, ...late(claim.now) }),
  }));
  return { repos };
}

/** Acknowledges events at once, and stores them with the next claim. */
function storingBehind(): CrashSubject {
  const repos = memoryRepos();
  const open = (): Repos => {
    let behind: (() => Promise<unknown>)[] = [];
    return spoiled(
      (real) => ({
        append: async (entries, options) => {
          behind.push(() => real.append(entries, options));
          return entries.map((entry) => ({ ...entry, duplicate: false }));
        },
        claimExpress: async (claim) => {
          const waiting = behind;
          behind = [];
          for (const append of waiting) await append();
          return await real.claimExpress(claim);
        },
      }),
      repos,
    );
  };
  return { repos: open(), reopen: open };
}

/** Whoever settles a delivery ends it, whoever holds it. */
function withoutFencing(): CrashSubject {
  const repos = spoiled((real) => ({
    settle: async (settlements, options) => {
      const stored = await real.getDeliveries(settlements.map(({ deliveryId }) => deliveryId));
      const present = (id: string): number => stored.find((one) => one.id === id)?.token ?? 0;
      const unfenced = settlements.map((one) => ({ ...one, token: present(one.deliveryId) }));
      return real.settle(unfenced, options);
    },
  }));
  return { repos };
}

/** Frees whatever is claimed when it is opened, as if nothing had been sent. */
function freeingWhenOpened(): CrashSubject {
  const repos = memoryRepos();
  const free = async (): Promise<Repos> => {
    const claimed = await repos.events.listDeliveries({ status: 'delivering', limit: 1_000 });
    const now = Math.max(0, ...claimed.map(({ dueAt }) => dueAt));
    await repos.events.settle(
      claimed.map(({ id, token, dueAt, queue }) => ({
        deliveryId: id,
        token,
        next: { status: 'waiting', dueAt, queue },
      })),
      { now },
    );
    return repos;
  };
  return { repos, reopen: free };
}

/** Forgets the ordering key of what it stores. */
function withoutOrder(): CrashSubject {
  const repos = spoiled((real) => ({
    append: (entries, options) =>
      real.append(
        entries.map(({ event, deliveries }) => ({
          event,
          deliveries: deliveries.map(({ orderingKey: _, ...delivery }) => delivery),
        })),
        options,
      ),
  }));
  return { repos };
}

/** Gives every batch the same id. */
function withOneBatch(): CrashSubject {
  const repos = spoiled((real) => ({
    claimQueues: async (claim) => {
      const results = await real.claimQueues(claim);
      return results.map(({ deliveries, ...rest }) => ({
        ...rest,
        deliveries: deliveries.map(({ delivery, event }) => {
          const { batch } = delivery;
          return { event, delivery: { ...delivery, ...(batch && { batch: { ...batch, id: 'bat_only' } }) } };
        }),
      }));
    },
  }));
  return { repos };
}

describe('a wrong adapter is caught', () => {
  test.each<[string, string, () => CrashSubject, Partial<CrashOptions>, string]>([
    [
      'that hands out what is under a lease',
      'fan-out',
      withoutLeases,
      { points: 0 },
      'by requests of one process',
    ],
    ['that acknowledges before it has stored', 'single', storingBehind, {}, 'is lost'],
    ['that settles without fencing', 'retry, then success', withoutFencing, {}, 'by requests of one process'],
    [
      'that frees claims when it is opened',
      'at-most-once',
      freeingWhenOpened,
      {},
      'is at-most-once and was sent 2 times',
    ],
    ['that forgets ordering keys', 'ordered', withoutOrder, { points: 0 }, 'in the order'],
    ['that has one id for all batches', 'batched', withOneBatch, { points: 0 }, 'with other bytes'],
  ])('%s', async (_, scenario, create, options, expected) => {
    expect(await complaint(scenario, memoryOnly, options)).toBe('none');
    expect(await complaint(scenario, create, options)).toContain(expected);
  });
});

describe('crashHistories', () => {
  test('tries every way to end at every call when it is asked for all points, and makes and disposes of a subject for each', async () => {
    let open = 0;
    let made = 0;
    const closed = (): void => {
      open -= 1;
    };
    const create = (): CrashSubject => {
      made += 1;
      open += 1;
      return { repos: memoryRepos(), dispose: closed };
    };
    const [single] = crashHistories({ create, points: Number.POSITIVE_INFINITY });
    await single?.run();
    expect(made % 4).toBe(1);
    expect(made).toBeGreaterThan(20);
    expect(open).toBe(0);
  });

  test('registers one test per scenario, each with a name of its own', () => {
    const names: string[] = [];
    runCrashHistories({ test: (name) => names.push(name), create: () => expect.fail('made a subject') });
    expect(names.length).toBeGreaterThan(10);
    expect(new Set(names).size).toBe(names.length);
  });

  test('works where the host stores webhooks itself', async () => {
    const create = (): CrashSubject => {
      const { webhooks, events, state } = memoryRepos();
      const plain = {
        getMany: webhooks.getMany.bind(webhooks),
        subscribers: webhooks.subscribers.bind(webhooks),
        setStatus: webhooks.setStatus.bind(webhooks),
      };
      return {
        repos: { webhooks: plain, events, state },
        storeWebhook: async (one) => void (await webhooks.insert(one)),
      };
    };
    for (const { run } of crashHistories({ create, points: 1 })) await run();
  });

  test('really waits where the time of the store flows, its clock ahead of ours or not', async () => {
    const clock: Clock = { now: () => Date.now() + 5_000, schedule: systemClock.schedule };
    const time = { now: () => clock.now(), advance: (ms: number) => sleep(clock, ms), flows: true };
    const create = (): CrashSubject => ({ repos: memoryRepos({ clock }), time });
    const before = performance.now();
    // Its endpoint fails for the first 250 ms, in each of two histories.
    expect(await complaint('retry, then success', create, { points: 1 })).toBe('none');
    expect(performance.now() - before).toBeGreaterThan(500);
  });

  test.each([-1, Number.NaN])('refuses %d points', (points) => {
    expect(() => crashHistories({ create: memoryOnly, points })).toThrow(RangeError);
  });

  test.each([0, 399, 1_000.5, Number.NaN])('refuses leases of %d ms', (leaseMs) => {
    expect(() => crashHistories({ create: memoryOnly, leaseMs })).toThrow(RangeError);
  });
});
