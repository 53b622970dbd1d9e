/** One process that delivers, publishes, and dies when told to: node worker.ts TASK, a forked child of the run. */
import { flushCompileCache } from 'node:module';
import { setTimeout as wait } from 'node:timers/promises';
import { systemClock } from '../../src/clock.ts';
import { createSurehook, httpTransport } from '../../src/index.ts';
import { fatalRepos, fatalTransport, type Tokens } from './marks.ts';
import {
  eventOf,
  STOP_DEADLINE_MS,
  settings,
  TIMEOUT_MS,
  type WorkerMessage,
  type WorkerTask,
} from './protocol.ts';
import { storeOf } from './store.ts';
import { Suicide } from './suicide.ts';

/** Beside what the run itself publishes: three workers make some 20 events per second. */
const PUBLISH_EVERY_MS = 150;

// Nothing outlives the run, however that ends.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));

const task: WorkerTask = JSON.parse(process.argv[2] ?? '');
/** Written before the call returns, so that it is heard of a process that dies at once. */
const say = (message: WorkerMessage): void => {
  process.send?.(message);
};

const tokens: Tokens = new Map();
const suicide = new Suicide(task.mark, (mark) => say({ kind: 'dying', mark }));
const store = await storeOf(task.store);
const { repos, close } = await store.open(task.address, () => suicide.statement());
const transport = httpTransport({
  policy: { allowHttp: true, allowPrivateAddresses: true, ports: undefined },
  clock: systemClock,
  timeoutMs: TIMEOUT_MS,
});
const surehook = createSurehook({
  ...settings,
  repos: fatalRepos(repos, suicide, tokens),
  transport: fatalTransport(transport, suicide, { ...task, worker: task.name, tokens }),
});
surehook.on('error', ({ code, message }) => say({ kind: 'error', code, message }));

let isPublishing = true;
process.on('message', () => {
  isPublishing = false;
  suicide.calm();
});
process.on('SIGTERM', async () => {
  isPublishing = false;
  await surehook.stop({ deadlineMs: STOP_DEADLINE_MS });
  await transport.close?.();
  say({ kind: 'stopped', claimed: surehook.stats().claimed });
  await close();
  process.exit(0);
});

await surehook.start();
flushCompileCache();
say({ kind: 'ready' });
for (let n = 1; isPublishing; n += 1) {
  const id = `evt_${task.name}_${n}`;
  say({ kind: 'publishing', id });
  try {
    await surehook.publish(eventOf(id));
    say({ kind: 'published', id });
  } catch {
    // Told as an error event or not at all: the run publishes it again.
  }
  await wait(PUBLISH_EVERY_MS);
}
