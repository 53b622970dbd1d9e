/** The host's shape: what each webhook gets of an event, made once, at publish. */
import { Webhook as Verifier } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import {
  createSurehook,
  HostCodeError,
  memoryRepos,
  PayloadTooLargeError,
  type Shape,
  type ShapeEvent,
  type Webhook,
} from '../../src/index.ts';
import {
  allDeliveries,
  type Bench,
  bench,
  HOUR,
  hook,
  MINUTE,
  rejection,
  running,
  SECOND,
  url,
} from './harness.ts';

const shapedBy = async (shape: Shape, options: object = {}): Promise<Bench> =>
  await running(200, { shape, ...options });

/** What went to a webhook, parsed. */
function sentTo({ transport }: Bench, name: string): unknown[] {
  return transport.requests
    .filter((request) => request.url === url(name))
    .map((request) => JSON.parse(request.text()) as unknown);
}

const forOwner: Shape = ({ data }, { ownerId }) => {
  if (ownerId === 'nobody') return undefined;
  return ownerId === undefined ? data : { for: ownerId, data };
};

describe('what a webhook gets', () => {
  test('is what was made for it, in the same envelope, under the same id', async () => {
    const parts = await shapedBy(forOwner);
    const { surehook, transport, clock } = parts;
    await hook(surehook, 'plain');
    await hook(surehook, 'ann', { ownerId: 'ann' });
    await hook(surehook, 'bob', { ownerId: 'bob' });
    const { event, filtered } = await surehook.publish({ type: 'a.b', data: { n: 1 } });
    await surehook.idle();
    const envelope = { type: 'a.b', timestamp: new Date(clock.now()).toISOString() };
    expect(filtered).toBe(0);
    expect(sentTo(parts, 'plain')).toEqual([{ ...envelope, data: { n: 1 } }]);
    expect(sentTo(parts, 'ann')).toEqual([{ ...envelope, data: { for: 'ann', data: { n: 1 } } }]);
    expect(sentTo(parts, 'bob')).toEqual([{ ...envelope, data: { for: 'bob', data: { n: 1 } } }]);
    expect(new Set(transport.requests.map(({ headers }) => headers['webhook-id']))).toEqual(
      new Set([event.id]),
    );
  });

  test('is what is signed', async () => {
    const { surehook, transport, clock } = await shapedBy(forOwner);
    const { secret } = await surehook.webhooks.create({ url: url('ann'), events: ['*'], ownerId: 'ann' });
    const { event } = await surehook.publish({ type: 'a.b', data: 1 });
    await surehook.idle();
    const [request] = transport.requests;
    const signature = new Verifier(secret).sign(event.id, new Date(clock.now()), request?.text() ?? '');
    expect(request?.headers['webhook-signature']).toBe(signature);
    expect(request?.text()).toContain('"for":"ann"');
  });

  test('undefined: not sent, counted and told as filtered', async () => {
    const { surehook, log } = await shapedBy(forOwner);
    const nobody = await hook(surehook, 'nobody', { ownerId: 'nobody' });
    const unwilling = await hook(surehook, 'unwilling', { filter: { field: 'type', eq: 'x' } });
    const ann = await hook(surehook, 'ann', { ownerId: 'ann' });
    const { deliveries, filtered } = await surehook.publish({ type: 'a.b', data: 1 });
    expect(deliveries.map(({ webhookId }) => webhookId)).toEqual([ann.id]);
    expect(filtered).toBe(2);
    expect(
      log
        .of('event:filtered')
        .map(({ webhookId }) => webhookId)
        .sort(),
    ).toEqual([nobody.id, unwilling.id].sort());
    expect(await allDeliveries(surehook)).toHaveLength(1);
  });

  test('null is data like any other', async () => {
    const parts = await shapedBy(() => null);
    await hook(parts.surehook, 'a');
    await parts.surehook.publish({ type: 'a.b', data: 1 });
    await parts.surehook.idle();
    expect(sentTo(parts, 'a')).toMatchObject([{ data: null }]);
  });

  test('is made once: the same in every attempt and replay, whatever the shape would say by then', async () => {
    let calls = 0;
    const shape: Shape = () => {
      calls += 1;
      return { calls };
    };
    const { surehook, transport, clock } = await running(500, { shape, replaysPerSecond: 100 });
    await hook(surehook);
    const { deliveries } = await surehook.publish({ type: 'a.b', data: 1 });
    await clock.advance(3 * HOUR);
    const id = deliveries[0]?.id ?? '';
    await surehook.deliveries.replay(id);
    await clock.advance(3 * HOUR);
    expect(transport.requests.length).toBe(10);
    expect(new Set(transport.requests.map((request) => JSON.parse(request.text()).data.calls))).toEqual(
      new Set([1]),
    );
    expect(calls).toBe(1);
  });

  test('of an unavailable webhook waits for its replay; a disabled one is not asked about', async () => {
    const asked: string[] = [];
    const shape: Shape = ({ data }, { name = '' }) => {
      asked.push(name);
      return { data, name };
    };
    const { surehook, transport, clock } = await running([...Array(40).fill(500), 200], {
      shape,
      unavailableAfterMs: HOUR,
    });
    const off = await hook(surehook, 'off', { name: 'off' });
    await surehook.webhooks.disable(off.id);
    const down = await hook(surehook, 'down', { name: 'down' });
    await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(3 * HOUR);
    expect((await surehook.webhooks.get(down.id))?.status.state).toBe('unavailable');
    const { deliveries } = await surehook.publish({ type: 'a.b', data: 1 });
    expect(asked).toEqual(['down', 'down']);
    await surehook.webhooks.enable(down.id);
    await surehook.deliveries.replay(deliveries[0]?.id ?? '');
    await clock.advance(MINUTE);
    expect(JSON.parse(transport.requests.at(-1)?.text() ?? '').data).toEqual({ data: 1, name: 'down' });
  });

  test('test events and resent ones do not go through it', async () => {
    let calls = 0;
    const shape: Shape = ({ data }) => {
      calls += 1;
      return { made: data };
    };
    const { surehook, transport } = await shapedBy(shape);
    const webhook = await hook(surehook);
    const { deliveries } = await surehook.publish({ type: 'a.b', data: 1 });
    await surehook.webhooks.sendTest(webhook.id);
    await surehook.deliveries.resend(deliveries[0]?.id ?? '');
    await surehook.idle();
    expect(calls).toBe(1);
    const sent = transport.requests.map((request) => JSON.parse(request.text()));
    expect(sent.filter(({ type }) => type === 'a.b').map(({ data }) => data)).toEqual([
      { made: 1 },
      { made: 1 },
    ]);
    expect(sent).toHaveLength(3);
  });
});

describe('what a shape sees', () => {
  test('the event, and the webhook without its secret', async () => {
    const seen: [ShapeEvent, Webhook][] = [];
    const { surehook, clock } = await shapedBy((event, webhook) => {
      seen.push([event, webhook]);
    });
    const created = await surehook.webhooks.create({
      url: url('a'),
      events: ['*'],
      ownerId: 'ann',
      tenantId: 't1',
      headers: { authorization: 'Bearer hunter2' },
    });
    const { event } = await surehook.publish({
      type: 'a.b',
      data: { at: new Date(0) },
      tenantId: 't1',
      source: 'shop',
      headers: { 'X-Trace': '1' },
      timestamp: new Date(5),
    });
    expect(seen).toEqual([
      [
        {
          id: event.id,
          type: 'a.b',
          tenantId: 't1',
          source: 'shop',
          headers: { 'x-trace': '1' },
          timestamp: new Date(5),
          data: { at: '1970-01-01T00:00:00.000Z' },
        },
        await surehook.webhooks.get(created.webhook.id),
      ],
    ]);
    expect(JSON.stringify(seen)).not.toContain(created.secret);
    expect(JSON.stringify(seen)).not.toContain('hunter2');
    expect(clock.now()).toBeGreaterThan(5);
  });

  test('is a copy: what it does to it nobody else sees', async () => {
    const shape: Shape = (event, webhook) => {
      const data = event.data as { list: number[] };
      data.list.push(data.list.length);
      event.timestamp.setTime(0);
      for (const holder of [event.headers, webhook.events, webhook.headers])
        expect(Object.assign(holder as object, { 0: 'changed' })).toBeDefined();
      expect(() => Object.assign(webhook, { ownerId: 'mallory' })).toThrow(TypeError);
      return data;
    };
    const parts = await shapedBy(shape);
    const { surehook } = parts;
    const before = await Promise.all(
      ['a', 'b'].map(async (name) => await hook(surehook, name, { headers: { 'x-a': '1' } })),
    );
    const data = { list: [7] };
    await surehook.publish({ type: 'a.b', data, headers: { 'x-b': '2' } });
    await surehook.idle();
    expect(data).toEqual({ list: [7] });
    expect(sentTo(parts, 'a')).toMatchObject([{ data: { list: [7, 1] } }]);
    expect(sentTo(parts, 'b')).toMatchObject([{ data: { list: [7, 1] } }]);
    for (const request of parts.transport.requests) {
      expect(request.headers).toMatchObject({ 'x-a': '1', 'x-b': '2' });
      expect(request.headers[0]).toBeUndefined();
    }
    for (const webhook of before) expect(await surehook.webhooks.get(webhook.id)).toEqual(webhook);
  });

  test('and what it gives is taken as it was then', async () => {
    const mine = { n: 1 };
    const parts = await shapedBy(() => mine);
    await hook(parts.surehook, 'a');
    const published = parts.surehook.publish({ type: 'a.b', data: 0 });
    await published;
    mine.n = 2;
    await parts.surehook.idle();
    expect(sentTo(parts, 'a')).toMatchObject([{ data: { n: 1 } }]);
  });
});

describe('events with a body', () => {
  test('are shaped as bytes: a string or bytes of the same content type', async () => {
    const seen: unknown[] = [];
    const shape: Shape = (event, { name }) => {
      seen.push(event.contentType, 'data' in event);
      event.body?.fill(33);
      return name === 'text' ? 'é' : Buffer.from([0, 255]);
    };
    const { surehook, transport } = await shapedBy(shape);
    await hook(surehook, 'text', { name: 'text' });
    await hook(surehook, 'bytes', { name: 'bytes' });
    const { event } = await surehook.publish({ type: 'a.b', body: 'abc', contentType: 'text/plain' });
    await surehook.idle();
    expect(event.bytes).toBe(3);
    expect(seen).toEqual(['text/plain', false, 'text/plain', false]);
    const bodyOf = (name: string): number[] => [
      ...(transport.requests.find((request) => request.url === url(name))?.body ?? []),
    ];
    expect(bodyOf('text')).toEqual([0xc3, 0xa9]);
    expect(bodyOf('bytes')).toEqual([0, 255]);
    expect(transport.requests.map(({ headers }) => headers['content-type'])).toEqual([
      'text/plain',
      'text/plain',
    ]);
  });

  test('and anything else is the shape’s fault', async () => {
    const { surehook } = await shapedBy(() => ({ not: 'bytes' }));
    await hook(surehook);
    const raw = { type: 'a.b', body: 'abc', contentType: 'text/plain' };
    expect(await rejection(surehook.publish(raw))).toMatchObject({ code: 'host-code', part: 'shape' });
  });
});

describe('what is stored', () => {
  test('a body of its own only where it differs from the event’s', async () => {
    const stored: (number | undefined)[] = [];
    const repos = memoryRepos();
    const events = new Proxy(repos.events, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (name !== 'append') return typeof value === 'function' ? value.bind(target) : value;
        return (...[entries, options]: Parameters<typeof repos.events.append>) => {
          stored.push(...entries.map(({ bodies }) => bodies?.size));
          return target.append(entries, options);
        };
      },
    });
    const surehook = createSurehook({ repos: { ...repos, events }, shape: forOwner });
    await hook(surehook, 'plain');
    await surehook.publish({ type: 'a.b', data: { n: 1 } });
    await hook(surehook, 'ann', { ownerId: 'ann' });
    await surehook.publish({ type: 'a.b', data: { n: 2 } });
    expect(stored).toEqual([undefined, 1]);
  });

  test('nothing where one call of many fails', async () => {
    const { surehook, log } = await shapedBy(({ data }, { name }) => {
      if (data === 3 && name === 'bad') throw new Error('boom');
      return data;
    });
    await hook(surehook, 'good', { name: 'good' });
    await hook(surehook, 'bad', { name: 'bad' });
    const events = [1, 2, 3].map((data) => ({ type: 'a.b', data }));
    const error = await rejection(surehook.publishMany(events));
    expect(error).toBeInstanceOf(HostCodeError);
    expect(error).toMatchObject({ part: 'shape', cause: new Error('boom') });
    expect(await allDeliveries(surehook)).toEqual([]);
    expect(log.told).toEqual([]);
  });

  const circle: unknown[] = [];
  circle.push(circle);
  test.each([
    ['a circle', circle],
    ['a function', () => 1],
    ['a bigint', 1n],
    ['a symbol', Symbol('s')],
    ['a rejected promise', 'reject'],
    ['too deep a nest', JSON.parse('['.repeat(1_001) + ']'.repeat(1_001))],
  ])('nothing where it makes %s', async (_, made) => {
    const { surehook } = await shapedBy(() => (made === 'reject' ? Promise.reject(made) : made));
    await hook(surehook);
    expect(await rejection(surehook.publish({ type: 'a.b', data: 1 }))).toMatchObject({
      code: 'host-code',
      part: 'shape',
    });
    expect(await allDeliveries(surehook)).toEqual([]);
  });

  test('nothing where it makes more than maxPayloadBytes', async () => {
    const { surehook } = await shapedBy(({ data }) => 'x'.repeat(data as number), { maxPayloadBytes: 1_000 });
    await hook(surehook);
    expect(await rejection(surehook.publish({ type: 'a.b', data: 1_000 }))).toBeInstanceOf(
      PayloadTooLargeError,
    );
    await surehook.publish({ type: 'a.b', data: 800 });
    expect(await allDeliveries(surehook)).toHaveLength(1);
  });

  test('a duplicate leaves what is stored as it is', async () => {
    let version = 0;
    const parts = await shapedBy(() => {
      version += 1;
      return { version };
    });
    await hook(parts.surehook, 'a');
    const event = { type: 'a.b', data: 1, idempotencyKey: 'k' };
    await parts.surehook.publish(event);
    expect(await parts.surehook.publish(event)).toMatchObject({ duplicate: true, filtered: 0 });
    await parts.surehook.idle();
    expect(sentTo(parts, 'a')).toMatchObject([{ data: { version: 1 } }]);
  });
});

describe('time', () => {
  test('a shape that never settles has the time of storage', async () => {
    const { surehook, clock } = await shapedBy(() => new Promise(() => {}), { storageTimeoutMs: 2 * SECOND });
    await hook(surehook);
    let settled = false;
    const rejected = rejection(surehook.publish({ type: 'a.b', data: 1 })).finally(() => {
      settled = true;
    });
    await clock.advance(1_999);
    expect(settled).toBe(false);
    await clock.advance(1);
    expect(await rejected).toMatchObject({ code: 'host-code', part: 'shape' });
    expect(await allDeliveries(surehook)).toEqual([]);
  });

  test('up to 100 calls run at a time', async () => {
    let running = 0;
    let most = 0;
    const shape: Shape = async ({ data }) => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return { data };
    };
    const { surehook, repos } = bench(200, { shape });
    for (let n = 0; n < 5; n += 1) await hook(surehook, n);
    const events = Array.from({ length: 50 }, (_, data) => ({ type: 'a.b', data }));
    const published = await surehook.publishMany(events);
    expect(published.flatMap(({ deliveries }) => deliveries)).toHaveLength(250);
    expect(most).toBe(100);
    const ids = published.flatMap(({ deliveries }) => deliveries.map(({ id }) => id));
    const contents = await repos.events.getContents(ids);
    const texts = contents.map(({ event }) => JSON.parse(new TextDecoder().decode(event.body)).data.data);
    expect(texts.sort((a, b) => a - b)).toEqual(events.flatMap(({ data }) => Array(5).fill(data)));
  });
});

test('the option is a function', () => {
  const make = (shape: unknown) => () => createSurehook({ repos: memoryRepos(), shape: shape as Shape });
  expect(make({})).toThrow('shape must be a function, not [object]');
  expect(make(null)).toThrow(TypeError);
});
