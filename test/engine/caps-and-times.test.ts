/** Caps on requests in flight, and when what is tried: jitter, back-off, Retry-After, deliverAt. */
import { describe, expect, test } from 'vitest';
import { retryExponential, retrySchedule } from '../../src/index.ts';
import { scriptedTransport } from '../../src/testing/index.ts';
import {
  allDeliveries,
  bench,
  delayed,
  deliveryOf,
  HOUR,
  hook,
  MINUTE,
  made,
  publishMany,
  running,
  SECOND,
  slowPolls,
  tally,
  url,
} from './harness.ts';

const refused = { error: 'refused' } as const;

describe('caps', () => {
  test.each([
    [1, 16],
    [3, 2],
    [7, 16],
    [20, 5],
  ])('maxInFlight %i and maxInFlightPerWebhook %i are never exceeded, and made use of', async (all, each) => {
    const { clock, repos } = bench();
    const now = new Map<string, number>();
    const peak = { all: 0, each: 0, sum: 0 };
    const transport = scriptedTransport(
      async (request) => {
        const count = (now.get(request.url) ?? 0) + 1;
        now.set(request.url, count);
        peak.sum += 1;
        peak.each = Math.max(peak.each, count);
        peak.all = Math.max(peak.all, peak.sum);
        await new Promise<void>((resolve) => clock.schedule(10 + (count % 7), resolve));
        now.set(request.url, (now.get(request.url) ?? 0) - 1);
        peak.sum -= 1;
        return count % 5 === 0 ? 500 : 200;
      },
      { clock },
    );
    const { surehook } = made({
      clock,
      repos,
      transport,
      maxInFlight: all,
      maxInFlightPerWebhook: each,
      retry: retryExponential({ baseMs: 10, maxMs: 50, attempts: 100 }),
      backoff: { baseMs: 10, maxMs: 50 },
    });
    for (let n = 0; n < 6; n += 1) await hook(surehook, n);
    await surehook.start();
    await publishMany(surehook, 100);
    await clock.advance(2 * MINUTE);
    expect(tally(await allDeliveries(surehook), ({ status }) => status)).toEqual({ delivered: 600 });
    expect(peak.all).toBeLessThanOrEqual(all);
    expect(peak.each).toBeLessThanOrEqual(Math.min(each, all));
    expect(peak.all).toBeGreaterThanOrEqual(0.8 * Math.min(all, 6 * each));
  });

  test('a webhook’s own maxInFlight comes first, above the option or below it', async () => {
    const { clock, repos } = bench();
    const peaks: Record<string, number> = {};
    const now: Record<string, number> = {};
    const transport = scriptedTransport(
      async ({ url: to }) => {
        now[to] = (now[to] ?? 0) + 1;
        peaks[to] = Math.max(peaks[to] ?? 0, now[to]);
        await new Promise<void>((resolve) => clock.schedule(20, resolve));
        now[to] -= 1;
        return 200;
      },
      { clock },
    );
    const { surehook } = made({ clock, repos, transport, maxInFlightPerWebhook: 4 });
    await hook(surehook, 'low', { maxInFlight: 1 });
    await hook(surehook, 'mid');
    await hook(surehook, 'high', { maxInFlight: 32 });
    await surehook.start();
    await publishMany(surehook, 300);
    await clock.advance(MINUTE);
    expect(peaks).toEqual({ [url('low')]: 1, [url('mid')]: 4, [url('high')]: 32 });
  });

  test('what is claimed at a time is bounded by maxInFlight and prefetch', async () => {
    const { surehook, clock } = await running(delayed(100, 200), { maxInFlight: 8, prefetch: 8 });
    for (let n = 0; n < 10; n += 1) await hook(surehook, n);
    await publishMany(surehook, 100);
    for (let step = 0; step < 200; step += 1) {
      await clock.advance(50);
      expect(surehook.stats().claimed).toBeLessThanOrEqual(16 + 2 * 16);
      expect(surehook.stats().inFlight).toBeLessThanOrEqual(8);
    }
  });
});

describe('when a retry comes', () => {
  test('within the jitter of the default policy, and spread over it', async () => {
    const gaps: number[][] = [[], [], [], []];
    for (let round = 0; round < 40; round += 1) {
      const { surehook, transport, clock } = await running(refused, {
        ...slowPolls,
        backoff: { baseMs: 0, maxMs: 0 },
      });
      await hook(surehook);
      await publishMany(surehook, 1);
      await clock.advance(3 * HOUR);
      const at = transport.requests.map((request) => request.at);
      expect(at).toHaveLength(5);
      for (let n = 1; n < 5; n += 1) gaps[n - 1]?.push((at[n] ?? 0) - (at[n - 1] ?? 0));
    }
    [10_000, 60_000, 600_000, 3_600_000].forEach((plain, index) => {
      const seen = gaps[index] ?? [];
      expect(Math.min(...seen)).toBeGreaterThanOrEqual(plain * 0.9);
      expect(Math.max(...seen)).toBeLessThanOrEqual(plain * 1.1);
      expect(Math.max(...seen) - Math.min(...seen)).toBeGreaterThan(plain * 0.1);
    });
  });

  test('waiting behind a failing webhook costs no attempts', async () => {
    const { surehook, clock } = await running(refused, {
      backoff: { baseMs: 60_000, factor: 1, jitter: 0 },
      retry: retrySchedule([0, 1_000, 1_000], { jitter: 0 }),
    });
    await hook(surehook);
    await publishMany(surehook, 10);
    await clock.advance(10 * MINUTE);
    const deliveries = await allDeliveries(surehook);
    const attempts = deliveries.reduce((sum, one) => sum + one.attempts, 0);
    // One probe a minute: ten minutes are about eleven attempts for all of them together.
    expect(attempts).toBeLessThanOrEqual(12);
    expect(deliveries.filter(({ status }) => status === 'exhausted').length).toBeLessThanOrEqual(4);
  });

  test('the back-off grows with consecutive failures up to its limit, one probe at a time', async () => {
    const { surehook, transport, clock } = await running(refused, {
      ...slowPolls,
      backoff: { baseMs: 1_000, factor: 2, maxMs: 16_000, jitter: 0 },
      retry: retrySchedule(Array(50).fill(0), { jitter: 0 }),
    });
    await hook(surehook);
    await publishMany(surehook, 3);
    await clock.advance(2 * MINUTE);
    const at = transport.requests.map((request) => request.at);
    const gaps = at.slice(1).map((instant, n) => instant - (at[n] ?? 0));
    expect(gaps.slice(0, 9)).toEqual([0, 1_000, 2_000, 4_000, 8_000, 16_000, 16_000, 16_000, 16_000]);
    expect(transport.peakInFlight).toBe(1);
  });

  test('a success resets the back-off', async () => {
    const script = [refused, refused, refused, 200, refused, refused, 200] as const;
    const { surehook, transport, clock } = await running(script, {
      backoff: { baseMs: 1_000, factor: 4, jitter: 0 },
      retry: retrySchedule(Array(50).fill(0), { jitter: 0 }),
    });
    await hook(surehook, 0, { maxInFlight: 1 });
    await publishMany(surehook, 2);
    await clock.advance(MINUTE);
    const at = transport.requests.map((request) => request.at);
    expect(at.slice(1).map((instant, n) => instant - (at[n] ?? 0))).toEqual([0, 1_000, 4_000, 0, 0, 1_000]);
  });

  test('the back-off is stored: after a restart the next probe is when it was to be', async () => {
    const { surehook, transport, clock, repos } = await running(refused, {
      backoff: { baseMs: MINUTE, factor: 10, maxMs: 10 * MINUTE, jitter: 0 },
      retry: retrySchedule(Array(50).fill(0), { jitter: 0 }),
    });
    await hook(surehook);
    const start = clock.now();
    await publishMany(surehook, 5);
    await clock.advance(2 * MINUTE);
    expect(transport.requests.map(({ at }) => at - start)).toEqual([0, 0, MINUTE]);
    await surehook.stop();
    const next = made({
      clock,
      repos,
      transport,
      backoff: { baseMs: MINUTE, factor: 10, maxMs: 10 * MINUTE, jitter: 0 },
      retry: retrySchedule(Array(50).fill(0), { jitter: 0 }),
    });
    await next.surehook.start();
    await clock.advance(9 * MINUTE);
    expect(transport.requests.map(({ at }) => at - start)).toEqual([0, 0, MINUTE, 11 * MINUTE]);
    await clock.advance(10 * MINUTE);
    expect(transport.requests.map(({ at }) => at - start).at(-1)).toBe(21 * MINUTE);
  });
});

describe('Retry-After', () => {
  const retryAfter = (value: string, status = 503) => ({ status, headers: { 'retry-after': value } });
  const secondAt = async (answer: ReturnType<typeof retryAfter>): Promise<number> => {
    const { surehook, transport, clock } = await running([answer, 200], {
      retry: retrySchedule([0, 5_000], { jitter: 0 }),
      backoff: { jitter: 0 },
    });
    await hook(surehook);
    const start = clock.now();
    await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(2 * HOUR);
    return (transport.requests[1]?.at ?? 0) - start;
  };

  test.each([
    ['120', 120_000],
    ['1', 5_000],
    ['0', 5_000],
    ['999999999', HOUR],
    ['Thu, 01 Jan 2026 00:10:00 GMT', 600_000],
    ['Thu, 01 Jan 2099 00:00:00 GMT', HOUR],
    ['Fri, 01 Jan 1999 00:00:00 GMT', 5_000],
    ['99999999999', 5_000],
    ['-5', 5_000],
    ['1e9', 5_000],
    ['0x10', 5_000],
    ['', 5_000],
    ['Infinity', 5_000],
    ['+60', 5_000],
    ['60, 120', 5_000],
  ])('%j makes the wait %i ms', async (value, ms) => {
    expect(await secondAt(retryAfter(value))).toBe(ms);
  });

  test('429 too; with any other status it is ignored', async () => {
    expect(await secondAt(retryAfter('120', 429))).toBe(120_000);
    expect(await secondAt(retryAfter('120', 500))).toBe(5_000);
    expect(await secondAt(retryAfter('120', 301))).toBe(5_000);
  });

  test('is for the whole webhook, and kept over a restart', async () => {
    const { surehook, transport, clock, repos } = await running([retryAfter('300'), 200]);
    await hook(surehook);
    const start = clock.now();
    await surehook.publish({ type: 'a.b', data: 0 });
    await surehook.idle();
    await publishMany(surehook, 5);
    await clock.advance(MINUTE);
    await surehook.stop();
    const next = made({ clock, repos, transport });
    await next.surehook.start();
    await clock.advance(4 * MINUTE - 1);
    expect(transport.requests).toHaveLength(1);
    await clock.advance(MINUTE);
    expect(transport.requests).toHaveLength(7);
    expect((transport.requests[1]?.at ?? 0) - start).toBe(300_000);
  });
});

describe('deliverAt', () => {
  test('not before its instant, at it, over a restart, and alongside what is due now', async () => {
    const { surehook, transport, clock, repos } = await running();
    await hook(surehook);
    const start = clock.now();
    const later = await surehook.publish({ type: 'a.b', data: 1, deliverAt: new Date(start + HOUR) });
    await surehook.publish({ type: 'a.b', data: 2 });
    await clock.advance(30 * MINUTE);
    expect(transport.requests).toHaveLength(1);
    expect(await deliveryOf(surehook, later)).toMatchObject({
      status: 'pending',
      nextAttemptAt: new Date(start + HOUR),
    });
    await surehook.stop();
    const next = made({ clock, repos, transport });
    await next.surehook.start();
    await clock.advance(30 * MINUTE - 1);
    expect(transport.requests).toHaveLength(1);
    await clock.advance(1);
    expect(transport.requests.map(({ at }) => at - start)).toEqual([0, HOUR]);
  });

  test('an instant that has passed is now', async () => {
    const { surehook, transport, clock } = await running();
    await hook(surehook);
    await surehook.publish({ type: 'a.b', data: 1, deliverAt: new Date(clock.now() - HOUR) });
    await surehook.idle();
    expect(transport.requests).toHaveLength(1);
  });

  test('of a webhook that is deleted or given up meanwhile, it is not sent', async () => {
    const { surehook, transport, clock } = await running(200, { pollMs: SECOND });
    const webhook = await hook(surehook);
    const later = await surehook.publish({ type: 'a.b', data: 1, deliverAt: new Date(clock.now() + HOUR) });
    await surehook.webhooks.delete(webhook.id);
    await clock.advance(2 * HOUR);
    expect(transport.requests).toHaveLength(0);
    expect((await deliveryOf(surehook, later)).reason).toBe('webhook-deleted');
  });
});
