import type { Clock } from '../clock.ts';
import type { EventRecord } from '../domain/event.ts';
import type { RateLimit } from '../domain/rate-limit.ts';
import { RateLimitedError, StorageError } from '../errors.ts';
import type { StateRepo, TokenGrant } from '../repos.ts';
import type { Storage } from '../runtime/storage.ts';
import { answered } from './answered.ts';

/** What tenants are limited with. */
export interface TenantRatesParts {
  readonly limit: RateLimit;
  readonly state: StateRepo;
  readonly storage: Storage;
  readonly clock: Clock;
}

/** Events by tenant. */
type Counts = ReadonlyMap<string, number>;

/** One of the events that a publish resolves with. */
interface Outcome {
  readonly event: { readonly tenantId: string };
  readonly duplicate: boolean;
}

/** How much each tenant publishes: one token of the bucket `tenant:<id>` for each event that is stored. */
export class TenantRates {
  readonly #parts: TenantRatesParts;

  constructor(parts: TenantRatesParts) {
    this.#parts = parts;
  }

  /**
   * Publishes events, in the host's transaction where there is one, once there are tokens for all of them. Rejects with `RateLimitedError` or `StorageError` before, or as `publish` does. What turns out not
   * to be stored gives its tokens back; where that cannot be told, they stay spent.
   */
  async charged<Result extends Outcome>(
    events: readonly EventRecord[],
    tx: unknown,
    publish: () => Promise<Result[]>,
  ): Promise<Result[]> {
    const counts = countByTenant(events);
    await this.#take(counts, tx);
    try {
      const published = await publish();
      const duplicates = published.filter(({ duplicate }) => duplicate).map(({ event }) => event);
      await this.#giveBack(countByTenant(duplicates), tx);
      return published;
    } catch (error) {
      if (!(error instanceof StorageError)) await this.#giveBack(counts, tx);
      throw error;
    }
  }

  async #take(counts: Counts, tx: unknown): Promise<void> {
    const { limit, state, storage, clock } = this.#parts;
    const now = clock.now();
    const tenants = [...counts];
    const requests = tenants.map(([tenantId, count]) => ({
      ...limit,
      bucket: bucketOf(tenantId),
      wanted: count,
      atLeast: count,
    }));
    // A try whose answer was lost has cost its tokens: the limit holds all the same, and they come back with time.
    const grants = await storage.once('state.takeTokens', async () =>
      answered(await state.takeTokens(requests, { now, ...joining(tx) }), requests.length),
    );
    const refused = tenants.filter((_, index) => grants[index]?.granted === 0);
    if (refused.length === 0) return;
    await this.#giveBack(new Map(tenants.filter((_, index) => grants[index]?.granted !== 0)), tx);
    throw this.#refusal(tenants, grants, now);
  }

  /** Of the tenant that has to wait longest: after that time the others can publish too. */
  #refusal(
    tenants: readonly (readonly [string, number])[],
    grants: readonly TokenGrant[],
    now: number,
  ): RateLimitedError {
    const { perMinute, burst } = this.#parts.limit;
    const longest = Math.max(...grants.map(({ availableAt }) => availableAt));
    const at = grants.findIndex(({ granted, availableAt }) => granted === 0 && availableAt === longest);
    // The store's clock may be another than ours; but nobody waits longer than for a full bucket.
    const fullMs = Math.ceil((burst * 60_000) / perMinute);
    const waitMs = longest === Number.POSITIVE_INFINITY ? longest : Math.min(fullMs, longest - now);
    return new RateLimitedError(tenants[at]?.[0] ?? '', Math.max(1, waitMs));
  }

  /** One try, whatever comes of it: tokens that are not given back come back with time. */
  async #giveBack(counts: Counts, tx: unknown): Promise<void> {
    if (counts.size === 0) return;
    const { limit, state, storage, clock } = this.#parts;
    const { perMinute } = limit;
    const entries = [...counts].map(([tenantId, count]) => ({
      bucket: bucketOf(tenantId),
      perMinute,
      count,
    }));
    await storage
      .attempt('state.returnTokens', () => state.returnTokens(entries, { now: clock.now(), ...joining(tx) }))
      .catch(() => {});
  }
}

/** For stores that cannot write beside a transaction of the host's; the others do not look at it. */
function joining(tx: unknown): { readonly tx?: unknown } {
  return tx === undefined ? {} : { tx };
}

function bucketOf(tenantId: string): string {
  return `tenant:${tenantId}`;
}

function countByTenant(events: readonly { readonly tenantId: string }[]): Counts {
  const counts = new Map<string, number>();
  for (const { tenantId } of events) counts.set(tenantId, (counts.get(tenantId) ?? 0) + 1);
  return counts;
}
