import type { Published } from '../publish/published.ts';
import type { Attempt, Delivery } from '../views.ts';
import type { DeliveryExplanation, ExplainQuery } from './delivery-explanation.ts';
import type { DeliveryListQuery, ReplayFilter } from './delivery-query.ts';
import type { Page } from './pages.ts';

/** Everything about deliveries, as a host sees it. */
export interface DeliveryAdmin {
  /** Resolves `undefined` for an unknown id. */
  get(id: string): Promise<Delivery | undefined>;
  /** All attempts of a delivery, the first one first. Rejects with `NotFoundError`. */
  attempts(id: string): Promise<Attempt[]>;
  /** A page of deliveries, newest first. Rejects with `InvalidInputError`. */
  list(query?: DeliveryListQuery): Promise<Page<Delivery>>;
  /**
   * Why an event did or did not reach a webhook. Without a delivery the webhook is judged as it is now. `NotFoundError` for an unknown event
   * or, unless it got that event, an unknown webhook.
   */
  explain(query: ExplainQuery): Promise<DeliveryExplanation>;
  /**
   * Sends an exhausted delivery again, with the same `webhook-id` and body and all attempts of its policy; it is `replaying` until its slot comes.
   * `ConflictError` when it is not exhausted, its webhook is Unavailable or deleted, or it is at-most-once and was attempted: that one may
   * have been received.
   */
  replay(id: string): Promise<Delivery>;
  /**
   * The same for all exhausted deliveries that a filter finds, oldest first, passing over what `replay` would refuse. Resolves with how many are marked, which takes
   * some minutes for 100 000; meanwhile and then they are sent `replaysPerSecond`. What is given up while it runs may be left out. Interrupted, it may be called again: none is sent twice.
   */
  replayMany(filter: ReplayFilter): Promise<{ readonly count: number }>;
  /**
   * Publishes what a delivery sent, whatever became of it, as a brand-new event to its webhook only: the same bytes, type, source, headers, timestamp and
   * ordering key, another id. `ConflictError` when its webhook is Disabled, Unavailable or deleted; `RateLimitedError` as for `publish`.
   */
  resend(id: string): Promise<Published>;
  /**
   * Gives a waiting delivery up for good: it becomes `exhausted` (`cancelled`), and those behind it in its ordering key go on. So they do when one is cancelled that is
   * exhausted and blocks them; it keeps its reason. `ConflictError` when it is being sent, delivered, or exhausted otherwise. Repeating it is safe.
   */
  cancel(id: string): Promise<Delivery>;
}
