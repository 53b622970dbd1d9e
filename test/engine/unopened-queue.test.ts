import { expect, it } from 'vitest';
import { retrySchedule } from '../../src/index.ts';
import {
  bench,
  deliveryOf,
  HOUR,
  hook,
  MINUTE,
  made,
  meddled,
  numberOf,
  SECOND,
  stateOf,
} from './harness.ts';

it('what a process stored into a resting queue right before it ended goes out within a minute, not with the next retry', async () => {
  const { surehook, clock, repos, transport } = bench((request) => (numberOf(request) === 0 ? 500 : 200), {
    retry: retrySchedule([0, HOUR]),
  });
  await surehook.start();
  const webhook = await hook(surehook);
  for (const data of [0, 1]) await surehook.publish({ type: 'a.b', data });
  await clock.advance(10 * SECOND);
  expect(await stateOf(surehook, webhook)).toBe('retrying');
  // Its end comes when it is about to open the queue.
  const ending = meddled(repos, (call, run) => (call === 'state.open' ? new Promise(() => {}) : run()));
  const { surehook: other } = made({ repos: ending, clock, transport });
  await other.start();
  const published = await other.publish({ type: 'a.b', data: 2 });
  await other.stop({ deadlineMs: 0 });
  await clock.advance(MINUTE);
  expect((await deliveryOf(surehook, published)).status).toBe('delivered');
});
