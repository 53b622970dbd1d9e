import { setTimeout as wait } from 'node:timers/promises';
import type { Contender } from '../contender.ts';
import type { ChildResult, FeedTask, Job } from '../protocol.ts';
import { ENDPOINTS, eventFor, makeEvent } from '../work.ts';
import { addMany, begin, IN_FLIGHT, makeContender, told } from './child.ts';

const FEED_EVERY_MS = 5;
const DEAD = ENDPOINTS - 1;

/** Adds what was delivered, so that as much waits at any time. */
export async function feed(job: Job, task: FeedTask): Promise<ChildResult> {
  const { home } = await told('prepare');
  const { waiting, filled } = task;
  const pathOf = (n: number): string => `/${n === DEAD ? 'dead' : 'e'}/${n}`;
  const contender = await makeContender(job, { home, pathOf, maxInFlight: IN_FLIGHT, joins: filled });
  if (!filled) await addBacklog(contender, task);
  const end = await begin(contender, 0);
  let finished = false;
  const finish = told('finish').then(() => {
    finished = true;
  });
  for (let added = waiting; !finished; ) {
    await wait(FEED_EVERY_MS);
    const missing = contender.delivered() + waiting - added;
    if (missing <= 0) continue;
    const from = added;
    await contender.add(Array.from({ length: missing }, (_, k) => makeEvent(from + k, DEAD)));
    added += missing;
  }
  await finish;
  const result = end();
  await contender.stop();
  return result;
}

async function addBacklog(contender: Contender, { waiting, waitingForDead }: FeedTask): Promise<void> {
  await addMany(contender, waitingForDead, (i) => eventFor(DEAD, i));
  await addMany(contender, waiting, (i) => makeEvent(i, DEAD));
}
