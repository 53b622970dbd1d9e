/**
 * A shop on PostgreSQL: an order and its event are stored in one transaction, so that neither is ever without the other.
 *
 *     node examples/postgres-outbox/index.ts [--check]     (after `npm run build`)
 *
 * The database is the one of `DATABASE_URL` (its schemas `outbox_shop` and `outbox_surehook` are dropped and made anew), or else a PostgreSQL
 * that is thrown away in the end. Three processes work on it: `web.ts` takes orders, and two of `worker.ts` deliver. `shop.ts` has the
 * transaction. The rest of this file is the world around them: customers, of whom every tenth wants what is sold out, and two endpoints, one of
 * which is busy at first. Ends with ctrl-C; with `--check` by itself, with 1 unless everything went as it should.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Pool } from 'pg';
import { Receiver } from '../tour/receiver.ts';
import { Child } from './child.ts';
import { findDatabase } from './database.ts';
import { openSurehook } from './outbox.ts';
import { dropTables, eventIdOf, makeTables, takenOrders } from './shop.ts';

const { values } = parseArgs({ options: { check: { type: 'boolean' } } });
const isCheck = values.check === true;
const CHECKED_ORDERS = 200;
const CUSTOMERS = 8;
const PAUSE_MS = isCheck ? 0 : 500;
const LONGEST_CHECK_MS = 30_000;

const interrupted = new AbortController();
process.once('SIGINT', () => interrupted.abort());
const signal = isCheck
  ? AbortSignal.any([interrupted.signal, AbortSignal.timeout(LONGEST_CHECK_MS)])
  : interrupted.signal;

let asked = 0;
let refused = 0;

/** A customer, who orders until the shop closes. */
async function order(shop: string): Promise<void> {
  while (!signal.aborted && (!isCheck || asked < CHECKED_ORDERS)) {
    asked += 1;
    const item = asked % 10 === 0 ? 'unicorn' : 'lamp';
    const body = JSON.stringify({ id: randomUUID(), item });
    const { status } = await fetch(shop, { method: 'POST', body });
    if (status === 409) refused += 1;
    else if (status !== 201) throw new Error(`the shop answered with ${status}`);
    await sleep(PAUSE_MS * Math.random(), undefined, { signal }).catch(() => {});
  }
}

/** How many deliveries have not ended. */
async function waiting(): Promise<number> {
  let count = 0;
  for (const status of ['pending', 'delivering', 'failed'] as const) {
    count += (await surehook.deliveries.list({ status, limit: 1_000 })).items.length;
  }
  return count;
}

async function printCounts(): Promise<void> {
  const shares = workers.map(({ said }, n) => `worker ${n + 1} delivered ${said}`);
  print(`ordered ${asked}, sold out ${refused}, ${shares.join(', ')}, waiting ${await waiting()}`);
}

/** What must be true when the shop has closed. */
async function verify(): Promise<boolean> {
  const events = (await takenOrders(pool)).map(eventIdOf);
  const counts = workers.map(({ said }) => Number(said));
  const delivered = counts.reduce((sum, count) => sum + count);
  const checks: Record<string, boolean> = {
    [`${events.length} orders are stored: all but the ${refused} that were refused`]:
      events.length === asked - refused && refused > 0,
    [`the workers delivered ${counts.join(' and ')}, each of them some: ${delivered} in all`]:
      counts.every((count) => count > 0) && delivered === endpoints.length * events.length,
  };
  for (const [n, { accepted, forged }] of endpoints.entries()) {
    const once = events.filter((event) => accepted.get(event) === 1).length;
    checks[`endpoint ${n + 1} got ${once} events once each, every signature verified`] =
      once === events.length && accepted.size === events.length && forged === 0;
  }
  for (const [text, holds] of Object.entries(checks)) print(`${holds ? 'ok    ' : 'FAILED'} ${text}`);
  return Object.values(checks).every(Boolean);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

const database = await findDatabase();
const pool = new Pool({ connectionString: database.url });
await makeTables(pool);
const surehook = openSurehook(pool);
const endpoints = [await Receiver.start(), await Receiver.start({ failures: 3 })];
for (const endpoint of endpoints) {
  const { secret } = await surehook.webhooks.create({ url: endpoint.url, events: ['order.*'] });
  endpoint.secret = secret;
}
const web = await Child.start(new URL('web.ts', import.meta.url), database.url);
const startWorker = (): Promise<Child> => Child.start(new URL('worker.ts', import.meta.url), database.url);
const workers = [await startWorker(), await startWorker()];
const ticker = setInterval(() => void printCounts(), 1_000);
try {
  await Promise.all(Array.from({ length: CUSTOMERS }, () => order(web.said)));
  if (isCheck) while (!signal.aborted && (await waiting()) > 0) await sleep(20);
} finally {
  clearInterval(ticker);
  await web.stop();
  await Promise.all(workers.map((worker) => worker.stop()));
  await printCounts();
  if (isCheck) process.exitCode = (await verify()) ? 0 : 1;
  for (const endpoint of endpoints) endpoint.close();
  await dropTables(pool);
  await pool.end();
  await database.close();
}
