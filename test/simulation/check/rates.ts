import type { RateLimit, TokenGrant, TokenRequest, TokenReturn } from '../../../src/index.ts';
import type { Life } from '../life.ts';
import type { Sending } from '../network.ts';
import type { Outcome, PortCall } from '../ports.ts';
import type { Timeline } from '../timeline.ts';
import type { Findings, Invariant } from './findings.ts';
import type { WebhookNotes } from './ledger.ts';

/** What the checks of rates work with. */
export interface RateLawParts {
  readonly findings: Findings;
  readonly timeline: Timeline;
  readonly hasStoreClock: boolean;
}

/** A bucket, told apart from how adapters keep theirs: so many tokens at an instant of the store's. */
interface Bucket {
  tokens: number;
  at: number;
  perMinute: number;
  burst: number;
  /** All that were taken, less those that were put back. */
  taken: number;
  /** Requests that started, or events that were stored. */
  used: number;
}

/** What has been spent of a rate, by true time. */
interface Spent {
  tokens: number;
  at: number;
}

/** The same by one process, since somebody last acquired the queue. */
interface SpentByOne extends Spent {
  readonly since: number;
}

/** A holder may spend a token later than it took it; when another follows, the store has that much more than it should, and never a whole one. */
const HANDED_OVER = 1;
/** What rounding may make of a sum of instants, in tokens. */
const SLACK = 0.01;
/** Every clock shows whole ms: an instant by it may be that much early, on either side of a window. */
const CLOCK_MS = 2;
const MINUTE_MS = 60_000;
/** Longer than calls take that are not slow. */
const STALE_MS = 100;

/**
 * Rates, which all processes share: buckets hand out what is in them and no more; nothing is sent (I22) or stored (I26) without a token of its own;
 * and in no window of true time more requests start for a webhook than its burst and what that time is worth.
 */
export class RateLaws {
  readonly #parts: RateLawParts;
  readonly #buckets = new Map<string, Bucket>();
  /** By bucket. */
  readonly #spent = new Map<string, Spent>();
  readonly #spentByOne = new WeakMap<Life, Map<string, SpentByOne>>();
  /** Their clocks were set: they cannot tell how long ago they sent. */
  readonly #jumped = new Set<Life>();

  constructor(parts: RateLawParts) {
    this.#parts = parts;
  }

  jumped(life: Life): void {
    this.#jumped.add(life);
  }

  applied({ name, args, at }: PortCall, outcome: Outcome): void {
    if ('error' in outcome || (name !== 'state.takeTokens' && name !== 'state.returnTokens')) return;
    const now = this.#storeNow((args[1] as { readonly now: number }).now);
    if (name === 'state.takeTokens') {
      const grants = outcome.value as readonly TokenGrant[];
      for (const [index, request] of (args[0] as readonly TokenRequest[]).entries())
        this.#took(request, grants[index]?.granted ?? 0, now);
    } else
      for (const entry of args[0] as readonly TokenReturn[]) {
        this.#putBack(entry, now);
        if (this.#parts.timeline.now - at > STALE_MS) this.#putBackLate(entry);
      }
  }

  /** What is put back long after it was given up may have come again by itself: no port can tell. */
  #putBackLate({ bucket, count }: TokenReturn): void {
    const spent = this.#spent.get(bucket);
    if (spent !== undefined) spent.tokens += count;
  }

  /**
   * The instant by which the store judges; undefined for a call that was long under way to a store that goes by its callers' clocks: its bucket was another
   * then.
   */
  #storeNow(callersNow: number): number | undefined {
    const { hasStoreClock, timeline } = this.#parts;
    const now = Math.floor(timeline.now);
    if (hasStoreClock) return now;
    return now - callersNow > STALE_MS ? undefined : callersNow;
  }

  #took(
    { bucket: name, wanted, atLeast, ...rate }: TokenRequest,
    granted: number,
    now: number | undefined,
  ): void {
    const { findings } = this.#parts;
    const bucket = this.#bucket(name, rate);
    const present = fill(bucket, now);
    findings.mark(`rate: ${granted > 0 ? 'tokens' : 'no tokens'} of a ${kindOf(name)}`);
    if (granted > present + SLACK || granted > wanted || (granted > 0 && granted < atLeast))
      findings.violate(
        invariantOf(name),
        `${granted} of ${wanted} tokens were granted of bucket ${name}, which had ${present}`,
      );
    bucket.tokens = present - granted;
    bucket.taken += granted;
  }

  #putBack({ bucket: name, perMinute, count }: TokenReturn, now: number | undefined): void {
    const bucket = this.#buckets.get(name);
    this.#parts.findings.mark(`rate: tokens put back for a ${kindOf(name)}`);
    if (bucket === undefined || bucket.perMinute !== perMinute) return;
    bucket.tokens = Math.min(bucket.burst, fill(bucket, now) + count);
    bucket.taken -= count;
    this.#judgeUse(name, bucket);
  }

  #bucket(name: string, { perMinute, burst }: RateLimit): Bucket {
    const known = this.#buckets.get(name);
    if (known !== undefined) return known;
    const bucket = { tokens: burst, at: 0, perMinute, burst, taken: 0, used: 0 };
    this.#buckets.set(name, bucket);
    return bucket;
  }

  #judgeUse(name: string, { used, taken }: Bucket): void {
    if (used > taken)
      this.#parts.findings.violate(
        invariantOf(name),
        `${used} were let through for ${taken} tokens of bucket ${name}`,
      );
  }

  /** An event of a tenant that has a rate was stored. */
  stored(tenantId: string): void {
    this.#use(`tenant:${tenantId}`);
  }

  #use(name: string): void {
    const bucket = this.#buckets.get(name);
    if (bucket !== undefined) bucket.used += 1;
    this.#judgeUse(name, bucket ?? { tokens: 0, at: 0, perMinute: 0, burst: 0, taken: 0, used: 1 });
  }

  /** A request is about to start. */
  sent({ life, at }: Sending, { record: { id, rateLimit }, holderSince: since }: WebhookNotes): void {
    if (rateLimit === undefined) return;
    const { perMinute, burst } = rateLimit;
    const bucket = `webhook:${id}:${perMinute}:${burst}`;
    this.#use(bucket);
    if (this.#jumped.has(life)) return;
    const { findings } = this.#parts;
    const full = { tokens: burst, at, since };
    const own = this.#spentByOne.get(life) ?? new Map<string, SpentByOne>();
    const known = own.get(id) ?? full;
    const byOne = levelAt({ ...(known.since === since ? known : full), perMinute, burst }, at);
    const byAll = levelAt({ ...(this.#spent.get(bucket) ?? full), perMinute, burst }, at);
    if (byOne < 2) findings.mark('rate: the last token of a burst');
    const level = Math.min(byOne, byAll + HANDED_OVER);
    if (level + (CLOCK_MS * perMinute) / MINUTE_MS + SLACK < 1)
      findings.violate(
        'I22',
        `${life.name} sends to ${id} ${Math.ceil(((1 - level) * MINUTE_MS) / perMinute)} ms before its rate of ${perMinute} a minute, ${burst} at once, allows it`,
      );
    this.#spent.set(bucket, { tokens: byAll - 1, at });
    this.#spentByOne.set(life, own.set(id, { tokens: byOne - 1, at, since }));
  }
}

/** What is in a bucket at an instant, which is noted; as much as can be where that is not known. */
function fill(bucket: Bucket, now: number | undefined): number {
  const level = now === undefined ? bucket.burst : levelAt(bucket, now);
  bucket.at = Math.max(bucket.at, now ?? 0);
  return level;
}

function levelAt({ tokens, at, perMinute, burst }: Omit<Bucket, 'taken' | 'used'>, now: number): number {
  return Math.min(burst, tokens + (Math.max(0, now - at) * perMinute) / MINUTE_MS);
}

function kindOf(bucket: string): string {
  return bucket.startsWith('tenant:') ? 'tenant' : 'webhook';
}

function invariantOf(bucket: string): Invariant {
  return bucket.startsWith('tenant:') ? 'I26' : 'I22';
}
