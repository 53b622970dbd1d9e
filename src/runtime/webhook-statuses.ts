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
      written: (change, applied) => (applied ? this.#applied(change) : void this.#refused(change)),
      idle,
    });
  }

  /** Changes not stored yet. */
  get pending(): number {
    return this.#writer.size + this.#reapplying;
  }

  /** Applies an input and returns the status after it, as this process sees it. */
  apply(webhook: WebhookRecord, input: WebhookInput, at: number): WebhookStatus {
    const from = (this.#cache.peek(webhook.id) ?? webhook).status;
    const to = nextWebhookStatus(from, input, at) ?? from;
    if (to === from) return from;
    this.#cache.assume(webhook.id, to);
    this.#writer.add({ webhook, from, to, input, at });
    return to;
  }

  async #refused(change: PendingChange): Promise<void> {
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
