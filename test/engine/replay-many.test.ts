/** Replaying many: by filter, oldest first, in bounded steps, and nothing twice. */
import { describe, expect, test } from 'vitest';
import { sleep } from '../../src/clock.ts';
import { type EventRepo, InvalidInputError, retrySchedule } from '../../src/index.ts';
import {
  allDeliveries,
  atMostOnce,
  type Bench,
  bench,
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
  slowPolls,
  stateOf,
  tally,
} from './harness.ts';

const once = { retry: retrySchedule([0]), backoff: { baseMs: 0, maxMs: 0 } };
const ordered = { delivery: { ordered: true } } as const;

const statuses = async ({ surehook }: Pick<Bench, 'surehook'>): Promise<Record<string, number>> =>
  tally(await allDeliveries(surehook), ({ status }) => status);

/** A surehook, not started, with `count` dead letters of one webhook, `batch` of a millisecond. */
async function withDead(
  count: number,
  { batch = 1_000, ...more }: Parameters<typeof bench>[1] & { readonly batch?: number } = {},
): Promise<Bench> {
  let answer: 200 | 500 = 500;
  const parts = bench(() => answer, { ...once, ...more });
  const { surehook, clock } = parts;
  await surehook.start();
  await hook(surehook);
  for (let left = count; left > 0; left -= batch) {
    const size = Math.min(left, batch);
    await surehook.publishMany(Array.from({ length: size }, (_, n) => ({ type: 'a.b', data: n })));
    await clock.advance(1);
  }
  await clock.advance(5 * MINUTE);
  await surehook.stop();
  answer = 200;
  expect(await statuses(parts)).toEqual({ exhausted: count });
  return parts;
}

/** Watches what is asked of the events of a bench. */
function watched(parts: Bench): { readonly surehook: Bench['surehook']; readonly marks: string[][] } {
  const marks: string[][] = [];
  const { markReplay } = parts.repos.events;
  const events: EventRepo = new Proxy(parts.repos.events, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (name !== 'markReplay') return typeof value === 'function' ? value.bind(target) : value;
      return async (ids: readonly string[], options: { readonly now: number }) => {
        marks.push([...ids]);
        return await markReplay.call(target, ids, options);
      };
    },
  });
  const { surehook } = made({ clock: parts.clock, repos: { ...parts.repos, events } });
  return { surehook, marks };
}

describe('after an Unavailable time', () => {
  const dead = async (
    more: Parameters<typeof hook>[2],
  ): Promise<Bench & { readonly id: string; readonly already: number }> => {
    let answer: 200 | 500 = 500;
    const parts = await running(() => answer, { ...slowPolls, unavailableAfterMs: HOUR });
    const webhook = await hook(parts.surehook, 0, more);
    await publishMany(parts.surehook, 20);
    await parts.clock.advance(5 * HOUR);
    expect(await stateOf(parts.surehook, webhook)).toBe('unavailable');
    for (let n = 20; n < 40; n += 1) {
      await parts.surehook.publish({ type: 'a.b', data: n });
      await parts.clock.advance(1);
    }
    answer = 200;
    await parts.surehook.webhooks.enable(webhook.id);
    return { ...parts, id: webhook.id, already: parts.transport.requests.length };
  };

  test('one call replays its events', async () => {
    const { surehook, clock, id } = await dead({});
    expect(await surehook.deliveries.replayMany({ webhookId: id, reason: 'webhook-unavailable' })).toEqual({
      count: 40,
    });
    await clock.advance(MINUTE);
    expect(await statuses({ surehook })).toEqual({ delivered: 40 });
  });

  test.each([
    ['that blocks', ordered],
    ['that skips', { delivery: { ordered: { onExhausted: 'skip' } } } as const],
  ])('in the order of publishing where the webhook is an ordered one %s', async (_, more) => {
    const { surehook, clock, transport, id, already } = await dead(more);
    await surehook.deliveries.replayMany({ webhookId: id, reason: 'webhook-unavailable' });
    for (let n = 40; n < 45; n += 1) await surehook.publish({ type: 'a.b', data: n });
    await clock.advance(HOUR);
    const sent = transport.requests.slice(already).map(numberOf);
    expect(sent).toEqual(Array.from({ length: 45 }, (__, n) => n));
  });
});

describe('a filter', () => {
  test('finds by tenant, webhook, type, reason, since and until, alone and together', async () => {
    const { surehook, clock } = await running(500, once);
    const webhook = await hook(surehook);
    await hook(surehook, 'mo', atMostOnce);
    await hook(surehook, 'foreign', { tenantId: 't2' });
    const start = clock.now();
    await publishMany(surehook, 2, { type: 'a' });
    await clock.advance(MINUTE);
    await publishMany(surehook, 3, { type: 'b' });
    await publishMany(surehook, 4, { tenantId: 't2' });
    const scheduled = await surehook.publish({
      type: 'a',
      data: 1,
      tenantId: 't2',
      deliverAt: new Date(clock.now() + HOUR),
    });
    await surehook.deliveries.cancel(scheduled.deliveries[0]?.id ?? '');
    await clock.advance(MINUTE);
    const count = async (filter: object): Promise<number> =>
      (await surehook.deliveries.replayMany({ ...filter, dryRun: true })).count;
    expect(await count({ tenantId: 'default' })).toBe(5);
    expect(await count({ tenantId: 't2' })).toBe(5);
    expect(await count({ tenantId: 't2', reason: 'cancelled' })).toBe(1);
    expect(await count({ reason: 'attempts-used-up' })).toBe(9);
    expect(await count({ webhookId: webhook.id })).toBe(5);
    expect(await count({ webhookId: webhook.id, eventType: 'b' })).toBe(3);
    expect(await count({ webhookId: webhook.id, tenantId: 't2' })).toBe(0);
    expect(await count({ until: new Date(start + MINUTE) })).toBe(2);
    expect(await count({ since: new Date(start + MINUTE) })).toBe(8);
    expect(await count({ since: new Date(start), until: new Date(start) })).toBe(0);
    expect(await count({ since: undefined, webhookId: 'whk_none' })).toBe(0);
    // Those of the at-most-once webhook were attempted.
    expect(await count({ reason: 'at-most-once-failed' })).toBe(0);
    const before = await allDeliveries(surehook);
    const { count: marked } = await surehook.deliveries.replayMany({
      webhookId: webhook.id,
      since: new Date(start),
      until: new Date(start + MINUTE),
    });
    expect(marked).toBe(2);
    const changed = (await allDeliveries(surehook)).filter(({ status }, at) => status !== before[at]?.status);
    expect(changed.map(({ eventType }) => eventType)).toEqual(['a', 'a']);
  });

  test('with dryRun counts, and changes nothing', async () => {
    const { surehook, clock, transport } = await withDead(3);
    const before = await allDeliveries(surehook);
    const { length } = transport.requests;
    expect(await surehook.deliveries.replayMany({ tenantId: 'default', dryRun: true })).toEqual({ count: 3 });
    await surehook.start();
    await clock.advance(MINUTE);
    expect(await allDeliveries(surehook)).toEqual(before);
    expect(transport.requests).toHaveLength(length);
  });

  test.each([
    [{}, 'filter'],
    [{ dryRun: true }, 'filter'],
    [{ tenantId: undefined }, 'filter'],
    [undefined, 'filter'],
    ['all', 'filter'],
    [{ status: 'exhausted' }, 'status'],
    [{ tenantId: '*' }, 'tenantId'],
    [{ webhookId: '' }, 'webhookId'],
    [{ eventType: 'a.*' }, 'eventType'],
    [{ reason: 'dead' }, 'reason'],
    [{ since: 5 }, 'since'],
    [{ until: 'now' }, 'until'],
    [{ reason: 'cancelled', dryRun: 'yes' }, 'dryRun'],
  ])('%j is refused by %s', async (filter, field) => {
    const { surehook } = bench();
    const error = await rejection(surehook.deliveries.replayMany(filter as { tenantId: string }));
    expect(error).toBeInstanceOf(InvalidInputError);
    expect(error).toMatchObject({ field });
  });
});

describe('what replay would refuse', () => {
  test('is passed over: deleted, unavailable, at-most-once and attempted', async () => {
    const { surehook, clock } = await running(500, { ...once, ...slowPolls, unavailableAfterMs: 2 * HOUR });
    const good = await hook(surehook, 'good');
    const deleted = await hook(surehook, 'deleted');
    const once1 = await hook(surehook, 'once', atMostOnce);
    const dead = await hook(surehook, 'dead', { retry: retrySchedule([0, HOUR, HOUR, HOUR, HOUR]) });
    await publishMany(surehook, 3);
    await clock.advance(10 * HOUR);
    await surehook.webhooks.delete(deleted.id);
    expect(await stateOf(surehook, dead)).toBe('unavailable');
    await surehook.stop();
    const { count } = await surehook.deliveries.replayMany({ tenantId: 'default' });
    const states = tally(await allDeliveries(surehook), ({ webhookId, status }) => `${webhookId} ${status}`);
    expect(states).toEqual({
      [`${good.id} replaying`]: 3,
      [`${deleted.id} exhausted`]: 3,
      [`${once1.id} exhausted`]: 3,
      [`${dead.id} exhausted`]: 3,
    });
    expect(count).toBe(3);
  });

  test('at-most-once that was never attempted is replayed, and one of a disabled webhook held', async () => {
    const { surehook, clock, transport } = await running();
    const webhook = await hook(surehook, 0, atMostOnce);
    const { deliveries } = await surehook.publish({
      type: 'a.b',
      data: 1,
      deliverAt: new Date(clock.now() + MINUTE),
    });
    await surehook.deliveries.cancel(deliveries[0]?.id ?? '');
    await surehook.webhooks.disable(webhook.id);
    expect(await surehook.deliveries.replayMany({ webhookId: webhook.id })).toEqual({ count: 1 });
    await clock.advance(HOUR);
    expect(transport.requests).toEqual([]);
    await surehook.webhooks.enable(webhook.id);
    await clock.advance(MINUTE);
    expect(await statuses({ surehook })).toEqual({ delivered: 1 });
  });
});

describe('many of them', () => {
  test('are marked oldest first, 500 at a time, each once', async () => {
    const parts = await withDead(2_345);
    const oldestFirst = (await allDeliveries(parts.surehook)).map(({ createdAt }) => createdAt.getTime());
    const { surehook, marks } = watched(parts);
    expect(await surehook.deliveries.replayMany({ tenantId: 'default' })).toEqual({ count: 2_345 });
    expect(Math.max(...marks.map(({ length }) => length))).toBe(500);
    const ids = marks.flat();
    expect(new Set(ids).size).toBe(2_345);
    const createdAt = new Map(
      (await allDeliveries(surehook)).map((delivery) => [delivery.id, delivery.createdAt.getTime()]),
    );
    expect(ids.map((id) => createdAt.get(id))).toEqual(oldestFirst);
    expect(await statuses({ surehook })).toEqual({ replaying: 2_345 });
    expect(await surehook.deliveries.replayMany({ tenantId: 'default' })).toEqual({ count: 0 });
  });

  test('leave the host its turns', async () => {
    const { surehook } = await withDead(3_000);
    let turns = 0;
    let isOver = false;
    const turn = (): void => {
      turns += 1;
      if (!isOver) setImmediate(turn);
    };
    setImmediate(turn);
    await surehook.deliveries.replayMany({ tenantId: 'default' });
    isOver = true;
    // 6 pages to look through and as many to mark.
    expect(turns).toBeGreaterThan(10);
  });

  test.each([
    [50, 10],
    [200, 10],
    [1_000, 20],
  ])('are sent at the pace of replays: %i a second, %i together', async (replaysPerSecond, together) => {
    const { surehook, clock, transport } = await withDead(6 * replaysPerSecond, { replaysPerSecond });
    await surehook.start();
    const { length } = transport.requests;
    await surehook.deliveries.replayMany({ tenantId: 'default' });
    await clock.advance(2 * SECOND);
    const sent = transport.requests.slice(length);
    expect(sent.length).toBeGreaterThan(1.2 * replaysPerSecond);
    expect(sent.length).toBeLessThanOrEqual(2.2 * replaysPerSecond);
    const perInstant = Object.values(tally(sent, ({ at }) => `${at}`));
    expect(Math.max(...perInstant)).toBe(together);
    await clock.advance(10 * SECOND);
    expect(await statuses({ surehook })).toEqual({ delivered: 6 * replaysPerSecond });
  });

  test('interrupted, the call is made again, and the count is right where an answer was lost', async () => {
    const parts = await withDead(1_200);
    let marks = 0;
    let fault: 'loses' | 'fails' = 'fails';
    const { surehook } = made({
      clock: parts.clock,
      repos: meddled(parts.repos, async (call, run) => {
        if (call !== 'events.markReplay') return await run();
        marks += 1;
        if (fault === 'fails' && marks > 1) throw new Error('the store is away');
        const result = await run();
        if (fault === 'loses' && marks === 1) throw new Error('the answer was lost');
        return result;
      }),
    });
    const interrupted = rejection(surehook.deliveries.replayMany({ tenantId: 'default' }));
    await parts.clock.advance(10 * SECOND);
    expect(await interrupted).toMatchObject({ code: 'storage', operation: 'events.markReplay' });
    const { exhausted = 0, replaying = 0 } = await statuses(parts);
    expect([replaying, exhausted + replaying]).toEqual([500, 1_200]);
    marks = 0;
    fault = 'loses';
    const again = surehook.deliveries.replayMany({ tenantId: 'default' });
    await parts.clock.advance(10 * SECOND);
    expect(await again).toEqual({ count: exhausted });
    expect(await statuses(parts)).toEqual({ replaying: 1_200 });
  });

  test('keep what is given up meanwhile out of harm: it is marked once or left', async () => {
    const parts = await withDead(2_200);
    let published = 0;
    const { surehook } = made({
      clock: parts.clock,
      repos: meddled(parts.repos, async (call, run) => {
        const result = await run();
        if (call === 'events.listDeliveries' && published < 5) {
          published += 1;
          const { deliveries } = await parts.surehook.publish({
            type: 'a.b',
            data: 0,
            deliverAt: new Date(parts.clock.now() + HOUR),
          });
          await parts.surehook.deliveries.cancel(deliveries[0]?.id ?? '');
        }
        return result;
      }),
    });
    const { count } = await surehook.deliveries.replayMany({ webhookId: await onlyWebhook(surehook) });
    const { replaying, exhausted = 0 } = await statuses(parts);
    expect(replaying).toBe(count);
    expect(count).toBeGreaterThanOrEqual(2_200);
    expect(count + exhausted).toBe(2_205);
  });

  test('are marked a whole millisecond at a time, of which nothing tells who came first', async () => {
    const parts = await withDead(1_200, { batch: 400 });
    const { surehook, marks } = watched(parts);
    await surehook.deliveries.replayMany({ tenantId: 'default' });
    expect(marks.map(({ length }) => length)).toEqual([400, 400, 400]);
  });

  test('leave the store 99 times as long to others as a page took, 4 s at most, and nobody waits at the end', async () => {
    const parts = await withDead(1_500, { batch: 500 });
    const { clock } = parts;
    const times: number[] = [];
    const lasting = [10, 100, 1_000];
    const { surehook } = made({
      clock,
      repos: meddled(parts.repos, async (call, run) => {
        if (call === 'events.markReplay') await sleep(clock, lasting.shift() ?? 0);
        if (call === 'events.markReplay') times.push(clock.now());
        return await run();
      }),
    });
    const start = clock.now();
    const done = surehook.deliveries.replayMany({ tenantId: 'default' }).then(() => clock.now());
    await clock.advance(MINUTE);
    // The first page ends with what may not be all of its millisecond: it is looked at, and marked with the next.
    expect(times.map((at) => at - start)).toEqual([10, 10 + 990 + 100, 1_100 + 4_000 + 1_000]);
    expect((await done) - start).toBe(6_100);
  });
});

async function onlyWebhook(surehook: Bench['surehook']): Promise<string> {
  return (await surehook.webhooks.list()).items[0]?.id ?? '';
}
