import type { ExhaustedReason } from '../domain/delivery.ts';
import type { Attempt, Delivery } from '../views.ts';

/** One event and one webhook. */
export interface ExplainQuery {
  readonly eventId: string;
  readonly webhookId: string;
  /** Only within this tenant: what is another's counts as unknown. */
  readonly tenantId?: string | undefined;
}

/** A delivery that there is, and its attempts so far. */
interface WithDelivery {
  readonly delivery: Delivery;
  /** The first one first. */
  readonly attempts: readonly Attempt[];
}

/**
 * Why an event did or did not reach a webhook. Where there is no delivery, the webhook is judged as it is now: it may have been another when
 * the event was published.
 */
export type DeliveryExplanation =
  | (WithDelivery & { readonly verdict: 'delivered' })
  /** A request is under way, or its worker has vanished and its lease runs out. */
  | (WithDelivery & { readonly verdict: 'delivering' })
  | (WithDelivery & { readonly verdict: 'waiting' } & Wait)
  | (WithDelivery & { readonly verdict: 'exhausted'; readonly reason: ExhaustedReason | undefined })
  | { readonly verdict: NoDelivery };

/**
 * Why there is no delivery.
 * - `other-tenant`: the event is another tenant's.
 * - `created-later`: the webhook did not exist yet.
 * - `not-subscribed`: its `events` do not cover the type.
 * - `filtered`: its filter does not let the event through.
 * - `disabled`: it is disabled, and gets nothing new.
 * - `undetermined`: as it is now it would get the event. What is stored cannot tell why it did not: it was disabled, or filtered or subscribed
 *   to something else; the host's `shape` kept the event back; the event was sent to one webhook only; or the delivery was removed by retention.
 */
export type NoDelivery =
  | 'other-tenant'
  | 'created-later'
  | 'not-subscribed'
  | 'filtered'
  | 'disabled'
  | 'undetermined';

/** What a waiting delivery waits for. */
export type Wait =
  /** A worker with a place for it: nothing else holds it back. */
  | { readonly waitsFor: 'worker' }
  /** Its own time: that of its next attempt, or the `deliverAt` of its event. */
  | { readonly waitsFor: 'due-time'; readonly until: Date }
  /** The end of the back-off of its webhook, which fails; it comes after its own time. Then one delivery is tried: it need not be this one. */
  | { readonly waitsFor: 'back-off'; readonly until: Date }
  /** Its webhook is disabled: it is held until that is enabled. */
  | { readonly waitsFor: 'enabling' }
  /**
   * Its turn in its ordering key. `behind`: the delivery before it. It is looked for among the 500 that the webhook got before; behind one that lies further back
   * the wait looks like one for a worker or for its own time.
   */
  | { readonly waitsFor: 'turn'; readonly behind: string }
  /** Its slot: replays are let in `replaysPerSecond`. */
  | { readonly waitsFor: 'replay-slot' };
