/** Leases, lost attempts, at-most-once over crashes, and two engines on one store. */
import { describe, expect, test } from 'vitest';
import { memoryRepos, retrySchedule } from '../../src/index.ts';
import { manualClock, scriptedTransport } from '../../src/testing/index.ts';
import {
  allDeliveries,
  atMostOnce,
  attemptsOf,
  bench,
  delayed,
  deliveryOf,
  HOUR,
  hook,
  MINUTE,
  made,
  mortal,
  numberOf,
  publishMany,
  SECOND,
  tally,
  url,
} from './harness.ts';

describe('an engine that was abandoned', () => {
  test('its work is taken over after lease and poll, and not before the lease has run out', async () => {
    const { clock, repos } = bench();
    const first = mortal({ clock, repos, transport: scriptedTransport('hang', { clock }) });
    for (let n = 0; n < 5; n += 1) await hook(first.surehook, n);
    await first.surehook.start();
    await publishMany(first.surehook, 4);
    await clock.advance(10);
    first.kill();
    const transport = scriptedTransport(200, { clock });
    const next = made({ clock, repos, transport });
    await next.surehook.start();
    await clock.advance(29_980);
    expect(transport.requests).toHaveLength(0);
    await clock.advance(1_100);
    expect(transport.requests).toHaveLength(20);
    const deliveries = await allDeliveries(next.surehook);
    expect(tally(deliveries, ({ status }) => status)).toEqual({ delivered: 20 });
    for (const { id } of deliveries) {
      const attempts = await next.surehook.deliveries.attempts(id);
      expect(attempts.map(({ number, error }) => [number, error?.kind])).toEqual([
        [1, 'lost'],
        [2, undefined],
      ]);
    }
  });

  test('lost attempts do not count against the policy, but against maxLost', async () => {
    const { clock, repos } = bench();
    const transport = scriptedTransport('hang', { clock });
    const options = { clock, repos, transport, maxLost: 3, retry: retrySchedule([0, 0]) };
    const host = made(options);
    await hook(host.surehook);
    const published = await host.surehook.publish({ type: 'a.b', data: 0 });
    for (let life = 0; life < 8; life += 1) {
      const one = mortal(options);
      await one.surehook.start();
      await clock.advance(5 * SECOND);
      one.kill();
      await clock.advance(MINUTE);
    }
    expect(transport.requests).toHaveLength(4);
    expect(await deliveryOf(host.surehook, published)).toMatchObject({
      status: 'exhausted',
      reason: 'outcome-unknown',
      attempts: 4,
    });
  });

  test('at-most-once: one receipt at most, whatever the crash, the stop or the failure', async () => {
    for (const end of ['kill', 'stop', 'fail'] as const) {
      const { clock, repos } = bench();
      const transport = scriptedTransport(end === 'fail' ? 503 : 'hang', { clock });
      const first = mortal({ clock, repos, transport });
      await hook(first.surehook, 0, atMostOnce);
      await first.surehook.start();
      const published = await first.surehook.publish({ type: 'a.b', data: 0 });
      await clock.advance(SECOND);
      if (end === 'kill') first.kill();
      if (end === 'stop') {
        const stopped = first.surehook.stop({ deadlineMs: 10 });
        await clock.advance(SECOND);
        await stopped;
      }
      const next = made({ clock, repos, transport });
      await next.surehook.start();
      await clock.advance(HOUR);
      expect(transport.requests).toHaveLength(1);
      const { status, reason } = await deliveryOf(next.surehook, published);
      expect([status, reason]).toEqual([
        'exhausted',
        end === 'fail' ? 'at-most-once-failed' : 'outcome-unknown',
      ]);
    }
  });

  test('at-most-once that was claimed but never sent is given back by a stop, and sent by the next process', async () => {
    const { clock, repos } = bench();
    const hanging = scriptedTransport('hang', { clock });
    const first = made({ clock, repos, transport: hanging });
    await hook(first.surehook, 0, atMostOnce);
    await first.surehook.start();
    await publishMany(first.surehook, 5);
    await clock.advance(10);
    expect(hanging.requests).toHaveLength(1);
    const stopped = first.surehook.stop({ deadlineMs: 0 });
    await clock.advance(SECOND);
    await stopped;
    const transport = scriptedTransport(200, { clock });
    const next = made({ clock, repos, transport });
    await next.surehook.start();
    await clock.advance(MINUTE);
    expect(transport.requests.map(numberOf).sort()).toEqual([1, 2, 3, 4]);
  });
});

describe('an outcome that comes late', () => {
  test('is recorded in the place of the lost attempt, and changes nothing', async () => {
    // The first process is paused for longer than its lease: its clock stands still, the other's goes on.
    const slow = manualClock();
    const fast = manualClock();
    const repos = memoryRepos({ clock: fast });
    const answers: (() => void)[] = [];
    const first = made({
      clock: slow,
      repos,
      transport: {
        send: () =>
          new Promise((resolve) => {
            answers.push(() => resolve({ status: 500, headers: {}, body: new Uint8Array() }));
          }),
      },
    });
    await hook(first.surehook);
    await first.surehook.start();
    const published = await first.surehook.publish({ type: 'a.b', data: 0 });
    await slow.advance(0);
    expect(answers).toHaveLength(1);
    await fast.advance(MINUTE);
    const transport = scriptedTransport(200, { clock: fast });
    const second = made({ clock: fast, repos, transport });
    await second.surehook.start();
    await second.surehook.idle();
    expect(transport.requests).toHaveLength(1);
    for (const answer of answers) answer();
    await slow.advance(0);
    expect(await deliveryOf(second.surehook, published)).toMatchObject({ status: 'delivered', attempts: 2 });
    const attempts = await attemptsOf(second.surehook, published);
    expect(attempts.map(({ number, httpStatus, late }) => [number, httpStatus, late])).toEqual([
      [1, 500, true],
      [2, 200, false],
    ]);
    expect(first.surehook.stats().late).toBe(1);
    expect(first.log.of('delivery:attempted')[0]?.attempt.late).toBe(true);
    expect(first.log.of('delivery:failed')).toEqual([]);
  });
});

describe('two engines on one store', () => {
  test('share the work without duplicates', async () => {
    const { clock, repos } = bench();
    const transports = [0, 1].map(() => scriptedTransport(delayed(20, 200), { clock }));
    const both = transports.map((transport) =>
      made({ clock, repos, transport, prefetch: 8, maxInFlight: 16 }),
    );
    const host = both[0]?.surehook;
    if (host === undefined) throw new Error('none');
    for (let n = 0; n < 20; n += 1) await hook(host, n);
    for (const { surehook } of both) await surehook.start();
    await publishMany(host, 50);
    await clock.advance(MINUTE);
    const counts = transports.map(({ requests }) => requests.length);
    expect(counts[0]! + counts[1]!).toBe(1_000);
    expect(Math.min(...counts)).toBeGreaterThan(200);
    const seen = transports.flatMap(({ requests }) =>
      requests.map((r) => `${r.url} ${r.headers['webhook-id']}`),
    );
    expect(new Set(seen).size).toBe(1_000);
    expect(tally(await allDeliveries(host), ({ status }) => status)).toEqual({ delivered: 1_000 });
  });

  test('probe a failing webhook one request at a time across both', async () => {
    const { clock, repos } = bench();
    let inFlight = 0;
    let peak = 0;
    let probing = false;
    const script = async (): Promise<500> => {
      inFlight += 1;
      if (probing) peak = Math.max(peak, inFlight);
      await new Promise<void>((resolve) => clock.schedule(100, resolve));
      inFlight -= 1;
      return 500;
    };
    const both = [0, 1].map(() => made({ clock, repos, transport: scriptedTransport(script, { clock }) }));
    const host = both[0]!.surehook;
    await hook(host);
    for (const { surehook } of both) await surehook.start();
    await publishMany(host, 100);
    await clock.advance(SECOND);
    probing = true;
    for (let n = 0; n < 100; n += 1) {
      await both[n % 2]!.surehook.publish({ type: 'a.b', data: n });
      await clock.advance(3 * SECOND);
    }
    expect(peak).toBe(1);
  });

  test('one that is killed while it serves a queue of its own is followed by the other', async () => {
    const { clock, repos } = bench();
    let answer: 200 | 500 = 500;
    const transport = scriptedTransport(() => answer, { clock });
    const first = mortal({ clock, repos, transport });
    await hook(first.surehook);
    await first.surehook.start();
    await publishMany(first.surehook, 20);
    await clock.advance(8 * SECOND);
    const second = made({ clock, repos, transport });
    await second.surehook.start();
    first.kill();
    answer = 200;
    await clock.advance(2 * MINUTE);
    expect(tally(await allDeliveries(second.surehook), ({ status }) => status)).toEqual({ delivered: 20 });
  });

  test('what one changes about a webhook the other obeys: at once where the repo tells', async () => {
    const { clock, repos } = bench();
    const transport = scriptedTransport(delayed(50, 200), { clock });
    const [manager, worker] = [0, 1].map(() => made({ clock, repos, transport, maxInFlightPerWebhook: 1 }));
    const webhook = await hook(manager!.surehook, 'old');
    await worker!.surehook.start();
    await publishMany(manager!.surehook, 10);
    await clock.advance(75);
    await manager!.surehook.webhooks.update(webhook.id, { url: url('new') });
    await clock.advance(50);
    expect(transport.requests.map((request) => request.url)).toEqual([url('old'), url('old'), url('new')]);
    await manager!.surehook.webhooks.disable(webhook.id);
    const { length } = transport.requests;
    await clock.advance(MINUTE);
    expect(transport.requests).toHaveLength(length);
    await manager!.surehook.webhooks.enable(webhook.id);
    await clock.advance(MINUTE);
    expect(transport.requests).toHaveLength(10);
  });
});
