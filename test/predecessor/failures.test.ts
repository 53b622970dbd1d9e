/** Each way in which the predecessor failed, W1 to W9, W11, W12 and W14: a test that fails where surehook does the same. */
import { describe, expect, test } from 'vitest';
import { InvalidEventError, type Repos, retrySchedule, StorageError } from '../../src/index.ts';
import { byUrl, scriptedTransport } from '../../src/testing/index.ts';
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
  type Log,
  MINUTE,
  made,
  meddled,
  mortal,
  numberOf,
  publishMany,
  running,
  SECOND,
  slowPolls,
  stateOf,
  tally,
  url,
} from '../engine/harness.ts';
import { forDays, likePredecessor } from './like-the-predecessor.ts';

const refused = { error: 'refused' } as const;
const isPoison = (request: { text(): string }): boolean => request.text().includes('"poison"');

describe('W1: one poison event among healthy ones', () => {
  test('never makes the webhook Unavailable, and is sent as often as its policy says', async () => {
    const D = HOUR;
    const { surehook, transport, clock, log } = await running((request) => (isPoison(request) ? 500 : 200), {
      unavailableAfterMs: D,
    });
    const webhook = await hook(surehook);
    const poison = await surehook.publish({ type: 'a.b', data: 'poison' });
    // Longer than D and than the whole policy of the poison.
    const count = 3 * D;
    for (let at = 0; at < count; at += 500 * 20) {
      for (let n = 0; n < 20; n += 1) {
        await surehook.publish({ type: 'a.b', data: n });
        await clock.advance(500);
      }
    }
    expect(log.moves(webhook.id)).not.toContain('retrying>unavailable');
    expect(await stateOf(surehook, webhook)).toBe('enabled');
    expect(transport.requests.filter(isPoison)).toHaveLength(5);
    expect(await deliveryOf(surehook, poison)).toMatchObject({
      status: 'exhausted',
      reason: 'attempts-used-up',
      attempts: 5,
    });
    const healthy = (await allDeliveries(surehook)).filter(({ eventId }) => eventId !== poison.event.id);
    expect(tally(healthy, ({ status }) => status)).toEqual({ delivered: count / 500 });
    // A poisoned neighbour delays nobody: each healthy event went out at the instant of its publish.
    expect(log.of('delivery:attempted').filter(({ attempt }) => attempt.httpStatus === 200)).toSatisfy(
      (attempts: { delivery: { createdAt: Date }; attempt: { startedAt: Date } }[]) =>
        attempts.every(
          ({ delivery, attempt }) => attempt.startedAt.getTime() - delivery.createdAt.getTime() < SECOND,
        ),
    );
  }, 60_000);

  test('a 400 or any other failure ends with the policy too', async () => {
    for (const status of [301, 400, 403, 404, 405, 422, 500, 599]) {
      const { surehook, transport, clock } = await running(status, slowPolls);
      await hook(surehook);
      const published = await surehook.publish({ type: 'a.b', data: 0 });
      await clock.advance(3 * DAY);
      expect(transport.requests).toHaveLength(5);
      expect((await deliveryOf(surehook, published)).reason).toBe('attempts-used-up');
    }
  });

  test('a 410 ends at once', async () => {
    const { surehook, transport, clock } = await running(410, slowPolls);
    const webhook = await hook(surehook);
    const published = await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(DAY);
    expect(transport.requests).toHaveLength(1);
    expect((await deliveryOf(surehook, published)).reason).toBe('webhook-gone');
    expect((await surehook.webhooks.get(webhook.id))?.status).toEqual({ state: 'disabled', reason: 'gone' });
  });
});

describe('W2: a recovered webhook', () => {
  test('a: after a restart and weeks without traffic it is Enabled, and its history is as it was', async () => {
    const { surehook, transport, clock, repos } = await running([refused, 200], {
      ...likePredecessor,
      ...slowPolls,
    });
    const webhook = await hook(surehook);
    const published = await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(MINUTE);
    await clock.advance(DAY);
    await surehook.stop();
    const next = made({ clock, repos, transport, ...likePredecessor, ...slowPolls });
    await next.surehook.start();
    await clock.advance(40 * DAY);
    expect(await stateOf(next.surehook, webhook)).toBe('enabled');
    expect((await deliveryOf(next.surehook, published)).status).toBe('delivered');
    expect(next.log.moves()).toEqual([]);
  });

  test('b: after 8 healthy days and a restart, and another 8, it is Enabled', async () => {
    const { surehook, clock } = await running([refused, 200], { ...likePredecessor, ...slowPolls });
    const webhook = await hook(surehook);
    for (let day = 0; day < 16; day += 1) {
      await surehook.publish({ type: 'a.b', data: day });
      await clock.advance(DAY);
      if (day !== 8) continue;
      await surehook.stop();
      await surehook.start();
    }
    expect(await stateOf(surehook, webhook)).toBe('enabled');
  });

  test('c: a restart with an hour left of D, recovery, healthy days, and then a failure begins D anew', async () => {
    let answer: 200 | typeof refused = refused;
    const { surehook, clock } = await running(() => answer, forDays);
    const webhook = await hook(surehook);
    await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(7 * DAY - 2 * HOUR);
    await surehook.stop();
    await surehook.start();
    answer = 200;
    await clock.advance(30 * DAY);
    expect(await stateOf(surehook, webhook)).toBe('enabled');
    answer = refused;
    await surehook.publish({ type: 'a.b', data: 1 });
    await clock.advance(7 * DAY - 1);
    expect(await stateOf(surehook, webhook)).toBe('retrying');
    await clock.advance(1);
    expect(await stateOf(surehook, webhook)).toBe('unavailable');
  });

  test('one whose only failing event was given up is not counted on for weeks: idle, it stays Enabled', async () => {
    const { surehook, clock } = await running(refused, { ...likePredecessor, ...slowPolls });
    const webhook = await hook(surehook);
    await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(30 * DAY);
    expect(await stateOf(surehook, webhook)).toBe('enabled');
  });
});

describe('W3: one webhook never blocks another', () => {
  test('a: with 10 000 deliveries waiting for a dead webhook, another’s immediate retry is immediate', async () => {
    const script = byUrl({ [url('dead')]: refused, [url('other')]: [500, 200] });
    const { surehook, transport, clock } = await running(script, likePredecessor);
    await hook(surehook, 'dead', { events: ['dead'] });
    await hook(surehook, 'other', { events: ['other'] });
    for (let n = 0; n < 10; n += 1) {
      await surehook.publishMany(Array.from({ length: 1_000 }, (_, data) => ({ type: 'dead', data })));
    }
    await clock.advance(SECOND);
    const start = clock.now();
    await surehook.publish({ type: 'other', data: 0 });
    await clock.advance(100);
    expect(transport.to(url('other')).map(({ at }) => at - start)).toEqual([0, 0]);
  });

  test('b: one endpoint that hangs delays no event of another', async () => {
    const script = byUrl({ [url('hung')]: 'hang', [url('healthy')]: 200 });
    const { surehook, transport, clock, log } = await running(script);
    await hook(surehook, 'hung');
    await hook(surehook, 'healthy');
    for (let n = 0; n < 1_000; n += 1) {
      await surehook.publish({ type: 'a.b', data: n });
      await clock.advance(50);
    }
    await clock.advance(0);
    expect(transport.to(url('healthy'))).toHaveLength(1_000);
    expect(latenessOf(log, url('healthy'))).toBe(0);
  });

  test('c: 300 endpoints that hang, 256 requests at a time: a proven webhook gets its events at once', async () => {
    const { surehook, transport, clock, log } = await running((request) =>
      request.url === url('healthy') ? 200 : 'hang',
    );
    for (let n = 0; n < 300; n += 1) await hook(surehook, n, { events: ['slow'] });
    await hook(surehook, 'healthy', { events: ['fast'] });
    await surehook.publish({ type: 'fast', data: 'first' });
    await surehook.idle();
    for (let n = 0; n < 10; n += 1) await surehook.publish({ type: 'slow', data: n });
    await clock.advance(100);
    for (let n = 0; n < 600; n += 1) {
      await surehook.publish({ type: 'fast', data: n });
      await clock.advance(100);
    }
    expect(transport.to(url('healthy'))).toHaveLength(601);
    // An event that comes while nobody knows yet that the others hang may wait for that quarter of a second.
    const late = latenesses(log, url('healthy')).filter((ms) => ms > 0);
    expect(late.length).toBeLessThanOrEqual(3);
    expect(Math.max(0, ...late)).toBeLessThanOrEqual(250);
    expect(transport.peakInFlight).toBeLessThanOrEqual(256);
  }, 30_000);

  test('c: a healthy webhook that is new waits for its turn among the new ones, not behind the retries of dead ones', async () => {
    const { surehook, clock, log, transport } = await running((request) =>
      request.url === url('healthy') ? 200 : 'hang',
    );
    for (let n = 0; n < 300; n += 1) await hook(surehook, n, { events: ['slow'] });
    await hook(surehook, 'healthy', { events: ['fast'] });
    for (let n = 0; n < 10; n += 1) await surehook.publish({ type: 'slow', data: n });
    await clock.advance(100);
    await surehook.publish({ type: 'fast', data: 0 });
    await clock.advance(2 * MINUTE);
    expect(transport.to(url('healthy'))).toHaveLength(1);
    // A quarter of the 256 slots at least is for webhooks that have not been tried: 300 take five time-outs at most.
    expect(latenessOf(log, url('healthy'))).toBeLessThanOrEqual(5 * 15_000);
  });
});

/** The times from publish to the first attempt of each event of this endpoint, ms. */
function latenesses(log: Log, to: string): number[] {
  return log
    .of('delivery:attempted')
    .filter(({ attempt }) => attempt.request.url === to && attempt.number === 1)
    .map(({ delivery, attempt }) => attempt.startedAt.getTime() - delivery.createdAt.getTime());
}

function latenessOf(log: Log, to: string): number {
  return Math.max(...latenesses(log, to));
}

describe('W4: nothing is lost silently', () => {
  test('600 events to an endpoint that hangs: all are kept, and delivered when it recovers', async () => {
    let answer: 200 | 'hang' = 'hang';
    const { surehook, transport, clock, log } = await running(() => answer, forDays);
    await hook(surehook);
    await publishMany(surehook, 600);
    await clock.advance(10 * MINUTE);
    const waiting = await allDeliveries(surehook);
    expect(waiting).toHaveLength(600);
    expect(waiting.filter(({ completedAt }) => completedAt !== undefined)).toEqual([]);
    expect(transport.requests.length).toBeLessThan(100);
    answer = 200;
    await clock.advance(3 * HOUR);
    expect(tally(await allDeliveries(surehook), ({ status }) => status)).toEqual({ delivered: 600 });
    expect(new Set(transport.requests.map(numberOf)).size).toBe(600);
    expect(log.errors).toEqual([]);
  });

  test('what waits when its webhook is disabled continues without a restart', async () => {
    let answer: 200 | typeof refused = refused;
    const { surehook, clock } = await running(() => answer, forDays);
    const webhook = await hook(surehook);
    await publishMany(surehook, 20);
    await clock.advance(MINUTE);
    await surehook.webhooks.disable(webhook.id);
    answer = 200;
    await clock.advance(30 * DAY);
    await surehook.webhooks.enable(webhook.id);
    await clock.advance(MINUTE);
    expect(tally(await allDeliveries(surehook), ({ status }) => status)).toEqual({ delivered: 20 });
  });

  test('what was published before a crash, and never claimed, is delivered by the next process', async () => {
    const { clock, repos, transport } = bench();
    const first = mortal({ clock, repos, transport });
    await hook(first.surehook);
    await publishMany(first.surehook, 50);
    first.kill();
    const { surehook } = made({ clock, repos, transport });
    await surehook.start();
    await surehook.idle();
    expect(tally(await allDeliveries(surehook), ({ status }) => status)).toEqual({ delivered: 50 });
  });

  test('what is in flight at a crash never stays delivering: repeated, or given up as of unknown outcome', async () => {
    const { clock, repos } = bench();
    const first = mortal({ clock, repos, transport: scriptedTransport('hang', { clock }) });
    const alo = await hook(first.surehook, 'alo');
    const amo = await hook(first.surehook, 'amo', atMostOnce);
    await first.surehook.start();
    await publishMany(first.surehook, 5);
    await clock.advance(SECOND);
    expect(first.surehook.stats().inFlight).toBe(2);
    first.kill();
    const { surehook } = made({ clock, repos, transport: scriptedTransport(200, { clock }) });
    await surehook.start();
    await clock.advance(2 * MINUTE);
    const deliveries = await allDeliveries(surehook);
    const of = ({ id }: { id: string }): Record<string, number> =>
      tally(
        deliveries.filter(({ webhookId }) => webhookId === id),
        ({ status, reason }) => `${status} ${reason ?? ''}`.trim(),
      );
    expect(of(alo)).toEqual({ delivered: 5 });
    // One was in flight; the others were claimed, and nobody can know that they were not sent.
    expect(of(amo)['exhausted outcome-unknown']).toBeGreaterThanOrEqual(1);
    expect(Object.keys(of(amo)).sort()).toEqual(
      expect.not.arrayContaining(['delivering', 'pending', 'failed']),
    );
  });
});

describe('W5: at-most-once across restarts', () => {
  test.each(['hang', 500, refused, delayed(10, 200)] as const)(
    'answered by %j and killed, it is not sent again by any later process',
    async (answer) => {
      const { clock, repos } = bench();
      const transport = scriptedTransport(answer, { clock });
      const first = mortal({ clock, repos, transport });
      await hook(first.surehook, 0, atMostOnce);
      await first.surehook.start();
      const published = await first.surehook.publish({ type: 'a.b', data: 0 });
      await clock.advance(5);
      first.kill();
      expect(transport.requests).toHaveLength(1);
      for (let restart = 0; restart < 5; restart += 1) {
        const next = mortal({ clock, repos, transport });
        await next.surehook.start();
        await clock.advance(MINUTE);
        next.kill();
      }
      expect(transport.requests).toHaveLength(1);
      const { surehook } = made({ clock, repos, transport });
      expect((await deliveryOf(surehook, published)).status).toBe('exhausted');
    },
  );
});

describe('W6: stopping is graceful', () => {
  test('a request in flight finishes and counts; after a restart it is not made again', async () => {
    const { surehook, transport, clock } = await running(delayed(5 * SECOND, 200));
    await hook(surehook);
    const published = await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(SECOND);
    const stopped = surehook.stop();
    await clock.advance(5 * SECOND);
    await stopped;
    expect((await deliveryOf(surehook, published)).status).toBe('delivered');
    await surehook.start();
    await clock.advance(HOUR);
    expect(transport.requests).toHaveLength(1);
  });

  test('amid the recovery of thousands, after a crash, it ends within its deadline and a second', async () => {
    const { clock, repos } = bench();
    const first = mortal({ clock, repos, transport: scriptedTransport('hang', { clock }) });
    for (let n = 0; n < 20; n += 1) await hook(first.surehook, n);
    await first.surehook.start();
    await publishMany(first.surehook, 200);
    await clock.advance(SECOND);
    first.kill();
    const { surehook } = made({ clock, repos, transport: scriptedTransport('hang', { clock }) });
    await surehook.start();
    await clock.advance(31 * SECOND);
    let isStopped = false;
    const stopped = surehook.stop({ deadlineMs: 2_000 }).then(() => {
      isStopped = true;
    });
    await clock.advance(3 * SECOND);
    expect(isStopped).toBe(true);
    await stopped;
    const statuses = tally(await allDeliveries(surehook), ({ status }) => status);
    expect(statuses.delivering).toBeUndefined();
    expect(statuses.delivered).toBeUndefined();
  });
});

describe('W7: after Unavailable', () => {
  test('re-enabled at once it fails again, and D works again', async () => {
    const { surehook, clock, log, transport } = await running(refused, forDays);
    const webhook = await hook(surehook);
    await publishMany(surehook, 3);
    await clock.advance(7 * DAY + MINUTE);
    expect(await stateOf(surehook, webhook)).toBe('unavailable');
    await surehook.webhooks.enable(webhook.id);
    const again = clock.now();
    await publishMany(surehook, 3);
    await clock.advance(7 * DAY - 1);
    expect(await surehook.webhooks.get(webhook.id)).toMatchObject({
      status: { state: 'retrying', since: new Date(again) },
    });
    await clock.advance(1);
    expect(await stateOf(surehook, webhook)).toBe('unavailable');
    expect(log.moves()).toEqual([
      'enabled>retrying',
      'retrying>unavailable',
      'unavailable>enabled',
      'enabled>retrying',
      'retrying>unavailable',
    ]);
    const { length } = transport.requests;
    await clock.advance(50 * DAY);
    expect(transport.requests).toHaveLength(length);
  });

  test('nothing that waited is left over, in memory or in the store; a replay sends what was given up', async () => {
    let answer: 200 | typeof refused = refused;
    const { surehook, clock, repos, transport } = await running(() => answer, forDays);
    const webhook = await hook(surehook);
    await publishMany(surehook, 30);
    await clock.advance(7 * DAY + MINUTE);
    await publishMany(surehook, 5);
    expect(tally(await allDeliveries(surehook), ({ reason }) => String(reason))).toEqual({
      'webhook-unavailable': 35,
    });
    expect(await repos.events.ownQueues({ limit: 10 })).toEqual([]);
    expect(surehook.stats()).toMatchObject({ claimed: 0, inFlight: 0, retryQueues: 0 });
    answer = 200;
    await surehook.webhooks.enable(webhook.id);
    const before = transport.requests.length;
    for (const { id } of await allDeliveries(surehook)) await surehook.deliveries.replay(id);
    await clock.advance(MINUTE);
    expect(transport.requests).toHaveLength(before + 35);
    expect(tally(await allDeliveries(surehook), ({ status }) => status)).toEqual({ delivered: 35 });
  });
});

test('W8: once it is stopped no timer is left: weeks pass, and nothing changes but the date', async () => {
  let calls = 0;
  const { clock, repos, transport } = bench(refused);
  const counted: Repos = meddled(repos, (_, run) => {
    calls += 1;
    return run();
  });
  const { surehook, log } = made({ clock, transport, repos: counted, ...forDays });
  await surehook.start();
  const webhook = await hook(surehook);
  const published = await surehook.publish({ type: 'a.b', data: 0 });
  await clock.advance(DAY);
  await surehook.stop();
  expect(clock.pending).toBe(0);
  const [callsBefore, toldBefore] = [calls, log.told.length];
  await clock.advance(60 * DAY);
  expect([calls, log.told.length]).toEqual([callsBefore, toldBefore]);
  expect(await stateOf(surehook, webhook)).toBe('retrying');
  expect((await deliveryOf(surehook, published)).status).toBe('failed');
});

describe('W9: a crash loop', () => {
  test.each([
    ['half a day', 12 * HOUR],
    ['five hours', 5 * HOUR],
    ['an hour, less than a lease', HOUR],
  ])('of a process that lives for %s reaches Unavailable after D', async (_, lifeMs) => {
    const { clock, repos } = bench();
    const transport = scriptedTransport(refused, { clock });
    let webhook = { id: '' };
    const start = clock.now();
    let state = '';
    for (let life = 0; clock.now() - start < 7 * DAY + 3 * lifeMs + 4 * HOUR; life += 1) {
      const { surehook, kill } = mortal({ clock, repos, transport, ...forDays });
      await surehook.start();
      if (life === 0) {
        webhook = await hook(surehook);
        await surehook.publish({ type: 'a.b', data: 0 });
      }
      await clock.advance(lifeMs);
      state = await stateOf(surehook, webhook);
      if (clock.now() - start < 7 * DAY) expect(state).toBe('retrying');
      kill();
    }
    expect(state).toBe('unavailable');
  });

  test('keeps its back-off: a webhook that fails is not probed at once by each new process', async () => {
    const { clock, repos } = bench();
    const transport = scriptedTransport(refused, { clock });
    const options = { ...forDays, leaseMs: 30 * SECOND, pollMs: SECOND };
    const first = mortal({ clock, repos, transport, ...options });
    await first.surehook.start();
    await hook(first.surehook);
    await first.surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(20 * MINUTE);
    first.kill();
    const before = transport.requests.length;
    for (let life = 0; life < 10; life += 1) {
      const next = mortal({ clock, repos, transport, ...options });
      await next.surehook.start();
      await clock.advance(MINUTE);
      next.kill();
    }
    expect(transport.requests.length - before).toBeLessThanOrEqual(2);
  });
});

describe('W11: order', () => {
  test('with one request at a time, first attempts are in publish order', async () => {
    const { surehook, transport, clock } = await running(delayed(1, 200));
    await hook(surehook, 0, { maxInFlight: 1 });
    await publishMany(surehook, 300);
    await clock.advance(SECOND);
    expect(transport.requests.map(numberOf)).toEqual(Array.from({ length: 300 }, (_, n) => n));
  });

  test('after a failure the others go on in publish order, and the failed one when it is due', async () => {
    const { surehook, transport, clock } = await running(
      (request, n) => (n === 3 && numberOf(request) === 3 ? 500 : delayed(1, 200)),
      { retry: retrySchedule([0, 20], { jitter: 0 }), backoff: { baseMs: 10, jitter: 0 } },
    );
    await hook(surehook, 0, { maxInFlight: 1 });
    await publishMany(surehook, 100);
    await clock.advance(SECOND);
    const numbers = transport.requests.map(numberOf);
    const first = numbers.filter((n, index) => numbers.indexOf(n) === index);
    expect(first).toEqual(Array.from({ length: 100 }, (_, n) => n));
    expect(tally(numbers, String)['3']).toBe(2);
    const [firstTry, secondTry] = transport.requests.filter((request) => numberOf(request) === 3);
    expect((secondTry?.at ?? 0) - (firstTry?.at ?? 0)).toBeGreaterThanOrEqual(20);
  });
});

describe('W12: success, and what cannot be sent', () => {
  test.each([200, 201, 202, 204, 206, 226, 299])('%i is success', async (status) => {
    const { surehook, transport, clock } = await running(status);
    await hook(surehook);
    const published = await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(2 * HOUR);
    expect(await deliveryOf(surehook, published)).toMatchObject({ status: 'delivered', attempts: 1 });
    expect(transport.requests).toHaveLength(1);
  });

  test.each([100, 199, 300, 301, 302, 304, 307, 308, 400, 500, 999])('%i is not', async (status) => {
    const { surehook } = await running(status);
    await hook(surehook);
    const published = await surehook.publish({ type: 'a.b', data: 0 });
    await surehook.idle();
    expect(await deliveryOf(surehook, published)).toMatchObject({ status: 'failed', attempts: 1 });
    expect((await attemptsOf(surehook, published))[0]).toMatchObject({ httpStatus: status });
  });

  test('an event with a header that cannot be sent is refused at publish, and harms no other', async () => {
    const { surehook } = await running();
    await hook(surehook);
    for (const headers of [{ 'content-length': '1' }, { host: 'x' }, { 'a b': '1' }, { a: 'b\r\nc: d' }]) {
      await expect(surehook.publish({ type: 'a.b', data: 0, headers })).rejects.toThrow(InvalidEventError);
    }
    const published = await surehook.publish({ type: 'a.b', data: 0 });
    await surehook.idle();
    expect((await deliveryOf(surehook, published)).status).toBe('delivered');
    expect(await allDeliveries(surehook)).toHaveLength(1);
  });

  test('an event that a transport cannot send is a failed attempt, and the next one is sent', async () => {
    const { surehook, clock } = await running((request) => {
      if (isPoison(request)) throw new TypeError('Invalid character in header content');
      return 200;
    });
    await hook(surehook);
    const poison = await surehook.publish({ type: 'a.b', data: 'poison' });
    const fine = await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(SECOND);
    expect((await deliveryOf(surehook, fine)).status).toBe('delivered');
    expect((await attemptsOf(surehook, poison))[0]?.error).toMatchObject({ kind: 'request' });
    await clock.advance(3 * HOUR);
    expect(await deliveryOf(surehook, poison)).toMatchObject({
      status: 'exhausted',
      reason: 'attempts-used-up',
    });
  });
});

describe('W14: errors keep being reported, and work goes on', () => {
  test('a store that fails again and again is told of again and again', async () => {
    let isDown = false;
    const { clock, repos, transport } = bench();
    const { surehook, log } = made({
      clock,
      transport,
      repos: meddled(repos, (_, run) => {
        if (isDown) throw new Error('the database is away');
        return run();
      }),
    });
    await surehook.start();
    await hook(surehook);
    const told: number[] = [];
    for (let outage = 0; outage < 5; outage += 1) {
      isDown = true;
      await clock.advance(MINUTE);
      isDown = false;
      told.push(log.errors.length);
      await clock.advance(MINUTE);
      const published = await surehook.publish({ type: 'a.b', data: outage });
      await surehook.idle();
      expect((await deliveryOf(surehook, published)).status).toBe('delivered');
    }
    expect(log.errors.every((error) => error instanceof StorageError)).toBe(true);
    expect(told.every((count, index) => count > (told[index - 1] ?? 0))).toBe(true);
  });
});
