/** One measured process: node measured.ts JOB, a forked child of the bench. */
import { say } from './measured/child.ts';
import { drain } from './measured/drain.ts';
import { feed } from './measured/feed.ts';
import { fill } from './measured/fill.ts';
import { history } from './measured/history.ts';
import { hang, paced } from './measured/latency.ts';
import { looks } from './measured/looks.ts';
import { modes } from './measured/modes.ts';
import { publish } from './measured/publish.ts';
import { replay } from './measured/replay.ts';
import type { ChildResult, Job } from './protocol.ts';

const job = JSON.parse(process.argv[2] ?? '') as Job;

async function run(): Promise<ChildResult> {
  const { task } = job;
  switch (task.mode) {
    case 'drain':
      return drain(job, task);
    case 'feed':
      return feed(job, task);
    case 'hang':
      return hang(job, task);
    case 'paced':
      return paced(job, task);
    case 'publish':
      return publish(job, task);
    case 'modes':
      return modes(job, task);
    case 'replay':
      return replay(job, task);
    case 'fill':
      return fill(job, task);
    case 'history':
      return history(job, task);
    case 'looks':
      return looks(job, task);
  }
}

process.on('disconnect', () => process.exit(1));
await say({ result: await run() });
process.exit(0);
