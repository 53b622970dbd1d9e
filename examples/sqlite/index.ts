/**
 * A shop that loses nothing: end it with ctrl-C or `kill -9` whenever you like, start it again, and it goes on where it was.
 *
 *     node examples/sqlite/index.ts [FILE] [--check]     (after `npm run build`)
 *
 * FILE is the database, by default `orders.db` in this folder; what the receiver got is in `FILE.received`. Delete both to begin anew.
 * With `--check` it ends by itself after some orders, waits until nothing waits, and exits with 1 unless the receiver has the event of every
 * order of every run, and no other.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createSurehook, retryExponential } from 'surehook';
import { sqliteRepos } from 'surehook/sqlite';
import { readReceived, startReceiver } from './received.ts';
import { Shop } from './shop.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { check: { type: 'boolean' } },
});
const isCheck = values.check === true;
const file = positionals[0] ?? fileURLToPath(new URL('orders.db', import.meta.url));
const receivedFile = `${file}.received`;
const EVERY_MS = isCheck ? 20 : 250;
const CHECKED_ORDERS = 20;

const ended = new AbortController();
const { signal } = ended;
process.once('SIGINT', () => ended.abort());

const shop = new Shop(file);
const repos = sqliteRepos(shop.db);
const surehook = createSurehook({
  repos,
  // After a `kill -9`, what was being delivered is free again when its lease ends. The defaults suit production: 30 s, too long to watch.
  leaseMs: 2_000,
  timeoutMs: 1_000,
  retry: retryExponential({ baseMs: 200, maxMs: 2_000, attempts: 20 }),
  // For local development only.
  endpoints: { allowHttp: true, allowPrivateAddresses: true },
});
surehook.on('error', (error) => print(`error: ${error.message}`));

/** How many orders, how many of them received, how many received again, how many deliveries not ended (1 000 at most of each kind). */
async function printCounts(title: string): Promise<void> {
  const { received, again } = readReceived(receivedFile);
  const orders = shop.orders().length;
  print(`${title}: orders ${orders}, received ${received.size}, again ${again}, waiting ${await waiting()}`);
}

async function waiting(): Promise<number> {
  let count = 0;
  for (const status of ['pending', 'delivering', 'failed'] as const) {
    count += (await surehook.deliveries.list({ status, limit: 1_000 })).items.length;
  }
  return count;
}

/** The webhook is in the database since the first run; only the receiver's port is another one each time. */
async function subscribe(url: string): Promise<void> {
  const [known] = (await surehook.webhooks.list()).items;
  if (known === undefined) await surehook.webhooks.create({ url, events: ['order.*'] });
  else await surehook.webhooks.update(known.id, { url });
}

/** True when the receiver has the event of every order, and no event without one. */
async function isComplete(): Promise<boolean> {
  while ((await waiting()) > 0) await sleep(50, undefined, { signal });
  await surehook.idle({ signal });
  const orders = new Set(shop.orders());
  const { received } = readReceived(receivedFile);
  const lost = [...orders].filter((order) => !received.has(order)).length;
  const unknown = [...received].filter((order) => !orders.has(order)).length;
  const holds = lost === 0 && unknown === 0;
  print(
    `${holds ? 'ok    ' : 'FAILED'} ${lost} of ${orders.size} orders lost, ${unknown} events without an order`,
  );
  return holds;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

const receiver = await startReceiver(receivedFile);
try {
  await printCounts(`found in ${file}`);
  await subscribe(receiver.url);
  await surehook.start();
  for (let placed = 0; !isCheck || placed < CHECKED_ORDERS; placed++) {
    await shop.placeOrder(surehook);
    await printCounts('placed');
    await sleep(EVERY_MS, undefined, { signal });
  }
  process.exitCode = (await isComplete()) ? 0 : 1;
} catch (error) {
  if (!signal.aborted) throw error;
  // Ctrl-C is how a shop ends, but not how a check does.
  if (isCheck) process.exitCode = 130;
} finally {
  await surehook.stop({ deadlineMs: 2_000 });
  await printCounts('stopped');
  receiver.close();
  repos.close();
  shop.close();
}
