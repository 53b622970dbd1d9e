/** Listings, pages, stats and test events. */
import { describe, expect, test } from 'vitest';
import { ConflictError, type Delivery, type Webhook } from '../../src/index.ts';
import {
  atMostOnce,
  bench,
  delayed,
  HOUR,
  hook,
  MINUTE,
  publishMany,
  rejection,
  running,
  SECOND,
  stateOf,
} from './harness.ts';

describe('listings', () => {
  test('pages of deliveries have no gap and no double, newest first, while more come in', async () => {
    const { surehook, clock } = bench();
    await hook(surehook);
    for (let n = 0; n < 57; n += 1) {
      await surehook.publish({ type: 'a.b', data: n });
      if (n % 5 === 0) await clock.advance(1);
    }
    const before = new Set((await surehook.deliveries.list({ limit: 1_000 })).items.map(({ id }) => id));
    const seen: Delivery[] = [];
    let cursor: string | undefined;
    do {
      const page = await surehook.deliveries.list({ limit: 10, cursor });
      seen.push(...page.items);
      cursor = page.cursor;
      await publishMany(surehook, 1);
    } while (cursor !== undefined);
    expect(seen).toHaveLength(57);
    expect(new Set(seen.map(({ id }) => id))).toEqual(before);
    const order = seen.map(({ createdAt, id }) => `${createdAt.getTime()} ${id}`);
    expect(order).toEqual([...order].sort().reverse());
  });

  test('a page that is exactly full has no cursor', async () => {
    const { surehook } = bench();
    await hook(surehook);
    await publishMany(surehook, 10);
    expect((await surehook.deliveries.list({ limit: 10 })).cursor).toBeUndefined();
    expect((await surehook.deliveries.list({ limit: 9 })).cursor).toBeDefined();
    expect(await surehook.deliveries.list({ status: 'delivered' })).toEqual({ items: [] });
  });

  test('every condition counts, alone and together', async () => {
    const { surehook, clock } = await running((request) => (request.url.includes('bad') ? 500 : 200));
    const good = await hook(surehook, 'good');
    const bad = await hook(surehook, 'bad', atMostOnce);
    await hook(surehook, 'foreign', { tenantId: 't2' });
    const start = clock.now();
    await publishMany(surehook, 2, { type: 'a' });
    await clock.advance(MINUTE);
    await publishMany(surehook, 3, { type: 'b' });
    await publishMany(surehook, 1, { type: 'a', tenantId: 't2' });
    await clock.advance(10 * MINUTE);
    const count = async (query: Parameters<typeof surehook.deliveries.list>[0]): Promise<number> =>
      (await surehook.deliveries.list(query)).items.length;
    expect(await count({})).toBe(11);
    expect(await count({ tenantId: 't2' })).toBe(1);
    expect(await count({ tenantId: 'none' })).toBe(0);
    expect(await count({ webhookId: good.id })).toBe(5);
    expect(await count({ webhookId: bad.id, status: 'exhausted' })).toBe(5);
    expect(await count({ status: 'delivered' })).toBe(6);
    expect(await count({ eventType: 'a' })).toBe(5);
    expect(await count({ eventType: 'a', webhookId: good.id, tenantId: 'default' })).toBe(2);
    expect(await count({ since: new Date(start + MINUTE) })).toBe(7);
    expect(await count({ until: new Date(start + MINUTE) })).toBe(4);
    expect(await count({ since: new Date(start), until: new Date(start) })).toBe(0);
    expect(await count({ webhookId: good.id, tenantId: 't2' })).toBe(0);
  });

  test('pages of webhooks, of all tenants and of one', async () => {
    const { surehook } = bench();
    for (let n = 0; n < 25; n += 1) await hook(surehook, n, n % 5 === 0 ? { tenantId: 't2' } : {});
    const seen: Webhook[] = [];
    let cursor: string | undefined;
    do {
      const page = await surehook.webhooks.list({ limit: 7, cursor });
      seen.push(...page.items);
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect(new Set(seen.map(({ id }) => id)).size).toBe(25);
    expect((await surehook.webhooks.list({ tenantId: 't2' })).items).toHaveLength(5);
  });

  test('unknown ids: get resolves undefined, what acts on one rejects with NotFoundError', async () => {
    const { surehook } = bench();
    expect(await surehook.webhooks.get('whk_none')).toBeUndefined();
    expect(await surehook.deliveries.get('dlv_none')).toBeUndefined();
    for (const call of [
      surehook.webhooks.update('whk_none', {}),
      surehook.webhooks.delete('whk_none'),
      surehook.webhooks.enable('whk_none'),
      surehook.webhooks.disable('whk_none'),
      surehook.webhooks.sendTest('whk_none'),
      surehook.deliveries.attempts('dlv_none'),
      surehook.deliveries.replay('dlv_none'),
      surehook.deliveries.resend('dlv_none'),
      surehook.deliveries.cancel('dlv_none'),
      surehook.deliveries.explain({ eventId: 'evt_none', webhookId: 'whk_none' }),
    ]) {
      expect(await rejection(call)).toMatchObject({ code: 'not-found', id: expect.stringContaining('none') });
    }
  });

  test.each([undefined, '', 5, 'a\0b'])('%j is no id, for no action on a delivery', async (id) => {
    const { deliveries } = bench().surehook;
    for (const call of [deliveries.resend(id as string), deliveries.cancel(id as string)]) {
      expect(await rejection(call)).toMatchObject({ code: 'invalid-input', field: 'id' });
    }
  });

  test('a replay of what is not exhausted, or may have been received, conflicts', async () => {
    const { surehook, clock } = await running([200, 500]);
    await hook(surehook, 0, atMostOnce);
    const [delivered, failed] = await publishMany(surehook, 2);
    await clock.advance(MINUTE);
    for (const one of [delivered, failed]) {
      const error = await rejection(surehook.deliveries.replay(one?.deliveries[0]?.id ?? ''));
      expect(error).toBeInstanceOf(ConflictError);
    }
  });
});

test('stats tell what is in flight, what is claimed, and what was done', async () => {
  const { surehook, clock } = bench((request) => delayed(SECOND, request.url.includes('bad') ? 500 : 200));
  expect(surehook.stats()).toEqual({
    running: false,
    published: 0,
    inFlight: 0,
    claimed: 0,
    attempted: 0,
    delivered: 0,
    failed: 0,
    exhausted: 0,
    late: 0,
    retryQueues: 0,
  });
  await surehook.start();
  await hook(surehook, 'good');
  await hook(surehook, 'bad');
  await publishMany(surehook, 1);
  await clock.advance(500);
  expect(surehook.stats()).toMatchObject({
    running: true,
    published: 1,
    inFlight: 2,
    claimed: 2,
    attempted: 0,
  });
  await clock.advance(600);
  expect(surehook.stats()).toMatchObject({ inFlight: 0, claimed: 0, attempted: 2, delivered: 1, failed: 1 });
  await publishMany(surehook, 3);
  await clock.advance(MINUTE);
  expect(surehook.stats()).toMatchObject({ delivered: 4 });
});

test('stats count as failed what is heard as such: not what a stop aborted', async () => {
  const { surehook, clock, log } = await running(delayed(HOUR, 200));
  await hook(surehook);
  await publishMany(surehook, 1);
  await clock.advance(SECOND);
  const stopped = surehook.stop({ deadlineMs: 0 });
  await clock.advance(SECOND);
  await stopped;
  expect(log.of('delivery:failed')).toEqual([]);
  expect(surehook.stats()).toMatchObject({ attempted: 1, failed: 0 });
});

describe('sendTest', () => {
  test('goes to that webhook only, whatever it is subscribed to and filters, and is signed like any other', async () => {
    const { surehook, transport, clock } = await running();
    const webhook = await hook(surehook, 'a', { events: ['x'], filter: { field: 'type', eq: 'never' } });
    await hook(surehook, 'b');
    const delivery = await surehook.webhooks.sendTest(webhook.id);
    expect(delivery).toMatchObject({ webhookId: webhook.id, eventType: 'webhook.test' });
    await clock.advance(SECOND);
    expect(transport.requests.map((request) => request.url)).toEqual([webhook.url]);
    expect(JSON.parse(transport.requests[0]?.text() ?? '')).toMatchObject({
      type: 'webhook.test',
      data: { webhookId: webhook.id },
    });
    expect(transport.requests[0]?.headers['webhook-signature']).toMatch(/^v1,/);
    expect((await surehook.deliveries.get(delivery.id))?.status).toBe('delivered');
  });

  test('conflicts with a webhook that gets nothing', async () => {
    const { surehook } = await running();
    const webhook = await hook(surehook);
    await surehook.webhooks.disable(webhook.id);
    expect(await rejection(surehook.webhooks.sendTest(webhook.id))).toBeInstanceOf(ConflictError);
    expect(await stateOf(surehook, webhook)).toBe('disabled');
  });
});
