/**
 * One event on its way through the store, with a receiver that is busy the first time. Run it with
 * `node examples/custom-adapter/demo.ts` after `npm run build`; exits with 1 when anything did not go as it should.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createSurehook, retrySchedule } from 'surehook';
import { Receiver } from '../tour/receiver.ts';
import { keyValueRepos } from './index.ts';
import { partsOf } from './keys.ts';
import { SortedStore } from './store.ts';

const EVERYTHING = { from: '', to: '\uffff', limit: 1_000 };
const LONGEST_SHOWN = 40;

const store = new SortedStore();
const surehook = createSurehook({
  repos: keyValueRepos(store),
  retry: retrySchedule([0, 50]),
  // For local development only.
  endpoints: { allowHttp: true, allowPrivateAddresses: true },
});

/** Prints every key. Of records only the length: those of webhooks hold secrets. */
async function show(title: string): Promise<string[]> {
  const entries = await store.range(EVERYTHING);
  const names = entries.map(([key]) => partsOf(key).join('/'));
  const lines = entries.map(([, value], index) => {
    const text = value.length > LONGEST_SHOWN ? `{${value.length} characters}` : value;
    return `  ${names[index]}  ${text}\n`;
  });
  process.stdout.write(`${title}\n${lines.join('')}\n`);
  return names;
}

const receiver = await Receiver.start({ failures: 1 });
try {
  const { webhook, secret } = await surehook.webhooks.create({ url: receiver.url, events: ['order.*'] });
  receiver.secret = secret;
  const { event } = await surehook.publish({
    type: 'order.paid',
    data: { order: 1 },
    idempotencyKey: 'order-1',
  });
  const before = await show('Published: the delivery waits in the express queue.');

  const delivered = new Promise((resolve) => surehook.once('delivery:delivered', resolve));
  await surehook.start();
  await Promise.race([delivered, sleep(5_000, undefined, { ref: false })]);
  await surehook.idle();
  await surehook.stop();
  const after = await show('Delivered by the second of two attempts: nothing waits.');

  const count = (names: readonly string[], start: string): number =>
    names.filter((name) => name.startsWith(start)).length;
  const checks = {
    'one delivery waited': count(before, 'due/express/') === 1,
    'the event was received once, its signature verified':
      receiver.accepted.get(event.id) === 1 && receiver.forged === 0,
    'both attempts are stored': count(after, 'attempt/') === 2 && receiver.turnedAway === 1,
    'nothing waits': count(after, 'due/') === 0 && count(after, 'turn/') === 0,
    'the webhook is enabled again': (await surehook.webhooks.get(webhook.id))?.status.state === 'enabled',
  };
  for (const [text, holds] of Object.entries(checks))
    process.stdout.write(`${holds ? 'ok    ' : 'FAILED'} ${text}\n`);
  process.exitCode = Object.values(checks).every(Boolean) ? 0 : 1;
} finally {
  await surehook.stop({ deadlineMs: 0 });
  receiver.close();
}
