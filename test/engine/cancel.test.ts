/** Cancelling: what waits is given up, what blocks lets go, and whoever waited behind it goes on at once. */
import { describe, expect, test } from 'vitest';
import { ConflictError, type Published, retrySchedule } from '../../src/index.ts';
import {
  allDeliveries,
  atMostOnce,
  bench,
  delayed,
  deliveryOf,
  HOUR,
  hook,
  MINUTE,
  made,
  meddled,
  numberOf,
  publishMany,
  rejection,
  running,
  SECOND,
  stateOf,
  tally,
} from './harness.ts';

const ordered = { delivery: { ordered: true } } as const;
const cancelled = { status: 'exhausted', reason: 'cancelled' };

const idOf = ({ deliveries }: Published | undefined = {} as Published): string => deliveries[0]?.id ?? '';

describe('a waiting delivery', () => {
  test('is given up and heard of, and is never sent', async () => {
    const { surehook, clock, transport, log } = bench();
    await hook(surehook);
    const [first, second] = await publishMany(surehook, 2);
    const delivery = await surehook.deliveries.cancel(idOf(first));
    expect(delivery).toMatchObject({ id: idOf(first), ...cancelled, attempts: 0 });
    expect(delivery.completedAt).toEqual(new Date(clock.now()));
    expect(log.of('delivery:exhausted')).toEqual([{ delivery }]);
    await surehook.start();
    await clock.advance(HOUR);
    expect(transport.requests.map(numberOf)).toEqual([1]);
    expect(await surehook.deliveries.get(idOf(first))).toEqual(delivery);
    expect(await surehook.deliveries.get(idOf(second))).toMatchObject({ status: 'delivered' });
  });

  test('that failed is tried no more, and its webhook has nothing left to retry', async () => {
    const { surehook, clock, transport } = await running(500, { retry: retrySchedule([0, HOUR, HOUR]) });
    const webhook = await hook(surehook);
    const [published] = await publishMany(surehook, 1);
    await clock.advance(MINUTE);
    expect(await surehook.deliveries.get(idOf(published))).toMatchObject({ status: 'failed' });
    expect(await stateOf(surehook, webhook)).toBe('retrying');
    expect(await surehook.deliveries.cancel(idOf(published))).toMatchObject({ ...cancelled, attempts: 1 });
    await clock.advance(MINUTE);
    expect(await stateOf(surehook, webhook)).toBe('enabled');
    await clock.advance(3 * HOUR);
    expect(transport.requests).toHaveLength(1);
  });

  test('of a scheduled event: all of the event is called off by the ids that publish gave', async () => {
    const { surehook, clock, transport } = await running();
    await hook(surehook, 'a');
    await hook(surehook, 'b');
    const deliverAt = new Date(clock.now() + HOUR);
    const { deliveries } = await surehook.publish({ type: 'a.b', data: 1, deliverAt });
    await clock.advance(MINUTE);
    for (const { id } of deliveries) await surehook.deliveries.cancel(id);
    await clock.advance(2 * HOUR);
    expect(transport.requests).toEqual([]);
    expect(tally(await allDeliveries(surehook), ({ reason }) => `${reason}`)).toEqual({ cancelled: 2 });
  });

  test('that is held with its disabled webhook does not continue with it', async () => {
    const { surehook, clock, transport } = await running(500, { retry: retrySchedule([0, HOUR]) });
    const webhook = await hook(surehook);
    const [published] = await publishMany(surehook, 1);
    await clock.advance(SECOND);
    await surehook.webhooks.disable(webhook.id);
    await surehook.deliveries.cancel(idOf(published));
    await surehook.webhooks.enable(webhook.id);
    await clock.advance(2 * HOUR);
    expect(transport.requests).toHaveLength(1);
    expect(await stateOf(surehook, webhook)).toBe('enabled');
  });

  test('for replay loses its slot', async () => {
    const { surehook, clock, transport } = await running([500, 200], {
      retry: retrySchedule([0]),
      replaysPerSecond: 1,
    });
    await hook(surehook);
    const [published] = await publishMany(surehook, 1);
    await clock.advance(HOUR);
    await surehook.stop();
    expect(await surehook.deliveries.replay(idOf(published))).toMatchObject({ status: 'replaying' });
    expect(await surehook.deliveries.cancel(idOf(published))).toMatchObject(cancelled);
    await surehook.start();
    await clock.advance(HOUR);
    expect(transport.requests).toHaveLength(1);
  });

  test('can be replayed after it was cancelled', async () => {
    const { surehook, clock } = await running();
    await hook(surehook);
    const published = await surehook.publish({
      type: 'a.b',
      data: 1,
      deliverAt: new Date(clock.now() + HOUR),
    });
    await surehook.deliveries.cancel(idOf(published));
    await surehook.deliveries.replay(idOf(published));
    await clock.advance(MINUTE);
    expect((await deliveryOf(surehook, published)).status).toBe('delivered');
  });

  test('of a batch leaves the others to be sent', async () => {
    const { surehook, clock, transport } = await running([500, 200], { retry: retrySchedule([0, HOUR]) });
    await hook(surehook, 0, { delivery: { mode: 'batched', batch: { maxWaitMs: SECOND } } });
    const published = await publishMany(surehook, 3);
    await clock.advance(MINUTE);
    expect(JSON.parse(transport.requests[0]?.text() ?? '')).toHaveLength(3);
    await surehook.deliveries.cancel(idOf(published[1]));
    await clock.advance(2 * HOUR);
    const sent = JSON.parse(transport.requests[1]?.text() ?? '') as { data: number }[];
    expect(sent.map(({ data }) => data)).toEqual([0, 2]);
  });
});

describe('of an ordered webhook', () => {
  const failsFirst = (request: { text(): string }) => (numberOf(request) === 0 ? 500 : 200);
  const slow = { retry: retrySchedule([0, HOUR]), backoff: { baseMs: 0, maxMs: 0 } };

  test('the first of a line, when it is cancelled, lets the others go on at once', async () => {
    const { surehook, clock, transport } = await running(failsFirst, slow);
    await hook(surehook, 0, ordered);
    const published = await publishMany(surehook, 3);
    await clock.advance(MINUTE);
    expect(transport.requests.map(numberOf)).toEqual([0]);
    await surehook.deliveries.cancel(idOf(published[0]));
    await clock.advance(SECOND);
    expect(transport.requests.map(numberOf)).toEqual([0, 1, 2]);
  });

  test('also where a process without an engine cancels it, and the repo tells nobody', async () => {
    const parts = bench(failsFirst);
    const { clock, transport } = parts;
    const silent = meddled(parts.repos, (_, run) => run(), ['onWork', 'onChange']);
    const web = made({ clock, transport, repos: silent, ...slow });
    const worker = made({ clock, transport, repos: silent, ...slow });
    await worker.surehook.start();
    await hook(web.surehook, 0, ordered);
    const published = await publishMany(worker.surehook, 3);
    await clock.advance(MINUTE);
    await web.surehook.deliveries.cancel(idOf(published[0]));
    await clock.advance(10 * SECOND);
    expect(transport.requests.map(numberOf)).toEqual([0, 1, 2]);
  });

  test('one that is exhausted and blocks lets go, keeps its reason, and lets go once', async () => {
    const { surehook, clock, transport, log } = await running(failsFirst, {
      ...slow,
      retry: retrySchedule([0]),
    });
    await hook(surehook, 0, ordered);
    const published = await publishMany(surehook, 3);
    await clock.advance(HOUR);
    expect(await surehook.deliveries.get(idOf(published[0]))).toMatchObject({ blocks: true });
    expect(transport.requests.map(numberOf)).toEqual([0]);
    const heard = log.of('delivery:exhausted').length;
    const delivery = await surehook.deliveries.cancel(idOf(published[0]));
    expect(delivery).toMatchObject({ status: 'exhausted', reason: 'attempts-used-up' });
    expect(delivery.blocks).toBeUndefined();
    await clock.advance(SECOND);
    expect(transport.requests.map(numberOf)).toEqual([0, 1, 2]);
    expect(log.of('delivery:exhausted')).toHaveLength(heard);
    const error = await rejection(surehook.deliveries.cancel(idOf(published[0])));
    expect(error).toBeInstanceOf(ConflictError);
  });
});

describe('a conflict', () => {
  test('with what is being sent says what can be done', async () => {
    const { surehook, clock } = await running(delayed(SECOND, 200));
    await hook(surehook);
    const [published] = await publishMany(surehook, 1);
    await clock.advance(500);
    const error = await rejection(surehook.deliveries.cancel(idOf(published)));
    expect(error).toBeInstanceOf(ConflictError);
    expect((error as Error).message).toContain('is being sent: try again when that has ended, or disable');
    await clock.advance(SECOND);
    expect((await deliveryOf(surehook, published as Published)).status).toBe('delivered');
  });

  test('with what was claimed between the look and the cancel', async () => {
    const parts = bench();
    const { surehook, log } = made({
      clock: parts.clock,
      repos: meddled(parts.repos, (call, run) => (call === 'events.cancel' ? [] : run())),
    });
    await hook(surehook);
    const [published] = await publishMany(surehook, 1);
    expect(await rejection(surehook.deliveries.cancel(idOf(published)))).toBeInstanceOf(ConflictError);
    expect(log.of('delivery:exhausted')).toEqual([]);
  });

  test('with what has ended', async () => {
    const { surehook, clock, log } = await running([200, 500]);
    await hook(surehook, 0, atMostOnce);
    const [delivered, failed] = await publishMany(surehook, 2);
    await clock.advance(MINUTE);
    for (const one of [delivered, failed]) {
      const error = await rejection(surehook.deliveries.cancel(idOf(one)));
      expect(error).toBeInstanceOf(ConflictError);
      expect((error as Error).message).toContain('nothing to cancel');
    }
    expect(log.of('delivery:exhausted')).toHaveLength(1);
  });
});

describe('repeated', () => {
  test('it resolves with the same and is heard once', async () => {
    const { surehook, log } = bench();
    await hook(surehook);
    const [published] = await publishMany(surehook, 1);
    const once = await surehook.deliveries.cancel(idOf(published));
    expect(await surehook.deliveries.cancel(idOf(published))).toEqual(once);
    expect(log.of('delivery:exhausted')).toHaveLength(1);
  });

  test('also at the same time: heard once', async () => {
    const { surehook, log } = bench();
    await hook(surehook);
    const [published] = await publishMany(surehook, 1);
    const [one, other] = await Promise.all([1, 2].map(() => surehook.deliveries.cancel(idOf(published))));
    expect(one).toEqual(other);
    expect(log.of('delivery:exhausted')).toHaveLength(1);
  });

  test('by the short retries, where an answer was lost, it is heard of as well', async () => {
    const parts = bench();
    let calls = 0;
    const { surehook, log } = made({
      clock: parts.clock,
      repos: meddled(parts.repos, async (call, run) => {
        const result = await run();
        if (call === 'events.cancel' && calls++ === 0) throw new Error('the answer was lost');
        return result;
      }),
    });
    await hook(surehook);
    const [published] = await publishMany(surehook, 1);
    const cancelling = surehook.deliveries.cancel(idOf(published));
    await parts.clock.advance(SECOND);
    expect(await cancelling).toMatchObject(cancelled);
    expect(calls).toBe(2);
    expect(log.of('delivery:exhausted')).toHaveLength(1);
  });
});
