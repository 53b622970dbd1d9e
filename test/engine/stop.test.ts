/** Start, stop and idle. */
import { describe, expect, test } from 'vitest';
import { scriptedTransport } from '../../src/testing/index.ts';
import {
  allDeliveries,
  attemptsOf,
  bench,
  delayed,
  deliveryOf,
  HOUR,
  hook,
  MINUTE,
  made,
  numberOf,
  publishMany,
  running,
  SECOND,
  tally,
} from './harness.ts';

/** Whether a promise has settled by now. */
function watch(promise: Promise<unknown>): { readonly done: boolean } {
  const state = { done: false };
  void promise.finally(() => {
    state.done = true;
  });
  return state;
}

describe('stop', () => {
  test('starts nothing new, lets what is in flight finish, and resolves when that is stored', async () => {
    const { surehook, transport, clock } = await running(delayed(5 * SECOND, 200), {
      maxInFlightPerWebhook: 1,
    });
    await hook(surehook);
    const published = await publishMany(surehook, 3);
    await clock.advance(SECOND);
    const stopped = watch(surehook.stop());
    await clock.advance(3 * SECOND);
    expect(stopped.done).toBe(false);
    await clock.advance(SECOND);
    expect(stopped.done).toBe(true);
    expect(transport.requests).toHaveLength(1);
    expect(await Promise.all(published.map(async (one) => (await deliveryOf(surehook, one)).status))).toEqual(
      ['delivered', 'pending', 'pending'],
    );
    expect(clock.pending).toBe(0);
    expect(surehook.stats()).toMatchObject({ running: false, inFlight: 0, claimed: 0, delivered: 1 });
  });

  test('aborts at the deadline and gives back: recorded as aborted, not counted against the policy', async () => {
    const { surehook, transport, clock, log } = await running((_, n) => (n === 0 ? 'hang' : 500));
    await hook(surehook);
    const published = await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(SECOND);
    const stopped = watch(surehook.stop({ deadlineMs: 2_000 }));
    await clock.advance(1_999);
    expect([stopped.done, transport.inFlight]).toEqual([false, 1]);
    await clock.advance(1_001);
    expect([stopped.done, transport.inFlight]).toEqual([true, 0]);
    expect(await deliveryOf(surehook, published)).toMatchObject({ status: 'pending', attempts: 1 });
    expect((await attemptsOf(surehook, published))[0]).toMatchObject({
      httpStatus: 0,
      late: false,
      error: { kind: 'aborted' },
    });
    expect(log.moves()).toEqual([]);
    expect(log.of('delivery:failed')).toEqual([]);
    await surehook.start();
    await clock.advance(3 * HOUR);
    // All five of its policy were still to come.
    expect(transport.requests).toHaveLength(6);
    expect(await deliveryOf(surehook, published)).toMatchObject({ status: 'exhausted', attempts: 6 });
  });

  test('a transport that ignores the abort does not hold it up', async () => {
    const clockBench = bench();
    const { clock, repos } = clockBench;
    const { surehook } = made({ clock, repos, transport: { send: () => new Promise(() => {}) } });
    await hook(surehook);
    const published = await surehook.publish({ type: 'a.b', data: 0 });
    await surehook.start();
    await clock.advance(10);
    const stopped = watch(surehook.stop({ deadlineMs: 0 }));
    await clock.advance(SECOND);
    expect(stopped.done).toBe(true);
    expect((await attemptsOf(surehook, published))[0]?.error?.kind).toBe('aborted');
  });

  test('twice, at once or one after the other, and before any start, is harmless', async () => {
    const { surehook, clock } = bench(delayed(SECOND, 200));
    await surehook.stop();
    await surehook.start();
    await hook(surehook);
    await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(10);
    const both = [watch(surehook.stop()), watch(surehook.stop())];
    await clock.advance(500);
    expect(both.map(({ done }) => done)).toEqual([false, false]);
    await clock.advance(500);
    expect(both.map(({ done }) => done)).toEqual([true, true]);
    await surehook.stop();
    expect(surehook.stats().running).toBe(false);
  });

  test('a start while it is stopping is not forgotten: it runs again afterwards', async () => {
    const { surehook, transport, clock } = await running(delayed(SECOND, 200));
    await hook(surehook);
    await publishMany(surehook, 1);
    await clock.advance(10);
    const stopped = surehook.stop();
    const started = surehook.start();
    await clock.advance(2 * SECOND);
    await Promise.all([stopped, started]);
    await publishMany(surehook, 1);
    await clock.advance(2 * SECOND);
    expect(surehook.stats().running).toBe(true);
    expect(transport.requests).toHaveLength(2);
  });

  test('start twice makes one engine', async () => {
    const { surehook, transport, clock } = bench(delayed(10, 200));
    await Promise.all([surehook.start(), surehook.start()]);
    await surehook.start();
    await hook(surehook);
    await publishMany(surehook, 10);
    await clock.advance(SECOND);
    expect(transport.requests).toHaveLength(10);
  });

  test('restarted, it goes on where it was, and its counters too', async () => {
    const { surehook, transport, clock } = await running(200);
    await hook(surehook);
    for (let n = 0; n < 5; n += 1) {
      await surehook.publish({ type: 'a.b', data: n });
      await surehook.idle();
      await surehook.stop();
      await surehook.publish({ type: 'a.b', data: n + 10 });
      await surehook.start();
    }
    await surehook.idle();
    await clock.advance(0);
    expect(transport.requests.map(numberOf).sort((a, b) => a - b)).toEqual([
      0, 1, 2, 3, 4, 10, 11, 12, 13, 14,
    ]);
    expect(surehook.stats()).toMatchObject({ delivered: 10, attempted: 10 });
  });

  test('await using stops it', async () => {
    const { clock, repos } = bench();
    const transport = scriptedTransport(200, { clock });
    {
      await using surehook = made({ clock, repos, transport }).surehook;
      await surehook.start();
    }
    expect(clock.pending).toBe(0);
  });

  test('leaves the store’s own transport open: it can be used by the next start', async () => {
    const { surehook, transport } = await running();
    await surehook.stop();
    await surehook.start();
    await hook(surehook);
    await surehook.publish({ type: 'a.b', data: 0 });
    await surehook.idle();
    expect(transport.requests).toHaveLength(1);
  });
});

describe('idle', () => {
  test('resolves at once before start and after stop', async () => {
    const { surehook } = bench();
    await surehook.idle();
    await surehook.start();
    await surehook.stop();
    await surehook.idle();
  });

  test('waits for everything that is due, however deep the queue', async () => {
    const { surehook } = await running();
    for (let n = 0; n < 10; n += 1) await hook(surehook, n);
    await publishMany(surehook, 100);
    await surehook.idle();
    expect(tally(await allDeliveries(surehook), ({ status }) => status)).toEqual({ delivered: 1_000 });
  });

  test('waits for a request in flight, and not for a retry that waits for its time', async () => {
    const { surehook, clock } = await running(delayed(SECOND, 500));
    await hook(surehook);
    const published = await surehook.publish({ type: 'a.b', data: 0 });
    const idle = watch(surehook.idle());
    await clock.advance(999);
    expect(idle.done).toBe(false);
    await clock.advance(1);
    expect(idle.done).toBe(true);
    expect((await deliveryOf(surehook, published)).status).toBe('failed');
  });

  test('waits for an immediate retry', async () => {
    const { surehook, transport } = await running([500, 200], {
      retry: { kind: 'schedule', delaysMs: [0, 0], jitter: 0 },
    });
    await hook(surehook);
    const published = await surehook.publish({ type: 'a.b', data: 0 });
    await surehook.idle();
    expect(transport.requests).toHaveLength(2);
    expect((await deliveryOf(surehook, published)).status).toBe('delivered');
  });

  test('does not wait for an event of the future, nor for a disabled webhook', async () => {
    const { surehook, clock, transport } = await running();
    const webhook = await hook(surehook);
    await surehook.publish({ type: 'a.b', data: 0, deliverAt: new Date(clock.now() + HOUR) });
    await surehook.idle();
    await surehook.webhooks.disable(webhook.id);
    await surehook.idle();
    expect(transport.requests).toHaveLength(0);
  });

  test('resolves when it is stopped meanwhile, and rejects with the reason of its signal', async () => {
    const { surehook, clock } = await running('hang');
    await hook(surehook);
    await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(1);
    const controller = new AbortController();
    const aborted = surehook.idle({ signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    await expect(surehook.idle({ signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before');
    const idle = watch(surehook.idle());
    void surehook.stop({ deadlineMs: 0 });
    await clock.advance(MINUTE);
    expect(idle.done).toBe(true);
  });
});
