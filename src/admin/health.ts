/** How a webhook fares: what its attempts of a while came to, and what waits for it. */
import { numberIn, plainObject } from '../domain/check.ts';
import {
  type FailureNote,
  type OutcomeTally,
  PERIOD_MS,
  percentile,
  periodOf,
  TALLIES_KEPT_MS,
} from '../domain/tally.ts';
import type { WebhookRecord } from '../domain/webhook.ts';
import type { Settings } from '../options.ts';
import type { QueueRecord } from '../repos.ts';
import type { Storage } from '../runtime/storage.ts';
import { publicStatus } from '../views.ts';
import type { BoundedCount, WebhookHealth } from './webhook-health.ts';

/** What health is read with. */
export interface HealthParts {
  readonly settings: Settings;
  readonly storage: Storage;
}

const DEFAULT_WINDOW_MS = 86_400_000;
/** How far is counted. */
const COUNT_LIMIT = 10_000;

/** Reads a query. Throws `InvalidInputError`. */
export function readHealthQuery(query: unknown): { readonly windowMs: number } {
  const { windowMs = DEFAULT_WINDOW_MS } = plainObject('query', query, {
    keys: ['windowMs'] as const,
    path: '',
  });
  return {
    windowMs: numberIn('windowMs', windowMs, { min: PERIOD_MS, max: TALLIES_KEPT_MS, integer: true }),
  };
}

/** Looks it up. Rejects with `StorageError`. */
export async function healthOf(
  { id, status }: WebhookRecord,
  { windowMs }: { readonly windowMs: number },
  { settings, storage }: HealthParts,
): Promise<WebhookHealth> {
  const { events, state } = settings.repos;
  const now = settings.clock.now();
  const since = periodOf(now - windowMs);
  const [tallies, counts, [queue]] = await Promise.all([
    storage.once('state.outcomes', () => state.outcomes({ webhookId: id, since })),
    storage.once('events.countDeliveries', () =>
      events.countDeliveries({ webhookId: id, limit: COUNT_LIMIT }),
    ),
    storage.once('state.get', () => state.get([id])),
  ]);
  return {
    webhookId: id,
    status: publicStatus(status),
    windowMs,
    ...figuresOf(tallies),
    waiting: bounded(counts.waiting),
    dead: bounded(counts.dead),
    ...lastOf(tallies),
    ...probeOf(queue, now),
  };
}

type Figures = Pick<WebhookHealth, 'attempts' | 'succeeded' | 'failed' | 'successRate' | 'latencyMs'>;

function figuresOf(tallies: readonly OutcomeTally[]): Figures {
  const succeeded = tallies.reduce((sum, tally) => sum + tally.succeeded, 0);
  const failed = tallies.reduce((sum, tally) => sum + tally.failed, 0);
  const attempts = succeeded + failed;
  const latencies = added(tallies);
  const at = (share: number): number => percentile(latencies, share) ?? 0;
  return {
    attempts,
    succeeded,
    failed,
    successRate: attempts === 0 ? undefined : succeeded / attempts,
    latencyMs: attempts === 0 ? undefined : { p50: at(0.5), p90: at(0.9), p99: at(0.99) },
  };
}

function added(tallies: readonly OutcomeTally[]): readonly number[] {
  const sums: number[] = [];
  for (const { latencies } of tallies)
    for (const [index, count] of latencies.entries()) sums[index] = (sums[index] ?? 0) + count;
  return Array.from(sums, (sum) => sum ?? 0);
}

function bounded(count: number): BoundedCount {
  return { count, isExact: count < COUNT_LIMIT };
}

function lastOf(tallies: readonly OutcomeTally[]): Pick<WebhookHealth, 'lastSuccessAt' | 'lastFailure'> {
  const successes = tallies.flatMap(({ lastSuccessAt }) => lastSuccessAt ?? []);
  const failures = tallies.flatMap(({ lastFailure }) => lastFailure ?? []);
  const newest = failures.reduce<FailureNote | undefined>(
    (known, note) => (known === undefined || note.at > known.at ? note : known),
    undefined,
  );
  return {
    ...(successes.length > 0 && { lastSuccessAt: new Date(Math.max(...successes)) }),
    ...(newest !== undefined && { lastFailure: { ...newest, at: new Date(newest.at) } }),
  };
}

/** A queue that waits without failures waits for a token, which is no probe. */
function probeOf(queue: QueueRecord | undefined, now: number): Pick<WebhookHealth, 'nextProbeAt'> {
  const isBackingOff = queue !== undefined && queue.failures > 0 && queue.notBefore > now;
  return isBackingOff ? { nextProbeAt: new Date(queue.notBefore) } : {};
}
