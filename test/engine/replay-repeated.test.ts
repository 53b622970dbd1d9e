import { expect, test } from 'vitest';
import { memoryRepos } from '../../src/index.ts';
import { atMostOnce, hook, MINUTE, meddled, publishMany, running, SECOND } from './harness.ts';

test.each(['replay', 'replayMany'] as const)(
  '%s whose answer is lost sends an at-most-once delivery once',
  async (how) => {
    let isLost = false;
    const repos = meddled(memoryRepos(), async (call, run) => {
      const result = await run();
      if (call !== 'events.markReplay' || !isLost) return result;
      isLost = false;
      throw new Error('the connection broke');
    });
    const { surehook, clock, transport } = await running(500, { repos, unavailableAfterMs: SECOND });
    const { id } = await hook(surehook, 0, { ...atMostOnce });
    const published = (await publishMany(surehook, 5)).at(-1);
    await clock.advance(MINUTE);
    // Given up unsent: nothing speaks against a replay.
    const deliveryId = published?.deliveries[0]?.id ?? '';
    expect(await surehook.deliveries.get(deliveryId)).toMatchObject({
      reason: 'webhook-unavailable',
      attempts: 0,
    });
    await surehook.webhooks.enable(id);
    const before = transport.requests.length;
    isLost = true;
    const replaying =
      how === 'replay'
        ? surehook.deliveries.replay(deliveryId)
        : surehook.deliveries.replayMany({ webhookId: id });
    await clock.advance(MINUTE);
    await replaying.catch(() => {});
    await clock.advance(MINUTE);
    const ofIt = transport.requests
      .slice(before)
      .filter(({ headers }) => headers['webhook-id'] === published?.event.id);
    expect(ofIt).toHaveLength(1);
  },
);
