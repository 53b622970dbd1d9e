import { oneOf, plainObject } from '../domain/check.ts';
import { type DeliveryRecord, type DeliveryStatus, deliveryStatuses } from '../domain/delivery.ts';
import { isEventType } from '../domain/event-pattern.ts';
import { checkTenantId } from '../domain/ids.ts';
import { instantOf } from '../domain/instant.ts';
import { ConflictError, InvalidInputError, NotFoundError, quote } from '../errors.ts';
import type { Settings } from '../options.ts';
import type { DeliveryQuery } from '../repos.ts';
import type { Storage } from '../runtime/storage.ts';
import { type Attempt, type Delivery, toAttempt, toDelivery } from '../views.ts';
import { checkId } from './check-id.ts';
import { type Page, readPage, toPage } from './pages.ts';

/** Which deliveries to list, newest first. All given conditions hold at once. */
export interface DeliveryListQuery {
  readonly tenantId?: string | undefined;
  readonly webhookId?: string | undefined;
  /** One exact type. */
  readonly eventType?: string | undefined;
  readonly status?: DeliveryStatus | undefined;
  /** Published at or after this instant. */
  readonly since?: Date | undefined;
  /** Published before this instant. */
  readonly until?: Date | undefined;
  /** From the page before. */
  readonly cursor?: string | undefined;
  /** 1 to 1 000. @default 50 */
  readonly limit?: number | undefined;
}

/** Everything about deliveries, as a host sees it. */
export interface DeliveryAdmin {
  /** Resolves `undefined` for an unknown id. */
  get(id: string): Promise<Delivery | undefined>;
  /** All attempts of a delivery, the first one first. Rejects with `NotFoundError`. */
  attempts(id: string): Promise<Attempt[]>;
  /** A page of deliveries, newest first. Rejects with `InvalidInputError`. */
  list(query?: DeliveryListQuery): Promise<Page<Delivery>>;
  /**
   * Sends an exhausted delivery again, with the same `webhook-id` and body and all attempts of its policy; it is `replaying` until its slot comes.
   * `ConflictError` when it is not exhausted, its webhook is Unavailable or deleted, or it is at-most-once and was attempted: that one may
   * have been received.
   */
  replay(id: string): Promise<Delivery>;
}

/** What it works with. */
export interface DeliveryAdminParts {
  readonly settings: Settings;
  readonly storage: Storage;
  /** Called after replays were marked. */
  readonly replaysMarked: () => void;
}

const queryFields = [
  'tenantId',
  'webhookId',
  'eventType',
  'status',
  'since',
  'until',
  'cursor',
  'limit',
] as const;

/** The real thing; see `DeliveryAdmin` for what each method promises. */
export class Deliveries implements DeliveryAdmin {
  readonly #parts: DeliveryAdminParts;

  constructor(parts: DeliveryAdminParts) {
    this.#parts = parts;
  }

  async get(id: string): Promise<Delivery | undefined> {
    const record = await this.#find(id);
    return record && toDelivery(record);
  }

  async attempts(id: string): Promise<Attempt[]> {
    const { storage, settings } = this.#parts;
    const { id: known } = await this.#need(id);
    const records = await storage.once('events.attempts', () => settings.repos.events.attempts(known));
    return records.map(toAttempt);
  }

  async list(query: DeliveryListQuery = {}): Promise<Page<Delivery>> {
    const { storage, settings } = this.#parts;
    const read = readQuery(query);
    const records = await storage.once('events.listDeliveries', () =>
      settings.repos.events.listDeliveries({ ...read, limit: read.limit + 1 }),
    );
    return toPage(records, read.limit, toDelivery);
  }

  async replay(id: string): Promise<Delivery> {
    const { storage, settings, replaysMarked } = this.#parts;
    const record = await this.#need(id);
    await this.#checkReplay(record);
    const now = settings.clock.now();
    const [marked] = await storage.once('events.markReplay', () =>
      settings.repos.events.markReplay([id], { now }),
    );
    replaysMarked();
    if (marked !== undefined) return toDelivery(marked);
    // Marked by an earlier try whose acknowledgement was lost, or by another caller.
    const current = await this.#need(id);
    if (current.status === 'exhausted') throw notExhausted(current);
    return toDelivery(current);
  }

  async #checkReplay(record: DeliveryRecord): Promise<void> {
    const { storage, settings } = this.#parts;
    if (record.status !== 'exhausted') throw notExhausted(record);
    const [webhook] = await storage.once('webhooks.getMany', () =>
      settings.repos.webhooks.getMany([record.webhookId]),
    );
    const refused = (why: string): ConflictError =>
      new ConflictError(`The delivery ${quote(record.id)} cannot be replayed: ${why}`);
    if (webhook === undefined) throw refused('its webhook was deleted');
    if (webhook.status.state === 'unavailable') throw refused('its webhook is unavailable; enable it first');
    if (webhook.delivery.semantics === 'at-most-once' && record.attempts > 0) {
      throw refused('it is at-most-once and was attempted, so that it may have been received');
    }
  }

  async #find(id: string): Promise<DeliveryRecord | undefined> {
    const { storage, settings } = this.#parts;
    const checked = checkId(id);
    const [record] = await storage.once('events.getDeliveries', () =>
      settings.repos.events.getDeliveries([checked]),
    );
    return record;
  }

  async #need(id: string): Promise<DeliveryRecord> {
    const record = await this.#find(id);
    if (record === undefined) throw new NotFoundError('delivery', id);
    return record;
  }
}

function notExhausted({ id, status }: DeliveryRecord): ConflictError {
  return new ConflictError(`The delivery ${quote(id)} is ${status}: only an exhausted one can be replayed`);
}

function readQuery(query: unknown): DeliveryQuery {
  const given = plainObject('query', query, { keys: queryFields, path: '' });
  const { tenantId, webhookId, eventType, status } = given;
  return {
    ...readPage(given),
    ...(tenantId !== undefined && { tenantId: checkTenantId('tenantId', tenantId) }),
    ...(webhookId !== undefined && { webhookId: checkId(webhookId, 'webhookId') }),
    ...(eventType !== undefined && { eventType: readType(eventType) }),
    ...(status !== undefined && { status: oneOf('status', status, { choices: deliveryStatuses }) }),
    ...(given.since !== undefined && { since: instantOf('since', given.since) }),
    ...(given.until !== undefined && { until: instantOf('until', given.until) }),
  };
}

function readType(value: unknown): string {
  if (isEventType(value)) return value;
  throw new InvalidInputError(
    'eventType',
    `eventType must be an event type such as "invoice.paid", not ${quote(value)}`,
  );
}
