/** One measured process: node measured.ts TASK, a forked child of the bench. */
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import type { Contender, PathOf } from './contender.ts';
import { limitContender } from './limit-contender.ts';
import type {
  ChildCommand,
  ChildReply,
  ChildResult,
  DrainTask,
  FeedTask,
  LatencyTask,
  Task,
} from './protocol.ts';
import { monotonicMs } from './protocol.ts';
import { type BenchEvent, ENDPOINTS, eventFor, makeEvent } from './work.ts';

const IN_FLIGHT = 64;
const BATCH = 500;
const FEED_EVERY_MS = 5;
const WARM_UP_MS = 1000;
/** The burst that begins the disturbance is no part of what is measured, in either case. */
const SETTLE_MS = 500;

const task = JSON.parse(process.argv[2] ?? '') as Task;

function say(message: ChildReply): void {
  process.send?.(message);
}

async function told(command: ChildCommand): Promise<void> {
  const [message] = await once(process, 'message');
  if (message !== command) throw new Error(`Expected ${command}, got ${String(message)}`);
}

async function makeContender(pathOf: PathOf, maxInFlight?: number): Promise<Contender> {
  switch (task.contender) {
    case 'limit':
      return limitContender(task.origin, pathOf, 'library');
    case 'limit-crypto':
      return limitContender(task.origin, pathOf, 'crypto');
    case 'surehook':
    case 'surehook-sqlite':
    case 'surehook-sqlite-full': {
      // Loaded here, so that the processes of the limit carry nothing of it.
      const { surehookContender } = await import('./surehook-contender.ts');
      const { openStore } = await import('./stores.ts');
      const url = (n: number): string => `${task.origin}${pathOf(n)}`;
      return surehookContender(await openStore(task.contender), url, maxInFlight);
    }
  }
}

async function addMany(contender: Contender, total: number, make: (i: number) => BenchEvent): Promise<void> {
  for (let from = 0; from < total; from += BATCH) {
    const size = Math.min(BATCH, total - from);
    await contender.add(Array.from({ length: size }, (_, k) => make(from + k)));
  }
}

/** Starts when told to; the function returned gives what the work took until it is called. */
async function begin(contender: Contender): Promise<() => ChildResult> {
  say({ ready: true });
  await told('go');
  const cpu = process.cpuUsage();
  say({ startedAt: monotonicMs() });
  await contender.start();
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    return {
      cpuMs: (user + system) / 1000,
      peakMiB: process.resourceUsage().maxRSS / 1024,
      delivered: contender.delivered(),
      due: [],
    };
  };
}

/** Every round has a contender of its own, so that the later ones are of a warm process and of nothing that an earlier one stored. */
async function drain({ events }: DrainTask): Promise<never> {
  for (;;) {
    await told('prepare');
    const contender = await makeContender((n) => `/e/${n}`, IN_FLIGHT);
    await addMany(contender, events, makeEvent);
    globalThis.gc?.();
    const end = await begin(contender);
    await told('finish');
    for (let tries = 0; contender.delivered() < events && tries < 200; tries++) await wait(10);
    say({ result: end() });
    await contender.stop();
  }
}

/** Adds what was delivered, so that as much waits at any time. */
async function feed({ waiting, waitingForDead }: FeedTask): Promise<ChildResult> {
  const dead = ENDPOINTS - 1;
  const contender = await makeContender((n) => `/${n === dead ? 'dead' : 'e'}/${n}`, IN_FLIGHT);
  await addMany(contender, waitingForDead, (i) => eventFor(dead, i));
  await addMany(contender, waiting, (i) => makeEvent(i, dead));
  const end = await begin(contender);
  let finished = false;
  const finish = told('finish').then(() => {
    finished = true;
  });
  for (let added = waiting; !finished; ) {
    await wait(FEED_EVERY_MS);
    const missing = contender.delivered() + waiting - added;
    if (missing <= 0) continue;
    const from = added;
    await contender.add(Array.from({ length: missing }, (_, k) => makeEvent(from + k, dead)));
    added += missing;
  }
  await finish;
  return end();
}

/** Calls `run` `perSecond` times a second, on time by the clock however long a call takes. */
async function openLoop(
  perSecond: number,
  forMs: number,
  run: (due: number) => Promise<void>,
): Promise<void> {
  const from = monotonicMs();
  const total = Math.round((perSecond * forMs) / 1000);
  const running: Promise<void>[] = [];
  for (let n = 0; n < total; n++) {
    const due = from + (n * 1000) / perSecond;
    const aheadMs = due - monotonicMs();
    if (aheadMs > 0) await wait(aheadMs);
    // A timer may fire a moment early: what is done before it is due counts from then.
    running.push(run(Math.min(due, monotonicMs())));
  }
  await Promise.all(running);
}

async function latency(task: LatencyTask): Promise<ChildResult> {
  const others = ENDPOINTS - 1;
  const contender = await makeContender((n) => `/${n > 0 && task.othersHang ? 'hang' : 'e'}/${n}`);
  const due: [string, number][] = [];
  const publish = async (at: number): Promise<void> => {
    const [id] = await contender.add([eventFor(0, due.length)]);
    due.push([id as string, at]);
  };
  let next = 0;
  const disturb = async (): Promise<void> => {
    await contender.add([eventFor(1 + (next++ % others), next)]);
  };
  const end = await begin(contender);
  await openLoop(task.perSecond, WARM_UP_MS, publish);
  // From here on every other endpoint has work at all times: twenty events each at once, then two a second.
  await addMany(contender, others * 20, (i) => eventFor(1 + (i % others), i));
  const disturbed = openLoop(others * 2, SETTLE_MS + task.measureMs, disturb);
  await openLoop(task.perSecond, SETTLE_MS, publish);
  due.length = 0;
  await openLoop(task.perSecond, task.measureMs, publish);
  await disturbed;
  say({ published: true });
  await told('finish');
  return { ...end(), due };
}

async function run(): Promise<ChildResult> {
  switch (task.mode) {
    case 'drain':
      return drain(task);
    case 'feed':
      return feed(task);
    case 'latency':
      return latency(task);
  }
}

process.on('disconnect', () => process.exit(1));
const result = await run();
process.send?.({ result } satisfies ChildReply, () => process.exit(0));
