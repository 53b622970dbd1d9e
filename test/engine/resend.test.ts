/** Resending: what a delivery sent, once more, as an event of its own and to its webhook only. */
import { describe, expect, test } from 'vitest';
import { ConflictError, NotFoundError, retrySchedule } from '../../src/index.ts';
import {
  atMostOnce,
  deliveryOf,
  HOUR,
  hook,
  MINUTE,
  numberOf,
  publishMany,
  rejection,
  running,
  SECOND,
} from './harness.ts';

describe('a resent delivery', () => {
  test('has the same bytes, type, headers and content type under a new id, and goes to its webhook only', async () => {
    const { surehook, clock, transport, log } = await running();
    const webhook = await hook(surehook, 'a');
    await hook(surehook, 'b');
    const published = await surehook.publish({
      type: 'a.b',
      body: '<a>é</a>',
      contentType: 'text/xml; charset=utf-8',
      source: 'shop',
      headers: { 'x-trace': '7' },
      timestamp: new Date(clock.now() - HOUR),
      idempotencyKey: 'once',
      id: 'own-id',
    });
    await clock.advance(MINUTE);
    const first = published.deliveries.find(({ webhookId }) => webhookId === webhook.id);
    const again = await surehook.deliveries.resend(first?.id ?? '');
    expect(again).toMatchObject({ filtered: 0, duplicate: false, deliveries: [{ webhookId: webhook.id }] });
    expect(again.deliveries).toHaveLength(1);
    expect(again.event).toEqual({
      ...published.event,
      id: again.event.id,
      createdAt: new Date(clock.now()),
    });
    expect(again.event.id).toMatch(/^evt_/);
    expect(log.of('event:published')).toHaveLength(2);
    await clock.advance(SECOND);
    const sent = transport.requests.filter(({ url }) => url === webhook.url);
    expect(transport.requests).toHaveLength(3);
    const [one, two] = sent.map(({ headers, body }) => ({
      body: Buffer.from(body).toString(),
      type: headers['content-type'],
      trace: headers['x-trace'],
    }));
    expect(two).toEqual(one);
    expect(sent[1]?.headers['webhook-id']).toBe(again.event.id);
    expect((await deliveryOf(surehook, again)).status).toBe('delivered');
  });

  test('is another event each time, and meets neither the key nor the id of its original', async () => {
    const { surehook, clock, transport } = await running();
    await hook(surehook);
    const published = await surehook.publish({ type: 'a.b', data: 1, idempotencyKey: 'k' });
    await clock.advance(MINUTE);
    const id = published.deliveries[0]?.id ?? '';
    const [one, two] = [await surehook.deliveries.resend(id), await surehook.deliveries.resend(id)];
    expect(new Set([published.event.id, one.event.id, two.event.id]).size).toBe(3);
    expect(one.duplicate || two.duplicate).toBe(false);
    expect(await surehook.publish({ type: 'a.b', data: 1, idempotencyKey: 'k' })).toMatchObject({
      duplicate: true,
      event: { id: published.event.id },
    });
    await clock.advance(MINUTE);
    expect(transport.requests.map((request) => request.text())).toEqual(
      Array(3).fill(transport.requests[0]?.text()),
    );
  });

  test('may have any status, at-most-once and delivered ones too, and what its webhook is subscribed to does not matter', async () => {
    const { surehook, clock, transport } = await running([500, 200], { retry: retrySchedule([0]) });
    const webhook = await hook(surehook, 0, atMostOnce);
    const [dead, delivered] = await publishMany(surehook, 2);
    await clock.advance(MINUTE);
    const scheduled = await surehook.publish({
      type: 'a.b',
      data: 2,
      deliverAt: new Date(clock.now() + HOUR),
    });
    await surehook.webhooks.update(webhook.id, { events: ['x'], filter: { field: 'type', eq: 'never' } });
    for (const one of [dead, delivered, scheduled]) {
      await surehook.deliveries.resend(one?.deliveries[0]?.id ?? '');
    }
    await clock.advance(MINUTE);
    // At once, also what is scheduled.
    expect(transport.requests.map(numberOf)).toEqual([0, 1, 0, 1, 2]);
  });

  test('takes its turn in its ordering key', async () => {
    const { surehook, clock, transport } = await running((request) => (numberOf(request) === 1 ? 500 : 200), {
      retry: retrySchedule([0, HOUR]),
    });
    await hook(surehook, 0, { delivery: { ordered: true } });
    const [first] = await publishMany(surehook, 2, { orderingKey: 'k' });
    await clock.advance(SECOND);
    const again = await surehook.deliveries.resend(first?.deliveries[0]?.id ?? '');
    expect(again.event.orderingKey).toBe('k');
    await clock.advance(MINUTE);
    expect(transport.requests.map(numberOf)).toEqual([0, 1]);
    expect((await deliveryOf(surehook, again)).status).toBe('pending');
  });

  test('sends the bytes that its webhook got where the host shaped them', async () => {
    const { surehook, clock, transport } = await running(200, {
      shape: (event, webhook) => ({ of: webhook.name, n: event.data }),
    });
    await hook(surehook, 'a', { name: 'first' });
    await hook(surehook, 'b', { name: 'second' });
    const { deliveries } = await surehook.publish({ type: 'a.b', data: 1 });
    await clock.advance(SECOND);
    for (const { id } of deliveries) await surehook.deliveries.resend(id);
    await clock.advance(SECOND);
    const texts = transport.requests.map((request) => `${request.url} ${request.text()}`);
    expect(new Set(texts).size).toBe(2);
    expect(texts).toHaveLength(4);
    expect(texts.join()).toContain('"of":"second"');
  });
});

describe('it conflicts', () => {
  test.each(['disabled', 'unavailable', 'deleted'])('with a webhook that is %s', async (how) => {
    const { surehook, clock, repos } = await running();
    const webhook = await hook(surehook);
    const [published] = await publishMany(surehook, 1);
    await clock.advance(MINUTE);
    if (how === 'disabled') await surehook.webhooks.disable(webhook.id);
    if (how === 'deleted') await surehook.webhooks.delete(webhook.id);
    if (how === 'unavailable') {
      const to = { state: 'unavailable', since: clock.now() } as const;
      await repos.webhooks.setStatus([{ webhookId: webhook.id, from: { state: 'enabled' }, to }]);
    }
    const error = await rejection(surehook.deliveries.resend(published?.deliveries[0]?.id ?? ''));
    expect(error).toBeInstanceOf(ConflictError);
    expect((error as Error).message).toContain(how);
    expect((await surehook.deliveries.list()).items).toHaveLength(1);
  });

  test('and an unknown id is not found', async () => {
    const { surehook } = await running();
    expect(await rejection(surehook.deliveries.resend('dlv_none'))).toBeInstanceOf(NotFoundError);
  });
});
