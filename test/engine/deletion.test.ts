import { expect, it } from 'vitest';
import { retrySchedule } from '../../src/index.ts';
import { allDeliveries, bench, HOUR, hook, MINUTE, made, meddled, publishMany, tally } from './harness.ts';

it('a deletion whose answer was lost gives up what waits behind a blocked event too', async () => {
  let isLost = false;
  const { clock, repos, transport } = bench(500);
  const losing = meddled(repos, async (call, run) => {
    const result = await run();
    if (call !== 'webhooks.delete' || isLost) return result;
    isLost = true;
    throw new Error('the connection broke');
  });
  const { surehook } = made({ repos: losing, clock, transport, retry: retrySchedule([0]) });
  await surehook.start();
  const { id } = await hook(surehook, 0, { delivery: { ordered: true } });
  await publishMany(surehook, 3);
  await clock.advance(HOUR);
  expect(tally(await allDeliveries(surehook), ({ status }) => status)).toEqual({ exhausted: 1, pending: 2 });
  const deleting = surehook.webhooks.delete(id).catch(() => {});
  await clock.advance(MINUTE);
  await deleting;
  expect(tally(await allDeliveries(surehook), ({ reason }) => reason ?? '')).toEqual({
    'attempts-used-up': 1,
    'webhook-deleted': 2,
  });
});

it('a deletion by a process that ends right after it gives them up as well, within a lease', async () => {
  const { surehook, clock, repos, transport } = bench(500, { retry: retrySchedule([0]) });
  await surehook.start();
  const { id } = await hook(surehook, 0, { delivery: { ordered: true } });
  await publishMany(surehook, 3);
  await clock.advance(HOUR);
  let isDeleted = false;
  const ending = meddled(repos, async (call, run) => {
    if (isDeleted) return await new Promise(() => {});
    const result = await run();
    isDeleted = call === 'webhooks.delete';
    return result;
  });
  void made({ repos: ending, clock, transport })
    .surehook.webhooks.delete(id)
    .catch(() => {});
  await clock.advance(MINUTE);
  expect(tally(await allDeliveries(surehook), ({ reason }) => reason ?? '')).toEqual({
    'attempts-used-up': 1,
    'webhook-deleted': 2,
  });
});
