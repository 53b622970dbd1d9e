/** What is told of how a webhook fares, and how it is counted. */
import { describe, expect, test } from 'vitest';
import { type OutcomeTally, PERIOD_MS } from '../../src/domain/tally.ts';
import { InvalidInputError, memoryRepos, NotFoundError, retrySchedule } from '../../src/index.ts';
import { scriptedTransport } from '../../src/testing/index.ts';
import {
  bench,
  DAY,
  delayed,
  deliveryOf,
  HOUR,
  hook,
  MINUTE,
  made,
  publishMany,
  rejection,
  running,
  SECOND,
  slowPolls,
} from './harness.ts';

const once = { retry: retrySchedule([0]), backoff: { baseMs: 0, maxMs: 0 } };

describe('the health of a webhook', () => {
  test('tells of a fresh one that nothing happened', async () => {
    const { surehook } = bench();
    const { id } = await hook(surehook);
    expect(await surehook.webhooks.health(id)).toEqual({
      webhookId: id,
      status: { state: 'enabled' },
      windowMs: DAY,
      attempts: 0,
      succeeded: 0,
      failed: 0,
      successRate: undefined,
      latencyMs: undefined,
      waiting: { count: 0, isExact: true },
      dead: { count: 0, isExact: true },
    });
  });

  test('counts successes and failures, and how long they took', async () => {
    const { surehook, clock, transport } = await running(
      (_, n) => delayed(n % 10 === 9 ? 2_000 : 100, n % 4 === 3 ? 500 : 200),
      once,
    );
    const { id } = await hook(surehook);
    const other = await hook(surehook, 'other', { events: ['other.*'] });
    for (let n = 0; n < 40; n += 1) {
      await publishMany(surehook, 1);
      await clock.advance(3 * SECOND);
    }
    await clock.advance(10 * SECOND);
    const health = await surehook.webhooks.health(id);
    expect(health).toMatchObject({
      status: { state: 'enabled' },
      attempts: 40,
      succeeded: 30,
      failed: 10,
      successRate: 0.75,
      waiting: { count: 0, isExact: true },
      dead: { count: 10, isExact: true },
    });
    for (const [part, ms] of [
      ['p50', 100],
      ['p90', 100],
      ['p99', 2_000],
    ] as const) {
      expect(health.latencyMs?.[part]).toBeGreaterThan(ms * 0.9);
      expect(health.latencyMs?.[part]).toBeLessThan(ms * 1.1);
    }
    // The last one failed, the one before succeeded.
    const sentAt = (n: number): number => transport.requests.at(n)?.at ?? 0;
    expect(health.lastSuccessAt).toEqual(new Date(sentAt(-2) + 100));
    expect(health.lastFailure).toEqual({ at: new Date(sentAt(-1) + 2_000), httpStatus: 500 });
    expect(await surehook.webhooks.health(other.id)).toMatchObject({ attempts: 0 });
    await surehook.stop();
  });

  test('tells when a failing one is tried next, why it failed and what waits for it', async () => {
    const { surehook, clock } = await running(
      { error: 'refused', message: 'nobody there' },
      {
        retry: retrySchedule([0, SECOND, SECOND, DAY, DAY]),
        backoff: { baseMs: HOUR, maxMs: HOUR, jitter: 0 },
      },
    );
    const { id } = await hook(surehook);
    await publishMany(surehook, 12);
    await clock.advance(30 * SECOND);
    const health = await surehook.webhooks.health(id);
    expect(health).toMatchObject({
      status: { state: 'retrying', since: expect.any(Date) },
      succeeded: 0,
      successRate: 0,
      waiting: { count: 12, isExact: true },
      lastFailure: { httpStatus: 0, kind: 'refused', message: 'nobody there' },
    });
    expect(health).not.toHaveProperty('lastSuccessAt');
    expect(health.nextProbeAt?.getTime()).toBeGreaterThan(clock.now() + 50 * MINUTE);
    expect(health.nextProbeAt?.getTime()).toBeLessThan(clock.now() + HOUR);
    await surehook.stop();
  });

  test('tells of no probe where what waits only waits for its rate', async () => {
    const { surehook, clock } = await running();
    const { id } = await hook(surehook, 0, { rateLimit: { perMinute: 0.1 } });
    await publishMany(surehook, 5);
    await clock.advance(MINUTE);
    const health = await surehook.webhooks.health(id);
    expect(health).toMatchObject({ attempts: 1, waiting: { count: 4, isExact: true } });
    expect(health).not.toHaveProperty('nextProbeAt');
    await surehook.stop();
  });

  test('is the same in every process, a web process that is not started among them', async () => {
    const { surehook, clock, repos, transport } = await running(200);
    const second = made({ clock, repos, transport });
    const web = made({ clock, repos });
    await second.surehook.start();
    const { id } = await hook(surehook);
    for (let n = 0; n < 20; n += 1) {
      await publishMany(n % 2 === 0 ? surehook : second.surehook, 1);
      await clock.advance(SECOND);
    }
    await clock.advance(10 * SECOND);
    const health = await web.surehook.webhooks.health(id);
    expect(health).toMatchObject({ attempts: 20, succeeded: 20, successRate: 1 });
    expect(await surehook.webhooks.health(id)).toEqual(health);
    await surehook.stop();
    await second.surehook.stop();
  });

  test('looks back as far as it is asked to, by whole quarters of an hour', async () => {
    const { surehook, clock } = await running(200, slowPolls);
    const { id } = await hook(surehook);
    for (let hour = 0; hour < 48; hour += 1) {
      await publishMany(surehook, 1);
      await clock.advance(HOUR);
    }
    const attempts = async (windowMs?: number): Promise<number> =>
      (await surehook.webhooks.health(id, { windowMs })).attempts;
    expect(await attempts(PERIOD_MS)).toBe(0);
    expect(await attempts(HOUR)).toBe(1);
    expect(await attempts(5 * HOUR + PERIOD_MS)).toBe(5);
    expect(await attempts()).toBe(24);
    expect(await attempts(7 * DAY)).toBe(48);
    await surehook.stop();
  });

  test('refuses an unknown id, a foreign field and a window out of bounds', async () => {
    const { surehook } = bench();
    const { id } = await hook(surehook);
    expect(await rejection(surehook.webhooks.health('whk_none'))).toBeInstanceOf(NotFoundError);
    for (const windowMs of [PERIOD_MS - 1, 7 * DAY + 1, Number.NaN, '1h', PERIOD_MS + 0.5]) {
      const error = await rejection(surehook.webhooks.health(id, { windowMs: windowMs as number }));
      expect(error).toBeInstanceOf(InvalidInputError);
      expect(error).toMatchObject({ field: 'windowMs' });
    }
    expect(await rejection(surehook.webhooks.health(id, { window: 1 } as never))).toMatchObject({
      field: 'window',
    });
  });

  test('stops counting at 10 000', async () => {
    const { surehook } = bench();
    const { id } = await hook(surehook, 0, { delivery: { ordered: true } });
    const events = Array.from({ length: 5_000 }, (_, n) => ({ type: 'a.b', data: n }));
    await surehook.publishMany(events);
    await surehook.publishMany(events.slice(1));
    expect((await surehook.webhooks.health(id)).waiting).toEqual({ count: 9_999, isExact: true });
    await surehook.publishMany(events.slice(0, 2));
    expect((await surehook.webhooks.health(id)).waiting).toEqual({ count: 10_000, isExact: false });
  });
});

/** A surehook whose stored tallies are seen. */
async function watched(answer: Parameters<typeof running>[0], fail: () => boolean = () => false) {
  const stored: (readonly OutcomeTally[])[] = [];
  const repos = memoryRepos();
  const state = new Proxy(repos.state, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (name !== 'recordOutcomes') return typeof value === 'function' ? value.bind(target) : value;
      return async (tallies: readonly OutcomeTally[]) => {
        if (fail()) throw new Error('away');
        stored.push(tallies);
        await target.recordOutcomes(tallies);
      };
    },
  });
  const rest = await running(answer, { ...once, repos: { ...repos, state } });
  return { ...rest, stored };
}

describe('tallies', () => {
  test('are stored every 10 seconds, only those that have changed, and none while nothing is sent', async () => {
    const { surehook, clock, stored } = await watched(200);
    const a = await hook(surehook, 'a', { events: ['a.*'] });
    const b = await hook(surehook, 'b', { events: ['b.*'] });
    for (let second = 0; second < 60; second += 1) {
      await surehook.publish({ type: 'a.b', data: 1 });
      if (second === 5) await surehook.publish({ type: 'b.c', data: 1 });
      await clock.advance(SECOND);
    }
    expect(stored.length).toBeLessThanOrEqual(6);
    expect(stored.length).toBeGreaterThanOrEqual(5);
    expect(stored.filter((batch) => batch.some(({ webhookId }) => webhookId === b.id))).toHaveLength(1);
    await clock.advance(MINUTE);
    const calls = stored.length;
    await clock.advance(HOUR);
    expect(stored).toHaveLength(calls);
    expect((await surehook.webhooks.health(a.id)).attempts).toBe(60);
    await surehook.stop();
  });

  test('are stored by up to 500 in a call', async () => {
    const { surehook, clock, stored } = await watched(200);
    for (let n = 0; n < 1_100; n += 1) await hook(surehook, n);
    await publishMany(surehook, 1);
    await clock.advance(11 * SECOND);
    expect(stored.map(({ length }) => length)).toEqual([500, 500, 100]);
    await surehook.stop();
  });

  test('are stored by a stop', async () => {
    const { surehook, clock, repos } = await running(delayed(SECOND, 200));
    const { id } = await hook(surehook);
    await publishMany(surehook, 3);
    await clock.advance(500);
    const stopping = surehook.stop();
    await clock.advance(SECOND);
    await stopping;
    expect(clock.pending).toBe(0);
    expect((await made({ clock, repos }).surehook.webhooks.health(id)).attempts).toBe(1);
  });

  test('are counted on while they cannot be stored, each attempt once', async () => {
    let isAway = true;
    const { surehook, clock, log, stored } = await watched([500, 200], () => isAway);
    const { id } = await hook(surehook);
    for (let n = 0; n < 100; n += 1) {
      await publishMany(surehook, 1);
      await clock.advance(3 * SECOND);
      if (n === 80) isAway = false;
    }
    await clock.advance(20 * SECOND);
    expect(await surehook.webhooks.health(id)).toMatchObject({ attempts: 100, succeeded: 99, failed: 1 });
    for (const batch of stored) expect(new Set(batch.map(({ writer }) => writer)).size).toBe(batch.length);
    expect(log.errors[0]?.message).toContain('state.recordOutcomes');
    await surehook.stop();
  });

  test('leave out what was aborted or lost', async () => {
    const { surehook, clock, repos } = await running('hang');
    const { id } = await hook(surehook);
    const published = await surehook.publish({ type: 'a.b', data: 1 });
    await clock.advance(SECOND);
    const stopping = surehook.stop({ deadlineMs: 0 });
    await clock.advance(2 * SECOND);
    await stopping;
    const web = made({ clock, repos });
    expect((await deliveryOf(web.surehook, published)).attempts).toBe(1);
    expect((await web.surehook.webhooks.health(id)).attempts).toBe(0);
  });

  test('count a batch as one', async () => {
    const { surehook, clock } = await running();
    const { id } = await hook(surehook, 0, { delivery: { mode: 'batched' } });
    await surehook.publishMany(Array.from({ length: 50 }, (_, n) => ({ type: 'a.b', data: n })));
    await clock.advance(11 * SECOND);
    expect((await surehook.webhooks.health(id)).attempts).toBe(1);
    await surehook.stop();
  });

  test('go after a week, also where all else is kept', async () => {
    const forever = Number.POSITIVE_INFINITY;
    const repos = memoryRepos();
    const { surehook, clock } = await running(200, {
      ...slowPolls,
      repos,
      retention: { deliveredMs: forever, deadLetterMs: forever, attemptsMs: forever },
    });
    const { id } = await hook(surehook);
    const outcomes = async (): Promise<readonly OutcomeTally[]> =>
      await repos.state.outcomes({ webhookId: id, since: 0 });
    for (let hour = 0; hour < 3; hour += 1) {
      await publishMany(surehook, 2);
      await clock.advance(HOUR);
    }
    expect((await outcomes()).map(({ succeeded }) => succeeded)).toEqual([2, 2, 2]);
    expect(new Set((await outcomes()).map(({ writer }) => writer)).size).toBe(3);
    await clock.advance(7 * DAY - 2 * HOUR);
    expect(await outcomes()).toHaveLength(2);
    await clock.advance(2 * HOUR);
    expect(await outcomes()).toEqual([]);
    await surehook.stop();
  });

  test('of several lives of a process are apart from each other', async () => {
    const { surehook, clock, repos } = await running();
    const { id } = await hook(surehook);
    for (let life = 0; life < 3; life += 1) {
      await publishMany(surehook, 4);
      await clock.advance(SECOND);
      await surehook.stop();
      await surehook.start();
    }
    const transport = scriptedTransport(200, { clock });
    expect((await made({ clock, repos, transport }).surehook.webhooks.health(id)).attempts).toBe(12);
    await surehook.stop();
  });
});
