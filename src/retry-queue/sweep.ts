import type { QueueRecord } from '../repos.ts';
import type { RetryQueueParts } from './parts.ts';

const PAGE = 500;
/** Looking into queues that rest costs more than finding them: it is made at every so many rounds. */
const ROUNDS_PER_WAKING = 4;

/**
 * The safety net: finds queues that hold deliveries but that nobody will serve, because the process that stored into them ended
 * before it opened them, or between two steps of enabling a webhook.
 */
export class Sweep {
  readonly #parts: RetryQueueParts;
  readonly #open: (webhookId: string) => void;
  #after: string | undefined;
  #running = 0;
  #round = 1;

  constructor(parts: RetryQueueParts, open: (webhookId: string) => void) {
    this.#parts = parts;
    this.#open = open;
  }

  get isBusy(): boolean {
    return this.#running > 0;
  }

  /** Looks at all queues, a page at a time. */
  async all(): Promise<void> {
    do {
      await this.page();
    } while (this.#after !== undefined && this.#parts.run.accepting);
  }

  /** Looks at the next page; after the last one it begins anew. */
  async page(): Promise<void> {
    this.#running += 1;
    try {
      await this.#page();
    } finally {
      this.#running -= 1;
      this.#parts.changed();
    }
  }

  async #page(): Promise<void> {
    const { run, events, state } = this.#parts;
    const after = this.#after;
    const ids = await run
      .outage('events.ownQueues')
      .persist(() => events.ownQueues({ limit: PAGE, ...(after !== undefined && { after }) }));
    if (ids === undefined) return;
    this.#after = ids.length === PAGE ? ids.at(-1) : undefined;
    if (ids.length === 0) return;
    const records = await run.outage('state.get').persist(() => state.get(ids));
    if (records === undefined) return;
    const open = new Set(records.map(({ webhookId }) => webhookId));
    for (const id of ids) if (!open.has(id)) this.#open(id);
    if (this.#round % ROUNDS_PER_WAKING === 0) this.#wake(records);
    if (this.#after === undefined) this.#round += 1;
    await this.#release(records.filter(({ nextAt }) => nextAt === null).map(({ webhookId }) => webhookId));
  }

  /**
   * A queue without a back-off that rests until something of it is due, long from now: a process may have ended between storing something into
   * it that is due now and opening it. Nothing tells but a look.
   */
  #wake(records: readonly QueueRecord[]): void {
    const { run, settings } = this.#parts;
    const soon = run.now() + settings.leaseMs;
    for (const { webhookId, failures, nextAt, leaseUntil = 0 } of records) {
      if (failures === 0 && nextAt !== null && nextAt > soon && leaseUntil <= run.now())
        this.#open(webhookId);
    }
  }

  /** A queue is held for a disabled webhook; where the webhook is no longer disabled, it is served again. */
  async #release(held: readonly string[]): Promise<void> {
    const { run, cache, state } = this.#parts;
    if (held.length === 0) return;
    await run.outage('webhooks.getMany').persist(() => cache.load(held));
    const now = run.now();
    const wrong = held.filter((id) => cache.peek(id)?.status.state !== 'disabled');
    const entries = wrong.map((webhookId) => ({ webhookId, nextAt: now }));
    if (entries.length > 0) await run.outage('state.reset').persist(() => state.reset(entries, { now }));
  }
}
