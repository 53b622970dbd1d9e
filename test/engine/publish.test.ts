/** Publishing: fan-out, filters, limits, idempotency, all or nothing, and what is told of it all. */
import { describe, expect, test } from 'vitest';
import { ConflictError, InvalidEventError, PayloadTooLargeError } from '../../src/index.ts';
import {
  allDeliveries,
  bench,
  deliveryOf,
  hook,
  MINUTE,
  publishMany,
  rejection,
  running,
  SECOND,
  tally,
} from './harness.ts';

describe('fan-out', () => {
  test('one delivery per subscribed webhook of the event’s tenant, and no other', async () => {
    const { surehook } = bench();
    const [exact, category, all, other] = [
      await hook(surehook, 'exact', { events: ['invoice.paid'] }),
      await hook(surehook, 'category', { events: ['invoice.*', 'invoice.paid'] }),
      await hook(surehook, 'all', { events: ['*'] }),
      await hook(surehook, 'other', { events: ['order.*', 'Invoice.Paid', 'invoice'] }),
    ];
    await hook(surehook, 'foreign', { tenantId: 't2' });
    const { deliveries, filtered, duplicate } = await surehook.publish({ type: 'invoice.paid', data: 1 });
    expect(deliveries.map(({ webhookId }) => webhookId).sort()).toEqual(
      [exact.id, category.id, all.id].sort(),
    );
    expect([filtered, duplicate]).toEqual([0, false]);
    expect(deliveries.some(({ webhookId }) => webhookId === other.id)).toBe(false);
    expect((await surehook.publish({ type: 'x', data: 1, tenantId: 't2' })).deliveries).toHaveLength(1);
    expect((await surehook.publish({ type: 'x', data: 1, tenantId: 't3' })).deliveries).toHaveLength(0);
  });

  test('a filter keeps an event from a webhook, and that is told', async () => {
    const { surehook, log } = bench();
    const rich = await hook(surehook, 'rich', { filter: { field: 'data.total', gte: 100 } });
    const eu = await hook(surehook, 'eu', {
      filter: {
        all: [
          { field: 'headers.x-region', prefix: 'eu-' },
          { field: 'source', eq: 'shop' },
        ],
      },
    });
    const publish = async (total: number, region: string) =>
      await surehook.publish({
        type: 'a.b',
        data: { total },
        headers: { 'X-Region': region },
        source: 'shop',
      });
    expect((await publish(100, 'eu-1')).deliveries).toHaveLength(2);
    const first = await publish(99, 'eu-1');
    expect(first.deliveries.map(({ webhookId }) => webhookId)).toEqual([eu.id]);
    expect(first.filtered).toBe(1);
    expect((await publish(1, 'us')).filtered).toBe(2);
    expect(log.of('event:filtered').map(({ webhookId }) => webhookId)).toEqual(
      expect.arrayContaining([rich.id, eu.id]),
    );
    expect(log.of('event:filtered')).toHaveLength(3);
  });

  test('a hundred webhooks get it exactly once each', async () => {
    const { surehook, transport } = await running();
    for (let n = 0; n < 100; n += 1) await hook(surehook, n);
    await surehook.publish({ type: 'a.b', data: 1 });
    await surehook.idle();
    expect(new Set(transport.requests.map(({ url }) => url)).size).toBe(100);
    expect(transport.requests).toHaveLength(100);
  });

  test('the body is fixed at publish: what the host changes afterwards has no effect', async () => {
    const { surehook, transport } = await running();
    await hook(surehook);
    const data = { n: 1 };
    const body = new TextEncoder().encode('raw');
    const both = [
      surehook.publish({ type: 'a.b', data }),
      surehook.publish({ type: 'a.b', body, contentType: 'text/plain' }),
    ];
    data.n = 2;
    body.fill(0);
    await Promise.all(both);
    await surehook.idle();
    const bodies = transport.requests.map((request) => request.text());
    expect(bodies.some((text) => text === 'raw')).toBe(true);
    expect(bodies.some((text) => text.includes('"data":{"n":1}'))).toBe(true);
  });

  test('the payload limit is exact, and nothing is stored beyond it', async () => {
    const { surehook } = bench(200, { maxPayloadBytes: 1_000 });
    await hook(surehook);
    const body = (length: number) => ({ type: 'a.b', body: 'x'.repeat(length), contentType: 'text/plain' });
    expect((await surehook.publish(body(1_000))).event.bytes).toBe(1_000);
    const error = await rejection(surehook.publish(body(1_001)));
    expect(error).toBeInstanceOf(PayloadTooLargeError);
    expect(error).toMatchObject({ bytes: 1_001, maxBytes: 1_000, code: 'payload-too-large' });
    expect(await rejection(surehook.publish({ type: 'a.b', data: 'é'.repeat(500) }))).toBeInstanceOf(
      PayloadTooLargeError,
    );
    expect(await allDeliveries(surehook)).toHaveLength(1);
  });
});

describe('idempotency', () => {
  test('the same key and content is stored once, however often and at once; another content conflicts', async () => {
    const { surehook, transport, log, clock } = await running();
    await hook(surehook);
    const event = { type: 'a.b', data: { n: 1 }, idempotencyKey: 'k' };
    const published = await Promise.all(Array.from({ length: 10 }, () => surehook.publish(event)));
    expect(new Set(published.map(({ event: { id } }) => id)).size).toBe(1);
    expect(published.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    expect(new Set(published.flatMap(({ deliveries }) => deliveries.map(({ id }) => id))).size).toBe(1);
    await clock.advance(MINUTE);
    expect(await surehook.publish(event)).toMatchObject({ duplicate: true });
    for (const other of [
      { ...event, data: { n: 2 } },
      { ...event, type: 'a.c' },
      { ...event, source: 's' },
      { ...event, headers: { 'x-a': '1' } },
    ]) {
      expect(await rejection(surehook.publish(other))).toBeInstanceOf(ConflictError);
    }
    expect(await surehook.publish({ ...event, tenantId: 't2', data: 5 })).toMatchObject({ duplicate: false });
    await surehook.idle();
    expect(transport.requests).toHaveLength(1);
    expect(log.of('event:published')).toHaveLength(2);
  });

  test('a host’s own id does the same, and is the webhook-id', async () => {
    const { surehook, transport } = await running();
    await hook(surehook);
    await surehook.publish({ id: 'order-1', type: 'a.b', data: 1 });
    expect(await surehook.publish({ id: 'order-1', type: 'a.b', data: 1 })).toMatchObject({
      duplicate: true,
    });
    expect(await rejection(surehook.publish({ id: 'order-1', type: 'a.b', data: 2 }))).toBeInstanceOf(
      ConflictError,
    );
    await surehook.idle();
    expect(transport.requests.map(({ headers }) => headers['webhook-id'])).toEqual(['order-1']);
  });
});

describe('publishMany', () => {
  test('stores all, in order, with one result each', async () => {
    const { surehook, transport } = await running();
    await hook(surehook, 0, { maxInFlight: 1 });
    const published = await surehook.publishMany(
      Array.from({ length: 200 }, (_, n) => ({ type: `t.${n % 3}`, data: n })),
    );
    expect(published.map(({ event }) => event.type)).toEqual(
      Array.from({ length: 200 }, (_, n) => `t.${n % 3}`),
    );
    await surehook.idle();
    expect(transport.requests.map((request) => JSON.parse(request.text()).data)).toEqual(
      Array.from({ length: 200 }, (_, n) => n),
    );
    expect(await surehook.publishMany([])).toEqual([]);
  });

  test('or none: one bad event, one conflict, one too large', async () => {
    const { surehook, log } = bench();
    await hook(surehook);
    await surehook.publish({ type: 'a.b', data: 0, idempotencyKey: 'taken' });
    const good = { type: 'a.b', data: 1 };
    for (const [bad, error] of [
      [{ type: 'a..b', data: 1 }, InvalidEventError],
      [{ type: 'a.b', data: 2, idempotencyKey: 'taken' }, ConflictError],
      [{ type: 'a.b', data: 'x'.repeat(300_000) }, PayloadTooLargeError],
    ] as const) {
      expect(await rejection(surehook.publishMany([good, bad, good]))).toBeInstanceOf(error);
    }
    const key = { type: 'a.b', idempotencyKey: 'twice' };
    const twice = [
      { ...key, data: 1 },
      { ...key, data: 2 },
    ];
    expect(await rejection(surehook.publishMany(twice))).toBeInstanceOf(ConflictError);
    expect(await allDeliveries(surehook)).toHaveLength(1);
    expect(log.of('event:published')).toHaveLength(1);
  });

  test('the same key twice with one content is stored once', async () => {
    const { surehook } = bench();
    await hook(surehook);
    const event = { type: 'a.b', data: 1, idempotencyKey: 'k' };
    expect((await surehook.publishMany([event, event])).map(({ duplicate }) => duplicate)).toEqual([
      false,
      true,
    ]);
    expect(await allDeliveries(surehook)).toHaveLength(1);
  });

  test('with a transaction that the repos cannot join it rejects with TypeError', async () => {
    const { surehook, clock } = bench();
    let calls = 0;
    const rejected = rejection(surehook.publish({ type: 'a.b', data: 1 }, { tx: {} })).finally(() => {
      calls += 1;
    });
    await clock.advance(0);
    expect(calls).toBe(1);
    expect(await rejected).toBeInstanceOf(TypeError);
  });
});

describe('what is told', () => {
  test('of a delivery that fails, succeeds, fails for good: in this order, in this shape', async () => {
    const { surehook, log, clock } = await running([500, 200]);
    const webhook = await hook(surehook);
    const start = new Date(clock.now());
    const published = await surehook.publish({ type: 'a.b', data: 0, source: 's' });
    await clock.advance(MINUTE);
    expect(log.told.map(({ name }) => name).filter((name) => name !== 'webhook:status')).toEqual([
      'event:published',
      'delivery:attempted',
      'delivery:failed',
      'delivery:attempted',
      'delivery:delivered',
    ]);
    expect(log.moves()).toEqual(['enabled>retrying', 'retrying>enabled']);
    const [id] = published.deliveries.map((one) => one.id);
    expect(log.of('event:published')[0]).toEqual({
      event: published.event,
      deliveries: [{ id, webhookId: webhook.id }],
      filtered: 0,
    });
    expect(published.event).toEqual({
      id: expect.stringMatching(/^evt_[0-9a-z]{26}$/),
      tenantId: 'default',
      type: 'a.b',
      source: 's',
      contentType: 'application/json',
      bytes: expect.any(Number),
      timestamp: start,
      createdAt: start,
    });
    const base = {
      id,
      eventId: published.event.id,
      webhookId: webhook.id,
      tenantId: 'default',
      eventType: 'a.b',
      createdAt: start,
    };
    expect(log.of('delivery:failed')[0]?.delivery).toEqual({
      ...base,
      status: 'failed',
      attempts: 1,
      nextAttemptAt: expect.any(Date),
    });
    expect(log.of('delivery:attempted')[0]?.attempt).toEqual({
      number: 1,
      startedAt: start,
      durationMs: 0,
      httpStatus: 500,
      responseBody: '',
      responseHeaders: {},
      request: { url: webhook.url, headers: expect.objectContaining({ 'webhook-signature': '***' }) },
      late: false,
    });
    const { delivery } = log.of('delivery:delivered')[0]!;
    expect(delivery).toEqual({ ...base, status: 'delivered', attempts: 2, completedAt: expect.any(Date) });
    // What is told is what is stored.
    expect(await deliveryOf(surehook, published)).toEqual(delivery);
    expect(log.of('webhook:status')[0]).toEqual({
      webhookId: webhook.id,
      tenantId: 'default',
      from: { state: 'enabled' },
      to: { state: 'retrying', since: start },
    });
  });

  test('every exhausted delivery is told once, whatever the reason', async () => {
    const { surehook, log, clock } = await running((request) =>
      request.url.includes('gone') ? 410 : request.url.includes('hang') ? 'hang' : 500,
    );
    await hook(surehook, 'gone', { events: ['gone'] });
    await hook(surehook, 'amo', { events: ['amo'], delivery: { semantics: 'at-most-once' } });
    const deleted = await hook(surehook, 'deleted', { events: ['deleted'], maxInFlight: 1 });
    await publishMany(surehook, 1, { type: 'gone' });
    await publishMany(surehook, 1, { type: 'amo' });
    await publishMany(surehook, 5, { type: 'deleted' });
    await clock.advance(SECOND);
    await surehook.webhooks.delete(deleted.id);
    await clock.advance(MINUTE);
    const told = log.of('delivery:exhausted').map(({ delivery }) => delivery);
    expect(tally(told, ({ reason }) => String(reason))).toEqual({
      'webhook-gone': 1,
      'at-most-once-failed': 1,
      'webhook-deleted': 5,
    });
    expect(new Set(told.map(({ id }) => id)).size).toBe(7);
    expect(surehook.stats().exhausted).toBe(7);
  });
});
