import { setTimeout as wait } from 'node:timers/promises';
import type { ChildResult, DrainTask, Job } from '../protocol.ts';
import { makeEvent } from '../work.ts';
import { addMany, begin, IN_FLIGHT, makeContender, say, told } from './child.ts';

const RECORD_WITHIN_MS = 5_000;

/** Every round has a contender of its own, so that the later ones are of a warm process and of nothing that an earlier one stored. */
export async function drain(job: Job, { events }: DrainTask): Promise<ChildResult> {
  for (;;) {
    const { home, fill } = await told('prepare');
    const pathOf = (n: number): string => `/e/${n}`;
    const contender = await makeContender(job, { home, pathOf, maxInFlight: IN_FLIGHT, joins: !fill });
    const addedPerSecond = fill ? await addMany(contender, events, makeEvent) : 0;
    globalThis.gc?.();
    const end = await begin(contender, addedPerSecond);
    await told('finish');
    await Promise.race([contender.settled(), wait(RECORD_WITHIN_MS, undefined, { ref: false })]);
    const result = end();
    await contender.stop();
    void say({ result });
  }
}
