import type { DeliveryAdmin } from '../admin/delivery-admin.ts';
import type { DeliveryExplanation, ExplainQuery } from '../admin/delivery-explanation.ts';
import type { DeliveryListQuery, ReplayFilter } from '../admin/delivery-query.ts';
import type { Page } from '../admin/pages.ts';
import { plainObject } from '../domain/check.ts';
import { NotFoundError } from '../errors.ts';
import type { Published } from '../publish/published.ts';
import type { Attempt, Delivery } from '../views.ts';
import { limited } from './limited.ts';

/** The deliveries of one tenant. Whatever acts on an id makes sure first that it is the tenant's. */
export class TenantDeliveries implements DeliveryAdmin {
  readonly #tenantId: string;
  readonly #all: DeliveryAdmin;

  constructor(tenantId: string, all: DeliveryAdmin) {
    this.#tenantId = tenantId;
    this.#all = all;
  }

  async get(id: string): Promise<Delivery | undefined> {
    const delivery = await this.#all.get(id);
    return delivery?.tenantId === this.#tenantId ? delivery : undefined;
  }

  async attempts(id: string): Promise<Attempt[]> {
    return await this.#all.attempts(await this.#own(id));
  }

  async list(query: DeliveryListQuery = {}): Promise<Page<Delivery>> {
    return await this.#all.list(limited(this.#tenantId, plainObject('query', query, { path: '' })));
  }

  async explain(query: ExplainQuery): Promise<DeliveryExplanation> {
    const given = plainObject('query', query, { path: '' }) as ExplainQuery;
    return await this.#all.explain(limited(this.#tenantId, given));
  }

  async replay(id: string): Promise<Delivery> {
    return await this.#all.replay(await this.#own(id));
  }

  async replayMany(filter: ReplayFilter): Promise<{ readonly count: number }> {
    const given = plainObject('filter', filter, { path: '' }) as ReplayFilter;
    return await this.#all.replayMany(limited(this.#tenantId, given));
  }

  async resend(id: string): Promise<Published> {
    return await this.#all.resend(await this.#own(id));
  }

  async cancel(id: string): Promise<Delivery> {
    return await this.#all.cancel(await this.#own(id));
  }

  /** The id, once it is known to be the tenant's, which never changes. Another tenant's is as unknown as a missing one. */
  async #own(id: string): Promise<string> {
    if ((await this.get(id)) === undefined) throw new NotFoundError('delivery', id);
    return id;
  }
}
