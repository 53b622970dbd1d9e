/** How much a tenant may publish: a bucket of tokens per tenant, held by the store for all processes. */
import { describe, expect, test } from 'vitest';
import { createSurehook, memoryRepos, RateLimitedError, type SurehookOptions } from '../../src/index.ts';
import {
  allDeliveries,
  type Bench,
  bench,
  hook,
  MINUTE,
  made,
  meddled,
  rejection,
  SECOND,
} from './harness.ts';

const limit = { perMinute: 6, burst: 10 } as const;
/** One token at this rate. */
const TOKEN_MS = 10 * SECOND;

const events = (count: number, more: object = {}): { type: string; data: number }[] =>
  Array.from({ length: count }, (_, data) => ({ type: 'a.b', data, ...more }));

describe('a tenant', () => {
  test('has a burst, then its rate; refused events are not stored, and others are not touched', async () => {
    const { surehook, clock, log } = bench(200, { rateLimit: limit });
    await surehook.publishMany(events(10, { tenantId: 't1' }));
    const error = await rejection(surehook.publish({ type: 'a.b', data: 1, tenantId: 't1' }));
    expect(error).toBeInstanceOf(RateLimitedError);
    expect(error).toMatchObject({ code: 'rate-limited', tenantId: 't1', retryAfterMs: TOKEN_MS });
    expect((error as Error).message).toBe(
      'The tenant "t1" has published more than rateLimit allows: try again in 10000 ms',
    );
    await surehook.publish({ type: 'a.b', data: 1, tenantId: 't2' });
    expect(log.of('event:published')).toHaveLength(11);
    await clock.advance(TOKEN_MS - 1);
    expect(await rejection(surehook.publish({ type: 'a.b', data: 1, tenantId: 't1' }))).toMatchObject({
      retryAfterMs: 1,
    });
    await clock.advance(1);
    await surehook.publish({ type: 'a.b', data: 1, tenantId: 't1' });
    expect(log.of('event:published')).toHaveLength(12);
  });

  test('never publishes more than burst + rate × time, however it tries', async () => {
    const { surehook, clock, log } = bench(200, { rateLimit: limit });
    for (let n = 0; n < 600; n += 1) {
      await surehook.publishMany(events(1 + (n % 4))).catch(() => {});
      await clock.advance(SECOND);
    }
    const published = log.of('event:published').length;
    expect(published).toBeLessThanOrEqual(10 + 60);
    expect(published).toBeGreaterThan(60);
  });

  test('is held across processes on one store', async () => {
    const { surehook, repos, clock } = bench(200, { rateLimit: limit });
    const other = made({ repos, clock, rateLimit: limit });
    const both = [surehook, other.surehook];
    const all = await Promise.allSettled(
      Array.from({ length: 30 }, async (_, n) => await both[n % 2]?.publish({ type: 'a.b', data: n })),
    );
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(10);
  });

  test('with more events in one call than the burst never gets them in', async () => {
    const { surehook, clock } = bench(200, { rateLimit: limit });
    const error = await rejection(surehook.publishMany(events(11)));
    expect(error).toMatchObject({ retryAfterMs: Number.POSITIVE_INFINITY });
    expect((error as Error).message).toContain('publish fewer events at once');
    await clock.advance(100 * MINUTE);
    expect(await rejection(surehook.publishMany(events(11)))).toMatchObject({ code: 'rate-limited' });
    await surehook.publishMany(events(10));
  });

  test('and its retryAfterMs holds', async () => {
    const { surehook, clock } = bench(200, { rateLimit: limit });
    await surehook.publishMany(events(7));
    const { retryAfterMs } = (await rejection(surehook.publishMany(events(8)))) as RateLimitedError;
    await clock.advance(retryAfterMs - 1);
    expect(await rejection(surehook.publishMany(events(8)))).toMatchObject({ retryAfterMs: 1 });
    await clock.advance(1);
    await surehook.publishMany(events(8));
  });
});

describe('all or none', () => {
  test('one tenant of several is refused: the others keep their tokens', async () => {
    const { surehook, log } = bench(200, { rateLimit: limit });
    await surehook.publishMany(events(8, { tenantId: 't2' }));
    const mixed = [
      ...events(10, { tenantId: 't1' }),
      ...events(3, { tenantId: 't2' }),
      ...events(10, { tenantId: 't3' }),
    ];
    expect(await rejection(surehook.publishMany(mixed))).toMatchObject({
      tenantId: 't2',
      retryAfterMs: TOKEN_MS,
    });
    expect(log.of('event:published')).toHaveLength(8);
    await surehook.publishMany(events(10, { tenantId: 't1' }));
    await surehook.publishMany(events(10, { tenantId: 't3' }));
    await surehook.publishMany(events(2, { tenantId: 't2' }));
  });

  test('of several that are refused the error names the one that waits longest', async () => {
    const { surehook } = bench(200, { rateLimit: limit });
    for (const tenantId of ['t1', 't2']) await surehook.publishMany(events(10, { tenantId }));
    const mixed = [...events(1, { tenantId: 't1' }), ...events(4, { tenantId: 't2' })];
    expect(await rejection(surehook.publishMany(mixed))).toMatchObject({
      tenantId: 't2',
      retryAfterMs: 4 * TOKEN_MS,
    });
  });
});

describe('what is not stored costs nothing', () => {
  /** Fails in some way; afterwards the bucket is as full as it was. */
  const full = async (
    options: Partial<SurehookOptions>,
    fail: (parts: Bench) => Promise<void>,
  ): Promise<void> => {
    const parts = bench(200, { rateLimit: limit, ...options });
    await hook(parts.surehook);
    await fail(parts);
    await parts.surehook.publishMany(events(10));
    expect(await rejection(parts.surehook.publish({ type: 'a.b', data: 1 }))).toBeInstanceOf(
      RateLimitedError,
    );
  };

  test('an event that is wrong', async () => {
    await full({}, async ({ surehook }) => {
      const wrong = [...events(5), { type: 'a..b', data: 1 }];
      expect(await rejection(surehook.publishMany(wrong))).toMatchObject({ field: 'type' });
    });
  });

  test('a duplicate, and a conflict', async () => {
    const parts = bench(200, { rateLimit: limit });
    const event = { type: 'a.b', data: 1, idempotencyKey: 'k' };
    await parts.surehook.publish(event);
    for (let n = 0; n < 20; n += 1)
      expect(await parts.surehook.publish(event)).toMatchObject({ duplicate: true });
    for (let n = 0; n < 20; n += 1) {
      expect(await rejection(parts.surehook.publish({ ...event, data: 2 }))).toMatchObject({
        code: 'conflict',
      });
    }
    // The tokens of duplicates have to be there, and come back.
    await parts.surehook.publishMany([event, ...events(7), event]);
    await parts.surehook.publishMany(events(2));
    expect(await rejection(parts.surehook.publish({ type: 'a.b', data: 1 }))).toBeInstanceOf(
      RateLimitedError,
    );
  });

  test('a shape that throws, a transaction that cannot be joined', async () => {
    let broken = true;
    const shape = ({ data }: { data?: unknown }): unknown => {
      if (broken) throw new Error('boom');
      return data;
    };
    await full({ shape }, async ({ surehook }) => {
      expect(await rejection(surehook.publishMany(events(10)))).toMatchObject({ code: 'host-code' });
      broken = false;
      expect(await rejection(surehook.publishMany(events(10), { tx: {} }))).toBeInstanceOf(TypeError);
    });
  });
});

describe('a store that fails', () => {
  test('to take tokens: StorageError, and nothing is stored', async () => {
    const parts = bench();
    const repos = meddled(parts.repos, (call, run) => {
      if (call === 'state.takeTokens') throw new Error('down');
      return run();
    });
    const { surehook, log } = made({ repos, clock: parts.clock, rateLimit: limit });
    const rejected = rejection(surehook.publish({ type: 'a.b', data: 1 }));
    await parts.clock.advance(SECOND);
    expect(await rejected).toMatchObject({ code: 'storage', operation: 'state.takeTokens' });
    expect(log.of('event:published')).toEqual([]);
  });

  test('to answer the append: the tokens stay spent, since the events may be stored', async () => {
    const parts = bench();
    let lost = true;
    const repos = meddled(parts.repos, async (call, run) => {
      const answer = await run();
      if (call === 'events.append' && lost) throw new Error('connection lost');
      return answer;
    });
    const { surehook } = made({ repos, clock: parts.clock, rateLimit: limit });
    const rejected = rejection(surehook.publishMany(events(10)));
    await parts.clock.advance(SECOND);
    expect(await rejected).toMatchObject({ code: 'storage', operation: 'events.append' });
    lost = false;
    expect(await rejection(surehook.publish({ type: 'a.b', data: 1 }))).toBeInstanceOf(RateLimitedError);
  });

  test('to take tokens back: the publish ends as it did', async () => {
    const parts = bench();
    const repos = meddled(parts.repos, (call, run) => {
      if (call === 'state.returnTokens') throw new Error('down');
      return run();
    });
    const { surehook } = made({ repos, clock: parts.clock, rateLimit: limit });
    const event = { type: 'a.b', data: 1, idempotencyKey: 'k' };
    await surehook.publish(event);
    expect(await surehook.publish(event)).toMatchObject({ duplicate: true });
    expect(await rejection(surehook.publish({ ...event, data: 2 }))).toMatchObject({ code: 'conflict' });
  });
});

test('a store whose clock is far off does not make anybody wait longer than a full bucket takes', async () => {
  const parts = bench();
  const repos = meddled(parts.repos, async (call, run) => {
    if (call !== 'state.takeTokens') return await run();
    return [{ granted: 0, availableAt: parts.clock.now() + 24 * 60 * MINUTE }];
  });
  const { surehook } = made({ repos, clock: parts.clock, rateLimit: limit });
  expect(await rejection(surehook.publish({ type: 'a.b', data: 1 }))).toMatchObject({
    retryAfterMs: 10 * TOKEN_MS,
  });
});

test('test events are free, resent ones are not', async () => {
  const { surehook } = bench(200, { rateLimit: { perMinute: 6, burst: 2 } });
  const webhook = await hook(surehook);
  const { deliveries } = await surehook.publish({ type: 'a.b', data: 1 });
  const id = deliveries[0]?.id ?? '';
  for (let n = 0; n < 5; n += 1) await surehook.webhooks.sendTest(webhook.id);
  await surehook.deliveries.resend(id);
  expect(await rejection(surehook.deliveries.resend(id))).toBeInstanceOf(RateLimitedError);
  expect(await allDeliveries(surehook)).toHaveLength(7);
});

describe('the option', () => {
  const { repos } = bench();
  const make = (rateLimit: unknown) => () => createSurehook({ repos, rateLimit } as SurehookOptions);

  test.each([
    ['rateLimit', true],
    ['rateLimit', null],
    ['rateLimit', 100],
    ['rateLimit.perMinute', { perMinute: 0 }],
    ['rateLimit.perMinute', { perMinute: -1 }],
    ['rateLimit.perMinute', { perMinute: '100' }],
    ['rateLimit.perMinute', { perMinute: Number.POSITIVE_INFINITY }],
    ['rateLimit.burst', { burst: 0 }],
    ['rateLimit.burst', { burst: 1.5 }],
    ['rateLimit.burst', { burst: Number.NaN }],
    ['rateLimit.perSecond', { perSecond: 1 }],
  ])('%s: %o is refused', (name, value) => {
    expect(make(value)).toThrow(name);
  });

  test('false, the default, and nothing at all limit nobody; an empty object is 100 a minute, 200 at once', async () => {
    for (const rateLimit of [false, undefined]) {
      const surehook = createSurehook({ repos: memoryRepos(), rateLimit } as SurehookOptions);
      expect(await surehook.publishMany(events(5_000))).toHaveLength(5_000);
    }
    const { surehook, clock } = bench(200, { rateLimit: {} });
    await surehook.publishMany(events(200));
    expect(await rejection(surehook.publish({ type: 'a.b', data: 1 }))).toMatchObject({ retryAfterMs: 600 });
    await clock.advance(MINUTE);
    await surehook.publishMany(events(100));
    expect(await rejection(surehook.publish({ type: 'a.b', data: 1 }))).toBeInstanceOf(RateLimitedError);
  });
});
