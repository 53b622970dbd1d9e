/** What ends is kept for a while, and then goes in the background, a little at a time. */
import { describe, expect, test } from 'vitest';
import { memoryRepos, type PruneRequest, type PruneResult, type SurehookOptions } from '../../src/index.ts';
import {
  allDeliveries,
  bench,
  DAY,
  HOUR,
  hook,
  MINUTE,
  publishMany,
  running,
  SECOND,
  slowPolls,
  tally,
} from './harness.ts';

const oneTry: Partial<SurehookOptions> = { retry: { kind: 'schedule', delaysMs: [0], jitter: 0 } };

describe('retention', () => {
  test('keeps by default what was delivered for 30 days and dead letters for 7', async () => {
    const { surehook, clock } = await running(({ url }) => (url.includes('hook0') ? 200 : 400), {
      ...slowPolls,
      ...oneTry,
    });
    await hook(surehook, 0);
    await hook(surehook, 1);
    await publishMany(surehook, 3);
    const left = async (): Promise<Record<string, number>> =>
      tally(await allDeliveries(surehook), ({ status }) => status);
    await clock.advance(7 * DAY - HOUR);
    expect(await left()).toEqual({ delivered: 3, exhausted: 3 });
    await clock.advance(2 * HOUR);
    expect(await left()).toEqual({ delivered: 3 });
    await clock.advance(23 * DAY - 3 * HOUR);
    expect(await left()).toEqual({ delivered: 3 });
    await clock.advance(4 * HOUR);
    expect(await left()).toEqual({});
    await surehook.stop();
  });

  test('keeps for ever where it is told to', async () => {
    const { surehook, clock } = await running(200, {
      ...slowPolls,
      retention: { deliveredMs: Number.POSITIVE_INFINITY, attemptsMs: Number.POSITIVE_INFINITY },
    });
    await hook(surehook);
    const [{ deliveries }] = (await publishMany(surehook, 1)) as [Awaited<ReturnType<typeof publishMany>>[0]];
    await clock.advance(90 * DAY);
    expect(await allDeliveries(surehook)).toHaveLength(1);
    expect(await surehook.deliveries.attempts(deliveries[0]?.id ?? '')).toHaveLength(1);
    await surehook.stop();
  });

  test('removes attempts before their delivery where it is told to', async () => {
    const { surehook, clock } = await running(200, { ...slowPolls, retention: { attemptsMs: HOUR } });
    await hook(surehook);
    const [{ deliveries }] = (await publishMany(surehook, 1)) as [Awaited<ReturnType<typeof publishMany>>[0]];
    const id = deliveries[0]?.id ?? '';
    await clock.advance(HOUR - MINUTE);
    expect(await surehook.deliveries.attempts(id)).toHaveLength(1);
    await clock.advance(2 * MINUTE + SECOND);
    expect(await surehook.deliveries.attempts(id)).toEqual([]);
    expect(await surehook.deliveries.get(id)).toMatchObject({ status: 'delivered', attempts: 1 });
    await surehook.stop();
  });

  test('frees the idempotency key with the event', async () => {
    const { surehook, clock } = await running(200, { ...slowPolls, retention: { deliveredMs: HOUR } });
    await hook(surehook);
    const event = { type: 'a.b', data: 1, idempotencyKey: 'key' };
    const first = await surehook.publish(event);
    await clock.advance(MINUTE);
    expect(await surehook.publish(event)).toMatchObject({ duplicate: true, event: { id: first.event.id } });
    await clock.advance(2 * HOUR);
    expect(await surehook.publish(event)).toMatchObject({ duplicate: false });
    await surehook.stop();
  });

  test('goes in steps with pauses between them, and waits a minute once nothing is left', async () => {
    const steps: { at: number; limit: number }[] = [];
    const repos = memoryRepos();
    const made = bench(200, { ...slowPolls, repos });
    repos.events.prune = async ({ limit }: PruneRequest): Promise<PruneResult> => {
      steps.push({ at: made.clock.now(), limit });
      return { deliveries: limit, events: 0, attempts: 0, more: steps.length % 3 !== 0 };
    };
    await made.surehook.start();
    await made.clock.advance(3 * MINUTE);
    const pauses = steps.slice(1).map(({ at }, n) => at - (steps[n]?.at ?? 0));
    expect(pauses.slice(0, 5)).toEqual([20, 20, MINUTE, 20, 20]);
    expect(Math.max(...steps.map(({ limit }) => limit))).toBeLessThanOrEqual(500);
    await made.surehook.stop();
  });

  test('prunes the state as well, also where all else is kept', async () => {
    const calls: { at: number; outcomesBefore: number }[] = [];
    const repos = memoryRepos();
    const forever = Number.POSITIVE_INFINITY;
    const retention = { deliveredMs: forever, deadLetterMs: forever, attemptsMs: forever };
    const { surehook, clock } = bench(200, { ...slowPolls, repos, retention });
    repos.events.prune = () => expect.fail('has nothing to prune');
    repos.state.pruneState = async ({ now, outcomesBefore }) => {
      calls.push({ at: now, outcomesBefore });
      return calls.length % 2 === 1;
    };
    await surehook.start();
    await clock.advance(3 * MINUTE);
    expect(calls.slice(1, 5).map(({ at }, n) => at - (calls[n]?.at ?? 0))).toEqual([20, MINUTE, 20, MINUTE]);
    const { at, outcomesBefore } = calls[0] ?? { at: 0, outcomesBefore: 0 };
    expect(at - outcomesBefore).toBeGreaterThanOrEqual(7 * DAY);
    expect(at - outcomesBefore).toBeLessThan(7 * DAY + 15 * MINUTE);
    await surehook.stop();
  });

  test('goes on after the store was away, and ends with stop()', async () => {
    let calls = 0;
    const repos = memoryRepos();
    const { surehook, clock, log } = bench(200, { ...slowPolls, repos });
    repos.events.prune = async (): Promise<PruneResult> => {
      calls += 1;
      if (calls === 1) throw new Error('away');
      return { deliveries: 0, events: 0, attempts: 0, more: false };
    };
    await surehook.start();
    await clock.advance(5 * MINUTE);
    expect(calls).toBeGreaterThan(2);
    expect(log.errors.map(({ message }) => message)).toEqual([expect.stringContaining('events.prune')]);
    await surehook.stop();
    const before = calls;
    await clock.advance(5 * MINUTE);
    expect(calls).toBe(before);
  });
});
