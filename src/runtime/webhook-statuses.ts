import {
  nextWebhookStatus,
  sameStatus,
  type WebhookInput,
  type WebhookRecord,
  type WebhookStatus,
} from '../domain/webhook.ts';
import type { WebhookRepo } from '../repos.ts';
import { publicStatus } from '../views.ts';
import { BatchWriter } from './batch-writer.ts';
import type { Run } from './run.ts';
import type { WebhookCache } from './webhook-cache.ts';

interface PendingChange {
  readonly webhook: WebhookRecord;
  readonly from: WebhookStatus;
  readonly to: WebhookStatus;
  readonly input: WebhookInput;
  readonly at: number;
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
  #reapplying = 0;

  constructor(run: Run, { repo, cache, idle }: { repo: WebhookRepo; cache: WebhookCache; idle: () => void }) {
    this.#run = run;
    this.#cache = cache;
    this.#writer = new BatchWriter({
      run,
      operation: 'webhooks.setStatus',
      maxBatch: 500,
      write: (changes) =>
        repo.setStatus(changes.map(({ webhook, from, to }) => ({ webhookId: webhook.id, from, to }))),
      written: (change, applied) => (applied ? this.#stored(change) : void this.#refused(change)),
      idle,
    });
  }

  /** Changes not stored yet. */
  get pending(): number {
    return this.#writer.size + this.#reapplying;
  }

  /** Applies an input and returns the status after it, as this process sees it. */
  apply(webhook: WebhookRecord, input: WebhookInput, at: number): WebhookStatus {
    const from = this.#newest.get(webhook.id)?.to ?? (this.#cache.peek(webhook.id, at) ?? webhook).status;
    const to = nextWebhookStatus(from, input, at) ?? from;
    if (to === from) return from;
    this.#cache.assume(webhook.id, to);
    const change = { webhook, from, to, input, at };
    this.#newest.set(webhook.id, change);
    this.#writer.add(change);
    return to;
  }

  #stored(change: PendingChange): void {
    if (this.#newest.get(change.webhook.id) === change) this.#settle(change.webhook.id);
    this.#applied(change);
  }

  #settle(id: string): void {
    this.#newest.delete(id);
    this.#cache.settle(id);
  }

  async #refused(change: PendingChange): Promise<void> {
    // What later changes built on is not what is stored: they will be refused too, and applied anew.
    this.#settle(change.webhook.id);
    this.#reapplying += 1;
    const stored = await this.#run
      .outage('webhooks.getMany')
      .persist(() => this.#cache.reload(change.webhook.id));
    this.#reapplying -= 1;
    if (!stored) return;
    // An acknowledgement can be lost: what this change wanted may be there already.
    if (sameStatus(stored.status, change.to)) this.#applied(change);
    else this.apply(stored, change.input, change.at);
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
