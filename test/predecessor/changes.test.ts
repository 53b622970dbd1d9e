/** The predecessor's unit cases 21 to 24 (webhook changes) and 31 to 36 (start, stop, restart) as behaviour of surehook. */
import { describe, expect, test } from 'vitest';
import { byUrl } from '../../src/testing/index.ts';
import {
  atMostOnce,
  bench,
  DAY,
  delayed,
  deliveryOf,
  HOUR,
  hook,
  MINUTE,
  made,
  numberOf,
  publishMany,
  running,
  SECOND,
  stateOf,
  tally,
  url,
} from '../engine/harness.ts';
import { forDays, likePredecessor } from './like-the-predecessor.ts';

const refused = { error: 'refused' } as const;

describe('webhook changes', () => {
  test('21: once a new URL is stored, every request that starts goes to it', async () => {
    const { surehook, transport, clock } = await running(delayed(3, 200));
    const webhook = await hook(surehook, 'first');
    for (let n = 0; n < 200; n += 1) {
      if (n === 100) await surehook.webhooks.update(webhook.id, { url: url('second') });
      await surehook.publish({ type: 'a.b', data: n });
      if (n === 99) expect(transport.to(url('second'))).toHaveLength(0);
      await clock.advance(1);
    }
    await clock.advance(SECOND);
    const to = (n: number): string | undefined =>
      transport.requests.find((request) => numberOf(request) === n)?.url;
    expect(transport.requests).toHaveLength(200);
    expect([to(0), to(50), to(100), to(199)]).toEqual([
      url('first'),
      url('first'),
      url('second'),
      url('second'),
    ]);
  });

  test('22: disabled, nothing starts and nothing is lost; enabled, what was held goes on', async () => {
    const { surehook, transport, clock } = await running(delayed(20, 200));
    const webhook = await hook(surehook);
    await publishMany(surehook, 200);
    await clock.advance(45);
    await surehook.webhooks.disable(webhook.id);
    const { length } = transport.requests;
    expect(length).toBeGreaterThan(0);
    expect(length).toBeLessThan(200);
    const missed = await publishMany(surehook, 10, { type: 'while.disabled' });
    await clock.advance(HOUR);
    expect(transport.requests).toHaveLength(length);
    await surehook.webhooks.enable(webhook.id);
    await clock.advance(MINUTE);
    expect(transport.requests).toHaveLength(200);
    expect(new Set(transport.requests.map(numberOf)).size).toBe(200);
    expect(missed.every(({ deliveries }) => deliveries.length === 0)).toBe(true);
  });

  test('23: from at-most-once to at-least-once: what comes afterwards is retried, what failed before is not', async () => {
    const { surehook, transport, clock } = await running(refused, likePredecessor);
    const webhook = await hook(surehook, 0, atMostOnce);
    await publishMany(surehook, 3);
    await clock.advance(SECOND);
    expect(transport.requests).toHaveLength(3);
    await surehook.webhooks.update(webhook.id, { delivery: { semantics: 'at-least-once' } });
    const later = await surehook.publish({ type: 'a.b', data: 3 });
    await clock.advance(MINUTE);
    expect(tally(transport.requests, (request) => String(numberOf(request)))).toEqual({
      0: 1,
      1: 1,
      2: 1,
      3: 6,
    });
    expect(await deliveryOf(surehook, later)).toMatchObject({
      status: 'exhausted',
      reason: 'attempts-used-up',
    });
  });

  test('24: disabled amid its retries, a webhook gets no further request', async () => {
    const { surehook, transport, clock } = await running(refused, forDays);
    const webhook = await hook(surehook);
    const published = await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(5);
    const { length } = transport.requests;
    expect(length).toBeGreaterThan(0);
    await surehook.webhooks.disable(webhook.id);
    await clock.advance(30 * DAY);
    expect(transport.requests).toHaveLength(length);
    expect((await deliveryOf(surehook, published)).status).toBe('failed');
    expect(await stateOf(surehook, webhook)).toBe('disabled');
  });
});

describe('start, stop, restart', () => {
  test('31: started and stopped at once, it sends nothing; the event waits for the next start', async () => {
    const { surehook, transport, clock } = bench();
    await surehook.start();
    await surehook.stop();
    await hook(surehook);
    const published = await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(DAY);
    expect(transport.requests).toHaveLength(0);
    expect((await deliveryOf(surehook, published)).status).toBe('pending');
    await surehook.start();
    await surehook.idle();
    expect((await deliveryOf(surehook, published)).status).toBe('delivered');
  });

  test('32: event 1 is sent while it runs, event 2 after it was stopped is not', async () => {
    const { surehook, transport, clock } = await running();
    await hook(surehook);
    await surehook.publish({ type: 'a.b', data: 1 });
    await surehook.idle();
    await surehook.stop();
    const second = await surehook.publish({ type: 'a.b', data: 2 });
    await clock.advance(DAY);
    expect(transport.requests.map(numberOf)).toEqual([1]);
    expect((await deliveryOf(surehook, second)).status).toBe('pending');
  });

  test('33: stopped after two failures, the store holds the failures, the back-off and the start of D', async () => {
    const { surehook, transport, clock, repos } = await running(refused, likePredecessor);
    const webhook = await hook(surehook);
    const start = clock.now();
    await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(0);
    await surehook.stop();
    expect(transport.requests).toHaveLength(2);
    const [record, ...more] = await repos.state.get([webhook.id]);
    expect(more).toEqual([]);
    expect(record).toMatchObject({ failures: 2, notBefore: start + 10, nextAt: start + 10 });
    expect(record?.leaseUntil).toBeUndefined();
    const [stored] = await repos.webhooks.getMany([webhook.id]);
    expect(stored?.status).toEqual({ state: 'retrying', since: start, failing: true });
  });

  test('34: two errors, stop, restart: the third request comes when it is due, succeeds, and all is well', async () => {
    const { surehook, transport, clock, repos } = await running([refused, refused, 200], likePredecessor);
    const webhook = await hook(surehook);
    const start = clock.now();
    const published = await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(0);
    await surehook.stop();
    const next = made({ clock, repos, transport, ...likePredecessor });
    await next.surehook.start();
    await clock.advance(9);
    expect(transport.requests).toHaveLength(2);
    await clock.advance(1);
    expect(transport.requests.map(({ at }) => at - start)).toEqual([0, 0, 10]);
    expect(await deliveryOf(next.surehook, published)).toMatchObject({ status: 'delivered', attempts: 3 });
    expect(await stateOf(next.surehook, webhook)).toBe('enabled');
  });

  test('35: 3 days of errors, stop, start, 4 more days: Unavailable exactly at 7, with requests after the restart', async () => {
    const { surehook, transport, clock, repos } = await running(refused, forDays);
    const webhook = await hook(surehook);
    await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(3 * DAY);
    await surehook.stop();
    const before = transport.requests.length;
    const next = made({ clock, repos, transport, ...forDays });
    await next.surehook.start();
    await clock.advance(4 * DAY - 1);
    expect(await stateOf(next.surehook, webhook)).toBe('retrying');
    expect(transport.requests.length).toBeGreaterThan(before + 90);
    await clock.advance(1);
    expect(await stateOf(next.surehook, webhook)).toBe('unavailable');
  });

  test('35: 3 days of errors, 10 days off: the first failure after the restart ends it', async () => {
    const { surehook, transport, clock } = await running(refused, forDays);
    const webhook = await hook(surehook);
    await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(3 * DAY);
    await surehook.stop();
    const before = transport.requests.length;
    await clock.advance(10 * DAY);
    expect(transport.requests).toHaveLength(before);
    expect(await stateOf(surehook, webhook)).toBe('retrying');
    await surehook.start();
    await clock.advance(0);
    // It gets its chance before it is given up.
    expect(transport.requests).toHaveLength(before + 1);
    expect(await stateOf(surehook, webhook)).toBe('unavailable');
  });

  test('36: a queue that is empty again leaves no state behind, stopped and restarted or not', async () => {
    const script = byUrl({
      [url('a')]: [refused, refused, 200],
      [url('b')]: [refused, refused, refused, 200],
    });
    const { surehook, clock, repos } = await running(script, likePredecessor);
    const a = await hook(surehook, 'a');
    const b = await hook(surehook, 'b');
    await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(15);
    await surehook.stop();
    expect((await repos.state.get([a.id, b.id])).map(({ webhookId }) => webhookId)).toEqual([b.id]);
    await surehook.start();
    await clock.advance(SECOND);
    expect(await repos.state.get([a.id, b.id])).toEqual([]);
    expect([await stateOf(surehook, a), await stateOf(surehook, b)]).toEqual(['enabled', 'enabled']);
  });
});
