/** The webhook's machine, moved by attempts and from outside. */
import { describe, expect, test } from 'vitest';
import { ConflictError, retrySchedule } from '../../src/index.ts';
import {
  allDeliveries,
  atMostOnce,
  attemptsOf,
  DAY,
  delayed,
  deliveryOf,
  HOUR,
  hook,
  MINUTE,
  numberOf,
  publishMany,
  rejection,
  running,
  SECOND,
  slowPolls,
  stateOf,
  tally,
  url,
} from './harness.ts';

const refused = { error: 'refused' } as const;

describe('moved by attempts', () => {
  test('Enabled, Retrying since the first failure, Enabled again when its queue is empty', async () => {
    const { surehook, clock, log } = await running([500, 500, 200]);
    const webhook = await hook(surehook);
    await clock.advance(MINUTE);
    const failedAt = clock.now();
    const published = await surehook.publish({ type: 'a.b', data: 0 });
    await surehook.idle();
    await clock.advance(5 * SECOND);
    expect((await surehook.webhooks.get(webhook.id))?.status).toEqual({
      state: 'retrying',
      since: new Date(failedAt),
    });
    await clock.advance(2 * MINUTE);
    expect((await surehook.webhooks.get(webhook.id))?.status).toEqual({ state: 'enabled' });
    expect((await deliveryOf(surehook, published)).status).toBe('delivered');
    expect(log.moves()).toEqual(['enabled>retrying', 'retrying>enabled']);
  });

  test.each([
    ['at-most-once', atMostOnce],
    ['a policy of one attempt', { retry: retrySchedule([0]) }],
  ])('an attempt that failed and leaves nothing waiting does not leave it Retrying: %s', async (_, more) => {
    const { surehook, clock, log } = await running(500);
    const webhook = await hook(surehook, 0, more);
    await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(HOUR);
    expect(log.moves()).toEqual(['enabled>retrying', 'retrying>enabled']);
    expect(await stateOf(surehook, webhook)).toBe('enabled');
  });

  test('new events for a Retrying webhook wait behind what waits already', async () => {
    let answer: 200 | 500 = 500;
    const { surehook, transport, clock } = await running(() => delayed(1, answer), {
      retry: retrySchedule([0, 10_000, 10_000], { jitter: 0 }),
      backoff: { jitter: 0 },
    });
    await hook(surehook, 0, { maxInFlight: 1 });
    await publishMany(surehook, 3);
    await clock.advance(SECOND);
    answer = 200;
    await surehook.publish({ type: 'a.b', data: 3 });
    await clock.advance(MINUTE);
    const delivered = transport.requests.slice(-4).map(numberOf);
    expect([...delivered].sort()).toEqual([0, 1, 2, 3]);
    expect(tally(await allDeliveries(surehook), ({ status }) => status)).toEqual({ delivered: 4 });
  });

  test('any success restarts D', async () => {
    let n = 0;
    const { surehook, clock, log } = await running(
      (request) => {
        if (request.text().includes('"ok"')) return 200;
        n += 1;
        return 500;
      },
      { ...slowPolls, retry: retrySchedule(Array.from({ length: 100 }, (_, i) => (i === 0 ? 0 : 8 * HOUR))) },
    );
    const webhook = await hook(surehook);
    await surehook.publish({ type: 'a.b', data: 'bad' });
    for (let day = 0; day < 20; day += 1) {
      await clock.advance(DAY);
      if (day % 5 === 4) await surehook.publish({ type: 'a.b', data: 'ok' });
    }
    expect(n).toBeGreaterThan(50);
    expect(log.moves(webhook.id)).toEqual(['enabled>retrying']);
    await clock.advance(8 * DAY);
    expect(log.moves(webhook.id)).toContain('retrying>unavailable');
  });

  test('a 410 disables it with the reason gone; the delivery is exhausted, what waits is held', async () => {
    const { surehook, transport, clock, log } = await running(
      (request) => delayed(5, numberOf(request) === 0 ? 410 : 200),
      { maxInFlightPerWebhook: 1 },
    );
    const webhook = await hook(surehook);
    const published = await publishMany(surehook, 5);
    await clock.advance(DAY / 24);
    expect((await surehook.webhooks.get(webhook.id))?.status).toEqual({ state: 'disabled', reason: 'gone' });
    const [gone, ...held] = await Promise.all(published.map((one) => deliveryOf(surehook, one)));
    expect(gone).toMatchObject({ status: 'exhausted', reason: 'webhook-gone', attempts: 1 });
    expect(held.map(({ status }) => status)).toEqual(['pending', 'pending', 'pending', 'pending']);
    expect(transport.requests).toHaveLength(1);
    expect(log.moves()).toEqual(['enabled>disabled']);
    await surehook.webhooks.enable(webhook.id);
    await clock.advance(MINUTE);
    expect(transport.requests).toHaveLength(5);
    expect(await stateOf(surehook, webhook)).toBe('enabled');
  });

  test('a 410 amid its retries disables it too, and D does not go on', async () => {
    const { surehook, clock, log } = await running([500, 410], { ...slowPolls });
    const webhook = await hook(surehook);
    await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(30 * DAY);
    expect(log.moves(webhook.id)).toEqual(['enabled>retrying', 'retrying>disabled']);
  });

  test('Unavailable: what waits and what is published is exhausted; enabled, a replay delivers all of it', async () => {
    let answer: 200 | typeof refused = refused;
    const { surehook, transport, clock } = await running(() => answer, {
      unavailableAfterMs: HOUR,
      ...slowPolls,
      retry: retrySchedule([0, 50 * MINUTE, 50 * MINUTE]),
    });
    const webhook = await hook(surehook);
    await publishMany(surehook, 40);
    await clock.advance(3 * HOUR);
    expect(await stateOf(surehook, webhook)).toBe('unavailable');
    await publishMany(surehook, 10);
    expect(tally(await allDeliveries(surehook), ({ status, reason }) => `${status} ${reason}`)).toEqual({
      'exhausted webhook-unavailable': 50,
    });
    answer = 200;
    const [first] = await allDeliveries(surehook);
    const error = await rejection(surehook.deliveries.replay(first?.id ?? ''));
    expect(error).toBeInstanceOf(ConflictError);
    const sent = transport.requests.length;
    await surehook.webhooks.enable(webhook.id);
    await clock.advance(HOUR);
    // Enabling alone sends nothing of what was given up.
    expect(transport.requests).toHaveLength(sent);
    for (const { id } of await allDeliveries(surehook)) {
      expect(await surehook.deliveries.replay(id)).toMatchObject({ id, status: 'replaying' });
    }
    await clock.advance(HOUR);
    expect(tally(await allDeliveries(surehook), ({ status }) => status)).toEqual({ delivered: 50 });
  });

  test('a replay has the same id and body, all attempts of its policy, and a fresh timestamp', async () => {
    let answer: 200 | 500 = 500;
    const { surehook, transport, clock } = await running(() => answer, {
      retry: retrySchedule([0, 1_000], { jitter: 0 }),
    });
    await hook(surehook);
    const published = await surehook.publish({ type: 'a.b', data: { n: 1 } });
    await clock.advance(MINUTE);
    const { id, attempts } = await deliveryOf(surehook, published);
    expect(attempts).toBe(2);
    await surehook.deliveries.replay(id);
    await clock.advance(MINUTE);
    expect(await surehook.deliveries.get(id)).toMatchObject({ status: 'exhausted', attempts: 4 });
    answer = 200;
    await surehook.deliveries.replay(id);
    await clock.advance(MINUTE);
    expect(await surehook.deliveries.get(id)).toMatchObject({ status: 'delivered', attempts: 5 });
    expect((await attemptsOf(surehook, published)).map(({ number }) => number)).toEqual([1, 2, 3, 4, 5]);
    expect(new Set(transport.requests.map((request) => request.text())).size).toBe(1);
    expect(new Set(transport.requests.map(({ headers }) => headers['webhook-id']))).toEqual(
      new Set([published.event.id]),
    );
    expect(
      transport.requests.every(
        ({ headers, at }) => headers['webhook-timestamp'] === String(Math.floor(at / 1_000)),
      ),
    ).toBe(true);
  });

  test('replays are let in a few at a time: replaysPerSecond, and not all at once', async () => {
    let answer: 200 | 500 = 500;
    const { surehook, transport, clock } = await running(() => answer, {
      replaysPerSecond: 50,
      backoff: { baseMs: 0, maxMs: 0 },
    });
    await hook(surehook, 0, { retry: retrySchedule([0]) });
    await publishMany(surehook, 100);
    await clock.advance(MINUTE);
    const exhausted = await allDeliveries(surehook);
    expect(tally(exhausted, ({ status }) => status)).toEqual({ exhausted: 100 });
    answer = 200;
    for (const { id } of exhausted) await surehook.deliveries.replay(id);
    const before = transport.requests.length;
    await clock.advance(SECOND);
    expect(transport.requests.length - before).toBeGreaterThan(30);
    expect(transport.requests.length - before).toBeLessThanOrEqual(55);
    await clock.advance(2 * SECOND);
    expect(tally(await allDeliveries(surehook), ({ status }) => status)).toEqual({ delivered: 100 });
  });
});

describe('from outside', () => {
  test('disable holds what waits and fans nothing out; enable continues, and the history is kept', async () => {
    const { surehook, transport, clock } = await running(delayed(10, 200), { maxInFlightPerWebhook: 2 });
    const webhook = await hook(surehook);
    const published = await publishMany(surehook, 20);
    await clock.advance(25);
    await surehook.webhooks.disable(webhook.id);
    const { length } = transport.requests;
    const missed = await surehook.publish({ type: 'a.b', data: 99 });
    expect(missed.deliveries).toEqual([]);
    await clock.advance(DAY / 24);
    expect(transport.requests).toHaveLength(length);
    const held = await allDeliveries(surehook);
    expect(held).toHaveLength(20);
    expect(tally(held, ({ status }) => status)).toEqual({ delivered: length, pending: 20 - length });
    await surehook.webhooks.enable(webhook.id);
    await clock.advance(SECOND);
    expect(await Promise.all(published.map(async (one) => (await deliveryOf(surehook, one)).status))).toEqual(
      Array(20).fill('delivered'),
    );
  });

  test('disabled over a restart it is still held; enabled while stopped it continues at the next start', async () => {
    const { surehook, transport, clock } = await running(500, slowPolls);
    const webhook = await hook(surehook);
    await publishMany(surehook, 3);
    await clock.advance(0);
    await surehook.webhooks.disable(webhook.id);
    await surehook.stop();
    const { length } = transport.requests;
    await surehook.start();
    await clock.advance(DAY);
    expect(transport.requests).toHaveLength(length);
    await surehook.stop();
    await surehook.webhooks.enable(webhook.id);
    await surehook.start();
    await clock.advance(MINUTE);
    expect(transport.requests.length).toBeGreaterThan(length);
  });

  test('every move that the machine does not have is a ConflictError; a repeated one is none', async () => {
    const { surehook, log } = await running(500);
    const webhook = await hook(surehook);
    expect((await surehook.webhooks.enable(webhook.id)).status).toEqual({ state: 'enabled' });
    await surehook.publish({ type: 'a.b', data: 0 });
    await surehook.idle();
    expect(await rejection(surehook.webhooks.enable(webhook.id))).toMatchObject({
      code: 'conflict',
      message: expect.stringContaining(webhook.id),
    });
    await surehook.webhooks.disable(webhook.id);
    expect((await surehook.webhooks.disable(webhook.id)).status).toEqual({ state: 'disabled' });
    expect(log.moves()).toEqual(['enabled>retrying', 'retrying>disabled']);
  });

  test('deleted: what waits is exhausted, what is in flight is not sent again, the history stays', async () => {
    const { surehook, transport, clock } = await running(delayed(10, 500), { maxInFlightPerWebhook: 2 });
    const webhook = await hook(surehook);
    const published = await publishMany(surehook, 10);
    await clock.advance(5);
    await surehook.webhooks.delete(webhook.id);
    await clock.advance(HOUR);
    expect(transport.requests).toHaveLength(1);
    const reasons = tally(await allDeliveries(surehook), ({ status, reason }) => `${status} ${reason}`);
    expect(reasons).toEqual({ 'exhausted webhook-deleted': 10 });
    const all = await Promise.all(published.map(async (one) => (await attemptsOf(surehook, one)).length));
    expect(all.reduce((sum, count) => sum + count, 0)).toBe(1);
    expect(await surehook.webhooks.get(webhook.id)).toBeUndefined();
    expect((await surehook.publish({ type: 'a.b', data: 0 })).deliveries).toEqual([]);
    const [one] = await allDeliveries(surehook);
    expect(await rejection(surehook.deliveries.replay(one?.id ?? ''))).toBeInstanceOf(ConflictError);
  });

  test('a new URL, new headers, a new cap and a new policy are in force for the next attempt', async () => {
    const { surehook, transport, clock } = await running(500);
    const webhook = await hook(surehook, 'old', { retry: retrySchedule([0, 1_000, 1_000], { jitter: 0 }) });
    const published = await surehook.publish({ type: 'a.b', data: 0 });
    await surehook.idle();
    const patched = await surehook.webhooks.update(webhook.id, {
      url: url('new'),
      headers: { 'x-a': '1' },
      retry: retrySchedule([0, 5_000], { jitter: 0 }),
    });
    expect(patched).toMatchObject({
      url: url('new'),
      headers: { 'x-a': '1' },
      status: { state: 'retrying' },
    });
    await clock.advance(HOUR);
    expect(transport.requests.map((request) => request.url)).toEqual([url('old'), url('new')]);
    expect(transport.requests[1]?.headers['x-a']).toBe('1');
    expect(await deliveryOf(surehook, published)).toMatchObject({ status: 'exhausted', attempts: 2 });
  });

  test('events given to update changes what it is subscribed to from then on', async () => {
    const { surehook } = await running();
    const webhook = await hook(surehook, 0, { events: ['a.*'] });
    expect((await surehook.publish({ type: 'b.c', data: 0 })).deliveries).toEqual([]);
    await surehook.webhooks.update(webhook.id, { events: ['b.*'] });
    expect((await surehook.publish({ type: 'b.c', data: 0 })).deliveries).toHaveLength(1);
    expect((await surehook.publish({ type: 'a.b', data: 0 })).deliveries).toHaveLength(0);
  });
});
