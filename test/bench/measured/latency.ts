import { setTimeout as wait } from 'node:timers/promises';
import type { Contender } from '../contender.ts';
import { type ChildResult, type HangTask, type Job, monotonicMs, type PacedTask } from '../protocol.ts';
import { type BenchEvent, ENDPOINTS, eventFor, makeEvent } from '../work.ts';
import { addMany, begin, makeContender, say, told } from './child.ts';

const WARM_UP_MS = 1000;
/** The burst that begins the disturbance is no part of what is measured, in either case. */
const SETTLE_MS = 500;

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

type Due = [id: string, at: number];

/** Publishes one event at a time, and takes down when each was due. */
function publisher(contender: Contender, due: Due[], make: (i: number) => BenchEvent) {
  let made = 0;
  return async (at: number): Promise<void> => {
    const id = await contender.addOne(make(made++));
    due.push([id, at]);
  };
}

export async function paced(job: Job, { perSecond, measureMs }: PacedTask): Promise<ChildResult> {
  const { home } = await told('prepare');
  const contender = await makeContender(job, { home, pathOf: (n) => `/e/${n}`, joins: false });
  const due: Due[] = [];
  const publish = publisher(contender, due, makeEvent);
  const end = await begin(contender, 0);
  await openLoop(perSecond, WARM_UP_MS, publish);
  due.length = 0;
  await openLoop(perSecond, measureMs, publish);
  return await finish(contender, end, due);
}

export async function hang(job: Job, { othersHang, perSecond, measureMs }: HangTask): Promise<ChildResult> {
  const { home } = await told('prepare');
  const others = ENDPOINTS - 1;
  const pathOf = (n: number): string => `/${n > 0 && othersHang ? 'hang' : 'e'}/${n}`;
  const contender = await makeContender(job, { home, pathOf, joins: false });
  const due: Due[] = [];
  const publish = publisher(contender, due, (i) => eventFor(0, i));
  let next = 0;
  const disturb = async (): Promise<void> => {
    await contender.add([eventFor(1 + (next++ % others), next)]);
  };
  const end = await begin(contender, 0);
  await openLoop(perSecond, WARM_UP_MS, publish);
  // From here on every other endpoint has work at all times: twenty events each at once, then two a second.
  await addMany(contender, others * 20, (i) => eventFor(1 + (i % others), i));
  const disturbed = openLoop(others * 2, SETTLE_MS + measureMs, disturb);
  await openLoop(perSecond, SETTLE_MS, publish);
  due.length = 0;
  await openLoop(perSecond, measureMs, publish);
  await disturbed;
  return await finish(contender, end, due);
}

async function finish(
  contender: Contender,
  end: () => ChildResult,
  due: readonly Due[],
): Promise<ChildResult> {
  void say({ published: true });
  await told('finish');
  const result = { ...end(), due };
  // Requests that hang are cut.
  await contender.stop({ deadlineMs: 0 });
  return result;
}
