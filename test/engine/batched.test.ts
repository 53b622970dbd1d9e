/** Batched webhooks: one request for what waits, sent again as it was until it ends, and taken apart where one event spoils it. */
import { describe, expect, test } from 'vitest';
import { sleep } from '../../src/clock.ts';
import type { NewWebhook, SurehookOptions } from '../../src/index.ts';
import { retryExponential, retrySchedule } from '../../src/index.ts';
import type { QueuesClaim } from '../../src/repos.ts';
import type { SentRequest } from '../../src/testing/index.ts';
import {
  allDeliveries,
  atMostOnce,
  attemptsOf,
  type Bench,
  bench,
  delayed,
  deliveryOf,
  HOUR,
  hook,
  MINUTE,
  mortal,
  publishMany,
  running,
  SECOND,
  tally,
} from './harness.ts';

function batched(batch: NonNullable<NewWebhook['delivery']>['batch'] = {}): Partial<NewWebhook> {
  return { delivery: { mode: 'batched', batch } };
}

interface Element {
  readonly id: string;
  readonly type: string;
  readonly timestamp: string;
  readonly data: number;
}

function elements(request: SentRequest | undefined): readonly Element[] {
  return JSON.parse(request?.text() ?? 'null');
}

function numbers(request: SentRequest | undefined): readonly number[] {
  return elements(request).map(({ data }) => data);
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
const quick = { retry: retryExponential({ baseMs: 100, factor: 2, maxMs: SECOND, attempts: 4 }) };

/** A bench that notes how many events each claim of own queues asks for; two of these calls, as many as are made at a time, take a second. */
function heldAt(call: number): Bench & { readonly asked: readonly number[] } {
  const made = bench();
  const { clock, repos } = made;
  const claim = repos.events.claimQueues.bind(repos.events);
  const asked: number[] = [];
  repos.events.claimQueues = async (request) => {
    asked.push(eventsOf(request));
    if (asked.length === call || asked.length === call + 1) await sleep(clock, SECOND);
    return claim(request);
  };
  return { ...made, asked };
}

function eventsOf({ queues }: QueuesClaim): number {
  return queues.reduce((sum, { limit, batch }) => sum + limit * (batch?.maxEvents ?? 1), 0);
}

describe('a batched webhook', () => {
  test('gets what waits in one signed request, in the order of publishing', async () => {
    const { surehook, clock, transport } = bench();
    await hook(surehook, 0, batched());
    const published = await publishMany(surehook, 20);
    await surehook.start();
    await clock.advance(SECOND);
    expect(transport.requests).toHaveLength(1);
    const [request] = transport.requests;
    expect(elements(request).map(({ id }) => id)).toEqual(published.map(({ event }) => event.id));
    expect(elements(request)[0]).toEqual({
      id: published[0]?.event.id,
      type: 'a.b',
      timestamp: published[0]?.event.timestamp.toISOString(),
      data: 0,
    });
    expect(request?.headers['webhook-id']).toMatch(/^bat_[0-9a-z]{26}$/);
    expect(request?.headers['content-type']).toBe('application/json');
    for (const delivery of await allDeliveries(surehook)) {
      expect(delivery).toMatchObject({
        status: 'delivered',
        attempts: 1,
        batchId: request?.headers['webhook-id'],
      });
    }
    const [attempt] = await attemptsOf(surehook, published[7] as never);
    expect(attempt?.request.headers['webhook-id']).toBe(request?.headers['webhook-id']);
  });

  test('gets an array of one where only one event waits', async () => {
    const { surehook, clock, transport } = await running();
    await hook(surehook, 0, batched());
    await publishMany(surehook, 1);
    await clock.advance(SECOND);
    expect(numbers(transport.requests[0])).toEqual([0]);
  });

  test('gets no more than maxEvents and maxBytes in one request', async () => {
    const { surehook, clock, transport } = bench();
    await hook(surehook, 'few', batched({ maxEvents: 7 }));
    await hook(surehook, 'small', batched({ maxBytes: 500 }));
    await publishMany(surehook, 20);
    await surehook.start();
    await clock.advance(MINUTE);
    const few = transport.requests.filter(({ url }) => url.includes('few'));
    const small = transport.requests.filter(({ url }) => url.includes('small'));
    expect(few.map((request) => numbers(request).length)).toEqual([7, 7, 6]);
    expect(small.flatMap(numbers).toSorted((a, b) => a - b)).toEqual(upTo(20));
    for (const request of small) expect(request.body.byteLength).toBeLessThanOrEqual(500);
    expect(Math.max(...small.map((request) => request.body.byteLength))).toBeGreaterThan(280);
  });

  test('waits for others up to maxWaitMs from its first event, and no longer when it is full', async () => {
    const { surehook, clock, transport } = await running();
    await hook(surehook, 0, batched({ maxEvents: 5, maxWaitMs: 3 * SECOND }));
    for (let n = 0; n < 3; n += 1) {
      await surehook.publish({ type: 'a.b', data: n });
      await clock.advance(900);
    }
    expect(transport.requests).toHaveLength(0);
    await clock.advance(400);
    expect(transport.requests.map(numbers)).toEqual([[0, 1, 2]]);
    await publishMany(surehook, 5);
    await clock.advance(50);
    expect(transport.requests).toHaveLength(2);
  });

  test('gets the same batch again, id and bytes, until it ends; what came meanwhile is in the next one', async () => {
    const { surehook, clock, transport } = await running([503, 500, 200], quick);
    await hook(surehook, 0, batched());
    const first = await surehook.publishMany(upTo(10).map((data) => ({ type: 'a.b', data })));
    await clock.advance(20);
    await surehook.publishMany(upTo(5).map((data) => ({ type: 'a.b', data: 10 + data })));
    await clock.advance(MINUTE);
    const [one, two] = transport.requests;
    const same = transport.requests.filter(
      ({ headers }) => headers['webhook-id'] === one?.headers['webhook-id'],
    );
    expect(same.length).toBeGreaterThanOrEqual(2);
    for (const request of same) expect(request.text()).toBe(one?.text());
    expect(two).toBeDefined();
    expect(numbers(one)).toEqual(upTo(10));
    for (const event of first) {
      expect(await deliveryOf(surehook, event)).toMatchObject({ status: 'delivered', attempts: same.length });
    }
    const sizes = transport.requests.map((request) => numbers(request).length);
    expect(sizes.every((size) => size === 10 || size === 5)).toBe(true);
  });

  test('gets the same batch again when the process that sent it is killed', async () => {
    const times: Partial<SurehookOptions> = { leaseMs: 20 * SECOND, timeoutMs: 5 * SECOND };
    const { surehook, clock, repos, transport } = bench(delayed(SECOND, 200), times);
    const first = mortal({ clock, repos, transport, ...times });
    await first.surehook.start();
    await hook(surehook, 0, batched());
    await first.surehook.publishMany(upTo(30).map((data) => ({ type: 'a.b', data })));
    await clock.advance(500);
    first.kill();
    await surehook.start();
    await surehook.publishMany(upTo(5).map((data) => ({ type: 'a.b', data: 100 + data })));
    await clock.advance(2 * MINUTE);
    const again = transport.requests.filter((request) => numbers(request).includes(0));
    expect(again).toHaveLength(2);
    expect(again[1]?.text()).toBe(again[0]?.text());
    expect(again[1]?.headers['webhook-id']).toBe(again[0]?.headers['webhook-id']);
    expect((await allDeliveries(surehook)).every(({ status }) => status === 'delivered')).toBe(true);
  });

  test('is split where it is refused twice, so that one bad event fails alone', async () => {
    const { surehook, clock, transport } = await running(
      (request) => (numbers(request).includes(13) ? 422 : 200),
      quick,
    );
    await hook(surehook, 0, batched());
    const published = await surehook.publishMany(upTo(50).map((data) => ({ type: 'a.b', data })));
    await clock.advance(HOUR);
    for (const [n, event] of published.entries()) {
      const { status, reason } = await deliveryOf(surehook, event);
      expect([n, status, reason]).toEqual(
        n === 13 ? [n, 'exhausted', 'attempts-used-up'] : [n, 'delivered', undefined],
      );
    }
    const [one, two, three] = transport.requests;
    expect(two?.text()).toBe(one?.text());
    expect(numbers(three).length).toBe(25);
    const bodies = new Map<string, string>();
    for (const request of transport.requests) {
      const id = request.headers['webhook-id'] ?? '';
      expect(bodies.get(id) ?? request.text()).toBe(request.text());
      bodies.set(id, request.text());
    }
    expect(transport.requests.length).toBeLessThan(25);
  });

  test('is given up whole when its attempts are used up, and its events can be replayed', async () => {
    let isWell = false;
    const { surehook, clock, transport } = await running(() => (isWell ? 200 : 500), {
      retry: retrySchedule([0, SECOND]),
    });
    await hook(surehook, 0, batched());
    const published = await surehook.publishMany(upTo(4).map((data) => ({ type: 'a.b', data })));
    await clock.advance(MINUTE);
    for (const event of published)
      expect(await deliveryOf(surehook, event)).toMatchObject({ status: 'exhausted', attempts: 2 });
    isWell = true;
    const before = transport.requests.length;
    for (const { deliveries } of published.slice(0, 3))
      await surehook.deliveries.replay(deliveries[0]?.id ?? '');
    await clock.advance(MINUTE);
    const after = transport.requests.slice(before);
    expect(after.flatMap(numbers).toSorted((a, b) => a - b)).toEqual([0, 1, 2]);
    expect(after[0]?.headers['webhook-id']).not.toBe(transport.requests[0]?.headers['webhook-id']);
  });

  test('is never sent twice at most once', async () => {
    const { surehook, clock, transport } = await running(500);
    await hook(surehook, 0, { delivery: { mode: 'batched', ...atMostOnce.delivery } });
    const published = await surehook.publishMany(upTo(6).map((data) => ({ type: 'a.b', data })));
    await clock.advance(HOUR);
    expect(transport.requests.flatMap(numbers)).toEqual(upTo(6));
    for (const event of published)
      expect(await deliveryOf(surehook, event)).toMatchObject({ reason: 'at-most-once-failed' });
  });

  test('puts only one content type, and only equal headers, into a request', async () => {
    const { surehook, clock, transport } = bench();
    await hook(surehook, 0, batched());
    await surehook.publishMany([
      { type: 'a.b', data: 1 },
      { type: 'a.b', body: '{"raw":1}', contentType: 'application/json; charset=utf-8' },
      { type: 'a.b', body: '{"raw":2}', contentType: 'Application/JSON;charset=utf-8' },
      { type: 'a.b', body: 'one', contentType: 'text/plain' },
      { type: 'a.b', body: 'two', contentType: 'text/plain' },
      { type: 'a.b', data: 2, headers: { 'x-trace': '7' } },
    ]);
    await surehook.start();
    await clock.advance(MINUTE);
    const texts = transport.requests.map((request) => request.text());
    expect(texts).toHaveLength(4);
    expect(JSON.parse(texts[1] ?? '')).toMatchObject([{ data: { raw: 1 } }, { data: { raw: 2 } }]);
    expect(texts[2]).toBe('onetwo');
    expect(transport.requests[3]?.headers['x-trace']).toBe('7');
  });

  test('gives back at a stop what was not sent, and goes on with it after a start', async () => {
    const { surehook, clock, transport, repos } = await running('hang', { maxInFlightPerWebhook: 1 });
    await hook(surehook, 0, batched({ maxEvents: 10 }));
    await surehook.publishMany(upTo(30).map((data) => ({ type: 'a.b', data })));
    await clock.advance(SECOND);
    const stopping = surehook.stop({ deadlineMs: 100 });
    await clock.advance(2 * SECOND);
    await stopping;
    const sent = transport.requests[0];
    const next = bench();
    const again = mortal({ clock, repos, transport: next.transport });
    await again.surehook.start();
    await clock.advance(5 * MINUTE);
    expect(next.transport.requests.flatMap(numbers).toSorted((a, b) => a - b)).toEqual(upTo(30));
    const same = next.transport.requests.find(
      ({ headers }) => headers['webhook-id'] === sent?.headers['webhook-id'],
    );
    expect(same?.text()).toBe(sent?.text());
  });

  test.each([100, 1_000])(
    'many, up to %i events in a request: each call claims a part, and what it brings is sent meanwhile',
    async (maxEvents) => {
      const { surehook, clock, transport, asked } = heldAt(2);
      // The batches are small, but a call asks for full ones.
      for (let n = 0; n < 60; n += 1) await hook(surehook, n, batched({ maxEvents, maxBytes: 500 }));
      await publishMany(surehook, 60);
      await surehook.start();
      await clock.advance(SECOND / 2);
      expect(asked).toHaveLength(3);
      expect(transport.requests.length).toBeGreaterThan(0);
      expect(transport.requests.length).toBeLessThan(60);
      await clock.advance(MINUTE);
      expect(transport.requests.flatMap(numbers)).toHaveLength(60 * 60);
      expect(Math.max(...asked)).toBeLessThan(2_400 + maxEvents);
      expect(Math.max(...asked)).toBeGreaterThanOrEqual(2_400);
    },
  );

  test('at a stop, what no call has asked for yet is not claimed', async () => {
    const { surehook, clock, transport, asked } = heldAt(1);
    for (let n = 0; n < 200; n += 1) await hook(surehook, n, batched());
    await publishMany(surehook, 1);
    await surehook.start();
    await clock.advance(SECOND / 2);
    const stoppedAt = clock.now();
    const stopped = surehook.stop().then(() => clock.now());
    await clock.advance(MINUTE);
    // When the call has ended, not after the grace for what does not end.
    expect((await stopped) - stoppedAt).toBeLessThan(600);
    expect(asked).toHaveLength(2);
    expect(transport.requests).toHaveLength(0);
    expect(tally(await allDeliveries(surehook), ({ status }) => status)).toEqual({ pending: 200 });
  });

  test.each([
    ['batched', 2, 1, batched()],
    ['batched', 200, 2, batched()],
    ['single', 20, 1, { delivery: { ordered: true } }],
    ['single', 200, 2, { delivery: { ordered: true } }],
  ] as const)(
    '%s: %i own queues are claimed from by %i at a time: a second call is made for what the first has no room for',
    async (_, hooks, calls, mode) => {
      const { surehook, clock, transport, repos } = bench();
      const claim = repos.events.claimQueues.bind(repos.events);
      let underWay = 0;
      let most = 0;
      repos.events.claimQueues = async (request) => {
        underWay += 1;
        most = Math.max(most, underWay);
        await sleep(clock, 10);
        underWay -= 1;
        return claim(request);
      };
      for (let n = 0; n < hooks; n += 1) await hook(surehook, n, mode);
      await publishMany(surehook, 4);
      await surehook.start();
      await clock.advance(SECOND);
      expect(transport.requests.length).toBeGreaterThanOrEqual(hooks);
      expect(most).toBe(calls);
      await surehook.stop();
    },
  );
});
