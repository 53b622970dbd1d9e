/** Repos that fail for a while, never settle, lose acknowledgements, or tell nothing of new work. */
import { describe, expect, test } from 'vitest';
import { type Repos, retrySchedule, StorageError, type SurehookOptions } from '../../src/index.ts';
import type { ScriptedAnswer } from '../../src/testing/index.ts';
import {
  allDeliveries,
  attemptsOf,
  bench,
  delayed,
  deliveryOf,
  HOUR,
  hook,
  MINUTE,
  made,
  meddled,
  publishMany,
  rejection,
  SECOND,
  stateOf,
  tally,
} from './harness.ts';

/** What happens to calls of the repos, by `port.method` (`*`: all of them). */
type Fault = 'throw' | 'reject' | 'hang' | 'lost-answer' | 'rubbish';

async function faulty(
  answer: ScriptedAnswer | ((n: number) => ScriptedAnswer) = 200,
  options: Partial<SurehookOptions> = {},
) {
  const faults = new Map<string, Fault>();
  const calls: string[] = [];
  const parts = bench(typeof answer === 'function' ? (_, n) => answer(n) : answer);
  const { clock, transport } = parts;
  const repos: Repos = meddled(parts.repos, (call, run) => {
    calls.push(call);
    switch (faults.get(call) ?? faults.get('*')) {
      case 'throw':
        throw new Error('the database is away');
      case 'reject':
        return Promise.reject(new Error('the database is away'));
      case 'hang':
        return new Promise(() => {});
      case 'rubbish':
        return Promise.resolve(undefined);
      case 'lost-answer':
        return run().then(() => {
          throw new Error('connection lost');
        });
      case undefined:
        return run();
    }
  });
  const { surehook, log } = made({ clock, transport, repos, ...options });
  const webhook = await hook(surehook);
  await surehook.start();
  await surehook.idle();
  return { ...parts, surehook, log, webhook, faults, calls };
}

describe('while outcomes cannot be stored', () => {
  test.each(['throw', 'reject', 'hang', 'rubbish'] as const)(
    'settle: %s. They are kept, stored when the repo answers again, and nothing is sent twice',
    async (fault) => {
      const { surehook, transport, clock, faults, log } = await faulty();
      faults.set('events.settle', fault);
      const published = await publishMany(surehook, 20);
      await clock.advance(20 * SECOND);
      expect(surehook.stats().delivered).toBe(0);
      expect(log.of('delivery:delivered')).toEqual([]);
      expect(transport.requests.length).toBeGreaterThan(0);
      faults.clear();
      await clock.advance(20 * SECOND);
      expect(
        await Promise.all(published.map(async (one) => (await deliveryOf(surehook, one)).status)),
      ).toEqual(Array(20).fill('delivered'));
      expect(transport.requests).toHaveLength(20);
      expect(log.of('delivery:delivered')).toHaveLength(20);
      expect(surehook.stats().delivered).toBe(20);
    },
  );

  test('each step of the back-off is one error event: 0.1 s, 0.2 s, … up to 10 s', async () => {
    const { surehook, clock, faults, log } = await faulty();
    faults.set('events.settle', 'reject');
    await publishMany(surehook, 1);
    const start = clock.now();
    await clock.advance(25 * SECOND);
    const at = log.told.filter(({ name }) => name === 'error').map((one) => one.at - start);
    expect(at).toEqual([0, 100, 300, 700, 1_500, 3_100, 6_300, 12_700, 22_700]);
    expect(
      log.errors.every((error) => error instanceof StorageError && error.operation === 'events.settle'),
    ).toBe(true);
    expect(log.errors[0]?.cause).toMatchObject({ message: 'the database is away' });
  });

  test('longer than a lease: the delivery is sent again at most once per lease, and its attempts tell why', async () => {
    const { surehook, transport, clock, faults } = await faulty(200, { maxLost: 100 });
    faults.set('events.settle', 'reject');
    const published = await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(5 * MINUTE);
    faults.clear();
    await clock.advance(MINUTE);
    const attempts = await attemptsOf(surehook, published);
    expect((await deliveryOf(surehook, published)).status).toBe('delivered');
    expect(transport.requests.length).toBeLessThanOrEqual(11);
    expect(attempts.length).toBeGreaterThanOrEqual(transport.requests.length);
    expect(attempts.map(({ number }) => number)).toEqual(attempts.map((_, index) => index + 1));
  });

  test('what is held meanwhile is bounded', async () => {
    const { surehook, clock, faults, transport } = await faulty(200, { maxInFlight: 16, prefetch: 16 });
    faults.set('events.settle', 'reject');
    for (let n = 0; n < 5; n += 1) {
      await surehook.publishMany(Array.from({ length: 1_000 }, (_, data) => ({ type: 'a.b', data })));
    }
    await clock.advance(25 * SECOND);
    expect(surehook.stats().claimed).toBeLessThanOrEqual(64);
    expect(transport.requests.length).toBeLessThanOrEqual(64);
  });
});

describe('while one kind of call fails', () => {
  test.each([
    'webhooks.getMany',
    'webhooks.setStatus',
    'events.claimExpress',
    'events.claimQueues',
    'events.settle',
    'events.ownQueues',
    'state.open',
    'state.acquire',
    'state.save',
    'state.get',
    '*',
  ])(
    '%s: all is delivered once it answers again, without duplicates, and the host has heard of it',
    async (call) => {
      for (const fault of ['throw', 'reject', 'hang'] as const) {
        const { surehook, transport, clock, faults, log, webhook } = await faulty((n) =>
          n === 0 ? 500 : 200,
        );
        const published = await publishMany(surehook, 30);
        faults.set(call, fault);
        await clock.advance(12 * SECOND);
        faults.clear();
        await clock.advance(3 * MINUTE);
        const statuses = await Promise.all(
          published.map(async (one) => (await deliveryOf(surehook, one)).status),
        );
        expect(tally(statuses, String)).toEqual({ delivered: 30 });
        expect(transport.requests.length).toBeLessThanOrEqual(31);
        // engine defect (webhooks.setStatus): a status that is assumed while it cannot be stored is forgotten with its cache entry.
        expect(await stateOf(surehook, webhook)).toBe('enabled');
        if (call === '*') expect(log.errors.length).toBeGreaterThan(0);
        expect(log.errors.every((error) => error instanceof StorageError)).toBe(true);
      }
    },
  );
});

describe('a lost acknowledgement', () => {
  test('of settle: the outcome counts once, and no request is made twice', async () => {
    const { surehook, transport, clock, faults, log } = await faulty();
    faults.set('events.settle', 'lost-answer');
    await publishMany(surehook, 5);
    await clock.advance(500);
    faults.clear();
    await clock.advance(MINUTE);
    expect(transport.requests).toHaveLength(5);
    expect(tally(await allDeliveries(surehook), ({ status, attempts }) => `${status} ${attempts}`)).toEqual({
      'delivered 1': 5,
    });
    expect(log.of('delivery:delivered')).toHaveLength(5);
    expect(surehook.stats().delivered).toBe(5);
  });

  test('of settle after a failure: the retry comes when it is due', async () => {
    const { surehook, transport, clock, faults } = await faulty((n) => (n === 0 ? 500 : 200), {
      retry: retrySchedule([0, 2_000], { jitter: 0 }),
      pollMs: MINUTE,
      leaseMs: 2 * MINUTE,
    });
    faults.set('events.settle', 'lost-answer');
    const start = clock.now();
    await publishMany(surehook, 1);
    await clock.advance(50);
    faults.clear();
    await clock.advance(HOUR);
    expect(transport.requests.map(({ at }) => at - start)).toEqual([0, 2_000]);
  });

  test('of a claim: the delivery comes again when its lease has run out, with the lost attempt recorded', async () => {
    const { surehook, transport, clock, faults } = await faulty();
    faults.set('events.claimExpress', 'lost-answer');
    const published = await surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(50);
    faults.clear();
    await clock.advance(29 * SECOND);
    expect(transport.requests).toHaveLength(0);
    await clock.advance(3 * SECOND);
    expect(transport.requests).toHaveLength(1);
    expect((await attemptsOf(surehook, published)).map(({ error }) => error?.kind)).toEqual([
      'lost',
      undefined,
    ]);
  });

  test('of append: publish stores it once, and says what it would have said', async () => {
    const { surehook, transport, clock, faults, log } = await faulty();
    faults.set('events.append', 'lost-answer');
    const publishing = surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(10);
    faults.clear();
    await clock.advance(5 * SECOND);
    const published = await publishing;
    expect(await allDeliveries(surehook)).toHaveLength(1);
    expect(transport.requests).toHaveLength(1);
    expect(published.duplicate).toBe(false);
    expect(log.of('event:published')).toHaveLength(1);
  });

  test('of setStatus: the webhook moves once', async () => {
    const { surehook, clock, faults, log, webhook } = await faulty((n) => (n === 0 ? 500 : 200));
    faults.set('webhooks.setStatus', 'lost-answer');
    await publishMany(surehook, 1);
    await clock.advance(500);
    faults.clear();
    await clock.advance(MINUTE);
    expect(log.moves()).toEqual(['enabled>retrying', 'retrying>enabled']);
    expect(await stateOf(surehook, webhook)).toBe('enabled');
  });

  test.each(['state.open', 'state.acquire', 'state.save', 'events.claimQueues'])(
    'of %s: the retry comes after a lease at the latest',
    async (call) => {
      const { surehook, transport, clock, faults } = await faulty((n) => (n < 2 ? 500 : 200));
      await publishMany(surehook, 3);
      faults.set(call, 'lost-answer');
      await clock.advance(20 * SECOND);
      faults.clear();
      await clock.advance(3 * MINUTE);
      expect(tally(await allDeliveries(surehook), ({ status }) => status)).toEqual({ delivered: 3 });
      expect(transport.requests.length).toBeLessThanOrEqual(5);
    },
  );
});

describe('publish', () => {
  test.each(['throw', 'reject', 'hang', 'rubbish'] as const)(
    'rejects with StorageError within storageTimeoutMs when append or the look-up of subscribers: %s',
    async (fault) => {
      for (const call of ['events.append', 'webhooks.subscribers']) {
        const { surehook, clock, faults, repos } = await faulty(200, { storageTimeoutMs: 2_000 });
        faults.set(call, fault);
        const publishing = rejection(surehook.publish({ type: 'a.b', data: 0 }));
        const start = clock.now();
        let at = Number.NaN;
        void publishing.then(() => {
          at = clock.now() - start;
        });
        await clock.advance(10 * SECOND);
        const error = await publishing;
        // engine defect (rubbish): the host gets a TypeError from the inside.
        expect(error).toBeInstanceOf(StorageError);
        expect(error).toMatchObject({ code: 'storage', operation: call });
        expect(at).toBeLessThanOrEqual(2_000);
        expect(await repos.events.listDeliveries({ limit: 10 })).toEqual([]);
      }
    },
  );

  test('rides out a failure of a moment', async () => {
    const { surehook, clock, faults } = await faulty();
    faults.set('events.append', 'reject');
    const publishing = surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(60);
    faults.clear();
    await clock.advance(SECOND);
    expect((await publishing).deliveries).toHaveLength(1);
  });

  test('after it was rejected as timed out, nothing is stored behind the host’s back by a later try', async () => {
    const { clock, repos, transport } = bench();
    const answers: ((how: 'fail' | 'do') => void)[] = [];
    const { surehook } = made({
      clock,
      transport,
      storageTimeoutMs: 1_000,
      repos: meddled(repos, (call, run) => {
        if (call !== 'events.append') return run();
        return new Promise((resolve, reject) => {
          answers.push((how) => (how === 'do' ? resolve(run()) : reject(new Error('late'))));
        });
      }),
    });
    await hook(surehook);
    const publishing = rejection(surehook.publish({ type: 'a.b', data: 0 }));
    await clock.advance(2 * SECOND);
    expect(await publishing).toBeInstanceOf(StorageError);
    answers[0]?.('fail');
    await clock.advance(5 * SECOND);
    expect(answers).toHaveLength(1);
  });

  test('look-ups and management reject with StorageError too', async () => {
    const { surehook, clock, faults, webhook } = await faulty(200, { storageTimeoutMs: 1_000 });
    faults.set('*', 'hang');
    const calls = [
      surehook.webhooks.get(webhook.id),
      surehook.webhooks.list(),
      surehook.webhooks.update(webhook.id, { name: 'x' }),
      surehook.webhooks.delete(webhook.id),
      surehook.webhooks.enable(webhook.id),
      surehook.webhooks.disable(webhook.id),
      surehook.webhooks.sendTest(webhook.id),
      surehook.webhooks.create({ url: webhook.url, events: ['*'] }),
      surehook.deliveries.get('dlv_1'),
      surehook.deliveries.attempts('dlv_1'),
      surehook.deliveries.list(),
      surehook.deliveries.replay('dlv_1'),
    ].map(rejection);
    await clock.advance(5 * SECOND);
    for (const error of await Promise.all(calls)) expect(error).toBeInstanceOf(StorageError);
  });
});

describe('stop', () => {
  test('ends within its deadline and a second while the store is away; what was not stored is told', async () => {
    for (const fault of ['reject', 'hang'] as const) {
      const { surehook, clock, faults, log, transport } = await faulty(delayed(100, 200));
      const published = await publishMany(surehook, 5);
      await clock.advance(50);
      faults.set('*', fault);
      await clock.advance(SECOND);
      let isStopped = false;
      void surehook.stop({ deadlineMs: 500 }).then(() => {
        isStopped = true;
      });
      await clock.advance(1_500);
      expect(isStopped).toBe(true);
      // engine defect (hang): the time-outs of storage calls are not cancelled by the end of the run.
      expect(clock.pending).toBe(0);
      expect(log.errors.at(-1)).toMatchObject({ operation: 'events.settle' });
      faults.clear();
      await surehook.start();
      await clock.advance(2 * MINUTE);
      for (const one of published) expect((await deliveryOf(surehook, one)).status).toBe('delivered');
      expect(transport.requests.length).toBeLessThanOrEqual(10);
    }
  });
});

describe('a repo that tells nothing of new work or changed webhooks', () => {
  const silent = (parts: ReturnType<typeof bench>): Repos =>
    meddled(parts.repos, (_, run) => run(), ['onWork', 'onChange']);

  test('events stored by another process are found by the poll', async () => {
    const parts = bench();
    const { clock, transport } = parts;
    const publisher = made({ clock, transport, repos: silent(parts) });
    const worker = made({ clock, transport, repos: silent(parts) });
    await hook(publisher.surehook);
    await worker.surehook.start();
    await worker.surehook.idle();
    await publishMany(publisher.surehook, 5);
    await clock.advance(2 * SECOND);
    expect(transport.requests).toHaveLength(5);
  });

  test('so are events for a webhook with a queue of its own', async () => {
    const parts = bench((_, n) => (n === 0 ? 500 : 200));
    const { clock, transport } = parts;
    const publisher = made({ clock, transport, repos: silent(parts) });
    const worker = made({ clock, transport, repos: silent(parts) });
    await hook(publisher.surehook);
    await worker.surehook.start();
    await publishMany(publisher.surehook, 1);
    await clock.advance(1_500);
    await publishMany(publisher.surehook, 5);
    await clock.advance(15 * SECOND);
    expect(tally(await allDeliveries(worker.surehook), ({ status }) => status)).toEqual({ delivered: 6 });
  });

  test('and replays that another process marked', async () => {
    const parts = bench((_, n) => (n === 0 ? 500 : 200));
    const { clock, transport } = parts;
    const host = made({ clock, transport, repos: silent(parts), retry: retrySchedule([0]) });
    const worker = made({ clock, transport, repos: silent(parts), retry: retrySchedule([0]) });
    await hook(host.surehook);
    await worker.surehook.start();
    const published = await host.surehook.publish({ type: 'a.b', data: 0 });
    await clock.advance(10 * SECOND);
    const { id, status } = await deliveryOf(host.surehook, published);
    expect(status).toBe('exhausted');
    await host.surehook.deliveries.replay(id);
    await clock.advance(5 * MINUTE);
    expect((await host.surehook.deliveries.get(id))?.status).toBe('delivered');
  });

  test('a webhook that another process disabled gets nothing after webhookCacheMs', async () => {
    const parts = bench(delayed(100, 200));
    const { clock, transport } = parts;
    const host = made({ clock, transport, repos: silent(parts) });
    const worker = made({ clock, transport, repos: silent(parts), maxInFlightPerWebhook: 1 });
    const webhook = await hook(host.surehook);
    await worker.surehook.start();
    await publishMany(host.surehook, 100);
    await clock.advance(2 * SECOND);
    await host.surehook.webhooks.disable(webhook.id);
    await clock.advance(1_001);
    const { length } = transport.requests;
    await clock.advance(10 * MINUTE);
    expect(length).toBeLessThan(60);
    expect(transport.requests).toHaveLength(length);
    await host.surehook.webhooks.enable(webhook.id);
    await clock.advance(MINUTE);
    expect(transport.requests).toHaveLength(100);
  });

  test('an idle process makes a constant, small number of calls', async () => {
    const { clock, surehook, calls } = await faulty();
    await clock.advance(10 * SECOND);
    const before = calls.length;
    await clock.advance(100 * SECOND);
    expect(calls.length - before).toBeLessThanOrEqual(250);
    await surehook.stop();
  });
});
