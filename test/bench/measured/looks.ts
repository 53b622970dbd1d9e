import { createSurehook, type DeliveryListQuery, type Surehook } from '../../../src/index.ts';
import { type ChildResult, type Job, type LooksTask, monotonicMs, type StoreName } from '../protocol.ts';
import { openStore } from '../stores/open.ts';
import { resultOf, say, told } from './child.ts';
import { BUSY } from './history.ts';

const DAY_MS = 86_400_000;
const TENANT = 'default';

/** Everything is looked at by a process that has looked at nothing before. */
export async function looks(job: Job, { calls }: LooksTask): Promise<ChildResult> {
  const { home } = await told('prepare');
  const store = await openStore(job.contender as StoreName, home);
  const surehook = createSurehook({ repos: store.repos });
  const going = told('go');
  await say({ ready: true, addedPerSecond: 0 });
  await going;
  const cpu = process.cpuUsage();
  void say({ startedAt: monotonicMs() });
  const figures: Record<string, readonly number[]> = {};
  for (const [what, look] of Object.entries(allLooks(surehook))) figures[what] = await timed(look, calls);
  void say({ published: true });
  await told('finish');
  const result = resultOf({ cpu: process.cpuUsage(cpu), delivered: 0, addedPerSecond: 0 });
  await store.dispose();
  return { ...result, figures };
}

/** What each took, ms. */
async function timed(look: () => Promise<boolean>, calls: number): Promise<readonly number[]> {
  const times: number[] = [];
  for (let n = 0; n < calls; n++) {
    const from = monotonicMs();
    if (!(await look())) throw new Error('There is nothing to see');
    times.push(monotonicMs() - from);
  }
  return times;
}

/** Each resolves whether it saw something. */
function allLooks({ webhooks, deliveries }: Surehook): Readonly<Record<string, () => Promise<boolean>>> {
  const health = (windowMs: number) => async (): Promise<boolean> => {
    const { attempts, waiting, dead } = await webhooks.health(BUSY, { windowMs });
    return attempts > 0 && waiting.count > 0 && dead.count > 0;
  };
  const page = (query: DeliveryListQuery) => async (): Promise<boolean> =>
    (await deliveries.list(query)).items.length > 0;
  const since = new Date(Date.now() - 7 * DAY_MS);
  return {
    'health, 24 hours': health(DAY_MS),
    'health, 7 days': health(7 * DAY_MS),
    'page: webhook, exhausted': page({ webhookId: BUSY, status: 'exhausted' }),
    'page: webhook, delivered since': page({ webhookId: BUSY, status: 'delivered', since }),
    'page: tenant': page({ tenantId: TENANT }),
  };
}
