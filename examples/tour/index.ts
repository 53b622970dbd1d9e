/**
 * A tour of surehook: three webhooks, real HTTP, real signatures, about seven seconds. Run it with `npm run example`.
 *
 * - `healthy` answers every request.
 * - `flaky` answers its first requests with 503. Its deliveries wait in a queue of their own until it recovers.
 * - `dead` drops every connection. It becomes Unavailable and its deliveries are given up; then it is repaired, enabled, and they are replayed.
 *
 * All of them must end up with every event, once. Exits with 1 when anything did not go as told here.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createSurehook, memoryRepos, retryExponential } from 'surehook';
import { runChecks } from './checks.ts';
import { Receiver } from './receiver.ts';
import { Scoreboard } from './scoreboard.ts';
import { openView } from './view.ts';

/** Above 1, everything goes faster; our own tests use it. */
const speed = Number(process.env.SUREHOOK_TOUR_SPEED ?? 1);
const scaled = (ms: number): number => Math.ceil(ms / speed);

const EVENTS = 150;
const EVERY_MS = scaled(40);
const FLAKY_FAILURES = 4;
const REPAIR_AFTER_MS = scaled(1_200);

const surehook = createSurehook({
  repos: memoryRepos(),
  // The defaults suit production: retries after 10 s to 1 h, Unavailable after 7 days. Too long to watch.
  retry: retryExponential({ baseMs: scaled(200), maxMs: scaled(800), attempts: 12 }),
  backoff: { baseMs: scaled(200), maxMs: scaled(800) },
  unavailableAfterMs: scaled(2_000),
  replaysPerSecond: Math.round(60 * speed),
  // For local development only: by default none but public HTTPS endpoints may be called.
  endpoints: { allowHttp: true, allowPrivateAddresses: true },
});

const ended = new AbortController();
const { signal } = ended;
let status = 1;
const tooLate = setTimeout(() => ended.abort(), 12_000);
process.once('SIGINT', () => {
  status = 130;
  ended.abort();
});

const receivers = {
  healthy: await Receiver.start(),
  flaky: await Receiver.start({ failures: FLAKY_FAILURES }),
  dead: await Receiver.start({ isDown: true }),
};
const scoreboard = new Scoreboard(surehook);
for (const [name, receiver] of Object.entries(receivers)) {
  const { webhook, secret } = await surehook.webhooks.create({
    name,
    url: receiver.url,
    events: ['order.*'],
  });
  receiver.secret = secret;
  scoreboard.watch(name, webhook.id);
}

const view = openView({
  title: 'surehook: a tour',
  subtitle: `Scaled down: back-off of ${scaled(200)} to ${scaled(800)} ms, unavailable after ${scaled(2_000)} ms, not 7 days.`,
  rows: () => scoreboard.rows(),
});
scoreboard.onNews = (name, news) => view.note(name, news);

/** Publishes to whoever listens; surehook knows the webhooks. */
async function publishOrders(): Promise<string[]> {
  const ids: string[] = [];
  for (let order = 1; order <= EVENTS; order++) {
    const { event } = await surehook.publish({ type: 'order.paid', data: { order } });
    ids.push(event.id);
    await sleep(EVERY_MS, undefined, { signal });
  }
  view.note('you', `all ${EVENTS} events are published`);
  return ids;
}

/** What an owner does whose endpoint was down for too long. */
async function repairDead(): Promise<number> {
  const webhookId = scoreboard.idOf('dead');
  while ((await surehook.webhooks.get(webhookId))?.status.state !== 'unavailable') {
    await sleep(10, undefined, { signal });
  }
  await sleep(REPAIR_AFTER_MS, undefined, { signal });
  receivers.dead.repair();
  await surehook.webhooks.enable(webhookId);
  const { items } = await surehook.deliveries.list({ webhookId, status: 'exhausted', limit: 1_000 });
  for (const { id } of items) await surehook.deliveries.replay(id);
  view.note('you', `dead is repaired and enabled, ${items.length} deliveries are replayed`);
  return items.length;
}

try {
  await surehook.start();
  view.note('you', `publish ${EVENTS} events to three webhooks, one each ${EVERY_MS} ms`);
  const [published, replayed] = await Promise.all([publishOrders(), repairDead()]);
  while (!(await scoreboard.isAllDelivered())) await sleep(10, undefined, { signal });
  await surehook.idle({ signal });
  const checks = runChecks({ receivers, scoreboard, published, replayed, flakyFailures: FLAKY_FAILURES });
  status = checks.every(({ holds }) => holds) ? 0 : 1;
  await view.end(checks);
} catch (error) {
  if (!signal.aborted) throw error;
  await view.end([{ text: 'ended before its time', holds: false }]);
} finally {
  view.restore();
  clearTimeout(tooLate);
  await surehook.stop({ deadlineMs: 1_000 });
  for (const receiver of Object.values(receivers)) receiver.close();
}
process.exitCode = status;
