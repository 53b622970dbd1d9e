/**
 * Bugs that the simulator found once, each in the smallest history that shows it. Two more of them, of a queue that is closed too early, are in
 * `queue-hand-over.test.ts`.
 */
import { describe, expect, test } from 'vitest';
import { sleep } from '../../src/clock.ts';
import { type Clock, type MemoryRepos, memoryRepos, type Repos, retrySchedule } from '../../src/index.ts';
import type { StateRepo } from '../../src/repos.ts';
import { manualClock, scriptedTransport } from '../../src/testing/index.ts';
import {
  allDeliveries,
  bench,
  delayed,
  HOUR,
  hook,
  MINUTE,
  made,
  meddled,
  mortal,
  publishMany,
  SECOND,
  stateOf,
  tally,
} from './harness.ts';

/** Served from its own queue from the first event on. */
const ordered = { delivery: { ordered: true } } as const;

const enabled = { state: 'enabled' } as const;

/** Repos of which one method of the state is another. */
function withSave(repos: Repos, save: StateRepo['save']): Repos {
  const state = new Proxy(repos.state, {
    get(target, name) {
      if (name === 'save') return save;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { ...repos, state };
}

/** As of a store that tells nobody what comes in. */
const untold = (repos: MemoryRepos): Repos => meddled(repos, (_, run) => run(), ['onWork', 'onChange']);

/** What a store keeps of a webhook's status. */
async function storedStatus(repos: Repos, id: string): Promise<unknown> {
  return (await repos.webhooks.getMany([id]))[0]?.status;
}

describe('a queue that is given up', () => {
  test.each(['deleted', 'unavailable'] as const)(
    'gives up what an ended process had in flight, too, when its webhook is %s',
    async (fate) => {
      const { clock, repos, surehook } = bench();
      const first = mortal({ clock, repos, transport: scriptedTransport('hang', { clock }) });
      const webhook = await hook(first.surehook, 0, ordered);
      await first.surehook.start();
      await publishMany(first.surehook, 2);
      await clock.advance(2 * SECOND);
      first.kill();
      if (fate === 'deleted') await surehook.webhooks.delete(webhook.id);
      else {
        const to = { state: 'unavailable', since: clock.now() } as const;
        await repos.webhooks.setStatus([{ webhookId: webhook.id, from: enabled, to }]);
      }
      await surehook.start();
      await clock.advance(2 * MINUTE);
      const reasons = (await allDeliveries(surehook)).map(({ status, reason }) => `${status}: ${reason}`);
      expect(reasons).toEqual(Array(2).fill(`exhausted: webhook-${fate}`));
      expect(await repos.state.get([webhook.id])).toEqual([]);
    },
  );
});

describe('the lease of a queue', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'a renewal that is tried again, in halves and behind others, does not undo the giving back that came after it: %d failures',
    async (count) => {
      const clock = manualClock();
      const repos = memoryRepos();
      let failures = 0;
      const transport = scriptedTransport(delayed(5_050, 500), { clock });
      const { surehook } = made({
        clock,
        transport,
        retry: retrySchedule([0, 12 * HOUR]),
        // From the first renewal on, just before the answer comes.
        repos: withSave(repos, async (changes, options) => {
          if (failures === count) return await repos.state.save(changes, options);
          failures += 1;
          throw new Error('the store is away');
        }),
      });
      const webhook = await hook(surehook, 0, ordered);
      await surehook.start();
      await publishMany(surehook, 1);
      await clock.advance(25 * SECOND);
      expect(failures).toBe(count);
      const [record] = await repos.state.get([webhook.id]);
      expect(record).toMatchObject({ failures: 1 });
      expect(record?.leaseUntil).toBeUndefined();
      await surehook.stop({ deadlineMs: 0 });
    },
  );

  test('a renewal that waits to be tried again does not take the lease back from a stop', async () => {
    const clock = manualClock();
    const repos = memoryRepos();
    let isFirst = true;
    const { surehook } = made({
      clock,
      transport: scriptedTransport('hang', { clock }),
      repos: withSave(repos, async (changes, options) => {
        const isRenewal = changes.some(({ leaseUntil }) => leaseUntil !== undefined);
        if (isRenewal && isFirst) {
          isFirst = false;
          throw new Error('the store is away');
        }
        const results = await repos.state.save(changes, options);
        if (!isRenewal) await sleep(clock, 500);
        return results;
      }),
    });
    const webhook = await hook(surehook, 0, ordered);
    await surehook.start();
    await publishMany(surehook, 1);
    await clock.advance(5_050);
    expect(isFirst).toBe(false);
    const stopped = surehook.stop({ deadlineMs: 0 });
    await clock.advance(2 * SECOND);
    await stopped;
    const [record] = await repos.state.get([webhook.id]);
    expect(record).toBeDefined();
    expect(record?.leaseUntil).toBeUndefined();
  });

  test('a giving back that was applied, refused when tried again, is followed by a new lease before anything is sent', async () => {
    const clock = manualClock();
    const repos = memoryRepos();
    let isFirst = true;
    let isLeased: boolean | undefined;
    const transport = scriptedTransport(
      async (_, n) => {
        if (n === 0) return 500;
        const [record] = await repos.state.get([webhook.id]);
        isLeased ??= record?.leaseUntil !== undefined && record.leaseUntil > clock.now();
        return 200;
      },
      { clock },
    );
    const { surehook } = made({
      clock,
      transport,
      retry: retrySchedule([0, HOUR]),
      repos: withSave(untold(repos), async (changes, options) => {
        const results = await repos.state.save(changes, options);
        const isGivenBack = changes.every(({ leaseUntil }) => leaseUntil === undefined);
        if (!isFirst || !isGivenBack || results.every(({ result }) => result !== 'saved')) return results;
        isFirst = false;
        throw new Error('the answer is lost');
      }),
    });
    const other = made({
      clock,
      transport,
      repos: meddled(repos, (call, run) => {
        if (call === 'events.claimExpress') return { deliveries: [] };
        return call === 'state.acquire' ? { queues: [] } : run();
      }),
    });
    const webhook = await hook(surehook, 0, ordered);
    await surehook.start();
    await other.surehook.start();
    await surehook.publish({ type: 'a.b', data: 0, orderingKey: 'a' });
    // Between the giving back and its second try, another process stores an event and opens the queue.
    while (isFirst) await clock.advance(1);
    await other.surehook.publish({ type: 'a.b', data: 1, orderingKey: 'b' });
    await clock.advance(4 * SECOND);
    expect(transport.requests).toHaveLength(2);
    expect(isLeased).toBe(true);
    await surehook.stop({ deadlineMs: 0 });
    await other.surehook.stop({ deadlineMs: 0 });
  });
});

describe('claims', () => {
  test('of own queues are bounded while no outcome can be stored', async () => {
    const clock = manualClock();
    const repos = memoryRepos();
    const { surehook } = made({
      clock,
      transport: scriptedTransport(200, { clock }),
      repos: meddled(repos, (call, run) =>
        call === 'events.settle' && isAway ? Promise.reject(new Error('the store is away')) : run(),
      ),
      maxInFlight: 4,
      maxInFlightPerWebhook: 4,
      prefetch: 4,
    });
    let isAway = false;
    await hook(surehook, 0, ordered);
    await surehook.start();
    for (let n = 0; n < 100; n += 1) {
      // Some succeed first: what is proven may be claimed ahead.
      isAway = n >= 20;
      await surehook.publish({ type: 'a.b', data: n, orderingKey: `key${n}` });
      await clock.advance(10);
    }
    expect(surehook.stats().claimed).toBeLessThanOrEqual(8);
    isAway = false;
    await clock.advance(2 * MINUTE);
    expect(tally(await allDeliveries(surehook), ({ status }) => status)).toEqual({ delivered: 100 });
    await surehook.stop({ deadlineMs: 0 });
  });

  test('of a process whose clock is ahead of the store’s are few', async () => {
    const clock = manualClock();
    const behind: Clock = { now: () => clock.now() - 2_000, schedule: clock.schedule.bind(clock) };
    const repos = memoryRepos({ clock: behind });
    const calls: string[] = [];
    const { surehook } = made({
      clock,
      transport: scriptedTransport(200, { clock }),
      repos: meddled(repos, (call, run) => {
        calls.push(call);
        return run();
      }),
    });
    await hook(surehook, 0);
    await hook(surehook, 1, ordered);
    await surehook.start();
    await publishMany(surehook, 1);
    await clock.advance(1_900);
    const counts = tally(calls, (call) => call);
    expect(counts['events.claimExpress']).toBeLessThan(30);
    expect(counts['state.acquire']).toBeLessThan(30);
    await clock.advance(10 * SECOND);
    expect(tally(await allDeliveries(surehook), ({ status }) => status)).toEqual({ delivered: 2 });
    await surehook.stop({ deadlineMs: 0 });
  });

  test('of an own queue that are under way at stop() are given back', async () => {
    const clock = manualClock();
    const repos = memoryRepos();
    let isClaimed = false;
    const { surehook } = made({
      clock,
      transport: scriptedTransport(200, { clock }),
      repos: meddled(repos, async (call, run) => {
        const result = await run();
        if (call === 'events.claimQueues') {
          isClaimed = true;
          await sleep(clock, 300);
        }
        return result;
      }),
    });
    await hook(surehook, 0, ordered);
    await surehook.publish({ type: 'a.b', data: 0 });
    await surehook.start();
    while (!isClaimed) await clock.advance(1);
    expect((await allDeliveries(surehook))[0]?.status).toBe('delivering');
    const stopped = surehook.stop({ deadlineMs: 0 });
    await clock.advance(2 * SECOND);
    await stopped;
    expect((await allDeliveries(surehook))[0]).toMatchObject({ status: 'pending', attempts: 0 });
  });
});

test('the express queue takes the places that claims of own queues were to fill and did not', async () => {
  const store = memoryRepos();
  let claims = 0;
  const repos = meddled(store, async (call, run) => {
    if (call !== 'events.claimQueues') return await run();
    claims += 1;
    if (claims > 1) return await run();
    // Under way, it holds all places; in the end it brings nothing.
    await new Promise<void>((resolve) => clock.schedule(2 * SECOND, resolve));
    return [{ deliveries: [] }, { deliveries: [] }];
  });
  const { surehook, clock, transport } = bench(200, { repos, maxInFlight: 1, prefetch: 1 });
  await hook(surehook, 0, { ...ordered, events: ['a.b'] });
  await hook(surehook, 1, { ...ordered, events: ['a.b'] });
  await hook(surehook, 2, { events: ['c.d'] });
  await surehook.start();
  await publishMany(surehook, 1);
  await clock.advance(SECOND);
  await made({ clock, repos: store, transport }).surehook.publish({ type: 'c.d', data: 0 });
  await clock.advance(3 * SECOND);
  expect(claims).toBeGreaterThan(0);
  expect(transport.requests.filter(({ text }) => text().includes('c.d'))).toHaveLength(1);
});

describe('the status of a webhook', () => {
  test('that is being stored does not hide that the webhook was disabled meanwhile', async () => {
    const clock = manualClock();
    const repos = memoryRepos();
    const transport = scriptedTransport([500, 200], { clock });
    const { surehook } = made({
      clock,
      transport,
      retry: retrySchedule([0, SECOND]),
      repos: meddled(repos, async (call, run) => {
        if (call === 'webhooks.setStatus') await sleep(clock, 4 * SECOND);
        return await run();
      }),
    });
    const webhook = await hook(surehook);
    await surehook.start();
    await publishMany(surehook, 1);
    await clock.advance(500);
    const disabled = { webhookId: webhook.id, from: enabled, to: { state: 'disabled' } } as const;
    expect(await repos.webhooks.setStatus([disabled])).toEqual([true]);
    await clock.advance(3 * SECOND);
    expect(transport.requests).toHaveLength(1);
    await clock.advance(HOUR);
    expect(transport.requests).toHaveLength(1);
    expect(await stateOf(surehook, webhook)).toBe('disabled');
    await surehook.stop({ deadlineMs: 0 });
  });

  test('is moved by a success, though it was Enabled when the request began and is not cached any more', async () => {
    const clock = manualClock();
    const repos = memoryRepos();
    const { surehook } = made({
      clock,
      transport: scriptedTransport(delayed(2 * SECOND, 200), { clock }),
      repos: untold(repos),
      webhookCacheMs: 100,
    });
    const webhook = await hook(surehook);
    await surehook.start();
    await publishMany(surehook, 1);
    await clock.advance(1_500);
    // As by the failure of another process.
    const to = { state: 'retrying', since: clock.now(), failing: true } as const;
    await repos.webhooks.setStatus([{ webhookId: webhook.id, from: enabled, to }]);
    await clock.advance(2 * SECOND);
    expect(await storedStatus(repos, webhook.id)).toEqual({ ...to, failing: false });
    await surehook.stop({ deadlineMs: 0 });
  });

  test('is not moved by an old failure, refused because it was stored already, after a newer success', async () => {
    const clock = manualClock();
    const repos = memoryRepos();
    let isFirst = true;
    const { surehook, log } = made({
      clock,
      transport: scriptedTransport([500, 200], { clock }),
      retry: retrySchedule([0, 0]),
      repos: meddled(repos, async (call, run) => {
        const result = await run();
        if (call !== 'webhooks.setStatus' || !isFirst) return result;
        isFirst = false;
        // Long enough for the retry to succeed.
        await sleep(clock, 2 * SECOND);
        throw new Error('the answer is lost');
      }),
    });
    const webhook = await hook(surehook);
    await surehook.start();
    await publishMany(surehook, 1);
    await clock.advance(MINUTE);
    expect(await storedStatus(repos, webhook.id)).toMatchObject({ state: 'enabled' });
    // Each move is told once; not in order, as it is found out late that the first one was stored.
    expect(log.moves(webhook.id).toSorted()).toEqual(['enabled>retrying', 'retrying>enabled']);
    await surehook.stop({ deadlineMs: 0 });
  });

  test('is stored as Retrying only with an open queue, also when it was refused before', async () => {
    const clock = manualClock();
    const repos = memoryRepos();
    const never = new Promise<never>(() => {});
    let changes = 0;
    const first = mortal({
      clock,
      transport: scriptedTransport(500, { clock }),
      repos: meddled(repos, async (call, run) => {
        if (call === 'events.settle') return await never;
        if (call === 'webhooks.getMany' && changes === 1) await close();
        if (call !== 'webhooks.setStatus') return await run();
        changes += 1;
        if (changes === 1) await fail();
        const result = await run();
        if (changes === 2) first.kill();
        return result;
      }),
    });
    const webhook = await hook(first.surehook);
    /** Another process fails at it, too. */
    const fail = async (): Promise<void> => {
      const to = { state: 'enabled', failingSince: clock.now() } as const;
      await repos.webhooks.setStatus([{ webhookId: webhook.id, from: enabled, to }]);
    };
    /** It finds the queue that was opened, and the webhook Enabled: it closes the queue. */
    const close = async (): Promise<void> => {
      const now = clock.now();
      const times = { now, leaseUntil: now + SECOND };
      const { queues } = await repos.state.acquire({ ...times, healthy: 1, failing: 1 });
      const closing = queues.map(({ webhookId, token, failures }) => ({
        webhookId,
        token,
        failures,
        notBefore: 0,
        nextAt: now,
        close: true as const,
      }));
      expect(await repos.state.save(closing, { now })).toEqual([{ result: 'closed' }]);
    };
    await first.surehook.start();
    await publishMany(first.surehook, 1);
    await clock.advance(2 * SECOND);
    expect(changes).toBe(2);
    expect(await storedStatus(repos, webhook.id)).toMatchObject({ state: 'retrying', failing: true });
    expect(await repos.state.get([webhook.id])).toHaveLength(1);
  });
});
