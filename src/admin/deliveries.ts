import { ConflictError, quote } from '../errors.ts';
import type { Published } from '../publish/publisher.ts';
import { type Attempt, type Delivery, toAttempt, toDelivery } from '../views.ts';
import { type CancelParts, cancelDelivery } from './cancel.ts';
import { type DeliveryListQuery, type ReplayFilter, readListQuery } from './delivery-query.ts';
import { type DeliveryExplanation, type ExplainQuery, explainDelivery } from './explain.ts';
import { type Page, toPage } from './pages.ts';
import { findDelivery, needDelivery, webhooksOf } from './records.ts';
import { ReplayMany, type ReplayManyParts } from './replay-many.ts';
import { obstacleToReplay } from './replayable.ts';
import { type ResendParts, resendDelivery } from './resend.ts';

export type { DeliveryListQuery } from './delivery-query.ts';

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
   * The same for all exhausted deliveries that a filter finds, oldest first, passing over what `replay` would refuse. Resolves with how many are marked; they are
   * then sent `replaysPerSecond`. What is given up while it runs may be left out. Interrupted, it may be called again: none is sent twice.
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

/** What it works with. */
export interface DeliveryAdminParts extends CancelParts, ReplayManyParts, ResendParts {}

/** The real thing; see `DeliveryAdmin` for what each method promises. */
export class Deliveries implements DeliveryAdmin {
  readonly #parts: DeliveryAdminParts;

  constructor(parts: DeliveryAdminParts) {
    this.#parts = parts;
  }

  async get(id: string): Promise<Delivery | undefined> {
    const record = await findDelivery(this.#parts, id);
    return record && toDelivery(record);
  }

  async attempts(id: string): Promise<Attempt[]> {
    const { storage, settings } = this.#parts;
    const { id: known } = await needDelivery(this.#parts, id);
    const records = await storage.once('events.attempts', () => settings.repos.events.attempts(known));
    return records.map(toAttempt);
  }

  async list(query: DeliveryListQuery = {}): Promise<Page<Delivery>> {
    const { storage, settings } = this.#parts;
    const read = readListQuery(query);
    const records = await storage.once('events.listDeliveries', () =>
      settings.repos.events.listDeliveries({ ...read, limit: read.limit + 1 }),
    );
    return toPage(records, read.limit, toDelivery);
  }

  async explain(query: ExplainQuery): Promise<DeliveryExplanation> {
    return await explainDelivery(this.#parts, query);
  }

  async replay(id: string): Promise<Delivery> {
    const { storage, settings, reporter, replaysMarked } = this.#parts;
    const record = await needDelivery(this.#parts, id);
    if (record.status !== 'exhausted')
      throw notReplayable(id, `is ${record.status}: only an exhausted one can be replayed`);
    const webhooks = await webhooksOf(this.#parts, [record]);
    const obstacle = obstacleToReplay(record, webhooks.get(record.webhookId));
    if (obstacle !== undefined) throw notReplayable(id, `cannot be replayed: ${obstacle}`);
    const now = settings.clock.now();
    const [marked] = await storage.once('events.markReplay', () =>
      settings.repos.events.markReplay([id], { now }),
    );
    replaysMarked();
    if (marked !== undefined) {
      const delivery = toDelivery(marked);
      reporter.emit('delivery:replaying', { delivery });
      return delivery;
    }
    // Marked by an earlier try whose acknowledgement was lost, or by another caller.
    const current = await needDelivery(this.#parts, id);
    if (current.status === 'exhausted') throw notReplayable(id, 'was given up again: try again');
    return toDelivery(current);
  }

  async replayMany(filter: ReplayFilter): Promise<{ readonly count: number }> {
    return { count: await new ReplayMany(this.#parts, filter).run() };
  }

  async resend(id: string): Promise<Published> {
    return await resendDelivery(this.#parts, id);
  }

  async cancel(id: string): Promise<Delivery> {
    return await cancelDelivery(this.#parts, id);
  }
}

function notReplayable(id: string, why: string): ConflictError {
  return new ConflictError(`The delivery ${quote(id)} ${why}`);
}
