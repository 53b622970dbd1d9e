import { plainObject } from '../domain/check.ts';
import { checkTenantId, newId } from '../domain/ids.ts';
import { nextWebhookStatus, type Signing, type WebhookInput, type WebhookRecord } from '../domain/webhook.ts';
import { ConflictError, NotFoundError, quote } from '../errors.ts';
import type { Reporter } from '../events.ts';
import { generateSecret, secretFace } from '../http/secret.ts';
import { longestTimeoutMs } from '../options/lease.ts';
import type { Settings } from '../options.ts';
import type { Publisher } from '../publish/publisher.ts';
import type { WebhookRepo, WebhookStore } from '../repos.ts';
import type { Storage } from '../runtime/storage.ts';
import { type Delivery, publicStatus, toDelivery, toWebhook, type Webhook } from '../views.ts';
import { checkId } from './check-id.ts';
import { healthOf, readHealthQuery } from './health.ts';
import type { NewWebhook, WebhookPatch } from './new-webhook.ts';
import { type Page, readPage, toPage } from './pages.ts';
import type { WebhookAdmin, WebhookListQuery } from './webhook-admin.ts';
import type { WebhookPolicy } from './webhook-fields.ts';
import type { HealthQuery, WebhookHealth } from './webhook-health.ts';
import { parseNewWebhook, parseWebhookPatch, withChanges } from './webhook-input.ts';
import {
  handedOut,
  type KeyedWebhook,
  parseRotation,
  rotated,
  type SecretRotation,
} from './webhook-secrets.ts';

/** What it works with. */
export interface WebhookAdminParts {
  readonly settings: Settings;
  readonly storage: Storage;
  readonly reporter: Reporter;
  readonly publisher: Publisher;
  /** Called after this process changed a webhook. */
  readonly changed: (webhookId: string) => void;
}

/** How often a change is tried again on what another process has made of the webhook meanwhile. */
const MAX_RACES = 10;

/** The real thing; see `WebhookAdmin` for what each method promises. */
export class Webhooks implements WebhookAdmin {
  readonly #parts: WebhookAdminParts;
  readonly #policy: WebhookPolicy;

  constructor(parts: WebhookAdminParts) {
    this.#parts = parts;
    this.#policy = { endpoints: parts.settings.endpoints, maxTimeoutMs: longestTimeoutMs(parts.settings) };
  }

  async create<Kind extends Signing>(input: NewWebhook<Kind>): Promise<KeyedWebhook<Kind>> {
    const { settings, storage, changed, reporter } = this.#parts;
    const { signing, secret: given, ...fields } = parseNewWebhook(input, this.#policy);
    const secret = given ?? generateSecret(settings.random, signing);
    const now = settings.clock.now();
    const record: WebhookRecord = {
      ...fields,
      id: newId('whk', now, settings.random),
      status: { state: 'enabled' },
      secrets: [{ secret }],
      createdAt: now,
      updatedAt: now,
      revision: 1,
    };
    // Repeated by the short retries, an insert that was applied but not acknowledged finds itself: that is success too.
    await storage.once('webhooks.insert', () => this.#store().insert(record));
    changed(record.id);
    const webhook = toWebhook(record);
    reporter.emit('webhook:created', { webhook });
    return handedOut(webhook, secret) as KeyedWebhook<Kind>;
  }

  async get(id: string): Promise<Webhook | undefined> {
    const record = await this.#find(checkId(id));
    return record && toWebhook(record);
  }

  async list(query: WebhookListQuery = {}): Promise<Page<Webhook>> {
    const { tenantId, cursor, limit } = plainObject('query', query, {
      keys: ['tenantId', 'cursor', 'limit'] as const,
      path: '',
    });
    const page = readPage({ cursor, limit });
    const records = await this.#parts.storage.once('webhooks.list', () =>
      this.#store().list({
        ...(tenantId !== undefined && { tenantId: checkTenantId('tenantId', tenantId) }),
        ...page,
        limit: page.limit + 1,
      }),
    );
    return toPage(records, page.limit, toWebhook);
  }

  async update(id: string, patch: WebhookPatch): Promise<Webhook> {
    const changes = parseWebhookPatch(patch, this.#policy);
    const webhook = toWebhook(await this.#revise(id, (current) => withChanges(current, changes)));
    this.#parts.reporter.emit('webhook:updated', { webhook });
    // Its queue may rest until the rate that was allows another request.
    if (changes.rateLimit !== undefined) await this.#resetQueue(id, this.#parts.settings.clock.now());
    return webhook;
  }

  async rotateSecret<Kind extends Signing>(
    id: string,
    rotation: SecretRotation<Kind> = {},
  ): Promise<KeyedWebhook<Kind>> {
    const { random } = this.#parts.settings;
    const { signing, overlapMs } = parseRotation(rotation);
    const now = await this.#storeTime();
    let secret: string | undefined;
    const record = await this.#revise(id, (current) => {
      const kind = signing ?? secretFace(current.secrets[0]?.secret ?? '').signing;
      // One key for all tries: the one before may have been applied, though nobody said so.
      if (secret === undefined || secretFace(secret).signing !== kind) secret = generateSecret(random, kind);
      return { ...current, secrets: rotated(current.secrets, secret, { now, until: now + overlapMs }) };
    });
    const webhook = toWebhook(record);
    this.#parts.reporter.emit('webhook:rotated', { webhook });
    return handedOut(webhook, secret ?? '') as KeyedWebhook<Kind>;
  }

  async delete(id: string): Promise<void> {
    const { storage, settings, reporter } = this.#parts;
    checkId(id);
    // Before it, for later: should this process end in between, the queue comes up once more, and whoever serves it finds the webhook gone.
    await this.#resetQueue(id, settings.clock.now() + settings.leaseMs);
    const existed = await storage.once('webhooks.delete', () => this.#store().delete(id));
    if (existed) reporter.emit('webhook:deleted', { webhookId: id });
    // Whoever serves its queue next finds the webhook gone and gives up what waits there. Also where it was gone already: it may be this very
    // call that deleted it, by a try whose answer was lost.
    await this.#resetQueue(id, settings.clock.now());
    if (!existed) throw new NotFoundError('webhook', id);
  }

  async enable(id: string): Promise<Webhook> {
    const record = await this.#move(id, { kind: 'enable' });
    await this.#resetQueue(id, this.#parts.settings.clock.now());
    return toWebhook(record);
  }

  async disable(id: string): Promise<Webhook> {
    const record = await this.#move(id, { kind: 'disable' });
    await this.#resetQueue(id, null);
    return toWebhook(record);
  }

  async sendTest(id: string): Promise<Delivery> {
    const { publisher, storage, settings } = this.#parts;
    const webhook = await this.#need(id);
    const { state } = webhook.status;
    if (state === 'disabled' || state === 'unavailable') {
      throw new ConflictError(`The webhook ${quote(id)} is ${state}: enable it before sending a test`);
    }
    const { deliveries } = await publisher.publishTo(webhook, {
      type: 'webhook.test',
      tenantId: webhook.tenantId,
      data: { message: 'This is a test event. Nothing happened.', webhookId: id },
    });
    const deliveryId = deliveries[0]?.id ?? '';
    const [delivery] = await storage.once('events.getDeliveries', () =>
      settings.repos.events.getDeliveries([deliveryId]),
    );
    if (delivery === undefined) throw new NotFoundError('delivery', deliveryId);
    return toDelivery(delivery);
  }

  async health(id: string, query: HealthQuery = {}): Promise<WebhookHealth> {
    const read = readHealthQuery(query);
    return await healthOf(await this.#need(id), read, this.#parts);
  }

  /** Changes what is stored of a webhook but its status, on what others have made of it meanwhile. */
  async #revise(
    id: string,
    change: (record: WebhookRecord, now: number) => WebhookRecord,
  ): Promise<WebhookRecord> {
    const { settings, storage, changed } = this.#parts;
    for (let race = 0; race < MAX_RACES; race++) {
      const record = await this.#need(id);
      const now = settings.clock.now();
      const next = { ...change(record, now), updatedAt: now, revision: record.revision + 1 };
      const applied = await storage.once('webhooks.update', () =>
        this.#store().update(next, record.revision),
      );
      if (!applied) continue;
      changed(id);
      return next;
    }
    throw new ConflictError(`The webhook ${quote(id)} is being changed by others; try again`);
  }

  /** Moves the status from outside. An input that changes nothing leaves the store alone. */
  async #move(id: string, input: WebhookInput): Promise<WebhookRecord> {
    const { settings, storage, changed, reporter } = this.#parts;
    for (let race = 0; race < MAX_RACES; race++) {
      const record = await this.#need(id);
      const to = nextWebhookStatus(record.status, input, settings.clock.now());
      if (to === undefined)
        throw new ConflictError(
          `The webhook ${quote(id)} is ${record.status.state}: there is no way to ${input.kind} it`,
        );
      if (to === record.status) return record;
      const change = { webhookId: id, from: record.status, to };
      const [applied] = await storage.once('webhooks.setStatus', () =>
        settings.repos.webhooks.setStatus([change]),
      );
      if (applied !== true) continue;
      changed(id);
      reporter.emit('webhook:status', {
        webhookId: id,
        tenantId: record.tenantId,
        from: publicStatus(record.status),
        to: publicStatus(to),
      });
      return { ...record, status: to };
    }
    throw new ConflictError(`The webhook ${quote(id)} is being changed by others; try again`);
  }

  /** The time that every process which signs goes by. */
  async #storeTime(): Promise<number> {
    const { storage, settings } = this.#parts;
    const { state } = settings.repos;
    const told = await storage.once('state.now', async () => state.now?.());
    return told ?? settings.clock.now();
  }

  async #resetQueue(webhookId: string, nextAt: number | null): Promise<void> {
    const { storage, settings, changed } = this.#parts;
    const now = settings.clock.now();
    await storage.once('state.reset', () => settings.repos.state.reset([{ webhookId, nextAt }], { now }));
    changed(webhookId);
  }

  async #find(id: string): Promise<WebhookRecord | undefined> {
    const { storage, settings } = this.#parts;
    const [record] = await storage.once('webhooks.getMany', () => settings.repos.webhooks.getMany([id]));
    return record;
  }

  async #need(id: string): Promise<WebhookRecord> {
    const record = await this.#find(checkId(id));
    if (record === undefined) throw new NotFoundError('webhook', id);
    return record;
  }

  #store(): WebhookStore {
    const { webhooks } = this.#parts.settings.repos;
    if (isStore(webhooks)) return webhooks;
    throw new TypeError(
      'repos.webhooks is a WebhookRepo without insert, update, delete and list: the host manages its webhooks itself',
    );
  }
}

function isStore(repo: WebhookRepo | WebhookStore): repo is WebhookStore {
  return 'insert' in repo && 'update' in repo && 'delete' in repo && 'list' in repo;
}
