import type {
  AcquireResult,
  QueueChange,
  QueueOpening,
  QueueRecord,
  QueueReset,
  SaveResult,
  StateRepo,
} from '../../../src/index.ts';
import type { Outcome, PortCall } from '../ports.ts';
import type { Timeline } from '../timeline.ts';
import type { Findings } from './findings.ts';
import type { Ledger, WebhookNotes } from './ledger.ts';

/** What the checks of retry queues work with. */
export interface QueueLawParts {
  readonly ledger: Ledger;
  readonly findings: Findings;
  readonly timeline: Timeline;
  readonly state: StateRepo;
  readonly leaseMs: number;
}

/** What a call stores of a webhook may be as old as the call before it was long, ms. */
const UNDER_WAY_MS = 8_000;

/** The records of retry queues: one holder at a time (I5), fenced by tokens that only rise (I4), and a back-off that nothing but a success ends. */
export class QueueLaws {
  readonly #parts: QueueLawParts;

  constructor(parts: QueueLawParts) {
    this.#parts = parts;
  }

  /** Looks at what a call has made of the queues. */
  async applied(call: PortCall, outcome: Outcome): Promise<void> {
    if ('error' in outcome) return;
    switch (call.name) {
      case 'state.open':
        return this.#opened(call);
      case 'state.acquire':
        return this.#acquired(call, outcome.value as AcquireResult);
      case 'state.save':
        return this.#saved(call, outcome.value as readonly SaveResult[]);
      case 'state.reset':
        return this.#reset(call.args[0] as readonly QueueReset[]);
      default:
    }
  }

  async #opened({ args, at, life }: PortCall): Promise<void> {
    const ids = (args[0] as readonly QueueOpening[]).map(({ webhookId }) => webhookId);
    const { ledger } = this.#parts;
    const before = ids.map((id) => ledger.webhooks.get(id)?.queue?.failures ?? 0);
    await this.#read(ids);
    for (const [index, id] of ids.entries()) {
      const notes = ledger.webhooks.get(id);
      if (notes === undefined || notes.queue?.failures === before[index]) continue;
      notes.failuresAt = at;
      notes.failuresBy = life;
    }
  }

  async #acquired({ life }: PortCall, { queues }: AcquireResult): Promise<void> {
    const { ledger, findings, timeline } = this.#parts;
    const now = Math.floor(timeline.now);
    for (const { webhookId, token } of queues) {
      const notes = ledger.webhooks.get(webhookId);
      const before = notes?.queue;
      if (notes !== undefined) {
        notes.holder = life;
        notes.holderSince = timeline.now;
      }
      if (before === undefined)
        findings.violate('I5', `the queue of ${webhookId} was acquired, and there is none`);
      else if ((before.leaseUntil ?? 0) > now)
        findings.violate(
          'I5',
          `the queue of ${webhookId} was acquired ${(before.leaseUntil ?? 0) - now} ms before the end of its lease`,
        );
      else if (before.nextAt === null || before.nextAt > now)
        findings.violate(
          'I5',
          `the queue of ${webhookId} was acquired, and its time is ${before.nextAt}, not ${now}`,
        );
      if (before?.leaseUntil !== undefined) findings.mark('queue: taken over');
      if ((before?.failures ?? 0) > 0) findings.mark('queue: acquired while failing');
      if (token <= (before?.token ?? 0))
        findings.violate(
          'I4',
          `the token of the queue of ${webhookId} went from ${before?.token} to ${token}`,
        );
    }
    await this.#read(queues.map(({ webhookId }) => webhookId));
  }

  async #saved(call: PortCall, results: readonly SaveResult[]): Promise<void> {
    const { ledger, findings } = this.#parts;
    const changes = call.args[0] as readonly QueueChange[];
    for (const [index, change] of changes.entries()) {
      const notes = ledger.webhooks.get(change.webhookId);
      const result = results[index]?.result;
      const before = notes?.queue;
      if (notes === undefined || result === undefined) continue;
      findings.mark(`queue: ${result}`);
      const isHeld = before?.token === change.token;
      if (isHeld === (result === 'lost'))
        findings.violate(
          'I4',
          `a save under token ${change.token} came to ${result}; the queue of ${change.webhookId} has token ${before?.token}`,
        );
      if (!isHeld || before === undefined || (result !== 'saved' && result !== 'closed')) continue;
      // A call that its caller gave up on may be applied after one that it made later.
      const isGhost = notes.lastSave > call.number;
      notes.lastSave = Math.max(notes.lastSave, call.number);
      if (isGhost) {
        findings.mark('queue: an old save was applied late');
      } else if (!this.#isOlder(call, change, notes)) this.#judgeBackoff(before, change, notes);
      if (change.failures !== before.failures) {
        notes.failuresAt = call.at;
        notes.failuresBy = call.life;
      }
      // One batch may hold several changes of one queue.
      const { failures, notBefore, nextAt } = change;
      notes.queue = result === 'closed' ? undefined : { ...before, failures, notBefore, nextAt };
    }
    await this.#read(changes.map(({ webhookId }) => webhookId));
  }

  /**
   * Whether a renewal was put together before the failures that are stored now were: it waited for its turn, or for another try, and the next one
   * sets that right. It tells when, because it asks for a whole lease from then on. Nor does a holder know what another process has stored since:
   * its lease had run out, but nobody has taken the queue from it.
   */
  #isOlder(
    { life }: PortCall,
    { leaseUntil }: QueueChange,
    { failuresAt, failuresBy, holderSince }: WebhookNotes,
  ): boolean {
    const { timeline, leaseMs } = this.#parts;
    if (failuresBy !== life && holderSince < failuresAt) return true;
    if (leaseUntil === undefined) return false;
    const aheadMs = life.clock.now() - Math.floor(timeline.now);
    const isOlder = leaseUntil - leaseMs - aheadMs <= failuresAt;
    if (isOlder) this.#parts.findings.mark('queue: a renewal older than its failures');
    return isOlder;
  }

  /** Failures in a row are forgotten only for a success, or because the queue is held or gone. */
  #judgeBackoff(
    before: QueueRecord,
    { webhookId, failures, nextAt, close }: QueueChange,
    { lastSuccessAt, failuresAt }: WebhookNotes,
  ): void {
    if (failures >= before.failures || close || nextAt === null || lastSuccessAt >= failuresAt - UNDER_WAY_MS)
      return;
    this.#parts.findings.violate(
      'I12',
      `the back-off of ${webhookId} went from ${before.failures} failures to ${failures} without a success`,
    );
  }

  async #reset(entries: readonly QueueReset[]): Promise<void> {
    const { ledger, timeline } = this.#parts;
    for (const { webhookId } of entries) {
      const notes = ledger.webhooks.get(webhookId);
      if (notes !== undefined) notes.resetAt = timeline.now;
    }
    await this.#read(entries.map(({ webhookId }) => webhookId));
  }

  async #read(ids: readonly string[]): Promise<void> {
    const { ledger, findings, state } = this.#parts;
    if (ids.length === 0) return;
    const records = new Map((await state.get(ids)).map((record) => [record.webhookId, record]));
    for (const id of ids) {
      const notes = ledger.webhooks.get(id);
      if (notes === undefined) continue;
      const record = records.get(id);
      notes.queue = record;
      if (record === undefined) continue;
      if (record.token < notes.queueToken)
        findings.violate(
          'I4',
          `the token of the queue of ${id} fell from ${notes.queueToken} to ${record.token}`,
        );
      notes.queueToken = record.token;
    }
  }
}
