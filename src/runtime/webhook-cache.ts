import type { Clock } from '../clock.ts';
import type { WebhookRecord, WebhookStatus } from '../domain/webhook.ts';
import type { WebhookRepo } from '../repos.ts';

/** Enough for the webhooks that are busy at a time; the oldest entries go first. */
const MAX_ENTRIES = 10_000;

interface Entry {
  /** `null`: known not to exist. */
  webhook: WebhookRecord | null;
  readonly expiresAt: number;
}

/**
 * The webhooks that the engine works for. An entry lives for a short, stated time (`webhookCacheMs`), and ends at once when
 * the repo tells of a change (`onChange`) or this process made one: no request starts on an entry that is no longer here.
 */
export class WebhookCache {
  readonly #repo: WebhookRepo;
  readonly #clock: Clock;
  readonly #ttlMs: number;
  readonly #entries = new Map<string, Entry>();
  /** Statuses that are being stored. */
  readonly #assumed = new Map<string, WebhookStatus>();
  /** Per read under way, the ids that changed meanwhile: what it brings of those may be older than the change. */
  readonly #reads = new Set<Set<string>>();
  /** What one turn of the engine wants to be read anew, which is read together. */
  #anew: { readonly ids: Set<string>; readonly read: Promise<void> } | undefined;

  constructor(repo: WebhookRepo, clock: Clock, ttlMs: number) {
    this.#repo = repo;
    this.#clock = clock;
    this.#ttlMs = ttlMs;
  }

  /** The webhook as it is known now; `null` when it does not exist, `undefined` when it has to be loaded first. */
  peek(id: string, now: number = this.#clock.now()): WebhookRecord | null | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined || entry.expiresAt < now) return undefined;
    return entry.webhook;
  }

  /** Loads those of these webhooks that are not known. Rejects as the repo does. */
  async load(ids: Iterable<string>): Promise<void> {
    const now = this.#clock.now();
    const missing = [...new Set(ids)].filter((id) => this.peek(id, now) === undefined);
    if (missing.length > 0) await this.#read(missing);
  }

  /** Reads a webhook anew, whatever is known. */
  async reload(id: string): Promise<WebhookRecord | null> {
    this.#anew ??= this.#readSoon();
    const { ids, read } = this.#anew;
    ids.add(id);
    await read;
    return this.peek(id) ?? null;
  }

  #readSoon(): { readonly ids: Set<string>; readonly read: Promise<void> } {
    const ids = new Set<string>();
    const read = Promise.resolve().then(() => {
      this.#anew = undefined;
      return this.#read([...ids]);
    });
    return { ids, read };
  }

  /**
   * Puts a status that is being stored in place of the stored one, so that what follows in this process builds on it:
   * for as long as storing takes, whatever is read meanwhile.
   */
  assume(id: string, status: WebhookStatus): void {
    this.#assumed.set(id, status);
    const entry = this.#entries.get(id);
    if (entry?.webhook) entry.webhook = { ...entry.webhook, status };
  }

  /** The assumed status was stored, or refused: from here on what is read counts. */
  settle(id: string): void {
    this.#assumed.delete(id);
  }

  invalidate(ids: readonly string[]): void {
    for (const id of ids) {
      this.#entries.delete(id);
      for (const changed of this.#reads) changed.add(id);
    }
  }

  async #read(ids: readonly string[]): Promise<void> {
    const changed = new Set<string>();
    this.#reads.add(changed);
    try {
      const found = await this.#repo.getMany(ids);
      this.#store(
        ids.filter((id) => !changed.has(id)),
        found,
      );
    } finally {
      this.#reads.delete(changed);
    }
    if (changed.size > 0) await this.#read(ids.filter((id) => changed.has(id)));
  }

  /** The engine moves no webhook that is disabled or unavailable: where that is stored, what was assumed will be refused. */
  #asAssumed(webhook: WebhookRecord | undefined): WebhookRecord | null {
    if (webhook === undefined) return null;
    const { state } = webhook.status;
    if (state === 'disabled' || state === 'unavailable') return webhook;
    const status = this.#assumed.get(webhook.id);
    return status === undefined ? webhook : { ...webhook, status };
  }

  #store(ids: readonly string[], found: readonly WebhookRecord[]): void {
    const expiresAt = this.#clock.now() + this.#ttlMs;
    const byId = new Map(found.map((webhook) => [webhook.id, webhook]));
    for (const id of ids) {
      this.#entries.delete(id);
      this.#entries.set(id, { webhook: this.#asAssumed(byId.get(id)), expiresAt });
    }
    for (const id of this.#entries.keys()) {
      if (this.#entries.size <= MAX_ENTRIES) return;
      this.#entries.delete(id);
    }
  }
}
