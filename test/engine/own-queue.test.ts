import { expect, it } from 'vitest';
import { createSurehook, memoryRepos, retrySchedule } from '../../src/index.ts';
import { manualClock, scriptedTransport } from '../../src/testing/index.ts';
import { delayed, hook, made, meddled, publishMany } from './harness.ts';

it('an event that a process which is not started publishes for a retrying webhook goes out with its back-off, not with the next retry', async () => {
  const clock = manualClock();
  const repos = memoryRepos();
  const transport = scriptedTransport([500, 204]);
  const worker = createSurehook({ repos, clock, transport, retry: retrySchedule([0, 3_600_000]) });
  const publisher = createSurehook({ repos, clock });
  await worker.webhooks.create({ url: 'https://93.184.215.14/in', events: ['*'] });
  await worker.start();
  await publisher.publish({ type: 'a.b', data: 1 });
  await clock.advance(100);
  expect(transport.requests.length).toBe(1);
  await clock.advance(60_000);
  await publisher.publish({ type: 'a.b', data: 2 });
  await clock.advance(30_000);
  expect(transport.requests.length).toBe(2);
  await worker.stop({ deadlineMs: 0 });
});

it('a queue whose last delivery ends while it is looked at is known to be empty, and does not wait for the end of that lease', async () => {
  const store = memoryRepos();
  const clock = manualClock();
  const wait = (ms: number): Promise<void> => new Promise((resolve) => clock.schedule(ms, resolve));
  const repos = meddled(store, async (call, run) => {
    const result = await run();
    // It tells of the queue as it was when it was asked: with deliveries under a lease.
    if (call === 'events.claimQueues') await wait(100);
    return result;
  });
  const { surehook } = made({
    repos,
    clock,
    transport: scriptedTransport(delayed(30, 204), { clock }),
    leaseMs: 30_000,
  });
  const { id } = await hook(surehook, 0, { delivery: { mode: 'batched', batch: { maxEvents: 1 } } });
  // One, then all four that there is room for after it: the first two of these have ended when the queue is asked for more.
  await publishMany(surehook, 5);
  await surehook.start();
  await clock.advance(2_000);
  expect(surehook.stats()).toMatchObject({ delivered: 5, retryQueues: 0 });
  // Emptied, its record is closed.
  expect(await store.state.get([id])).toEqual([]);
  await surehook.stop();
});
