/** Lanes and slots: no webhook takes from another, however it behaves. */
import { describe, expect, test } from 'vitest';
import {
  allDeliveries,
  delayed,
  hook,
  type Log,
  MINUTE,
  numberOf,
  publishMany,
  running,
  SECOND,
  tally,
  url,
} from './harness.ts';

/** From publish to the start of the first attempt, ms, of all events of an endpoint. */
function latenesses(log: Log, to: string): number[] {
  return log
    .of('delivery:attempted')
    .filter(({ attempt }) => attempt.request.url === to && attempt.number === 1)
    .map(({ delivery, attempt }) => attempt.startedAt.getTime() - delivery.createdAt.getTime());
}

describe('endpoints that hang', () => {
  test.each([5, 99, 1_000])(
    '%i of them do not starve a proven one',
    async (count) => {
      const { surehook, clock, log, transport } = await running((request) =>
        request.url === url('good') ? delayed(5, 200) : 'hang',
      );
      for (let n = 0; n < count; n += 1) await hook(surehook, n, { events: ['bad'] });
      await hook(surehook, 'good', { events: ['good'] });
      await publishMany(surehook, 20, { type: 'good' });
      await clock.advance(SECOND);
      await surehook.publishMany(Array.from({ length: 5 }, (_, data) => ({ type: 'bad', data })));
      await clock.advance(SECOND);
      for (let n = 0; n < 400; n += 1) {
        await surehook.publish({ type: 'good', data: n });
        await clock.advance(100);
      }
      expect(transport.to(url('good'))).toHaveLength(420);
      const late = latenesses(log, url('good')).slice(20);
      expect(Math.max(...late)).toBeLessThanOrEqual(10);
    },
    30_000,
  );

  test('that were proven and all hang at once leave room for those that do not', async () => {
    let hang = false;
    const { surehook, clock, log } = await running(
      (request) => (hang && request.url !== url('good') ? 'hang' : delayed(2, 200)),
      { maxInFlight: 64 },
    );
    for (let n = 0; n < 20; n += 1) await hook(surehook, n, { events: ['bad'] });
    await hook(surehook, 'good', { events: ['good'] });
    await publishMany(surehook, 40, { type: 'bad' });
    await publishMany(surehook, 40, { type: 'good' });
    await clock.advance(SECOND);
    hang = true;
    await publishMany(surehook, 40, { type: 'bad' });
    await clock.advance(SECOND);
    for (let n = 0; n < 100; n += 1) {
      await surehook.publish({ type: 'good', data: n });
      await clock.advance(50);
    }
    const late = latenesses(log, url('good')).slice(40);
    expect(late).toHaveLength(100);
    expect(Math.max(...late)).toBeLessThanOrEqual(250);
  });

  test('and recover: what overflowed into its own queue comes back, in full, and the express queue is used again', async () => {
    let hang = true;
    const { surehook, clock, repos, transport } = await running(() => (hang ? 'hang' : delayed(1, 200)));
    const webhook = await hook(surehook);
    await publishMany(surehook, 500);
    await clock.advance(SECOND);
    expect(await repos.events.ownQueues({ limit: 10 })).toEqual([webhook.id]);
    hang = false;
    await clock.advance(5 * MINUTE);
    expect(tally(await allDeliveries(surehook), ({ status }) => status)).toEqual({ delivered: 500 });
    expect(await repos.events.ownQueues({ limit: 10 })).toEqual([]);
    expect(await repos.state.get([webhook.id])).toEqual([]);
    const published = await surehook.publish({ type: 'a.b', data: 500 });
    const [record] = await repos.events.getDeliveries([published.deliveries[0]?.id ?? '']);
    expect(record?.queue).toBe('express');
    expect(transport.inFlight).toBeLessThanOrEqual(1);
  });
});

describe('a webhook with far too much to do', () => {
  test('5 000 events at a slow endpoint do not delay another’s, and all are delivered in the end', async () => {
    const { surehook, clock, log } = await running((request) =>
      delayed(request.url === url('slow') ? 400 : 2, 200),
    );
    await hook(surehook, 'slow', { events: ['slow'] });
    await hook(surehook, 'good', { events: ['good'] });
    await publishMany(surehook, 10, { type: 'good' });
    await clock.advance(SECOND);
    for (let n = 0; n < 5; n += 1) {
      await surehook.publishMany(Array.from({ length: 1_000 }, (_, data) => ({ type: 'slow', data })));
    }
    for (let n = 0; n < 100; n += 1) {
      await surehook.publish({ type: 'good', data: n });
      await clock.advance(20);
    }
    expect(Math.max(...latenesses(log, url('good')))).toBeLessThanOrEqual(300);
    await clock.advance(3 * MINUTE);
    expect(tally(await allDeliveries(surehook), ({ status }) => status)).toEqual({ delivered: 5_110 });
  }, 30_000);

  test('has no more turns than one with little: a fast one’s flood leaves the others their share', async () => {
    const { surehook, clock, transport } = await running(delayed(10, 200), { maxInFlight: 8 });
    for (const name of ['flood', 'a', 'b', 'c']) await hook(surehook, name, { events: [name] });
    await publishMany(surehook, 400, { type: 'flood' });
    for (const name of ['a', 'b', 'c']) await publishMany(surehook, 20, { type: name });
    await clock.advance(10 * MINUTE);
    const last = (name: string): number => transport.to(url(name)).at(-1)?.at ?? 0;
    expect(transport.requests).toHaveLength(460);
    for (const name of ['a', 'b', 'c']) expect(last(name)).toBeLessThan(last('flood'));
  });
});

describe('a webhook that answers well but for one poisoned event', () => {
  test('is served at its full cap, and only the poisoned delivery waits', async () => {
    const { surehook, clock, transport, log } = await running((request) =>
      delayed(10, request.text().includes('poison') ? 500 : 200),
    );
    await hook(surehook);
    await surehook.publish({ type: 'a.b', data: 'poison' });
    await clock.advance(100);
    await publishMany(surehook, 800);
    await clock.advance(2 * SECOND);
    const healthy = transport.requests.filter((request) => !request.text().includes('poison'));
    expect(new Set(healthy.map(numberOf)).size).toBe(800);
    expect(transport.peakInFlight).toBe(16);
    // 800 at 16 a time and 10 ms each are 500 ms; the window opens by doubling.
    const took = (healthy.at(-1)?.at ?? 0) - (healthy[0]?.at ?? 0);
    expect(took).toBeLessThan(800);
    expect(log.of('delivery:failed')).toHaveLength(1);
  });
});
