/** Keys that overlap end by the time of the store, which all processes have in common. */
import { expect, test } from 'vitest';
import { createSurehook, memoryRepos } from '../../src/index.ts';
import { manualClock, scriptedTransport } from '../../src/testing/index.ts';
import { hook, MINUTE, SECOND } from './harness.ts';

const AT = 1_700_000_000_000;

/** A surehook whose clock is off by so much from that of the store. */
function skewed(ms: number, stored = shared()) {
  const clock = manualClock(AT + ms);
  const transport = scriptedTransport(200);
  const surehook = createSurehook({ repos: stored.repos, clock, transport });
  const pass = async (time: number): Promise<void> => {
    await stored.clock.advance(time);
    await clock.advance(time);
  };
  return { surehook, transport, pass, stored };
}

function shared() {
  const clock = manualClock(AT);
  return { clock, repos: memoryRepos({ clock }) };
}

test.each([
  ['right', 0],
  ['ten minutes fast', 10 * MINUTE],
  ['ten minutes slow', -10 * MINUTE],
])(
  "the sender's clock is %s: both keys sign until the overlap has ended for the store",
  async (_, skewMs) => {
    const { surehook, transport, pass, stored } = skewed(skewMs);
    await surehook.start();
    const { id } = await hook(surehook);
    await pass(SECOND);
    // In another process, whose clock is wrong too.
    await skewed(-3 * MINUTE, stored).surehook.webhooks.rotateSecret(id, { overlapMs: 5 * MINUTE });
    const publisher = createSurehook({ repos: stored.repos, clock: stored.clock });
    const keys: (number | undefined)[] = [];
    for (const waitMs of [SECOND, 4 * MINUTE, 2 * MINUTE]) {
      await pass(waitMs);
      await publisher.publish({ type: 'a.b', data: 0 });
      await pass(SECOND);
      keys.push(transport.requests.at(-1)?.headers['webhook-signature']?.split(' ').length);
    }
    expect([transport.requests.length, keys]).toEqual([3, [2, 2, 1]]);
    await surehook.stop();
  },
);

test('a store that does not tell its time right away holds nothing up', async () => {
  const { surehook, transport, pass, stored } = skewed(0);
  let asked = 0;
  stored.repos.state.now = async () => {
    asked += 1;
    throw new Error('away');
  };
  const errors: unknown[] = [];
  surehook.on('error', (error) => errors.push(error.message));
  await surehook.start();
  await hook(surehook);
  await surehook.publish({ type: 'a.b', data: 0 });
  await pass(10 * SECOND);
  expect(transport.requests.length).toBe(1);
  expect(asked).toBeGreaterThan(0);
  expect(errors.length).toBeGreaterThan(0);
  await surehook.stop();
});
