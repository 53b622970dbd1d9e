/** A month of one busy webhook, and work of others beside it. */
import { newId } from '../../../src/domain/ids.ts';
import { PERIOD_MS, periodOf, TALLIES_KEPT_MS } from '../../../src/domain/tally.ts';
import type { DeliveryRecord, OutcomeTally } from '../../../src/index.ts';
import { systemRandom } from '../../../src/random.ts';
import type { AppendEntry } from '../../../src/repos.ts';
import { type ChildResult, type HistoryTask, type Job, monotonicMs, type StoreName } from '../protocol.ts';
import { openStore, type Store } from '../stores/open.ts';
import { surehookContender } from '../surehook-contender.ts';
import { append, appendWaiting } from './append.ts';
import { resultOf, say, told } from './child.ts';
import { deadWebhook, deliveryRecord, eventRecord } from './records.ts';

export const BUSY = 'whk_busy';
const TYPE = 'bench.busy';
const DAY_MS = 86_400_000;
const MONTH_MS = 30 * DAY_MS;
/** Its newest, a fiftieth of all, wait in its own queue; as many of others are in the express queue. */
const WAITING_PART = 0.02;
/** Of what has ended one in so many was given up. */
const DEAD_EVERY = 97;
/** Nobody looks at bodies here: a small one makes it quicker. */
const BODY = '{}';
const WRITERS = 4;
const TALLIES_AT_ONCE = 500;

export async function history(job: Job, { deliveries }: HistoryTask): Promise<ChildResult> {
  const { home } = await told('prepare');
  const store = await openStore(job.contender as StoreName, home);
  await surehookContender(store, { urlOf: (n) => `${job.origin}/e/${n}`, joins: false });
  const going = told('go');
  await say({ ready: true, addedPerSecond: 0 });
  await going;
  const [cpu, startedAt] = [process.cpuUsage(), monotonicMs()];
  void say({ startedAt });
  await addMonth(store, job.origin, deliveries);
  await appendWaiting(store, Math.round(deliveries * WAITING_PART));
  await addTallies(store);
  const addedPerSecond = (deliveries / (monotonicMs() - startedAt)) * 1000;
  void say({ published: true });
  await told('finish');
  const result = resultOf({ cpu: process.cpuUsage(cpu), delivered: 0, addedPerSecond });
  await store.dispose();
  return result;
}

async function addMonth(store: Store, origin: string, total: number): Promise<void> {
  const end = Date.now();
  const { webhooks, state } = store.repos;
  await webhooks.insert({ ...deadWebhook(BUSY, `${origin}/dead/0`, end), events: [TYPE] });
  const make = (i: number): AppendEntry => {
    const at = end - MONTH_MS + Math.floor((i / total) * MONTH_MS);
    return busyEntry(at, i >= total * (1 - WAITING_PART) ? {} : endedAt(at, i));
  };
  await append(store, { total, make });
  await state.open([{ webhookId: BUSY, failures: 6, nextAt: end + DAY_MS }], { now: end });
}

function busyEntry(at: number, state: Partial<DeliveryRecord>): AppendEntry {
  const event = eventRecord(newId('evt', at, systemRandom), TYPE, { now: at, body: BODY });
  const where = { webhookId: BUSY, queue: 'own' } as const;
  return {
    event,
    deliveries: [{ ...deliveryRecord(newId('dlv', at, systemRandom), event, where), ...state }],
  };
}

function endedAt(completedAt: number, i: number): Partial<DeliveryRecord> {
  return i % DEAD_EVERY === 0
    ? { status: 'exhausted', reason: 'attempts-used-up', completedAt }
    : { status: 'delivered', completedAt };
}

/** Of a week, by several processes. */
async function addTallies({ repos }: Store): Promise<void> {
  const now = periodOf(Date.now());
  const periods = Array.from({ length: TALLIES_KEPT_MS / PERIOD_MS }, (_, n) => now - n * PERIOD_MS);
  const writers = Array.from({ length: WRITERS }, (_, n) => `writer ${n}`);
  const tallies = periods.flatMap((startsAt) => writers.map((writer) => tally(startsAt, writer)));
  for (let at = 0; at < tallies.length; at += TALLIES_AT_ONCE) {
    await repos.state.recordOutcomes(tallies.slice(at, at + TALLIES_AT_ONCE));
  }
}

function tally(startsAt: number, writer: string): OutcomeTally {
  return {
    webhookId: BUSY,
    writer,
    startsAt,
    succeeded: 1_000,
    failed: 24,
    latencies: Array.from({ length: 32 }, (_, n) => n * 2 + 1),
    lastSuccessAt: startsAt + 1_000,
    lastFailure: {
      at: startsAt + 2_000,
      httpStatus: 0,
      kind: 'timeout',
      message: 'No answer within 15000 ms',
    },
  };
}
