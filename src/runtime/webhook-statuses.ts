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
  readonly opening?: QueueOpening | undefined;
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
  #reapplying = 0;

  constructor(run: Run, { repo, state, cache, idle }: WebhookStatusesParts) {
    this.#run = run;
    this.#cache = cache;
    this.#writer = new BatchWriter({
      run,
      operation: 'webhooks.setStatus',
      maxBatch: 500,
      write: async (changes) => {
        // First: a webhook that is Retrying with no queue open would stay so until its next event.
        const openings = changes.flatMap(({ opening }) => (opening === undefined ? [] : [opening]));
        if (openings.length > 0) await state.open(openings, { now: run.now() });
        return await repo.setStatus(
          changes.map(({ webhook, from, to }) => ({ webhookId: webhook.id, from, to })),
        );
      },
      written: (change, applied) => (applied ? this.#stored(change) : void this.#refused(change)),
      idle,
    });
  }

  /** Changes not stored yet. */
  get pending(): number {
    return this.#writer.size + this.#reapplying;
  }

  /**
   * Applies an input and returns the status after it, as this process sees it. With `opening`, a change is stored only after that queue
   * has been opened.
   */
  apply(webhook: WebhookRecord, input: WebhookInput, { at, opening }: When): WebhookStatus {
    const from = this.#newest.get(webhook.id)?.to ?? (this.#cache.peek(webhook.id, at) ?? webhook).status;
    const to = nextWebhookStatus(from, input, at) ?? from;
    if (to === from) return from;
    this.#cache.assume(webhook.id, to);
    const change = { webhook, from, to, input, at, opening };
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
    else this.apply(stored, change.input, change);
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
