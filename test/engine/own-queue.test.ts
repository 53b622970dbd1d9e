import { expect, it } from 'vitest';
import { createSurehook, memoryRepos, retrySchedule } from '../../src/index.ts';
import { manualClock, scriptedTransport } from '../../src/testing/index.ts';

it('an event that a process which is not started publishes for a retrying webhook goes out with its back-off, not with the next retry', async () => {
  const clock = manualClock();
  const repos = memoryRepos();
  const transport = scriptedTransport([500, 204]);
  const worker = createSurehook({ repos, clock, transport, retry: retrySchedule([0, 3_600_000]) });
  const publisher = createSurehook({ repos, clock });
  await worker.webhooks.create({ url: 'https://93.184.215.14/in', events: ['*'] });
  await worker.start();
  await publisher.publish({ type: 'a.b', data: 1 });
  await clock.advance(100);
  expect(transport.requests.length).toBe(1);
  await clock.advance(60_000);
  await publisher.publish({ type: 'a.b', data: 2 });
  await clock.advance(30_000);
  expect(transport.requests.length).toBe(2);
  await worker.stop({ deadlineMs: 0 });
});
