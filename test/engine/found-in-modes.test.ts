/** Bugs that the simulator found once it knew order and batches, each in the smallest history that shows it. */
import { describe, expect, test } from 'vitest';
import { memoryRepos, retrySchedule } from '../../src/index.ts';
import {
  allDeliveries,
  attemptsOf,
  bench,
  deliveryOf,
  hook,
  MINUTE,
  made,
  meddled,
  publishMany,
  running,
  SECOND,
} from './harness.ts';

describe('batches', () => {
  test('a batch is in the order of publishing when it is formed, and when it is sent again', async () => {
    const { surehook, clock, transport } = bench([500, 200]);
    await hook(surehook, 0, { delivery: { mode: 'batched' } });
    // The one that was published first is due last.
    for (const afterMs of [2_000, 1_000])
      await surehook.publish({ type: 'a.b', data: afterMs, deliverAt: new Date(clock.now() + afterMs) });
    await clock.advance(3 * SECOND);
    await surehook.start();
    await clock.advance(MINUTE);
    const [first, second] = transport.requests.map((request) => request.text());
    expect(transport.requests).toHaveLength(2);
    expect(JSON.parse(first ?? '').map(({ data }: { data: number }) => data)).toEqual([2_000, 1_000]);
    expect(second).toBe(first);
  });

  test('what its endpoint refuses is tried again after a back-off that is longer than a lease', async () => {
    const { surehook, clock, transport } = await running([500, 500, 500, 200], {
      leaseMs: 30 * SECOND,
      backoff: { baseMs: SECOND, factor: 60, maxMs: 5 * MINUTE, jitter: 0 },
      retry: retrySchedule([0, SECOND, SECOND, SECOND]),
    });
    await hook(surehook, 0, { delivery: { mode: 'batched' } });
    await publishMany(surehook, 2);
    await clock.advance(16 * MINUTE);
    expect(transport.requests).toHaveLength(4);
  });

  test('of an at-most-once batch only those are given up that may have been sent', async () => {
    const { surehook, clock, repos, transport } = bench();
    await hook(surehook, 0, { delivery: { mode: 'batched', semantics: 'at-most-once' } });
    const [lost, fresh] = await publishMany(surehook, 2);
    if (lost === undefined || fresh === undefined) throw new Error('nothing was published');
    // Claimed by a process that ended.
    const now = clock.now();
    await repos.events.claimExpress({ now, leaseUntil: now + SECOND, limit: 1 });
    await clock.advance(2 * SECOND);
    await surehook.start();
    await clock.advance(MINUTE);
    expect(await deliveryOf(surehook, lost)).toMatchObject({
      status: 'exhausted',
      reason: 'outcome-unknown',
    });
    expect(await deliveryOf(surehook, fresh)).toMatchObject({ status: 'delivered' });
    expect(await attemptsOf(surehook, lost)).toMatchObject([{ error: { kind: 'lost' } }]);
    expect(transport.requests).toHaveLength(1);
  });

  test('a batched webhook gets batches only, whatever becomes of what is cached of it while a claim is under way', async () => {
    const store = memoryRepos();
    let claims = 0;
    const repos = meddled(store, async (call, run) => {
      if (call === 'events.claimQueues') claims += 1;
      // The first claim takes longer than what is cached is good for; the second webhook waits for its turn meanwhile.
      if (call === 'events.claimQueues' && claims === 1)
        await new Promise<void>((resolve) => clock.schedule(2 * SECOND, resolve));
      return await run();
    });
    const { surehook, clock, transport } = await running(200, { repos, webhookCacheMs: SECOND });
    await hook(surehook, 0, { delivery: { mode: 'batched' }, events: ['a.b'] });
    await hook(surehook, 1, { delivery: { mode: 'batched' }, events: ['c.d'] });
    await publishMany(surehook, 1);
    await clock.advance(500);
    await publishMany(surehook, 1, { type: 'c.d' });
    await clock.advance(MINUTE);
    expect(transport.requests.map((request) => Array.isArray(JSON.parse(request.text())))).toEqual([
      true,
      true,
    ]);
  });

  test('what a process without an engine publishes for a batched webhook goes out in a batch, cached or not', async () => {
    const store = memoryRepos();
    const waits: Record<string, number> = {};
    const repos = meddled(store, async (call, run) => {
      const waitMs = waits[call] ?? 0;
      waits[call] = 0;
      if (waitMs > 0) await new Promise<void>((resolve) => clock.schedule(waitMs, resolve));
      return await run();
    });
    const { surehook, clock, transport } = await running(200, { repos, webhookCacheMs: SECOND });
    await hook(surehook, 0, { delivery: { mode: 'batched' }, events: ['a.b'] });
    await hook(surehook, 1, { events: ['c.d'] });
    const { surehook: publisher } = made({ repos: store, clock });
    await publishMany(publisher, 1);
    await clock.advance(600);
    // Both are claimed together; the first webhook is known, but not any more when the second has been read.
    waits['events.claimExpress'] = 100;
    waits['webhooks.getMany'] = 900;
    await publishMany(publisher, 1);
    await publishMany(publisher, 1, { type: 'c.d' });
    await clock.advance(MINUTE);
    const toFirst = transport.requests.filter(({ url }) => url.includes('hook0'));
    expect(toFirst.map((request) => Array.isArray(JSON.parse(request.text())))).toEqual([true, true]);
  });
});

describe('queues', () => {
  test('the record of a queue that was given up stays until it is stored that its webhook is unavailable', async () => {
    const store = memoryRepos();
    let isBusy = false;
    const repos = meddled(store, async (call, run) => {
      if (isBusy && call === 'webhooks.setStatus') throw new Error('the store is busy');
      return await run();
    });
    const { surehook, clock } = await running(500, {
      repos,
      unavailableAfterMs: 10 * SECOND,
      retry: retrySchedule([0, ...Array.from({ length: 50 }, () => SECOND)]),
    });
    const { id } = await hook(surehook);
    await publishMany(surehook, 1);
    await clock.advance(5 * SECOND);
    isBusy = true;
    await clock.advance(MINUTE);
    // Everything that waited is given up, but a process that ends here leaves a webhook behind that is Retrying.
    expect(await allDeliveries(surehook)).toMatchObject([{ reason: 'webhook-unavailable' }]);
    expect(await store.webhooks.getMany([id])).toMatchObject([{ status: { state: 'retrying' } }]);
    expect(await store.state.get([id])).toHaveLength(1);
    isBusy = false;
    await clock.advance(MINUTE);
    expect(await store.webhooks.getMany([id])).toMatchObject([{ status: { state: 'unavailable' } }]);
    expect(await store.state.get([id])).toEqual([]);
  });

  test('a queue is held once it is stored that its webhook is disabled, and not before', async () => {
    const store = memoryRepos();
    let isBusy = true;
    const repos = meddled(store, async (call, run) => {
      if (isBusy && call === 'webhooks.setStatus') throw new Error('the store is busy');
      return await run();
    });
    const { surehook, clock } = await running(410, { repos });
    const { id } = await hook(surehook, 0, { delivery: { ordered: true } });
    await publishMany(surehook, 3);
    await clock.advance(MINUTE);
    // A process that ends here leaves a webhook behind that nobody has disabled: others must serve it.
    expect(await store.webhooks.getMany([id])).toMatchObject([{ status: { state: 'enabled' } }]);
    expect(await store.state.get([id])).toMatchObject([{ nextAt: expect.any(Number) }]);
    isBusy = false;
    await clock.advance(MINUTE);
    expect(await store.webhooks.getMany([id])).toMatchObject([{ status: { state: 'disabled' } }]);
    expect(await store.state.get([id])).toMatchObject([{ nextAt: null }]);
  });
});
