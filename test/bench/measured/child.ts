/** What the tasks of a measured process have in common. */
import { once } from 'node:events';
import type { Contender, PathOf } from '../contender.ts';
import { limitContender } from '../limit-contender.ts';
import type { ChildCommand, ChildReply, ChildResult, Job } from '../protocol.ts';
import { monotonicMs } from '../protocol.ts';
import type { Home } from '../stores/home.ts';
import type { BenchEvent } from '../work.ts';

/** Requests at a time where throughput is measured. */
export const IN_FLIGHT = 64;
const BATCH = 1_000;
/** Events are made in slices beforehand, so that making them is no part of what is measured, nor all in memory at once. */
const SLICE = 10_000;

export function say(message: ChildReply): Promise<void> {
  return new Promise((resolve) => {
    process.send?.(message, () => resolve());
  });
}

export async function told<What extends ChildCommand['do']>(
  what: What,
): Promise<Extract<ChildCommand, { readonly do: What }>> {
  const [message] = (await once(process, 'message')) as [ChildCommand];
  if (message.do !== what) throw new Error(`Expected ${what}, got ${message.do}`);
  return message as Extract<ChildCommand, { readonly do: What }>;
}

export interface ContenderUse {
  readonly home: Home | undefined;
  readonly pathOf: PathOf;
  readonly maxInFlight?: number;
  /** Whether tenants have a rate; absent: they have none. */
  readonly isLimited?: boolean;
  /** Whether somebody else has made the webhooks. */
  readonly joins: boolean;
}

export async function makeContender({ contender, origin }: Job, use: ContenderUse): Promise<Contender> {
  const { home, pathOf } = use;
  if (contender === 'limit') return limitContender(origin, pathOf, 'library');
  if (contender === 'limit-crypto') return limitContender(origin, pathOf, 'crypto');
  // Loaded here, so that the processes of the limit carry nothing of it.
  const { surehookContender } = await import('../surehook-contender.ts');
  const { openStore } = await import('../stores/open.ts');
  return surehookContender(await openStore(contender, home), { ...use, urlOf: (n) => origin + pathOf(n) });
}

/** Adds that many in batches; resolves with how many a second that were. */
export async function addMany(
  contender: Contender,
  total: number,
  make: (i: number) => BenchEvent,
): Promise<number> {
  let tookMs = 0;
  for (let from = 0; from < total; from += SLICE) {
    const slice = Array.from({ length: Math.min(SLICE, total - from) }, (_, k) => make(from + k));
    const startedAt = monotonicMs();
    for (let at = 0; at < slice.length; at += BATCH) await contender.add(slice.slice(at, at + BATCH));
    tookMs += monotonicMs() - startedAt;
  }
  return total === 0 ? 0 : (total / tookMs) * 1000;
}

/** Says that it is ready, and starts when told to; the function returned gives what the work took until it is called. */
export async function begin(contender: Contender, addedPerSecond: number): Promise<() => ChildResult> {
  const going = told('go');
  await say({ ready: true, addedPerSecond });
  await going;
  const cpu = process.cpuUsage();
  void say({ startedAt: monotonicMs() });
  await contender.start();
  return () => resultOf({ cpu: process.cpuUsage(cpu), delivered: contender.delivered(), addedPerSecond });
}

export function resultOf(figures: {
  readonly cpu: NodeJS.CpuUsage;
  readonly delivered: number;
  readonly addedPerSecond: number;
}): ChildResult {
  const { cpu, delivered, addedPerSecond } = figures;
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  return {
    cpuMs: (cpu.user + cpu.system) / 1000,
    peakMiB: process.resourceUsage().maxRSS / 1024,
    heldMiB: (heapUsed + external) / 2 ** 20,
    residentMiB: rss / 2 ** 20,
    delivered,
    addedPerSecond,
    due: [],
    figures: {},
  };
}
