/** Ordered webhooks: first successful receipts are in publish order for each ordering key, whatever fails. */
import { describe, expect, test } from 'vitest';
import { retryExponential, retrySchedule } from '../../src/index.ts';
import { seededRandom } from '../../src/testing/index.ts';
import {
  allDeliveries,
  bench,
  delayed,
  deliveryOf,
  HOUR,
  hook,
  MINUTE,
  made,
  mortal,
  numberOf,
  publishMany,
  running,
  SECOND,
  stateOf,
  url,
} from './harness.ts';

const ordered = { delivery: { ordered: true } } as const;
const skipping = { delivery: { ordered: { onExhausted: 'skip' } } } as const;
const quick = retryExponential({ baseMs: 100, factor: 2, maxMs: SECOND, attempts: 8 });

describe('an ordered webhook', () => {
  test('gets one event at a time, in the order of publishing', async () => {
    const { surehook, clock, transport } = await running(delayed(20, 200));
    await hook(surehook, 0, ordered);
    await publishMany(surehook, 30);
    await clock.advance(10 * SECOND);
    expect(transport.requests.map(numberOf)).toEqual(Array.from({ length: 30 }, (_, n) => n));
    expect(transport.peakInFlight).toBe(1);
  });

  test('works through keys side by side, up to its cap', async () => {
    const { surehook, clock, transport } = await running(delayed(20, 200), { maxInFlightPerWebhook: 4 });
    await hook(surehook, 0, ordered);
    for (let n = 0; n < 60; n += 1)
      await surehook.publish({ type: 'a.b', data: n, orderingKey: `k${n % 6}` });
    await clock.advance(10 * SECOND);
    const seen = transport.requests.map(numberOf);
    for (let key = 0; key < 6; key += 1) {
      expect(seen.filter((n) => n % 6 === key)).toEqual(Array.from({ length: 10 }, (_, n) => key + 6 * n));
    }
    expect(transport.peakInFlight).toBe(4);
  });

  test('goes on with the other keys while the first event of one fails', async () => {
    const { surehook, clock, transport } = await running((request) => (numberOf(request) === 0 ? 500 : 200), {
      retry: retrySchedule([0, MINUTE]),
    });
    await hook(surehook, 0, ordered);
    for (let n = 0; n < 20; n += 1)
      await surehook.publish({ type: 'a.b', data: n, orderingKey: n % 2 === 0 ? 'bad' : 'good' });
    await clock.advance(30 * SECOND);
    const seen = transport.requests.map(numberOf);
    expect(seen.filter((n) => n % 2 === 1)).toEqual(Array.from({ length: 10 }, (_, n) => 2 * n + 1));
    expect(seen.filter((n) => n % 2 === 0)).toEqual([0]);
  });

  test('keeps the order when events fail at random and have to be tried again', async () => {
    const random = seededRandom(7);
    const received: number[] = [];
    const { surehook, clock } = await running(
      (request) => {
        if (random.next() < 0.3) return 500;
        received.push(numberOf(request));
        return delayed(random.next() * 50, 200);
      },
      { retry: quick },
    );
    await hook(surehook, 0, ordered);
    for (let n = 0; n < 100; n += 1)
      await surehook.publish({ type: 'a.b', data: n, orderingKey: `k${n % 5}` });
    await clock.advance(10 * MINUTE);
    expect(received).toHaveLength(100);
    for (let key = 0; key < 5; key += 1) {
      const ofKey = received.filter((n) => n % 5 === key);
      expect(ofKey).toEqual(ofKey.toSorted((a, b) => a - b));
    }
  });

  test('keeps the order across processes, and when one is killed', async () => {
    const received: number[] = [];
    const answer = (request: { text(): string }) => {
      received.push(numberOf(request));
      return delayed(30, 200);
    };
    const times = { leaseMs: 20 * SECOND, timeoutMs: 5 * SECOND };
    const { surehook, clock, repos, transport } = bench(answer, times);
    const first = mortal({ clock, repos, transport, ...times });
    await first.surehook.start();
    await hook(surehook, 0, ordered);
    await publishMany(first.surehook, 50);
    await clock.advance(400);
    first.kill();
    await surehook.start();
    for (let n = 50; n < 60; n += 1) await surehook.publish({ type: 'a.b', data: n });
    await clock.advance(2 * MINUTE);
    expect([...new Set(received)]).toEqual(Array.from({ length: 60 }, (_, n) => n));
    expect((await allDeliveries(surehook)).every(({ status }) => status === 'delivered')).toBe(true);
  });

  test('blocks its key behind an event that is given up, until that is replayed', async () => {
    let isWell = false;
    const { surehook, clock, transport } = await running(
      (request) => (!isWell && numberOf(request) === 1 ? 500 : 200),
      { retry: retrySchedule([0, SECOND]) },
    );
    const webhook = await hook(surehook, 0, ordered);
    const published = await publishMany(surehook, 4);
    await clock.advance(HOUR);
    expect(transport.requests.map(numberOf)).toEqual([0, 1, 1]);
    const [, dead, next] = published;
    if (dead === undefined || next === undefined) throw new Error('There are four events');
    expect(await deliveryOf(surehook, dead)).toMatchObject({
      status: 'exhausted',
      reason: 'attempts-used-up',
      blocks: true,
      orderingKey: '',
    });
    expect((await deliveryOf(surehook, next)).status).toBe('pending');
    expect(await stateOf(surehook, webhook)).toBe('enabled');
    isWell = true;
    await surehook.deliveries.replay(dead.deliveries[0]?.id ?? '');
    await clock.advance(MINUTE);
    expect(transport.requests.map(numberOf)).toEqual([0, 1, 1, 1, 2, 3]);
  });

  test('goes on without an event that is given up where it says so', async () => {
    const { surehook, clock, transport } = await running((request) => (numberOf(request) === 1 ? 500 : 200), {
      retry: retrySchedule([0, SECOND]),
    });
    await hook(surehook, 0, skipping);
    await publishMany(surehook, 4);
    await clock.advance(HOUR);
    expect(transport.requests.map(numberOf)).toEqual([0, 1, 1, 2, 3]);
  });

  test('gets what a process without an engine has published, in order with the rest', async () => {
    const { surehook, clock, repos, transport } = await running(delayed(20, 200));
    await hook(surehook, 0, ordered);
    const { surehook: web } = made({ repos, clock, transport });
    for (let n = 0; n < 20; n += 1) {
      await (n % 3 === 0 ? surehook : web).publish({ type: 'a.b', data: n });
    }
    await clock.advance(MINUTE);
    expect(transport.requests.map(numberOf)).toEqual(Array.from({ length: 20 }, (_, n) => n));
  });

  test('holds what it has while it is disabled, and goes on in order', async () => {
    const { surehook, clock, transport } = await running(delayed(20, 200));
    const { id } = await hook(surehook, 0, ordered);
    await publishMany(surehook, 10);
    await clock.advance(50);
    await surehook.webhooks.disable(id);
    await clock.advance(MINUTE);
    const before = transport.requests.length;
    expect(before).toBeLessThan(10);
    await surehook.webhooks.enable(id);
    await clock.advance(MINUTE);
    expect(transport.requests.map(numberOf)).toEqual(Array.from({ length: 10 }, (_, n) => n));
  });

  test('leaves others alone: an ordering key means nothing to a webhook that is not ordered', async () => {
    const { surehook, clock, transport } = await running(delayed(50, 200));
    await hook(surehook, 'plain');
    for (let n = 0; n < 40; n += 1) await surehook.publish({ type: 'a.b', data: n, orderingKey: 'k' });
    await clock.advance(MINUTE);
    expect(transport.to(url('plain'))).toHaveLength(40);
    expect(transport.peakInFlight).toBeGreaterThan(1);
  });
});
