/** Webhooks with a rate: never more than it allows, by all processes together, and nobody else notices. */
import { describe, expect, test } from 'vitest';
import { memoryRepos, type NewWebhook, retrySchedule, type Surehook } from '../../src/index.ts';
import type { ManualClock, SentRequest } from '../../src/testing/index.ts';
import { manualClock, scriptedTransport } from '../../src/testing/index.ts';
import {
  bench,
  DAY,
  delayed,
  HOUR,
  hook,
  MINUTE,
  made,
  meddled,
  mortal,
  publishMany,
  running,
  SECOND,
  url,
} from './harness.ts';

const limited = (perMinute: number, burst?: number): Partial<NewWebhook> => ({
  rateLimit: { perMinute, burst },
});

/** How many requests more than the rate allows there were in the worst of all windows. */
function excess(requests: readonly SentRequest[], perMinute: number, burst: number): number {
  let worst = Number.NEGATIVE_INFINITY;
  for (const [first, { at: from }] of requests.entries()) {
    for (let last = first; last < requests.length; last += 1) {
      const elapsedMs = (requests[last]?.at ?? 0) - from;
      worst = Math.max(worst, last - first + 1 - burst - (elapsedMs * perMinute) / MINUTE);
    }
  }
  return worst;
}

async function publishAtOnce(surehook: Surehook, count: number, from = 0): Promise<void> {
  await surehook.publishMany(Array.from({ length: count }, (_, n) => ({ type: 'a.b', data: from + n })));
}

describe('a webhook with a rate', () => {
  test.each([
    { perMinute: 600, burst: 1, count: 100, withinMs: 10 * SECOND },
    { perMinute: 60, burst: 10, count: 40, withinMs: 31 * SECOND },
    { perMinute: 6_000, burst: 50, count: 500, withinMs: 5 * SECOND },
    { perMinute: 0.5, burst: 2, count: 5, withinMs: 7 * MINUTE },
  ])('gets $perMinute a minute and $burst at once, no more and no less', async (one) => {
    const { perMinute, burst, count, withinMs } = one;
    const { surehook, clock, transport } = await running(delayed(20, 200));
    await hook(surehook, 0, limited(perMinute, burst));
    await publishAtOnce(surehook, count);
    await clock.advance(withinMs - 1_000);
    expect(excess(transport.requests, perMinute, burst)).toBeLessThan(0.01);
    expect(transport.requests.length).toBeGreaterThan(0.8 * count);
    await clock.advance(2_000 + MINUTE / perMinute);
    expect(transport.requests).toHaveLength(count);
    await surehook.stop();
  });

  test('is told by get, and changed and cleared by update', async () => {
    const { surehook } = bench();
    const { id } = await hook(surehook, 0, limited(30));
    expect(await surehook.webhooks.get(id)).toMatchObject({ rateLimit: { perMinute: 30, burst: 1 } });
    await surehook.webhooks.update(id, { rateLimit: { perMinute: 0.25, burst: 7 } });
    expect(await surehook.webhooks.get(id)).toMatchObject({ rateLimit: { perMinute: 0.25, burst: 7 } });
    await surehook.webhooks.update(id, { rateLimit: null });
    expect(await surehook.webhooks.get(id)).not.toHaveProperty('rateLimit');
  });

  test('keeps to it where events come in while the endpoint is slow and answers in heaps', async () => {
    const perMinute = 60;
    const { surehook, clock, transport } = await running((_, n) => delayed(n % 7 === 0 ? 9_000 : 5, 200));
    await hook(surehook, 0, { ...limited(perMinute, 16), maxInFlight: 4 });
    for (let second = 0; second < 60; second += 1) {
      await publishAtOnce(surehook, second % 3);
      await clock.advance(SECOND);
    }
    await clock.advance(2 * MINUTE);
    expect(transport.requests).toHaveLength(60);
    expect(excess(transport.requests, perMinute, 16)).toBeLessThan(0.01);
    await surehook.stop();
  });

  test('keeps to it where tokens were taken long before they are spent, and the bucket has filled up since', async () => {
    const { surehook, clock, transport } = await running((_, n) =>
      n >= 8 && n < 12 ? delayed(12 * SECOND, 200) : 200,
    );
    await hook(surehook, 0, { ...limited(60, 8), maxInFlight: 4 });
    await publishAtOnce(surehook, 8);
    await clock.advance(MINUTE);
    await publishAtOnce(surehook, 40);
    await clock.advance(2 * MINUTE);
    expect(transport.requests).toHaveLength(48);
    expect(excess(transport.requests, 60, 8)).toBeLessThan(0.01);
    await surehook.stop();
  });

  test('keeps to it by two processes together, whichever of them is stopped or killed', async () => {
    const { surehook, clock, repos, transport } = await running(delayed(50, 200), { leaseMs: 25 * SECOND });
    const { id } = await hook(surehook, 0, limited(120, 3));
    const second = mortal({ clock, repos, transport, leaseMs: 25 * SECOND });
    const third = mortal({ clock, repos, transport, leaseMs: 25 * SECOND });
    await second.surehook.start();
    await publishAtOnce(surehook, 150);
    await clock.advance(10 * SECOND);
    const stopping = surehook.stop();
    await clock.advance(2 * SECOND);
    await stopping;
    await clock.advance(10 * SECOND);
    second.kill();
    await third.surehook.start();
    await clock.advance(5 * MINUTE);
    expect((await third.surehook.webhooks.get(id))?.status).toEqual({ state: 'enabled' });
    expect(new Set(transport.requests.map((request) => request.text())).size).toBe(150);
    expect(excess(transport.requests, 120, 3)).toBeLessThan(0.01);
    await third.surehook.stop();
  });

  test('goes by the clock of the store, whatever that of the process says', async () => {
    for (const skewMs of [-7 * SECOND, 7 * SECOND]) {
      const clock = manualClock();
      const skewed: ManualClock = { ...clock, ...skewedBy(clock, skewMs) };
      const repos = memoryRepos({ clock });
      const transport = scriptedTransport(200, { clock });
      let asked = 0;
      const counting = meddled(repos, (call, run) => {
        if (call === 'state.takeTokens') asked += 1;
        return run();
      });
      const first = made({ clock: skewed, repos: counting, transport });
      await first.surehook.start();
      await hook(first.surehook, 0, limited(10, 4));
      await publishAtOnce(first.surehook, 12);
      await clock.advance(10 * SECOND);
      await first.surehook.stop();
      const { surehook } = made({ clock: skewed, repos: counting, transport });
      await surehook.start();
      await clock.advance(50 * SECOND);
      expect(excess(transport.requests, 10, 4)).toBeLessThan(0.01);
      expect(transport.requests.length).toBeGreaterThan(10);
      expect(asked).toBeLessThan(150);
      await surehook.stop();
    }
  });

  test('slows nobody else', async () => {
    const { surehook, clock, transport } = await running(delayed(10, 200), { maxInFlight: 8, prefetch: 8 });
    for (let n = 0; n < 20; n += 1) await hook(surehook, `limited${n}`, limited(1));
    await hook(surehook, 'free');
    await hook(surehook, 'ordered', { delivery: { ordered: true } });
    await publishAtOnce(surehook, 300);
    await clock.advance(10 * SECOND);
    expect(transport.to(url('free'))).toHaveLength(300);
    expect(transport.to(url('ordered'))).toHaveLength(300);
    expect(transport.to(url('limited7'))).toHaveLength(1);
    await surehook.stop();
  });

  test('slows nobody else where there are more such webhooks than one process serves at a time', async () => {
    const { surehook, clock, transport } = bench();
    for (let n = 0; n < 1_100; n += 1) await hook(surehook, n, limited(12));
    await publishAtOnce(surehook, 2);
    await surehook.start();
    await clock.advance(2 * SECOND);
    expect(transport.requests).toHaveLength(1_100);
    await clock.advance(4 * SECOND);
    expect(transport.requests).toHaveLength(2_200);
    await surehook.stop();
  });

  test('costs next to nothing while it waits, however much comes in', async () => {
    const calls: Record<string, number> = {};
    const repos = memoryRepos();
    const { surehook, clock } = await running(200, {
      repos: meddled(repos, (call, run) => {
        calls[call] = (calls[call] ?? 0) + 1;
        return run();
      }),
    });
    await hook(surehook, 0, limited(0.01));
    await publishAtOnce(surehook, 5);
    await clock.advance(MINUTE);
    const before = { ...calls };
    for (let n = 0; n < 50; n += 1) {
      await surehook.publish({ type: 'a.b', data: n });
      await clock.advance(100);
    }
    const made = (call: string): number => (calls[call] ?? 0) - (before[call] ?? 0);
    expect(made('state.takeTokens')).toBe(0);
    expect(made('events.claimQueues')).toBe(0);
    expect(made('state.open')).toBeLessThan(60);
    await surehook.stop();
  });

  test('is asked for a token by each batch, retry, probe and test event', async () => {
    const { surehook, clock, transport } = await running([500, 500, 200], {
      retry: retrySchedule([0, 100, 100, 100]),
      backoff: { baseMs: 10 },
    });
    const { id } = await hook(surehook, 0, { ...limited(60), delivery: { mode: 'batched' } });
    await publishAtOnce(surehook, 40);
    await clock.advance(20 * SECOND);
    await publishAtOnce(surehook, 40, 100);
    await surehook.webhooks.sendTest(id);
    await clock.advance(20 * SECOND);
    expect(excess(transport.requests, 60, 1)).toBeLessThan(0.01);
    expect(transport.requests.length).toBeGreaterThanOrEqual(4);
    expect(transport.requests.length).toBeLessThan(8);
    const sent = transport.requests.slice(2).flatMap((request) => JSON.parse(request.text()) as unknown[]);
    expect(sent).toHaveLength(81);
    await surehook.stop();
  });

  test('is served at a changed rate from then on, also where its queue rests for long', async () => {
    const repos = memoryRepos();
    const { surehook, clock, transport } = await running(200, {
      // Nobody tells the process that serves it.
      repos: meddled(repos, (_, run) => run(), ['onChange']),
      webhookCacheMs: HOUR,
    });
    const elsewhere = made({ clock, repos, transport });
    const { id } = await hook(surehook, 0, limited(0.01));
    await publishAtOnce(surehook, 60);
    await clock.advance(10 * MINUTE);
    expect(transport.requests).toHaveLength(1);
    await elsewhere.surehook.webhooks.update(id, { rateLimit: { perMinute: 60, burst: 5 } });
    await clock.advance(10 * SECOND);
    expect(transport.requests.length).toBeGreaterThanOrEqual(15);
    expect(excess(transport.requests.slice(1), 60, 5)).toBeLessThan(0.01);
    await surehook.webhooks.update(id, { rateLimit: { perMinute: 1 } });
    const before = transport.requests.length;
    await clock.advance(5 * MINUTE);
    expect(transport.requests.length - before).toBeLessThanOrEqual(6);
    await surehook.webhooks.update(id, { rateLimit: null });
    await clock.advance(SECOND);
    expect(transport.requests).toHaveLength(60);
    await surehook.stop();
  });

  test('is served at a changed rate from then on, also where it is being served', async () => {
    const { surehook, clock, transport } = await running(delayed(10, 200));
    const { id } = await hook(surehook, 0, limited(600, 20));
    await publishAtOnce(surehook, 100);
    await clock.advance(2 * SECOND);
    await surehook.webhooks.update(id, { rateLimit: { perMinute: 60 } });
    const before = transport.requests.length;
    expect(before).toBeGreaterThan(30);
    await clock.advance(20 * SECOND);
    await surehook.webhooks.update(id, { rateLimit: { perMinute: 120 } });
    const between = transport.requests.length;
    expect(excess(transport.requests.slice(before, between), 60, 1)).toBeLessThan(0.01);
    expect(between - before).toBeGreaterThan(18);
    await clock.advance(10 * SECOND);
    expect(transport.requests.length - between).toBeGreaterThan(18);
    expect(excess(transport.requests.slice(between), 120, 1)).toBeLessThan(0.01);
    const stopped = surehook.stop();
    await clock.advance(SECOND);
    await stopped;
  });

  test('is held to a rate that it gets while much of it waits', async () => {
    const { surehook, clock, transport } = await running(delayed(100, 200), { maxInFlightPerWebhook: 2 });
    const { id } = await hook(surehook);
    await publishAtOnce(surehook, 200);
    await clock.advance(SECOND);
    await surehook.webhooks.update(id, { rateLimit: { perMinute: 6 } });
    const before = transport.requests.length;
    expect(before).toBeGreaterThan(5);
    await clock.advance(10 * MINUTE);
    expect(excess(transport.requests.slice(before), 6, 1)).toBeLessThan(0.01);
    expect(transport.requests.length - before).toBeGreaterThan(55);
    await surehook.stop();
  });

  test('does not keep idle() waiting: what waits for a token waits like a retry', async () => {
    for (const perMinute of [1, 60, 600]) {
      const { surehook, clock, transport } = await running(200);
      await hook(surehook, 0, limited(perMinute, 2));
      await publishAtOnce(surehook, 10);
      await surehook.idle();
      expect(transport.requests).toHaveLength(2);
      await clock.advance(10 * MINUTE);
      await surehook.idle();
      expect(transport.requests).toHaveLength(10);
      await surehook.stop();
      expect(clock.pending).toBe(0);
    }
  });
});

describe('tokens', () => {
  test('that were taken and not spent are put back by a stop', async () => {
    const { surehook, clock, transport, repos } = await running((_, n) => (n < 4 ? 200 : 'hang'));
    const { id } = await hook(surehook, 0, { ...limited(1, 20), maxInFlight: 4 });
    await publishAtOnce(surehook, 4);
    await clock.advance(SECOND);
    await publishAtOnce(surehook, 40);
    await clock.advance(SECOND);
    const stopping = surehook.stop({ deadlineMs: 0 });
    await clock.advance(2 * SECOND);
    await stopping;
    expect(transport.requests).toHaveLength(8);
    const next = scriptedTransport(200, { clock });
    const again = made({ clock, repos, transport: next });
    await again.surehook.start();
    await clock.advance(SECOND);
    expect(next.requests).toHaveLength(12);
    expect((await again.surehook.webhooks.health(id)).waiting.count).toBe(28);
    await again.surehook.stop();
  });

  test('that are being taken while it stops are put back, too', async () => {
    const { clock, repos, transport } = bench();
    const flow = { granted: 0, returned: 0 };
    const slow = meddled(repos, async (call, run) => {
      if (!call.endsWith('Tokens')) return await run();
      await new Promise<void>((resolve) => void clock.schedule(300, resolve));
      const value = await run();
      if (call === 'state.takeTokens') flow.granted += (value as { granted: number }[])[0]?.granted ?? 0;
      else flow.returned += 1;
      return value;
    });
    const { surehook } = made({ clock, repos: slow, transport });
    await surehook.start();
    await hook(surehook, 0, limited(60));
    await publishAtOnce(surehook, 1);
    await clock.advance(10);
    const stopping = surehook.stop({ deadlineMs: 0 });
    await clock.advance(2 * SECOND);
    await stopping;
    expect(flow).toEqual({ granted: 1, returned: 1 });
    expect(transport.requests).toHaveLength(0);
  });

  test('are taken once for what comes alone, and put back when nothing more waits', async () => {
    const calls: string[] = [];
    const repos = memoryRepos();
    const { surehook, clock, transport } = await running(200, {
      repos: meddled(repos, (call, run) => {
        if (call.endsWith('Tokens')) calls.push(call);
        return run();
      }),
    });
    await hook(surehook, 0, limited(1, 20));
    for (let n = 0; n < 20; n += 1) {
      await publishAtOnce(surehook, 1);
      await clock.advance(10);
    }
    expect(transport.requests).toHaveLength(20);
    expect(calls.filter((call) => call === 'state.takeTokens')).toHaveLength(20);
    await surehook.stop();
  });

  test('that a store fails to give or to take back cost no delivery and never a request too many', async () => {
    let calls = 0;
    const repos = memoryRepos();
    const failing = meddled(repos, async (call, run) => {
      if (!call.endsWith('Tokens')) return await run();
      calls += 1;
      if (calls % 5 === 1) throw new Error('away');
      const value = await run();
      if (calls % 5 === 3) throw new Error('answer lost');
      return value;
    });
    const { surehook, clock, transport, log } = await running(200, { repos: failing });
    await hook(surehook, 0, limited(60, 4));
    await publishMany(surehook, 30);
    await clock.advance(5 * MINUTE);
    expect(transport.requests).toHaveLength(30);
    expect(excess(transport.requests, 60, 4)).toBeLessThan(0.01);
    expect(log.errors[0]?.message).toContain('state.takeTokens');
    await surehook.stop();
    await clock.advance(DAY);
    expect(clock.pending).toBe(0);
  });
});

function skewedBy(clock: ManualClock, skewMs: number): Pick<ManualClock, 'now' | 'schedule'> {
  return {
    now: () => clock.now() + skewMs,
    schedule: (delayMs, run) => clock.schedule(delayMs, run),
  };
}
