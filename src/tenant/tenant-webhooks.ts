import type { NewWebhook, WebhookPatch } from '../admin/new-webhook.ts';
import type { Page } from '../admin/pages.ts';
import type { WebhookAdmin, WebhookListQuery } from '../admin/webhook-admin.ts';
import type { HealthQuery, WebhookHealth } from '../admin/webhook-health.ts';
import type { KeyedWebhook, SecretRotation } from '../admin/webhook-secrets.ts';
import { plainObject } from '../domain/check.ts';
import type { Signing } from '../domain/webhook.ts';
import { NotFoundError } from '../errors.ts';
import type { Delivery, Webhook } from '../views.ts';
import { limited } from './limited.ts';

/** The webhooks of one tenant. Whatever acts on an id makes sure first that it is the tenant's. */
export class TenantWebhooks implements WebhookAdmin {
  readonly #tenantId: string;
  readonly #all: WebhookAdmin;

  constructor(tenantId: string, all: WebhookAdmin) {
    this.#tenantId = tenantId;
    this.#all = all;
  }

  async create<Kind extends Signing = 'hmac-sha256'>(input: NewWebhook<Kind>): Promise<KeyedWebhook<Kind>> {
    const given = plainObject('webhook', input, { path: '' }) as NewWebhook<Kind>;
    return await this.#all.create(limited(this.#tenantId, given));
  }

  async get(id: string): Promise<Webhook | undefined> {
    const webhook = await this.#all.get(id);
    return webhook?.tenantId === this.#tenantId ? webhook : undefined;
  }

  async list(query: WebhookListQuery = {}): Promise<Page<Webhook>> {
    return await this.#all.list(limited(this.#tenantId, plainObject('query', query, { path: '' })));
  }

  async update(id: string, patch: WebhookPatch): Promise<Webhook> {
    return await this.#all.update(await this.#own(id), patch);
  }

  async rotateSecret<Kind extends Signing = Signing>(
    id: string,
    rotation?: SecretRotation<Kind>,
  ): Promise<KeyedWebhook<Kind>> {
    return await this.#all.rotateSecret(await this.#own(id), rotation);
  }

  async delete(id: string): Promise<void> {
    await this.#all.delete(await this.#own(id));
  }

  async enable(id: string): Promise<Webhook> {
    return await this.#all.enable(await this.#own(id));
  }

  async disable(id: string): Promise<Webhook> {
    return await this.#all.disable(await this.#own(id));
  }

  async sendTest(id: string): Promise<Delivery> {
    return await this.#all.sendTest(await this.#own(id));
  }

  async health(id: string, query?: HealthQuery): Promise<WebhookHealth> {
    return await this.#all.health(await this.#own(id), query);
  }

  /** The id, once it is known to be the tenant's, which never changes. Another tenant's is as unknown as a missing one. */
  async #own(id: string): Promise<string> {
    if ((await this.get(id)) === undefined) throw new NotFoundError('webhook', id);
    return id;
  }
}
