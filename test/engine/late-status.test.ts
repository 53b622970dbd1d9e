import { expect, test } from 'vitest';
import { memoryRepos } from '../../src/index.ts';
import { hook, MINUTE, meddled, publishMany, running, stateOf } from './harness.ts';

test('a status that is stored long after its caller gave up does not leave a webhook Retrying for ever', async () => {
  let changes = 0;
  const repos = meddled(memoryRepos(), async (call, run) => {
    if (call === 'webhooks.setStatus') changes += 1;
    if (call !== 'webhooks.setStatus' || changes !== 1) return await run();
    // Applied late, and its answer is lost.
    clock.schedule(5 * MINUTE, () => void run());
    return await new Promise<never>(() => {});
  });
  const { surehook, clock } = await running([500, 200], { repos });
  const webhook = await hook(surehook);
  await publishMany(surehook, 1);
  await clock.advance(4 * MINUTE);
  expect(await stateOf(surehook, webhook)).toBe('enabled');
  await clock.advance(30 * MINUTE);
  expect(await stateOf(surehook, webhook)).toBe('enabled');
});
