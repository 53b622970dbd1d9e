import { type RateLimit, takeTokens, tokenMsOf } from '../domain/rate-limit.ts';
import type { TokenGrant, TokenRequest, TokenReturn } from '../repos.ts';
import { DueWait } from '../runtime/due-wait.ts';

/**
 * What a webhook's rate allows the holder of its queue: tokens of the bucket that all processes share. They are taken ahead of a claim and spent one with
 * each request. Those that were taken a while ago must not come on top of what the bucket has got since: the holder keeps to the rate by itself too.
 */
export class Allowance {
  readonly rate: RateLimit;
  readonly #bucket: string;
  readonly #wait: DueWait;
  /** Taken and not spent. */
  #tokens = 0;
  /** When the bucket had none: not asked again before this, by this process's clock. */
  #emptyUntil = 0;
  /** The same by the store's clock. */
  #emptyThereUntil = 0;
  /** The bucket as the holder's own requests leave it. */
  #fullAt = 0;

  constructor(webhookId: string, rate: RateLimit) {
    this.rate = rate;
    // A changed rate begins with a full bucket: in the old one what was spent at the old rate would be owed at the new one.
    this.#bucket = `webhook:${webhookId}:${rate.perMinute}:${rate.burst}`;
    this.#wait = new DueWait(Math.ceil(tokenMsOf(rate)));
  }

  isOf({ perMinute, burst }: RateLimit): boolean {
    return this.rate.perMinute === perMinute && this.rate.burst === burst;
  }

  /** Tokens taken and not spent. */
  get tokens(): number {
    return this.#tokens;
  }

  /** How many requests the rate would let start at once now, taken tokens aside. */
  present(now: number): number {
    return takeTokens(this.rate, this.#fullAt, { now, wanted: this.rate.burst, atLeast: 1 }).granted;
  }

  /** When a request may start beyond those that wait, by this process's clock; an instant that has passed: now. */
  readyAt(now: number, waiting: number): number {
    return Math.max(this.#emptyUntil, this.#presentAt(now, waiting + 1));
  }

  /** When its queue is to be served again, for its record: by the store's clock. */
  restsUntil(now: number): number {
    return Math.max(this.#emptyThereUntil, this.#presentAt(now, 1));
  }

  #presentAt(now: number, count: number): number {
    return takeTokens(this.rate, this.#fullAt, { now, wanted: count, atLeast: count }).availableAt;
  }

  mayStart(now: number): boolean {
    return this.#tokens > 0 && this.#presentAt(now, 1) <= now;
  }

  /** A request starts. */
  spend(now: number): void {
    this.#tokens -= 1;
    this.#fullAt = takeTokens(this.rate, this.#fullAt, { now, wanted: 1, atLeast: 1 }).fullAt;
  }

  wish(wanted: number): TokenRequest {
    return { ...this.rate, bucket: this.#bucket, wanted, atLeast: 1 };
  }

  /** Takes note of what came of a wish. */
  took({ granted, availableAt }: TokenGrant, now: number): void {
    this.#tokens += granted;
    this.#emptyThereUntil = granted > 0 ? 0 : availableAt;
    this.#emptyUntil = granted > 0 ? 0 : now + this.#wait.until(availableAt, now);
    if (granted > 0) this.#wait.reset();
  }

  /** Gives up what is not spent. */
  leftover(): TokenReturn | undefined {
    const count = this.#tokens;
    this.#tokens = 0;
    return count > 0 ? { bucket: this.#bucket, perMinute: this.rate.perMinute, count } : undefined;
  }
}
