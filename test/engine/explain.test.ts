/** Why an event did or did not reach a webhook. */
import { describe, expect, test } from 'vitest';
import { type NewEvent, type Published, retrySchedule, type Webhook } from '../../src/index.ts';
import {
  atMostOnce,
  type Bench,
  bench,
  DAY,
  delayed,
  HOUR,
  hook,
  MINUTE,
  numberOf,
  publishMany,
  rejection,
  running,
  SECOND,
} from './harness.ts';

type Deliveries = Bench['surehook']['deliveries'];
type ExplainQuery = Parameters<Deliveries['explain']>[0];
type Explanation = Awaited<ReturnType<Deliveries['explain']>>;

async function why(
  { surehook }: Pick<Bench, 'surehook'>,
  published: Published | undefined,
  webhook: Pick<Webhook, 'id'>,
): Promise<Explanation> {
  return await surehook.deliveries.explain({ eventId: published?.event.id ?? '', webhookId: webhook.id });
}

const verdictOf = async (...args: Parameters<typeof why>): Promise<string> => (await why(...args)).verdict;

describe('with a delivery', () => {
  test('delivered, after the attempts that it took', async () => {
    const { surehook, clock } = await running([500, 200]);
    const webhook = await hook(surehook);
    const [published] = await publishMany(surehook, 1);
    await clock.advance(HOUR);
    expect(await why({ surehook }, published, webhook)).toMatchObject({
      verdict: 'delivered',
      delivery: { id: published?.deliveries[0]?.id, status: 'delivered' },
      attempts: [{ httpStatus: 500 }, { httpStatus: 200 }],
    });
  });

  test('delivering', async () => {
    const { surehook, clock } = await running(delayed(SECOND, 200));
    const webhook = await hook(surehook);
    const [published] = await publishMany(surehook, 1);
    await clock.advance(500);
    expect(await why({ surehook }, published, webhook)).toMatchObject({
      verdict: 'delivering',
      attempts: [],
    });
  });

  test('exhausted, and for what reason', async () => {
    const { surehook, clock } = await running(500);
    const webhook = await hook(surehook, 0, atMostOnce);
    const [published] = await publishMany(surehook, 1);
    await clock.advance(MINUTE);
    expect(await why({ surehook }, published, webhook)).toMatchObject({
      verdict: 'exhausted',
      reason: 'at-most-once-failed',
      attempts: [{ number: 1 }],
    });
  });

  test('it is told of also when its webhook was deleted', async () => {
    const { surehook, clock } = await running();
    const webhook = await hook(surehook);
    const [published] = await publishMany(surehook, 1);
    await clock.advance(MINUTE);
    await surehook.webhooks.delete(webhook.id);
    expect(await verdictOf({ surehook }, published, webhook)).toBe('delivered');
  });

  test('among those for other webhooks', async () => {
    const { surehook, clock } = await running((request) => (request.url.includes('bad') ? 500 : 200));
    const bad = await hook(surehook, 'bad', atMostOnce);
    const good = await hook(surehook, 'good');
    const [published] = await publishMany(surehook, 1);
    await clock.advance(MINUTE);
    expect(await verdictOf({ surehook }, published, good)).toBe('delivered');
    expect(await verdictOf({ surehook }, published, bad)).toBe('exhausted');
  });
});

describe('waiting', () => {
  test('for a worker, where nothing holds it back', async () => {
    const parts = bench();
    const webhook = await hook(parts.surehook);
    const [published] = await publishMany(parts.surehook, 1);
    expect(await why(parts, published, webhook)).toMatchObject({ verdict: 'waiting', waitsFor: 'worker' });
  });

  test('for the instant that it is scheduled for', async () => {
    const { surehook, clock } = await running();
    const webhook = await hook(surehook);
    const deliverAt = new Date(clock.now() + DAY);
    const published = await surehook.publish({ type: 'a.b', data: 1, deliverAt });
    expect(await why({ surehook }, published, webhook)).toMatchObject({
      verdict: 'waiting',
      waitsFor: 'due-time',
      until: deliverAt,
      attempts: [],
    });
  });

  test('for its next attempt, with those so far', async () => {
    const { surehook, clock } = await running(500, { retry: retrySchedule([0, HOUR], { jitter: 0 }) });
    const webhook = await hook(surehook);
    const [published] = await publishMany(surehook, 1);
    await clock.advance(MINUTE);
    const told = await why({ surehook }, published, webhook);
    expect(told).toMatchObject({ verdict: 'waiting', waitsFor: 'due-time', attempts: [{ httpStatus: 500 }] });
    expect('until' in told && told.until).toEqual('delivery' in told && told.delivery.nextAttemptAt);
  });

  test('behind the back-off of its webhook, until when', async () => {
    const busy = { status: 503, headers: { 'retry-after': '600' } };
    const { surehook, clock, repos } = await running(busy, { retry: retrySchedule([0, SECOND]) });
    const webhook = await hook(surehook);
    await publishMany(surehook, 1);
    await clock.advance(MINUTE);
    const [later] = await publishMany(surehook, 1);
    await clock.advance(MINUTE);
    const [queue] = await repos.state.get([webhook.id]);
    expect(queue?.notBefore).toBeGreaterThan(clock.now());
    expect(await why({ surehook }, later, webhook)).toMatchObject({
      verdict: 'waiting',
      waitsFor: 'back-off',
      until: new Date(queue?.notBefore ?? 0),
      attempts: [],
    });
  });

  test('for its disabled webhook to be enabled', async () => {
    const { surehook, clock } = await running(500, { retry: retrySchedule([0, HOUR]) });
    const webhook = await hook(surehook);
    const [published] = await publishMany(surehook, 1);
    await clock.advance(SECOND);
    await surehook.webhooks.disable(webhook.id);
    const told = await why({ surehook }, published, webhook);
    expect(told).toMatchObject({ verdict: 'waiting', waitsFor: 'enabling', attempts: [{ number: 1 }] });
    expect('until' in told).toBe(false);
  });

  test('for its turn in its ordering key, behind which delivery', async () => {
    const { surehook, clock } = await running((request) => (numberOf(request) === 0 ? 500 : 200), {
      retry: retrySchedule([0, HOUR]),
    });
    const webhook = await hook(surehook, 0, { delivery: { ordered: true } });
    const [first, other] = await publishMany(surehook, 2, { orderingKey: 'k' });
    await clock.advance(MINUTE);
    const [later] = await publishMany(surehook, 1, { orderingKey: 'k' });
    expect(await why({ surehook }, first, webhook)).toMatchObject({ waitsFor: 'due-time' });
    // Of one millisecond: the one that was attempted is the first.
    expect(await why({ surehook }, other, webhook)).toMatchObject({
      waitsFor: 'turn',
      behind: first?.deliveries[0]?.id,
    });
    expect(await why({ surehook }, later, webhook)).toMatchObject({ verdict: 'waiting', waitsFor: 'turn' });
  });

  test('for its turn behind one that is exhausted and blocks, until that is cancelled', async () => {
    const { surehook, clock } = await running((request) => (numberOf(request) === 0 ? 500 : 200), {
      retry: retrySchedule([0]),
      backoff: { baseMs: 0, maxMs: 0 },
    });
    const webhook = await hook(surehook, 0, { delivery: { ordered: true } });
    const [first] = await publishMany(surehook, 1);
    await clock.advance(MINUTE);
    const next = await surehook.publish({ type: 'a.b', data: 1 });
    await clock.advance(MINUTE);
    const behind = first?.deliveries[0]?.id ?? '';
    expect(await why({ surehook }, next, webhook)).toMatchObject({ waitsFor: 'turn', behind });
    await surehook.deliveries.cancel(behind);
    await clock.advance(MINUTE);
    expect(await verdictOf({ surehook }, next, webhook)).toBe('delivered');
  });

  test('for its slot as a replay', async () => {
    const { surehook, clock } = await running(500, { retry: retrySchedule([0]) });
    const webhook = await hook(surehook);
    const [published] = await publishMany(surehook, 1);
    await clock.advance(HOUR);
    await surehook.stop();
    await surehook.deliveries.replay(published?.deliveries[0]?.id ?? '');
    expect(await why({ surehook }, published, webhook)).toMatchObject({
      verdict: 'waiting',
      waitsFor: 'replay-slot',
    });
  });
});

describe('without a delivery', () => {
  test('an unknown event, an unknown webhook', async () => {
    const { surehook } = bench();
    const webhook = await hook(surehook);
    const [published] = await publishMany(surehook, 1);
    const eventId = published?.event.id ?? '';
    const explain = (query: object) => rejection(surehook.deliveries.explain(query as ExplainQuery));
    expect(await explain({ eventId: 'evt_none', webhookId: webhook.id })).toMatchObject({
      code: 'not-found',
      kind: 'event',
      id: 'evt_none',
    });
    expect(await explain({ eventId, webhookId: 'whk_none' })).toMatchObject({
      code: 'not-found',
      kind: 'webhook',
      id: 'whk_none',
    });
    for (const [query, field] of [
      [{ eventId, webhookId: 5 }, 'webhookId'],
      [{ webhookId: webhook.id }, 'eventId'],
      [{ eventId, webhookId: webhook.id, tenantId: '*' }, 'tenantId'],
      [{ eventId, webhookId: webhook.id, id: 1 }, 'id'],
    ] as const) {
      expect(await explain(query)).toMatchObject({ code: 'invalid-input', field });
    }
  });

  test('other tenant, created later, not subscribed, disabled, undetermined', async () => {
    const { surehook, clock } = bench();
    const foreign = await hook(surehook, 'foreign', { tenantId: 't2' });
    const narrow = await hook(surehook, 'narrow', { events: ['x.*'] });
    const disabled = await hook(surehook, 'disabled');
    await surehook.webhooks.disable(disabled.id);
    const published = await surehook.publish({ type: 'a.b', data: 1 });
    await clock.advance(1);
    const later = await hook(surehook, 'later', { events: ['x.*'] });
    expect(await why({ surehook }, published, foreign)).toEqual({ verdict: 'other-tenant' });
    expect(await verdictOf({ surehook }, published, narrow)).toBe('not-subscribed');
    expect(await verdictOf({ surehook }, published, disabled)).toBe('disabled');
    expect(await verdictOf({ surehook }, published, later)).toBe('created-later');
    // Judged as it is now: it has been disabled, and is not any more.
    await surehook.webhooks.enable(disabled.id);
    expect(await verdictOf({ surehook }, published, disabled)).toBe('undetermined');
  });

  const events: readonly (readonly [string, NewEvent])[] = [
    ['data', { type: 'a.b', source: 'shop', headers: { 'x-region': 'eu' }, data: { total: 5 } }],
    ['a JSON body', { type: 'a.b', source: 'shop', body: '{"total":5}', contentType: 'application/json' }],
    ['a body that is no JSON', { type: 'a.b', body: 'total=5', contentType: 'text/plain' }],
    ['a body that does not parse', { type: 'a.b', body: '{"total":', contentType: 'application/json' }],
    [
      'bytes that are no text',
      { type: 'a.b', body: new Uint8Array([0xff]), contentType: 'application/json' },
    ],
  ];

  test.each(events)('filtered, exactly where publishing %s is', async (_, event) => {
    const parts = bench();
    const filters = [
      { field: 'data.total', gt: 4 },
      { field: 'data.total', gt: 5 },
      { field: 'data.data.total', exists: true },
      { field: 'data', exists: false },
      { field: 'source', eq: 'shop' },
      { field: 'headers.x-region', eq: 'eu' },
      { not: { field: 'type', eq: 'a.b' } },
    ] as const;
    const hooks: Webhook[] = [];
    for (const [n, filter] of filters.entries()) hooks.push(await hook(parts.surehook, n, { filter }));
    const published = await parts.surehook.publish(event);
    const verdicts = await Promise.all(hooks.map((one) => verdictOf(parts, published, one)));
    const reached = hooks.map(({ id }) => published.deliveries.some(({ webhookId }) => webhookId === id));
    expect(verdicts).toEqual(reached.map((isReached) => (isReached ? 'waiting' : 'filtered')));
    expect(new Set(verdicts).size).toBe(2);
  });

  test('a test event went to one webhook only', async () => {
    const { surehook } = bench();
    const [one, other] = [await hook(surehook, 'a'), await hook(surehook, 'b')];
    const { eventId } = await surehook.webhooks.sendTest(one.id);
    const told = await surehook.deliveries.explain({ eventId, webhookId: other.id });
    expect(told).toEqual({ verdict: 'undetermined' });
  });

  test('with a tenantId, what is another tenant’s is as unknown as what is missing', async () => {
    const { surehook } = bench();
    const foreign = await hook(surehook, 'foreign', { tenantId: 't2' });
    const own = await hook(surehook, 'own', { events: ['x'] });
    const ofOther = await surehook.publish({ type: 'a.b', data: 1, tenantId: 't2' });
    const ofOwn = await surehook.publish({ type: 'a.b', data: 1 });
    const explain = (eventId: string, webhookId: string) =>
      surehook.deliveries.explain({ eventId, webhookId, tenantId: 'default' });
    expect(await explain(ofOwn.event.id, own.id)).toEqual({ verdict: 'not-subscribed' });
    for (const [eventId, webhookId, kind] of [
      [ofOther.event.id, foreign.id, 'event'],
      [ofOther.event.id, own.id, 'event'],
      [ofOther.event.id, 'whk_none', 'event'],
      [ofOwn.event.id, foreign.id, 'webhook'],
    ] as const) {
      expect(await rejection(explain(eventId, webhookId))).toMatchObject({ code: 'not-found', kind });
    }
  });
});
