/** How a webhook fares: what its attempts of a while came to, and what waits for it. */
import { numberIn, plainObject } from '../domain/check.ts';
import type { AttemptErrorKind } from '../domain/delivery.ts';
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
import { type PublicWebhookStatus, publicStatus } from '../views.ts';

/** How far back health looks. */
export interface HealthQuery {
  /** 15 minutes to 7 days. @default 24 hours */
  readonly windowMs?: number | undefined;
}

/** A count that stops somewhere. */
export interface BoundedCount {
  readonly count: number;
  /** False: there are that many or more. */
  readonly isExact: boolean;
}

/**
 * How a webhook fares, by what all processes have stored: what the last 10 seconds brought may be missing. Attempts are counted by quarters of an hour, and the
 * one in which the window begins counts whole. Requests are counted: a batch is one. Aborted and lost ones are neither success nor failure.
 */
export interface WebhookHealth {
  readonly webhookId: string;
  readonly status: PublicWebhookStatus;
  readonly windowMs: number;
  /** Attempts that ended in the window: `succeeded` and `failed`. */
  readonly attempts: number;
  readonly succeeded: number;
  readonly failed: number;
  /** 0 to 1; `undefined` without attempts. */
  readonly successRate: number | undefined;
  /** What half, nine tenths and 99 hundredths of the attempts, failed ones included, did not exceed, ms: right to within a tenth. `undefined` without attempts. */
  readonly latencyMs: { readonly p50: number; readonly p90: number; readonly p99: number } | undefined;
  /** What is pending, failed or being sent. While the webhook is well, those behind the first 10 000 due of all webhooks may not be counted. */
  readonly waiting: BoundedCount;
  /** What is exhausted. */
  readonly dead: BoundedCount;
  /** In the window. */
  readonly lastSuccessAt?: Date;
  /** In the window. `httpStatus` is 0, and `kind` and `message` are set, where there was no response. */
  readonly lastFailure?: {
    readonly at: Date;
    readonly httpStatus: number;
    readonly kind?: AttemptErrorKind;
    readonly message?: string;
  };
  /** While it is left alone because it failed several times in a row: until then nothing is sent to it. */
  readonly nextProbeAt?: Date;
}

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
