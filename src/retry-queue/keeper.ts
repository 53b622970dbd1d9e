import type { WebhookRecord, WebhookStatus } from '../domain/webhook.ts';
import type { QueueChange, SaveResult } from '../repos.ts';
import { BatchWriter } from '../runtime/batch-writer.ts';
import type { Holding } from './holding.ts';
import type { RetryQueueParts } from './parts.ts';

/** What the keeper tells its owner. */
export interface KeeperHooks {
  /** It is still held, and to be looked at again. */
  attend(holding: Holding): void;
  /** It is not held any more. */
  dropped(holding: Holding): void;
}

interface Change {
  readonly holding: Holding;
  readonly change: QueueChange;
  /** When the lease ends if this change extends it, by this process's clock. */
  readonly leaseUntil?: number;
}

/** How a queue is given back. */
interface Rest {
  readonly nextAt: number | null;
  /** @default the end of its back-off */
  readonly notBefore?: number;
  readonly close?: true;
  readonly failures?: 0;
}

const emptied = { kind: 'queue-emptied' } as const;

/** A change that was not stored because a newer one is to be. */
const superseded: SaveResult = { result: 'saved' };

/** Keeps the state records of held queues: extends their leases, and gives them back with the time when they are to be served next. */
export class Keeper {
  readonly #parts: RetryQueueParts;
  readonly #hooks: KeeperHooks;
  readonly #saver: BatchWriter<Change, SaveResult>;
  /** The last change of each holding. */
  readonly #newest = new WeakMap<Holding, Change>();

  constructor(parts: RetryQueueParts, hooks: KeeperHooks) {
    this.#parts = parts;
    this.#hooks = hooks;
    this.#saver = new BatchWriter({
      run: parts.run,
      operation: 'state.save',
      maxBatch: 500,
      write: (changes) => this.#write(changes),
      written: (change, result) => this.#saved(change, result),
    });
  }

  /** Extends the lease, and stores the back-off where it has changed. What is being given back is not extended. */
  renew(holding: Holding): void {
    if (holding.releasing) return;
    const { run, settings } = this.#parts;
    const { lane, token, webhookId } = holding;
    const leaseUntil = run.now() + settings.leaseMs;
    holding.storedFailures = lane.failures;
    this.#add({
      holding,
      leaseUntil,
      change: { ...this.#backoffOf(holding), webhookId, token, leaseUntil },
    });
  }

  #add(change: Change): void {
    this.#newest.set(change.holding, change);
    this.#saver.add(change);
  }

  /** Only the newest change of each queue is stored: an older one that is tried again must not undo a newer one that was applied. */
  async #write(changes: readonly Change[]): Promise<readonly SaveResult[]> {
    const { run, state } = this.#parts;
    const current = changes.filter((change) => this.#newest.get(change.holding) === change);
    const results =
      current.length === 0
        ? []
        : await state.save(
            current.map(({ change }) => change),
            { now: run.now() },
          );
    if (results.length !== current.length) return results;
    const resultOf = new Map(current.map((change, index) => [change, results[index]]));
    return changes.map((change) => resultOf.get(change) ?? superseded);
  }

  /** Gives all of them back as they are; resolves when that is stored or the run ends. */
  async releaseAll(holdings: readonly Holding[]): Promise<void> {
    const { run, state } = this.#parts;
    const changes = holdings.map((holding) => {
      const { webhookId, token } = holding;
      // What waits to be stored is out of date: tried again later, it would take the lease back.
      this.#newest.delete(holding);
      holding.releasing = true;
      return { ...this.#backoffOf(holding), webhookId, token };
    });
    if (changes.length > 0)
      await run.outage('state.save').persist(() => state.save(changes, { now: run.now() }));
  }

  #backoffOf({ lane }: Holding): { failures: number; notBefore: number; nextAt: number } {
    const { failures, pausedUntil } = lane;
    return { failures, notBefore: pausedUntil, nextAt: Math.max(this.#parts.run.now(), pausedUntil) };
  }

  /** Holds it: its webhook is disabled, and nothing is served until it is enabled. That it is disabled is stored before: nobody enables it otherwise. */
  hold(holding: Holding): void {
    if (!this.#waits(holding)) this.#release(holding, { nextAt: null, failures: 0 });
  }

  /** Whether its webhook's status is being stored; then it is looked at again after that. */
  #waits(holding: Holding): boolean {
    holding.busy = this.#parts.statuses.isStoring(holding.webhookId, () => this.#goOn(holding));
    return holding.busy;
  }

  #goOn(holding: Holding): void {
    holding.busy = false;
    this.#hooks.attend(holding);
  }

  /** Nothing of it can be sent now, and nothing is under way: it is given back until its next time, or closed. */
  rest(holding: Holding, webhook: WebhookRecord | null, nextDueAt: number | undefined): void {
    const { pausedUntil } = holding.lane;
    const now = this.#parts.run.now();
    if (nextDueAt === undefined) {
      if (webhook !== null && this.#empty(holding, webhook, now)) return;
      // The record outlives an empty queue for as long as the back-off runs: the next failure goes on from there.
      if (webhook === null || pausedUntil <= now) this.#release(holding, { nextAt: now, close: true });
      else this.#release(holding, { nextAt: pausedUntil });
    } else if (webhook !== null && this.#isTimeUp(holding, webhook)) {
      // The status that this sets is what the next look goes by.
      this.#hooks.attend(holding);
    } else {
      // Like a back-off: what comes in meanwhile does not bring the next token nearer.
      const notBefore = Math.max(pausedUntil, holding.restsUntil(now));
      this.#release(holding, { nextAt: this.#nextAt(webhook, Math.max(notBefore, nextDueAt)), notBefore });
    }
  }

  /**
   * The queue is empty: its webhook is Enabled again. That, or that it is Unavailable, is stored before the record is closed, and the queue looked
   * at again after it: a webhook that is Retrying without a queue would stay so until its next event. Returns whether something has to be stored.
   */
  #empty(holding: Holding, webhook: WebhookRecord, now: number): boolean {
    const { statuses } = this.#parts;
    if (!statuses.changes(webhook, emptied, now)) return this.#waits(holding);
    holding.busy = true;
    statuses.apply(webhook, emptied, { at: now, stored: () => this.#goOn(holding) });
    return true;
  }

  /** At the end of D a queue is served once more; when nothing is due that could be tried, D alone decides. */
  #isTimeUp(holding: Holding, webhook: WebhookRecord): boolean {
    const { statuses, settings, run } = this.#parts;
    const { unavailableAfterMs } = settings;
    if (holding.servedFor !== endOfD(webhook.status, unavailableAfterMs)) return false;
    return (
      statuses.apply(webhook, { kind: 'time-is-up', unavailableAfterMs }, { at: run.now() }).state ===
      'unavailable'
    );
  }

  /** When to serve it next: not after the end of D, should that lie ahead. */
  #nextAt(webhook: WebhookRecord | null, at: number): number {
    const { cache, run, settings } = this.#parts;
    if (webhook === null) return at;
    const { status } = cache.peek(webhook.id) ?? webhook;
    const end = endOfD(status, settings.unavailableAfterMs);
    return end !== undefined && end > run.now() ? Math.min(at, end) : at;
  }

  #release(holding: Holding, to: Rest): void {
    const { webhookId, token, lane, wakes } = holding;
    holding.busy = true;
    holding.releasing = true;
    const change: QueueChange = {
      webhookId,
      token,
      failures: to.failures ?? lane.failures,
      notBefore: to.notBefore ?? (to.failures === 0 ? 0 : lane.pausedUntil),
      nextAt: to.nextAt,
      ...(to.close && { close: true }),
      // Held means held, whatever came; otherwise what came since the last look has to be looked at.
      ...(to.nextAt !== null && { ifWakes: wakes }),
    };
    this.#add({ holding, change });
  }

  #saved({ holding, leaseUntil }: Change, saved: SaveResult): void {
    if (saved === superseded) return;
    const { lane } = holding;
    const { result, wakes } = saved;
    switch (result) {
      case 'lost':
        this.#drop(holding, 0);
        this.#parts.dispatcher().unload(lane);
        return;
      case 'closed':
        this.#drop(holding, 0);
        return;
      case 'woken':
        holding.wakes = wakes ?? holding.wakes;
        // An earlier try whose acknowledgement was lost may have given the lease back: it is taken again before anything is served.
        holding.releasing = false;
        holding.regaining = true;
        this.renew(holding);
        return;
      case 'saved':
        if (leaseUntil === undefined) this.#drop(holding, lane.pausedUntil);
        else this.#renewed(holding, leaseUntil, wakes ?? holding.wakes);
    }
  }

  /** Something may have come in that the last look did not see: it is made again. */
  #renewed(holding: Holding, leaseUntil: number, wakes: number): void {
    holding.leaseUntil = leaseUntil;
    const isStirred = holding.regaining || wakes !== holding.wakes;
    holding.wakes = wakes;
    if (!isStirred) return;
    holding.stir(0);
    if (holding.regaining) holding.busy = false;
    holding.regaining = false;
    this.#hooks.attend(holding);
  }

  #drop(holding: Holding, apartUntil: number): void {
    holding.lane.apartUntil = apartUntil;
    holding.dropped = true;
    this.#hooks.dropped(holding);
  }
}

/** The end of D for a webhook that is failing. */
function endOfD(status: WebhookStatus, unavailableAfterMs: number): number | undefined {
  return status.state === 'retrying' && status.failing ? status.since + unavailableAfterMs : undefined;
}
