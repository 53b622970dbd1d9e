import type { ChildResult, Job, PublishTask } from '../protocol.ts';
import { monotonicMs } from '../protocol.ts';
import { makeEvent } from '../work.ts';
import { makeContender, resultOf, say, told } from './child.ts';

/** How many are published before the clock starts, of those that count. */
const WARM_UP_PART = 0.2;

export async function publish(job: Job, task: PublishTask): Promise<ChildResult> {
  const { events, lanes, perCall, isLimited } = task;
  const { home } = await told('prepare');
  const contender = await makeContender(job, { home, pathOf: (n) => `/e/${n}`, isLimited, joins: false });
  const warmUp = Math.round(events * WARM_UP_PART);
  const made = Array.from({ length: warmUp + events }, (_, i) => makeEvent(i));
  let next = 0;
  const lane = async (end: number): Promise<void> => {
    while (next < end) {
      const batch = made.slice(next, Math.min(end, next + perCall));
      next += batch.length;
      const [event] = batch;
      if (perCall === 1 && event !== undefined) await contender.addOne(event);
      else await contender.add(batch);
    }
  };
  const all = (end: number): Promise<unknown> => Promise.all(Array.from({ length: lanes }, () => lane(end)));
  await all(warmUp);
  const going = told('go');
  await say({ ready: true, addedPerSecond: 0 });
  await going;
  const [cpu, startedAt] = [process.cpuUsage(), monotonicMs()];
  void say({ startedAt });
  await all(warmUp + events);
  const addedPerSecond = (events / (monotonicMs() - startedAt)) * 1000;
  const used = process.cpuUsage(cpu);
  void say({ published: true });
  await told('finish');
  await contender.stop();
  return resultOf({ cpu: used, delivered: 0, addedPerSecond });
}
