import {
  nextWebhookStatus,
  sameStatus,
  type WebhookInput,
  type WebhookRecord,
  type WebhookStatus,
} from '../domain/webhook.ts';
import type { QueueOpening, StateRepo, WebhookRepo } from '../repos.ts';
import { publicStatus } from '../views.ts';
import { BatchWriter } from './batch-writer.ts';
import type { Run } from './run.ts';
import type { WebhookCache } from './webhook-cache.ts';

/** When something happened to a webhook, and what has to be open before that is stored. */
export interface When {
  /** Epoch ms. */
  readonly at: number;
  readonly opening?: (() => QueueOpening | undefined) | undefined;
  /** Called once the status after it is stored, or turned out to be what it should be. Not called where nothing changes from the beginning. */
  readonly stored?: (() => void) | undefined;
}

/** What statuses are stored with. */
export interface WebhookStatusesParts {
  readonly repo: WebhookRepo;
  readonly state: StateRepo;
  readonly cache: WebhookCache;
  /** Called when the last change has been stored. */
  readonly idle: () => void;
}

interface PendingChange extends When {
  /** Rises with every change of this process. */
  readonly order: number;
  readonly webhook: WebhookRecord;
  readonly from: WebhookStatus;
  readonly to: WebhookStatus;
  readonly input: WebhookInput;
}

/**
 * The only place where the engine moves a webhook's status. The move is made at once in what this process knows, and stored by
 * compare-and-set; where another process was faster, the input is applied again to what is stored.
 */
export class WebhookStatuses {
  readonly #run: Run;
  readonly #cache: WebhookCache;
  readonly #writer: BatchWriter<PendingChange, boolean>;
  /** The newest change of each webhook that is being stored. */
  readonly #newest = new Map<string, PendingChange>();
  /** By webhook, in the order they were made: what the store refused, until it has been read what is stored. */
  readonly #refusals = new Map<string, PendingChange[]>();
  /** The newest change that was stored of a webhook with refusals. */
  readonly #storedSince = new Map<string, number>();
  /** By webhook: who waits until nothing of it is being stored. */
  readonly #waiters = new Map<string, (() => void)[]>();
  readonly #idle: () => void;
  #reapplying = 0;
  #made = 0;

  constructor(run: Run, { repo, state, cache, idle }: WebhookStatusesParts) {
    this.#run = run;
    this.#cache = cache;
    this.#idle = idle;
    this.#writer = new BatchWriter({
      run,
      operation: 'webhooks.setStatus',
      maxBatch: 500,
      write: async (changes) => {
        // Before: a webhook that is Retrying with no queue open would stay so until its next event. And after, because whoever has
        // served the queue meanwhile found the webhook Enabled, and closes it unless it was opened since.
        const openings = changes
          .map(({ from, opening }) => (from.state === 'retrying' ? undefined : opening?.()))
          .filter((one) => one !== undefined);
        const open = async (): Promise<void> => {
          if (openings.length > 0) await state.open(openings, { now: run.now() });
        };
        await open();
        const applied = await repo.setStatus(
          changes.map(({ webhook, from, to }) => ({ webhookId: webhook.id, from, to })),
        );
        await open();
        return applied;
      },
      written: (change, applied) => (applied ? this.#stored(change) : this.#refused(change)),
      idle,
    });
  }

  /** Changes not stored yet. */
  get pending(): number {
    return this.#writer.size + this.#reapplying;
  }

  /** Whether a change of the webhook is being stored; then `done` is called when the store knows what came of it. */
  isStoring(id: string, done: () => void): boolean {
    if (!this.#newest.has(id) && !this.#refusals.has(id)) return false;
    this.#waiters.set(id, [...(this.#waiters.get(id) ?? []), done]);
    return true;
  }

  #known(id: string): void {
    if (this.#newest.has(id) || this.#refusals.has(id)) return;
    const waiters = this.#waiters.get(id) ?? [];
    this.#waiters.delete(id);
    for (const done of waiters) done();
  }

  /** Whether an input would change the status, as this process sees it. */
  changes(webhook: WebhookRecord, input: WebhookInput, at: number): boolean {
    const from = this.#statusOf(webhook, at);
    return (nextWebhookStatus(from, input, at) ?? from) !== from;
  }

  /**
   * Applies an input and returns the status after it, as this process sees it. With `opening`, a change is stored only after that queue
   * has been opened.
   */
  apply(webhook: WebhookRecord, input: WebhookInput, { at, opening, stored }: When): WebhookStatus {
    const from = this.#statusOf(webhook, at);
    const to = nextWebhookStatus(from, input, at) ?? from;
    if (to === from) {
      if (!this.#isKnown(webhook.id, at)) void this.#readAndApply(webhook.id, { input, at, opening, stored });
      return from;
    }
    this.#cache.assume(webhook.id, to);
    this.#made += 1;
    const change = { webhook, from, to, input, at, opening, stored, order: this.#made };
    this.#newest.set(webhook.id, change);
    this.#writer.add(change);
    return to;
  }

  #statusOf(webhook: WebhookRecord, at: number): WebhookStatus {
    return this.#newest.get(webhook.id)?.to ?? (this.#cache.peek(webhook.id, at) ?? webhook).status;
  }

  #isKnown(id: string, at: number): boolean {
    return this.#newest.has(id) || this.#cache.peek(id, at) !== undefined;
  }

  /** The status that a request began with may have changed since: that nothing changes by it says little. */
  async #readAndApply(id: string, { input, ...when }: When & Pick<PendingChange, 'input'>): Promise<void> {
    const stored = await this.#read(id);
    if (stored && this.changes(stored, input, when.at)) this.apply(stored, input, when);
    else when.stored?.();
    this.#idle();
  }

  async #read(id: string): Promise<WebhookRecord | null | undefined> {
    this.#reapplying += 1;
    const stored = await this.#run.outage('webhooks.getMany').persist(() => this.#cache.reload(id));
    this.#reapplying -= 1;
    return stored;
  }

  #stored(change: PendingChange): void {
    if (this.#newest.get(change.webhook.id) === change) this.#settle(change.webhook.id);
    if (this.#refusals.has(change.webhook.id)) this.#storedSince.set(change.webhook.id, change.order);
    this.#applied(change);
    change.stored?.();
    this.#known(change.webhook.id);
  }

  #settle(id: string): void {
    this.#newest.delete(id);
    this.#cache.settle(id);
  }

  #refused(change: PendingChange): void {
    const { id } = change.webhook;
    // What later changes built on is not what is stored: they will be refused too, and applied anew.
    this.#settle(id);
    const others = this.#refusals.get(id);
    if (others !== undefined) others.push(change);
    else {
      this.#refusals.set(id, [change]);
      void this.#applyAnew(id);
    }
  }

  /** In the order they were made, save those that were stored after all: an old failure must not come after a newer success. */
  async #applyAnew(id: string): Promise<void> {
    const stored = await this.#read(id);
    const refused = this.#refusals.get(id) ?? [];
    const newest = this.#storedSince.get(id) ?? 0;
    this.#refusals.delete(id);
    this.#storedSince.delete(id);
    // An acknowledgement can be lost: what a change wanted may be there already, and with it all before.
    const reached = refused.findLast(
      ({ order, to }) => order < newest || (stored && sameStatus(stored.status, to)),
    );
    for (const change of refused) {
      const isDone = reached !== undefined && change.order <= reached.order;
      if (isDone) this.#applied(change);
      if (!isDone && stored && this.changes(stored, change.input, change.at))
        this.apply(stored, change.input, change);
      else change.stored?.();
    }
    this.#known(id);
    this.#idle();
  }

  #applied({ webhook, from, to }: PendingChange): void {
    if (from.state === to.state) return;
    this.#run.reporter.emit('webhook:status', {
      webhookId: webhook.id,
      tenantId: webhook.tenantId,
      from: publicStatus(from),
      to: publicStatus(to),
    });
  }
}
