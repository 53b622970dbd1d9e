import type { Outcome } from '../domain/outcome.ts';
import type { WebhookRecord } from '../domain/webhook.ts';
import type { QueueOpening } from '../repos.ts';
import type { Lane } from './lane.ts';

/** What the retry queues are asked, and told. */
export interface QueueHooks {
  /** How many deliveries the claims under way may bring. */
  readonly asked: number;
  /** Whether this process may start a request for a webhook that is served from its own queue: only under its lease, and as its rate allows. */
  mayServe(lane: Lane, webhook: WebhookRecord): boolean;
  /** A request of a webhook with a rate starts. */
  started(lane: Lane): void;
  /** An attempt failed by the endpoint's doing. */
  failed(failure: Failure): void;
  /** The queue that has to be open before the webhook is stored as Retrying, unless it is served here. */
  openingOf(lane: Lane): QueueOpening | undefined;
  /** Something of the lane was stored or left it: it may be quiet now. */
  changed(lane: Lane): void;
  /** A delivery was stored into the webhook's own queue. */
  joined(lane: Lane, dueAt: number): void;
  /** A slot came free. */
  slotFreed(): void;
}

/** What a failed attempt tells the retry queues. */
export interface Failure {
  readonly lane: Lane;
  readonly outcome: Outcome;
  /** False for a failure that was under way beside one that was counted. */
  readonly counts: boolean;
}
