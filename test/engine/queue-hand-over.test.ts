/** A webhook that is Retrying has a queue that somebody opens: whatever a process missed, and wherever it ended. */
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type Clock, type MemoryRepos, memoryRepos, retrySchedule } from '../../src/index.ts';
import { manualClock, scriptedTransport } from '../../src/testing/index.ts';
import {
  allDeliveries,
  delayed,
  HOUR,
  hook,
  made,
  meddled,
  mortal,
  publishMany,
  SECOND,
  stateOf,
  tally,
} from './harness.ts';

const times = { timeoutMs: 1_000, leaseMs: 1_500, pollMs: 100, webhookCacheMs: SECOND };

/** Another process's repos: what is stored through them tells nobody. */
const untold = (repos: MemoryRepos): ReturnType<typeof meddled> =>
  meddled(repos, (_call, run) => run(), ['onWork', 'onChange']);

/** A process that can be put to sleep: its timers come when it wakes. */
function sleeper(clock: Clock): { clock: Clock; sleep(): void; wake(): void } {
  let isAsleep = false;
  let missed: (() => void)[] = [];
  return {
    clock: {
      now: () => clock.now(),
      schedule: (ms, run) => clock.schedule(ms, () => (isAsleep ? missed.push(run) : run())),
    },
    sleep: () => {
      isAsleep = true;
    },
    wake: () => {
      isAsleep = false;
      const due = missed;
      missed = [];
      for (const run of due) run();
    },
  };
}

test.each([false, true])(
  'a process that slept through its leases leaves no webhook Retrying (killed after it woke: %s)',
  async (isKilled) => {
    const clock = manualClock();
    const repos = memoryRepos();
    const bed = sleeper(clock);
    const transport = scriptedTransport([delayed(50, 200), 'hang'], { clock });
    const apart = { ...times, maxInFlightPerWebhook: 1 };
    // As over a network: what was asked at once is answered at once, and nothing sooner.
    const slow = meddled(
      repos,
      async (_call, run) => {
        const result = await run();
        await setImmediate();
        return result;
      },
      ['onWork', 'onChange'],
    );
    const first = mortal({ clock: bed.clock, repos: slow, transport, ...apart });
    const webhook = await hook(first.surehook);
    await publishMany(first.surehook, 4);
    await first.surehook.start();
    await clock.advance(200);
    expect(await repos.state.get([webhook.id])).toHaveLength(1);
    bed.sleep();
    const next = made({
      clock,
      repos: untold(repos),
      transport: scriptedTransport(200, { clock }),
      ...apart,
    });
    await next.surehook.start();
    await clock.advance(4 * SECOND);
    expect(await repos.state.get([webhook.id])).toEqual([]);
    bed.wake();
    await clock.advance(1);
    if (isKilled) first.kill();
    await clock.advance(10 * SECOND);
    expect(tally(await allDeliveries(next.surehook), ({ status }) => status)).toEqual({ delivered: 4 });
    expect(await stateOf(next.surehook, webhook)).toBe('enabled');
    await next.surehook.stop({ deadlineMs: 0 });
  },
);

test('a process that has not heard yet that the webhook is Retrying does not close its queue over that', async () => {
  const clock = manualClock();
  const repos = memoryRepos();
  const options = { ...times, retry: retrySchedule([0, 0]), webhookCacheMs: HOUR };
  let isIdle = false;
  const idling = meddled(
    repos,
    (call, run) => {
      if (isIdle && call === 'events.claimExpress') return { deliveries: [] };
      if (isIdle && call === 'state.acquire') return { queues: [] };
      return run();
    },
    ['onWork', 'onChange'],
  );
  const next = made({ clock, repos: idling, transport: scriptedTransport(200, { clock }), ...options });
  const webhook = await hook(next.surehook);
  await next.surehook.start();
  await publishMany(next.surehook, 1);
  await clock.advance(SECOND);
  isIdle = true;
  const failing = mortal({
    clock,
    repos: untold(repos),
    transport: scriptedTransport([500, 'hang'], { clock }),
    ...options,
  });
  await failing.surehook.start();
  await publishMany(failing.surehook, 1);
  await clock.advance(500);
  failing.kill();
  expect(await stateOf(next.surehook, webhook)).toBe('retrying');
  isIdle = false;
  await clock.advance(10 * SECOND);
  expect(tally(await allDeliveries(next.surehook), ({ status }) => status)).toEqual({ delivered: 2 });
  expect(await repos.state.get([webhook.id])).toEqual([]);
  expect(await stateOf(next.surehook, webhook)).toBe('enabled');
  await next.surehook.stop({ deadlineMs: 0 });
});

test('a process that ends before it has stored that a webhook is Enabled leaves its queue open', async () => {
  const clock = manualClock();
  const repos = memoryRepos();
  let changes = 0;
  const never = new Promise<never>(() => {});
  const dying = meddled(repos, (call, run) => {
    if (call === 'webhooks.setStatus') changes += 1;
    // The first is that it fails; the next one that it is well again, or its queue empty.
    return call === 'webhooks.setStatus' && changes > 1 ? never : run();
  });
  const transport = scriptedTransport([500, 200], { clock });
  const first = mortal({ clock, repos: dying, transport, ...times, retry: retrySchedule([0, 0]) });
  const webhook = await hook(first.surehook);
  await first.surehook.start();
  await publishMany(first.surehook, 1);
  await clock.advance(2 * SECOND);
  first.kill();
  const next = made({ clock, repos, transport, ...times });
  expect(await stateOf(next.surehook, webhook)).toBe('retrying');
  await next.surehook.start();
  await clock.advance(10 * SECOND);
  expect(await stateOf(next.surehook, webhook)).toBe('enabled');
  expect(await repos.state.get([webhook.id])).toEqual([]);
  await next.surehook.stop({ deadlineMs: 0 });
});
