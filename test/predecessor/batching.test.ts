/**
 * The predecessor's unit cases 25 to 30 (batching), and what it did to batches and to order (W10, W11, W13), as behaviour of surehook. Its
 * batches hold up to 128 events.
 */
import { describe, expect, test } from 'vitest';
import { type NewEvent, type NewWebhook, retryExponential } from '../../src/index.ts';
import { type SentRequest, seededRandom } from '../../src/testing/index.ts';
import {
  allDeliveries,
  atMostOnce,
  bench,
  delayed,
  HOUR,
  hook,
  MINUTE,
  numberOf,
  running,
  SECOND,
  stateOf,
  tally,
  url,
} from '../engine/harness.ts';
import { forDays, likePredecessor } from './like-the-predecessor.ts';

const refused = { error: 'refused' } as const;
const batched: Partial<NewWebhook> = { delivery: { mode: 'batched', batch: { maxEvents: 128 } } };

/** An element of a batch. */
interface Element {
  readonly id: string;
  readonly type: string;
  readonly timestamp: string;
  readonly data: number;
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
const numbered = (from: number, count: number): NewEvent[] =>
  upTo(count).map((n) => ({ type: 'a.b', data: from + n }));
const texts = (count: number): NewEvent[] =>
  upTo(count).map((n) => ({ type: 'a.b', body: `event payload ${n}`, contentType: 'text/plain' }));

function numbersOf(request: SentRequest | undefined): number[] {
  const elements: readonly Element[] = JSON.parse(request?.text() ?? 'null');
  return elements.map(({ data }) => data);
}

const idOf = ({ headers }: SentRequest): string => headers['webhook-id'] ?? '';

describe.each([
  ['at-least-once', {}],
  ['at-most-once', atMostOnce.delivery],
] as const)('batching, %s', (_, semantics) => {
  const mode: Partial<NewWebhook> = { delivery: { ...batched.delivery, ...semantics } };

  test('25, 27: 100 events in 10 groups of 10 are 10 requests of 10, and 100 deliveries delivered', async () => {
    const { surehook, transport, clock } = await running(delayed(5, 200));
    await hook(surehook, 0, mode);
    for (const group of upTo(10)) {
      await surehook.publishMany(numbered(group * 10, 10));
      await clock.advance(10);
    }
    expect(transport.requests.map(numbersOf)).toEqual(
      upTo(10).map((group) => upTo(10).map((n) => group * 10 + n)),
    );
    expect(tally(await allDeliveries(surehook), ({ status }) => status)).toEqual({ delivered: 100 });
    await clock.advance(HOUR);
    expect(transport.requests).toHaveLength(10);
  });

  test('25: while a request is under way the others gather, and make one more', async () => {
    const { surehook, transport, clock } = await running(delayed(SECOND, 200), { maxInFlightPerWebhook: 1 });
    await hook(surehook, 0, mode);
    for (const n of upTo(100)) {
      await surehook.publish({ type: 'a.b', data: n });
      await clock.advance(5);
    }
    await clock.advance(10 * SECOND);
    expect(transport.requests.flatMap(numbersOf)).toEqual(upTo(100));
    expect(transport.requests.length).toBeLessThanOrEqual(3);
  });

  test('26: 100 events over 10 webhooks are 10 requests, to each its own 10 events', async () => {
    const { surehook, transport, clock } = bench();
    for (const n of upTo(10)) await hook(surehook, n, { ...mode, events: [`to.${n}`] });
    await surehook.publishMany(upTo(100).map((n) => ({ type: `to.${n % 10}`, data: n })));
    await surehook.start();
    await clock.advance(HOUR);
    expect(transport.requests).toHaveLength(10);
    for (const n of upTo(10)) {
      const [request, ...more] = transport.to(url(n));
      expect(more).toEqual([]);
      expect(numbersOf(request)).toEqual(upTo(10).map((index) => index * 10 + n));
    }
  });
});

describe('what is in a batch', () => {
  test('28: 4 JSON and 4 plain-text events are exactly 2 requests', async () => {
    const { surehook, transport, clock } = bench();
    await hook(surehook, 0, batched);
    await surehook.publishMany([...numbered(0, 4), ...texts(4)]);
    await surehook.start();
    await clock.advance(HOUR);
    expect(transport.requests.map(({ headers }) => headers['content-type'])).toEqual([
      'application/json',
      'text/plain',
    ]);
    expect(numbersOf(transport.requests[0])).toEqual(upTo(4));
    expect(tally(await allDeliveries(surehook), ({ status }) => status)).toEqual({ delivered: 8 });
  });

  test('28: where they alternate, none overtakes another for the sake of a larger batch', async () => {
    const { surehook, transport, clock } = await running(delayed(1, 200), { maxInFlightPerWebhook: 1 });
    await hook(surehook, 0, batched);
    const [json, plain] = [numbered(0, 3), texts(3)];
    await surehook.publishMany(json.flatMap((event, n) => [event, plain[n] ?? event]));
    await clock.advance(SECOND);
    const seen = transport.requests.map((request) => {
      return request.headers['content-type'] === 'text/plain' ? request.text() : numbersOf(request);
    });
    expect(seen).toEqual([[0], 'event payload 0', [1], 'event payload 1', [2], 'event payload 2']);
  });

  test.each([1, 2, 100])(
    '29: %d JSON events are one JSON array, each with its id, type and time',
    async (count) => {
      const { surehook, transport, clock } = bench();
      await hook(surehook, 0, batched);
      const published = await surehook.publishMany(numbered(0, count));
      await surehook.start();
      await clock.advance(HOUR);
      expect(transport.requests).toHaveLength(1);
      expect(JSON.parse(transport.requests[0]?.text() ?? '')).toEqual(
        published.map(({ event }, n) => ({
          id: event.id,
          type: 'a.b',
          timestamp: event.timestamp.toISOString(),
          data: n,
        })),
      );
    },
  );

  test('30: 2 plain-text events are put one behind the other', async () => {
    const { surehook, transport, clock } = bench();
    await hook(surehook, 0, batched);
    await surehook.publishMany(texts(2));
    await surehook.start();
    await clock.advance(HOUR);
    expect(transport.requests.map((request) => request.text())).toEqual(['event payload 0event payload 1']);
  });
});

describe('W10: a batch that is sent again', () => {
  test('stays a batch: 20 events and 5 failures are 6 requests of 20 events, at the waits of a single one', async () => {
    const script = [refused, refused, refused, refused, refused, 200];
    const { surehook, transport, clock } = await running(script, likePredecessor);
    await hook(surehook, 0, batched);
    const start = clock.now();
    await surehook.publishMany(numbered(0, 20));
    await clock.advance(HOUR);
    expect(transport.requests.map(numbersOf)).toEqual(upTo(6).map(() => upTo(20)));
    expect(new Set(transport.requests.map(idOf)).size).toBe(1);
    expect(transport.requests.map(({ at }) => at - start)).toEqual([0, 0, 10, 30, 70, 150]);
    for (const delivery of await allDeliveries(surehook)) {
      expect(delivery).toMatchObject({ status: 'delivered', attempts: 6 });
    }
  });

  test('empties a backlog of days within one back-off of the recovery, not one event an hour', async () => {
    let answer: 200 | typeof refused = refused;
    const { surehook, transport, clock } = await running(() => answer, forDays);
    const webhook = await hook(surehook, 0, batched);
    for (const n of upTo(300)) {
      await surehook.publish({ type: 'a.b', data: n });
      await clock.advance(15 * MINUTE);
    }
    expect(await stateOf(surehook, webhook)).toBe('retrying');
    answer = 200;
    const before = transport.requests.length;
    await clock.advance(HOUR + MINUTE);
    const good = transport.requests.slice(before);
    expect(good.flatMap(numbersOf).toSorted((a, b) => a - b)).toEqual(upTo(300));
    // What came between two hourly probes is one batch, and stays one.
    expect(good.length).toBeLessThanOrEqual(75);
    expect(await stateOf(surehook, webhook)).toBe('enabled');
  });
});

describe('W11: order', () => {
  test('of a batch is that of publishing, in each of its attempts', async () => {
    const { surehook, transport, clock } = await running([500, 503, 200], likePredecessor);
    await hook(surehook, 0, batched);
    await surehook.publishMany(numbered(0, 128));
    await clock.advance(HOUR);
    expect(transport.requests.map(numbersOf)).toEqual([upTo(128), upTo(128), upTo(128)]);
    expect(new Set(transport.requests.map((request) => request.text())).size).toBe(1);
  });

  test('of a batch is the same in each attempt where its events were not due in the order of publishing', async () => {
    const { surehook, transport, clock } = bench([500, 503, 200], likePredecessor);
    await hook(surehook, 0, batched);
    await surehook.publish({ type: 'a.b', data: 0, deliverAt: new Date(clock.now() + SECOND) });
    await surehook.publishMany(numbered(1, 9));
    await clock.advance(2 * SECOND);
    await surehook.start();
    await clock.advance(HOUR);
    expect(transport.requests.map(numbersOf)).toEqual([upTo(10), upTo(10), upTo(10)]);
    expect(new Set(transport.requests.map(idOf)).size).toBe(1);
  });

  const retry = retryExponential({ baseMs: 10, factor: 2, maxMs: SECOND, attempts: 20 });

  test.each([
    ['', 'single'],
    [' that are batched', 'batched'],
  ] as const)('of an ordered webhook’s events%s is kept for each key, whatever fails', async (_, mode) => {
    const random = seededRandom(11);
    const received: number[] = [];
    const { surehook, transport, clock } = await running(
      (request) => {
        if (random.next() < 0.4) return random.next() < 0.5 ? 500 : refused;
        received.push(...(mode === 'batched' ? numbersOf(request) : [numberOf(request)]));
        return delayed(random.next() * 30, 200);
      },
      { retry, backoff: { baseMs: 10, factor: 2, maxMs: SECOND } },
    );
    await hook(surehook, 0, { delivery: { mode, ordered: true } });
    for (const n of upTo(150)) {
      await surehook.publish({ type: 'a.b', data: n, orderingKey: `key ${n % 6}` });
      if (n % 10 === 0) await clock.advance(5);
    }
    await clock.advance(HOUR);
    for (const key of upTo(6)) {
      expect(received.filter((n) => n % 6 === key)).toEqual(upTo(25).map((n) => n * 6 + key));
    }
    // The endpoint did fail, and batches there were.
    expect(transport.requests.length).toBeGreaterThan(mode === 'batched' ? 30 : 200);
    if (mode === 'batched') {
      const sizes = transport.requests.map((request) => numbersOf(request).length);
      expect(Math.max(...sizes)).toBeGreaterThan(3);
      for (const request of transport.requests) {
        const keys = numbersOf(request).map((n) => n % 6);
        expect(new Set(keys).size).toBe(keys.length);
      }
    }
  });
});

describe('W13: what a batch makes of content types and headers', () => {
  test.each([
    'application/json; charset=utf-8',
    'application/json;charset="utf-8"',
    'Application/JSON',
    'application/cloudevents+json; charset=utf-8',
    'text/json',
    'model/gltf+json',
  ])('%s is JSON: a batch of it is an array', async (contentType) => {
    const { surehook, transport, clock } = bench();
    await hook(surehook, 0, batched);
    await surehook.publishMany(upTo(3).map((n) => ({ type: 'a.b', body: `{"n":${n}}`, contentType })));
    await surehook.start();
    await clock.advance(HOUR);
    expect(transport.requests).toHaveLength(1);
    const [request] = transport.requests;
    expect(request?.headers['content-type']).toBe(contentType);
    expect(JSON.parse(request?.text() ?? '')).toMatchObject(upTo(3).map((n) => ({ data: { n } })));
  });

  test('bodies that are no envelopes fit into maxBytes too', async () => {
    const { surehook, transport, clock } = bench();
    await hook(surehook, 0, { delivery: { mode: 'batched', batch: { maxBytes: 1_024 } } });
    const contentType = 'application/json';
    await surehook.publishMany(upTo(40).map((n) => ({ type: 'a.b', body: `{"n":${n}}`, contentType })));
    await surehook.start();
    await clock.advance(HOUR);
    for (const { body } of transport.requests) expect(body.byteLength).toBeLessThanOrEqual(1_024);
    expect(await allDeliveries(surehook)).toHaveLength(40);
  });

  test('no event’s headers are lost or lent to another, and those of the webhook are on each', async () => {
    const { surehook, transport, clock } = bench();
    await hook(surehook, 0, { ...batched, headers: { 'x-hook': 'h' } });
    const traces = ['a', 'a', 'b', undefined, 'b'];
    await surehook.publishMany(
      traces.map((trace, n) => ({ type: 'a.b', data: n, ...(trace && { headers: { 'X-Trace': trace } }) })),
    );
    await surehook.start();
    await clock.advance(HOUR);
    expect(transport.requests.map((request) => [request.headers['x-trace'], numbersOf(request)])).toEqual([
      ['a', [0, 1]],
      ['b', [2]],
      [undefined, [3]],
      ['b', [4]],
    ]);
    expect(transport.requests.every(({ headers }) => headers['x-hook'] === 'h')).toBe(true);
  });

  test('a name given twice is refused, not collapsed', async () => {
    const { surehook } = bench();
    await hook(surehook, 0, batched);
    const event = { type: 'a.b', data: 0, headers: { 'X-Trace': '1', 'x-trace': '2' } };
    await expect(surehook.publish(event)).rejects.toMatchObject({ field: 'headers.x-trace' });
    expect(await allDeliveries(surehook)).toEqual([]);
  });
});
