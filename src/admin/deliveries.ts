import { ConflictError, quote } from '../errors.ts';
import type { Published } from '../publish/published.ts';
import { type Attempt, type Delivery, toAttempt, toDelivery } from '../views.ts';
import { type CancelParts, cancelDelivery } from './cancel.ts';
import type { DeliveryAdmin } from './delivery-admin.ts';
import type { DeliveryExplanation, ExplainQuery } from './delivery-explanation.ts';
import { type DeliveryListQuery, type ReplayFilter, readListQuery } from './delivery-query.ts';
import { explainDelivery } from './explain.ts';
import { type Page, toPage } from './pages.ts';
import { findDelivery, needDelivery, webhooksOf } from './records.ts';
import { ReplayMany, type ReplayManyParts } from './replay-many.ts';
import { obstacleToReplay } from './replayable.ts';
import { type ResendParts, resendDelivery } from './resend.ts';

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
      settings.repos.events.markReplay([id], { now, tokens: [record.token] }),
    );
    replaysMarked();
    if (marked !== undefined) {
      const delivery = toDelivery(marked);
      reporter.emit('delivery:replaying', { delivery });
      return delivery;
    }
    // Marked by an earlier try whose acknowledgement was lost, or by another caller; and perhaps sent since.
    const current = await needDelivery(this.#parts, id);
    if (current.status === 'exhausted' && current.token === record.token)
      throw notReplayable(id, 'was given up again: try again');
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
