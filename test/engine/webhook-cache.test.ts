import { expect, it } from 'vitest';
import { createSurehook, memoryRepos } from '../../src/index.ts';
import { scriptedTransport } from '../../src/testing/index.ts';

it('webhookCacheMs: 0 delivers', async () => {
  const transport = scriptedTransport(204);
  const surehook = createSurehook({ repos: memoryRepos(), transport, webhookCacheMs: 0 });
  await surehook.webhooks.create({ url: 'https://93.184.215.14/in', events: ['*'] });
  await surehook.start();
  await surehook.publish({ type: 'a.b', data: 1 });
  await expect.poll(() => transport.requests.length).toBe(1);
  await surehook.stop({ deadlineMs: 0 });
});
