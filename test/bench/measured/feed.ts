import { setTimeout as wait } from 'node:timers/promises';
import type { Contender } from '../contender.ts';
import type { ChildResult, FeedTask, Job } from '../protocol.ts';
import { ENDPOINTS, eventFor, makeEvent } from '../work.ts';
import { addMany, begin, IN_FLIGHT, makeContender, told } from './child.ts';

const FEED_EVERY_MS = 5;
/** What is fed goes to the first so many endpoints, and never to the last. */
export const FED_ENDPOINTS: number = ENDPOINTS - 1;
const DEAD = FED_ENDPOINTS;

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
  await keepWaiting(contender, { waiting, delivered: () => contender.delivered(), isOver: () => finished });
  await finish;
  const result = end();
  await contender.stop();
  return result;
}

export interface Feeding {
  /** So many wait already. */
  readonly waiting: number;
  /** Of those that are fed. */
  readonly delivered: () => number;
  readonly isOver: () => boolean;
}

/** Adds what was delivered, again and again, until it is over. */
export async function keepWaiting(
  contender: Contender,
  { waiting, delivered, isOver }: Feeding,
): Promise<void> {
  for (let added = waiting; !isOver(); ) {
    await wait(FEED_EVERY_MS);
    const missing = delivered() + waiting - added;
    if (missing <= 0) continue;
    const from = added;
    await contender.add(Array.from({ length: missing }, (_, k) => makeEvent(from + k, FED_ENDPOINTS)));
    added += missing;
  }
}

async function addBacklog(contender: Contender, { waiting, waitingForDead }: FeedTask): Promise<void> {
  await addMany(contender, waitingForDead, (i) => eventFor(DEAD, i));
  await addMany(contender, waiting, (i) => makeEvent(i, FED_ENDPOINTS));
}
