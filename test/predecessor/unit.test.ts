/** The predecessor's unit cases 1 to 20 as behaviour of surehook; the numbers are those of its list. */
import { describe, expect, test } from 'vitest';
import { ForbiddenEndpointError, httpTransport, InvalidInputError, NotFoundError } from '../../src/index.ts';
import { byUrl } from '../../src/testing/index.ts';
import {
  allDeliveries,
  atMostOnce,
  attemptsOf,
  bench,
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
  stateOf,
  tally,
  url,
} from '../engine/harness.ts';
import { forDays, likePredecessor } from './like-the-predecessor.ts';

const refused = { error: 'refused' } as const;

describe('at-most-once', () => {
  test('1: one event makes one request to the very URL with the very content and the event’s headers', async () => {
    const { surehook, transport } = await running();
    const webhook = await hook(surehook, 0, { ...atMostOnce, headers: { 'x-hook': 'h' } });
    const { event } = await surehook.publish({
      type: 'a.b',
      body: 'event payload',
      contentType: 'text/plain',
      headers: { 'X-Event': 'e' },
    });
    await surehook.idle();
    expect(transport.requests).toHaveLength(1);
    const [request] = transport.requests;
    expect(request?.url).toBe(webhook.url);
    expect(request?.method).toBe('POST');
    expect(request?.text()).toBe('event payload');
    // Nothing added beyond what the chapter on the request names.
    expect(request?.headers).toEqual({
      'x-hook': 'h',
      'x-event': 'e',
      'content-type': 'text/plain',
      'webhook-id': event.id,
      'webhook-timestamp': expect.stringMatching(/^\d{10}$/),
      'webhook-signature': expect.stringMatching(/^v1,[A-Za-z0-9+/]{43}=$/),
      'user-agent': expect.stringMatching(/^surehook\/\d/),
    });
  });

  test('2: the webhook stays Enabled after a 200: its status is never touched', async () => {
    const { surehook, log } = await running();
    const webhook = await hook(surehook, 0, atMostOnce);
    await publishMany(surehook, 3);
    await surehook.idle();
    expect(await surehook.webhooks.get(webhook.id)).toEqual(webhook);
    expect(log.moves()).toEqual([]);
  });

  test('3: the delivery goes pending, delivering, delivered, in this order', async () => {
    const { surehook, clock } = bench(delayed(50, 200));
    await hook(surehook, 0, atMostOnce);
    const published = await surehook.publish({ type: 'a.b', data: 0 });
    const seen = [(await deliveryOf(surehook, published)).status];
    await surehook.start();
    await clock.advance(49);
    seen.push((await deliveryOf(surehook, published)).status);
    await clock.advance(1);
    seen.push((await deliveryOf(surehook, published)).status);
    expect(seen).toEqual(['pending', 'delivering', 'delivered']);
  });

  test('4: one event to each of 100 webhooks is exactly 100 requests, one to each', async () => {
    const { surehook, transport, clock } = await running();
    for (let n = 0; n < 100; n += 1) await hook(surehook, n, { ...atMostOnce, events: [`to.${n}`] });
    for (let n = 0; n < 100; n += 1) await surehook.publish({ type: `to.${n}`, data: n });
    await surehook.idle();
    await clock.advance(MINUTE);
    expect(transport.requests).toHaveLength(100);
    expect(transport.requests.every((request) => request.url === url(numberOf(request)))).toBe(true);
  });

  test('5: a Disabled webhook gets no request, and no delivery is made for it', async () => {
    const { surehook, transport, clock } = await running();
    const webhook = await hook(surehook, 0, atMostOnce);
    await surehook.webhooks.disable(webhook.id);
    const published = await publishMany(surehook, 100);
    await clock.advance(HOUR);
    expect(transport.requests).toHaveLength(0);
    expect(published.every(({ deliveries }) => deliveries.length === 0)).toBe(true);
    expect(await stateOf(surehook, webhook)).toBe('disabled');
  });

  test('6: an Unavailable webhook gets no request; its deliveries are stored as exhausted', async () => {
    const { surehook, transport, clock, repos } = await running();
    const webhook = await hook(surehook, 0, atMostOnce);
    await repos.webhooks.setStatus([
      { webhookId: webhook.id, from: { state: 'enabled' }, to: { state: 'unavailable', since: 0 } },
    ]);
    await publishMany(surehook, 100);
    await clock.advance(HOUR);
    expect(transport.requests).toHaveLength(0);
    const deliveries = await allDeliveries(surehook);
    expect(tally(deliveries, ({ status, reason }) => `${status} ${reason}`)).toEqual({
      'exhausted webhook-unavailable': 100,
    });
    expect((await surehook.webhooks.get(webhook.id))?.status).toEqual({
      state: 'unavailable',
      since: new Date(0),
    });
  });

  test('7: 100 events to a webhook that does not batch are exactly 100 requests', async () => {
    const { surehook, transport, clock } = bench();
    await hook(surehook, 0, atMostOnce);
    await surehook.publishMany(Array.from({ length: 100 }, (_, data) => ({ type: 'a.b', data })));
    await surehook.start();
    await clock.advance(HOUR);
    expect(transport.requests).toHaveLength(100);
    expect(new Set(transport.requests.map(numberOf)).size).toBe(100);
  });

  test('7: one that batches and says no limits has the default ones; a mode that there is not is refused', async () => {
    const { surehook, transport, clock } = bench();
    const webhook = await hook(surehook, 0, { delivery: { semantics: 'at-most-once', mode: 'batched' } });
    expect(webhook.delivery.batch).toEqual({ maxEvents: 100, maxBytes: 262_144, maxWaitMs: 0 });
    await surehook.publishMany(Array.from({ length: 101 }, (_, data) => ({ type: 'a.b', data })));
    await surehook.start();
    await clock.advance(HOUR);
    const sizes = transport.requests.map((request) => (JSON.parse(request.text()) as unknown[]).length);
    expect(sizes).toEqual([100, 1]);
    const error = await rejection(hook(surehook, 1, { delivery: { mode: 'bulk' as 'single' } }));
    expect(error).toBeInstanceOf(InvalidInputError);
    expect(error).toMatchObject({ field: 'delivery.mode', message: expect.stringContaining('"bulk"') });
  });

  test('8: an endpoint that always answers 404 makes exactly 100 events exhausted, each after one request', async () => {
    const { surehook, transport, clock } = await running(404, forDays);
    await hook(surehook, 0, atMostOnce);
    await publishMany(surehook, 100);
    // The endpoint is probed ever more seldom, at most once an hour.
    await clock.advance(6 * DAY);
    const deliveries = await allDeliveries(surehook);
    expect(tally(deliveries, ({ status, reason }) => `${status} ${reason}`)).toEqual({
      'exhausted at-most-once-failed': 100,
    });
    expect(transport.requests).toHaveLength(100);
  });

  test('9: an event for nobody is stored and sent to nobody; a delivery whose webhook vanished says so', async () => {
    const { surehook, transport, log, clock } = bench();
    const lonely = await surehook.publish({ type: 'a.b', data: 401 });
    expect(lonely).toMatchObject({ deliveries: [], filtered: 0, duplicate: false });
    const webhook = await hook(surehook);
    const published = await publishMany(surehook, 4);
    await surehook.webhooks.delete(webhook.id);
    await surehook.start();
    await clock.advance(MINUTE);
    expect(transport.requests).toHaveLength(0);
    for (const one of published) {
      expect(await deliveryOf(surehook, one)).toMatchObject({
        status: 'exhausted',
        reason: 'webhook-deleted',
      });
    }
    expect(log.of('delivery:exhausted')).toHaveLength(4);
    const error = await rejection(surehook.webhooks.enable(webhook.id));
    expect(error).toBeInstanceOf(NotFoundError);
    expect(error).toMatchObject({ kind: 'webhook', id: webhook.id });
  });

  test('10: a URL that may not be called is refused at the door with that URL in the error', async () => {
    const { surehook } = bench();
    const error = await rejection(surehook.webhooks.create({ url: "ne'er-do-well URL", events: ['*'] }));
    expect(error).toBeInstanceOf(ForbiddenEndpointError);
    expect(error).toMatchObject({ field: 'url', message: expect.stringContaining("ne'er-do-well URL") });
    expect((await surehook.webhooks.list()).items).toEqual([]);
  });

  test('10: a URL that a store brings in another way is blocked at each attempt, and recorded', async () => {
    const policy = { allowHttp: false, allowPrivateAddresses: false, ports: undefined };
    const { surehook, repos, clock } = await running(200, { transport: httpTransport({ policy }) });
    const webhook = await hook(surehook, 0, atMostOnce);
    const [record] = await repos.webhooks.getMany([webhook.id]);
    if (record === undefined) throw new Error('not stored');
    await repos.webhooks.update({ ...record, url: "ne'er-do-well URL", revision: 2 }, 1);
    const published = await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(20_000);
    const [attempt, ...more] = await attemptsOf(surehook, published);
    expect(attempt).toMatchObject({ httpStatus: 0, error: { kind: 'blocked' } });
    expect(more).toEqual([]);
    expect((await deliveryOf(surehook, published)).reason).toBe('at-most-once-failed');
  });

  test('11: after a connection error there is exactly one request, now and for ever', async () => {
    const { surehook, transport, clock } = await running(refused, { ...forDays });
    await hook(surehook, 0, atMostOnce);
    const published = await surehook.publish({ type: 'a.b', data: 0 });
    await surehook.idle();
    expect(transport.requests).toHaveLength(1);
    await clock.advance(30 * DAY);
    expect(transport.requests).toHaveLength(1);
    expect((await deliveryOf(surehook, published)).reason).toBe('at-most-once-failed');
  });

  test('12: 258 events to an endpoint that takes a minute each: none is dropped, no error, the cap holds', async () => {
    const { surehook, transport, clock, log } = await running(delayed(MINUTE, 200), {
      timeoutMs: 90_000,
      leaseMs: 200_000,
    });
    await hook(surehook, 0, atMostOnce);
    await publishMany(surehook, 258);
    await clock.advance(30 * MINUTE);
    expect(new Set(transport.requests.map(numberOf)).size).toBe(258);
    expect(transport.requests).toHaveLength(258);
    expect(transport.peakInFlight).toBe(16);
    expect(tally(await allDeliveries(surehook), ({ status }) => status)).toEqual({ delivered: 258 });
    expect(log.errors).toEqual([]);
  });
});

describe('at-least-once', () => {
  test.each([
    ['13: 500', 500],
    ['14: a connection error', refused],
  ] as const)('%s then 200: exactly 2 requests, without the clock moving', async (_, first) => {
    const { surehook, transport, clock } = await running([first, 200], likePredecessor);
    await hook(surehook);
    const start = clock.now();
    const published = await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(0);
    await surehook.idle();
    expect(transport.requests.map(({ at }) => at - start)).toEqual([0, 0]);
    expect((await deliveryOf(surehook, published)).status).toBe('delivered');
    await clock.advance(HOUR);
    expect(transport.requests).toHaveLength(2);
  });

  test('15: two errors then 200: requests 1 and 2 at once, the third after exactly 10 ms', async () => {
    const { surehook, transport, clock } = await running([refused, refused, 200], likePredecessor);
    await hook(surehook);
    const start = clock.now();
    await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(HOUR);
    expect(transport.requests.map(({ at }) => at - start)).toEqual([0, 0, 10]);
  });

  test('16: errors for 7 days: Enabled, Retrying, Unavailable', async () => {
    const { surehook, clock, log } = await running(refused, forDays);
    const webhook = await hook(surehook);
    const start = clock.now();
    await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(7 * DAY - 1);
    expect(await surehook.webhooks.get(webhook.id)).toMatchObject({
      status: { state: 'retrying', since: new Date(start) },
    });
    await clock.advance(1);
    expect(await stateOf(surehook, webhook)).toBe('unavailable');
    expect(log.moves()).toEqual(['enabled>retrying', 'retrying>unavailable']);
  });

  test('16: two errors and then an endpoint that hangs: Unavailable after 7 days too', async () => {
    const { surehook, clock } = await running((_, n) => (n < 2 ? refused : 'hang'), forDays);
    const webhook = await hook(surehook);
    await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(7 * DAY - 1);
    expect(await stateOf(surehook, webhook)).toBe('retrying');
    await clock.advance(MINUTE);
    expect(await stateOf(surehook, webhook)).toBe('unavailable');
  });

  test('17: after 7 days of errors all waiting events are exhausted, and no request follows', async () => {
    const { surehook, clock, transport } = await running(refused, forDays);
    await hook(surehook);
    const published = await publishMany(surehook, 2);
    await clock.advance(7 * DAY + MINUTE);
    for (const one of published) {
      expect(await deliveryOf(surehook, one)).toMatchObject({
        status: 'exhausted',
        reason: 'webhook-unavailable',
      });
    }
    const { length } = transport.requests;
    await clock.advance(30 * DAY);
    expect(transport.requests).toHaveLength(length);
  });

  test('18: five errors then 200: at 0, 0, 10, 30, 70 and 150 ms', async () => {
    const script = [refused, refused, refused, refused, refused, 200];
    const { surehook, transport, clock } = await running(script, likePredecessor);
    await hook(surehook);
    const start = clock.now();
    const published = await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(HOUR);
    expect(transport.requests.map(({ at }) => at - start)).toEqual([0, 0, 10, 30, 70, 150]);
    expect(await deliveryOf(surehook, published)).toMatchObject({ status: 'delivered', attempts: 6 });
  });

  test('19: three events, one error, then 200 for ever: exactly 4 requests', async () => {
    const { surehook, transport, clock } = await running([refused, 200], likePredecessor);
    await hook(surehook);
    await publishMany(surehook, 3);
    await clock.advance(HOUR);
    expect(transport.requests).toHaveLength(4);
    expect(tally(transport.requests, (request) => String(numberOf(request)))).toEqual({ 0: 2, 1: 1, 2: 1 });
  });

  test('20: 100 webhooks, each an error then 200: exactly 200 requests, two to each, all Enabled', async () => {
    const routes = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [url(n), [refused, 200]]));
    const { surehook, transport, clock } = await running(byUrl(routes), likePredecessor);
    for (let n = 0; n < 100; n += 1) await hook(surehook, n);
    await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(HOUR);
    expect(transport.requests).toHaveLength(200);
    expect(new Set(Object.values(tally(transport.requests, (request) => request.url)))).toEqual(new Set([2]));
    const { items } = await surehook.webhooks.list({ limit: 200 });
    expect(tally(items, ({ status }) => status.state)).toEqual({ enabled: 100 });
  });
});
