import { setTimeout as wait } from 'node:timers/promises';
import type { EventRepo, Surehook } from '../../../src/index.ts';
import { type ChildResult, type Job, monotonicMs, type ReplayTask, type StoreName } from '../protocol.ts';
import { openStore } from '../stores/open.ts';
import { surehookContender } from '../surehook-contender.ts';
import { makeEvent } from '../work.ts';
import { addMany, begin, IN_FLIGHT, told } from './child.ts';
import { FED_ENDPOINTS, keepWaiting } from './feed.ts';
import { addGivenUp, MISSED } from './given-up.ts';

const LOOK_EVERY_MS = 5;
const PAGE = 1_000;

/** Ends when told so, whether all are marked by then or not. */
export async function replay(job: Job, task: ReplayTask): Promise<ChildResult> {
  const { home } = await told('prepare');
  const { waiting, givenUp, filled, replayAfter } = task;
  const store = await openStore(job.contender as StoreName, home);
  const count = counting(store.repos.events);
  const urlOf = (n: number): string => `${job.origin}/e/${n}`;
  const contender = await surehookContender(store, { urlOf, maxInFlight: IN_FLIGHT, joins: filled });
  if (!filled) {
    await addGivenUp(store, job.origin, givenUp);
    await addMany(contender, waiting, (i) => makeEvent(i, FED_ENDPOINTS));
  }
  const end = await begin(contender, 0);
  let isOver = false;
  const finish = told('finish').then(() => {
    isOver = true;
  });
  // What was let in from the replays and is not delivered yet is taken for delivered: it waits with the others.
  const delivered = (): number => contender.delivered() - count.sent;
  const { deliveries } = contender.surehook;
  const marking = new Marking(deliveries, delivered);
  if (replayAfter !== null) void marking.run(replayAfter);
  await keepWaiting(contender, { waiting, delivered, isOver: () => isOver });
  await finish;
  const result = end();
  const figures =
    replayAfter === null
      ? {}
      : { ...marking.figures(), ...listed(count), replaying: [await countReplaying(deliveries)] };
  await contender.stop();
  return { ...result, figures };
}

interface Counts {
  marked: number;
  /** Let in, to be sent. */
  sent: number;
}

/** Counts the replays that pass. */
function counting(events: EventRepo): Counts {
  const counts = { marked: 0, sent: 0 };
  const mark = events.markReplay.bind(events);
  const promote = events.promoteReplays.bind(events);
  events.markReplay = async (...request) => {
    const records = await mark(...request);
    counts.marked += records.length;
    return records;
  };
  events.promoteReplays = async (request) => {
    const records = await promote(request);
    counts.sent += records.length;
    return records;
  };
  return counts;
}

function listed({ marked, sent }: Counts): ChildResult['figures'] {
  return { marked: [marked], sent: [sent] };
}

/** The call that marks them all, and how long it takes. */
class Marking {
  readonly #deliveries: Surehook['deliveries'];
  readonly #delivered: () => number;
  #from = 0;
  #to: number | undefined;

  constructor(deliveries: Surehook['deliveries'], delivered: () => number) {
    this.#deliveries = deliveries;
    this.#delivered = delivered;
  }

  /** Begins when so many others have been delivered. What is not marked when the store is closed stays as it is. */
  async run(after: number): Promise<void> {
    while (this.#delivered() < after) await wait(LOOK_EVERY_MS);
    this.#from = monotonicMs();
    await this.#deliveries.replayMany({ eventType: MISSED }).catch((error: unknown) => {
      if (this.#to === undefined) throw error;
    });
    this.#to ??= monotonicMs();
  }

  /** Up to its end, or to now. */
  figures(): ChildResult['figures'] {
    this.#to ??= monotonicMs();
    return { markingMs: [this.#to - this.#from] };
  }
}

async function countReplaying(deliveries: Surehook['deliveries']): Promise<number> {
  const query = { eventType: MISSED, status: 'replaying', limit: PAGE } as const;
  let page = await deliveries.list(query);
  let count = page.items.length;
  while (page.cursor !== undefined) {
    page = await deliveries.list({ ...query, cursor: page.cursor });
    count += page.items.length;
  }
  return count;
}
