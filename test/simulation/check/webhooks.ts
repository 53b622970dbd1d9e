import {
  type StatusChange,
  sameStatus,
  type WebhookRecord,
  type WebhookRepo,
  type WebhookStatus,
} from '../../../src/index.ts';
import type { Sending } from '../network.ts';
import type { Plan } from '../plan.ts';
import type { Outcome, PortCall } from '../ports.ts';
import type { Timeline } from '../timeline.ts';
import type { Findings } from './findings.ts';
import type { Ledger, WebhookNotes } from './ledger.ts';
import { isOk } from './requests.ts';

/** What the checks of webhooks work with. */
export interface WebhookLawParts {
  readonly ledger: Ledger;
  readonly findings: Findings;
  readonly plan: Plan;
  readonly timeline: Timeline;
  readonly webhooks: WebhookRepo;
}

/** How long a success may take to be stored, ms: where calls fail, and where they do not. */
const STORED_AFTER_FAULTS_MS = 25_000;
const STORED_AFTER_MS = 500;

/** The webhook's machine as the store shows it: only its transitions (I3), each with a cause, and D by the clock (I12). */
export class WebhookLaws {
  readonly #parts: WebhookLawParts;
  /** Answers of 2xx that a process saw, by webhook. */
  readonly #successes = new Map<string, Sending[]>();

  readonly #storedAfterMs: number;
  /** How far the clocks of nodes may be from each other. */
  readonly #skewMs: number;
  #storeReturnedAt = 0;

  constructor(parts: WebhookLawParts) {
    const { weather, actions, settings } = parts.plan;
    const { refused, unacknowledged, unanswered, slow } = weather;
    this.#parts = parts;
    this.#storedAfterMs =
      refused + unacknowledged + unanswered + slow > 0
        ? STORED_AFTER_FAULTS_MS
        : STORED_AFTER_MS + 8 * weather.latencyMs;
    const jumps = actions.filter((action) => action.do === 'jump').length;
    // A process may go by what it has cached a little longer: then its success meets a status that it has already.
    this.#skewMs =
      2 * weather.skewMs + 2 * jumps * settings.leaseMs + settings.webhookCacheMs + 4 * weather.latencyMs;
  }

  /** What could not be stored meanwhile is stored from now on. */
  storeReturned(): void {
    this.#storeReturnedAt = this.#parts.timeline.now;
  }

  /** A sender learnt how a request ended. */
  ended(sending: Sending, webhookId: string, status: number): void {
    const { ledger, timeline } = this.#parts;
    const notes = ledger.webhooks.get(webhookId);
    if (notes === undefined) return;
    // A time-out aborts too.
    if (!isOk(status)) {
      notes.lastFailureAt = timeline.now;
      return;
    }
    notes.lastSuccessAt = timeline.now;
    const successes = this.#successes.get(webhookId);
    if (successes === undefined) this.#successes.set(webhookId, [sending]);
    else successes.push(sending);
  }

  /** Looks at what a call has made of webhooks. */
  async applied(call: PortCall, outcome: Outcome): Promise<void> {
    if ('error' in outcome) return;
    switch (call.name) {
      case 'webhooks.setStatus':
        return this.#moved(call, outcome.value as readonly boolean[]);
      case 'webhooks.update':
        this.#judgeSecrets(call.args[0] as WebhookRecord);
        return this.#read((call.args[0] as WebhookRecord).id);
      case 'webhooks.delete':
        return this.#deleted(call.args[0] as string, outcome.value as boolean);
      default:
    }
  }

  /** I18: with a key nothing readable is stored. */
  #judgeSecrets(stored: WebhookRecord): void {
    const { ledger, findings, plan } = this.#parts;
    const secret = ledger.webhooks.get(stored.id)?.secret ?? '';
    if (plan.isSealed && JSON.stringify(stored).includes(secret.slice('whsec_'.length)))
      findings.violate('I18', `${stored.id} is stored with its secret readable`);
  }

  /** A webhook that is there from the beginning. */
  adopted({ record }: WebhookNotes): void {
    if (this.#parts.plan.isSealed) this.#parts.findings.mark('secrets: sealed');
    this.#judgeSecrets(record);
  }

  async #moved(call: PortCall, applied: readonly boolean[]): Promise<void> {
    const { ledger, findings } = this.#parts;
    for (const [index, change] of (call.args[0] as readonly StatusChange[]).entries()) {
      const notes = ledger.webhooks.get(change.webhookId);
      if (notes === undefined) continue;
      if (applied[index] !== true) {
        findings.mark('status: another was faster');
        continue;
      }
      this.#judge(notes, change);
      findings.mark(`status: ${change.from.state} to ${change.to.state}`);
      this.#note(notes, { ...notes.record, status: change.to });
    }
    for (const { webhookId, to } of call.args[0] as readonly StatusChange[])
      await this.#compare(webhookId, to);
  }

  async #compare(id: string, to: WebhookStatus): Promise<void> {
    const { ledger, webhooks, findings } = this.#parts;
    const [record] = await webhooks.getMany([id]);
    const known = ledger.webhooks.get(id)?.record.status;
    if (record === undefined || known === undefined || sameStatus(record.status, known)) return;
    findings.violate(
      'I12',
      `${id} is ${JSON.stringify(record.status)} after a change to ${JSON.stringify(to)}`,
    );
  }

  async #read(id: string): Promise<void> {
    const { ledger, webhooks } = this.#parts;
    const notes = ledger.webhooks.get(id);
    const [record] = await webhooks.getMany([id]);
    if (notes !== undefined && record !== undefined) this.#note(notes, record);
  }

  #note(notes: WebhookNotes, record: WebhookRecord): void {
    const { timeline, findings } = this.#parts;
    const was = notes.record.status.state;
    const is = record.status.state;
    notes.record = record;
    notes.changedAt = timeline.now;
    if (is === 'disabled' && was !== 'disabled') notes.closedAt = timeline.now;
    if (is !== 'disabled' && was === 'disabled') findings.mark('a disabled webhook was enabled');
    if (is !== 'disabled') notes.closedAt = undefined;
  }

  #deleted(id: string, existed: boolean): void {
    const { ledger, timeline } = this.#parts;
    const notes = ledger.webhooks.get(id);
    if (notes === undefined || !existed) return;
    notes.isDeleted = true;
    notes.changedAt = timeline.now;
    notes.closedAt ??= timeline.now;
  }

  #judge(notes: WebhookNotes, { webhookId, from, to }: StatusChange): void {
    const { findings } = this.#parts;
    const wrong = (why: string): void =>
      findings.violate(
        'I12',
        `${webhookId} went from ${JSON.stringify(from)} to ${JSON.stringify(to)}: ${why}`,
      );
    if (JSON.stringify(notes.record.status) !== JSON.stringify(from))
      wrong(`it is ${JSON.stringify(notes.record.status)}`);
    switch (to.state) {
      case 'unavailable':
        if (from.state !== 'retrying' || !from.failing) wrong('it was not failing');
        else this.#judgeD(notes, { since: from.since, until: to.since });
        return;
      case 'retrying':
        if (from.state === 'enabled' && from.failingSince !== undefined && from.failingSince !== to.since)
          wrong('D was restarted');
        if (from.state === 'retrying' && from.failing && to.failing && from.since !== to.since)
          wrong('D was restarted');
        if (from.state !== 'enabled' && from.state !== 'retrying') wrong('there is no such way');
        if (notes.lastFailureAt === 0) wrong('nothing has failed');
        if (!to.failing && notes.lastSuccessAt === 0) wrong('nothing has succeeded');
        return;
      case 'enabled':
        if (from.state === 'retrying' && from.failing && to.failingSince !== from.since)
          wrong('D was forgotten');
        if (from.state === 'enabled' && notes.lastSuccessAt === 0) wrong('nothing has succeeded');
        return;
      case 'disabled':
    }
  }

  /** I12: D has passed since the first failure, and nobody who could tell of it has seen a success meanwhile. */
  #judgeD(notes: WebhookNotes, { since, until }: { since: number; until: number }): void {
    const { findings, plan, timeline } = this.#parts;
    const { id } = notes.record;
    if (until - since < plan.settings.unavailableAfterMs)
      findings.violate('I12', `${id} became unavailable after ${until - since} ms`);
    const known = timeline.now - this.#storedAfterMs;
    if (this.#storeReturnedAt > known) return;
    const seen = (this.#successes.get(id) ?? []).filter(
      ({ life, endedAt = 0 }) =>
        life.isAlive && life.disturbedAt === 0 && endedAt > since + this.#skewMs && endedAt < known,
    );
    if (seen.length > 0)
      findings.violate(
        'I12',
        `${id} became unavailable although ${seen.length} requests have succeeded since its first failure`,
      );
  }
}
