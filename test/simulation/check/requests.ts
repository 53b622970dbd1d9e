import { createHmac } from 'node:crypto';
import type { RetryPolicyData, Settlement } from '../../../src/index.ts';
import type { Life } from '../life.ts';
import type { Sending } from '../network.ts';
import type { PlanSettings } from '../plan.ts';
import type { PortCall } from '../ports.ts';
import type { BatchLaws } from './batches.ts';
import type { Findings } from './findings.ts';
import type { DeliveryNotes, Ledger } from './ledger.ts';
import type { ShapeLaws } from './shapes.ts';

/** What the checks of requests work with. */
export interface RequestLawParts {
  readonly ledger: Ledger;
  readonly findings: Findings;
  readonly settings: PlanSettings;
  readonly batches: BatchLaws;
  readonly shapes: ShapeLaws;
  /** The webhook behind a URL. */
  readonly webhookOf: (url: string) => string | undefined;
}

/** Every request that leaves a node and every one that arrives, held against what the store said of its delivery. */
export class RequestLaws {
  readonly #parts: RequestLawParts;
  readonly #inFlight = new Map<Life, Set<Sending>>();
  readonly #members = new Map<Sending, readonly DeliveryNotes[]>();

  constructor(parts: RequestLawParts) {
    this.#parts = parts;
  }

  /** The delivery that is sent, or all of a batch. */
  membersOf(sending: Sending): readonly DeliveryNotes[] {
    return this.#members.get(sending) ?? [];
  }

  #find({ request }: Sending, webhookId: string): readonly DeliveryNotes[] {
    const id = request.headers['webhook-id'] ?? '';
    if (id.startsWith('bat_'))
      return this.#parts.batches.membersOf(id).filter(({ record }) => record.webhookId === webhookId);
    const notes = this.#parts.ledger.of(id, webhookId);
    return notes === undefined ? [] : [notes];
  }

  sent(sending: Sending): void {
    const { findings, webhookOf } = this.#parts;
    const { request, life } = sending;
    const webhookId = webhookOf(request.url) ?? '';
    const members = this.#find(sending, webhookId);
    if (members.length === 0) {
      findings.violate('I14', `a request to ${request.url} for an event that has no delivery to it`);
      return;
    }
    this.#members.set(sending, members);
    this.#judgeMessage(sending, webhookId);
    for (const notes of members) {
      notes.sendings.push(sending);
      this.#judgeContent(sending, notes);
      this.#judgeCause(sending, notes);
      this.#judgeCount(notes);
    }
    this.#judgeCaps(sending, webhookId);
    const flights = this.#inFlight.get(life) ?? new Set();
    this.#inFlight.set(life, flights.add(sending));
  }

  ended(sending: Sending): void {
    this.#inFlight.get(sending.life)?.delete(sending);
  }

  forget(life: Life): void {
    this.#inFlight.delete(life);
  }

  received(sending: Sending): void {
    for (const notes of this.membersOf(sending)) this.#receivedOne(sending, notes);
  }

  #receivedOne(sending: Sending, { record, receipts }: DeliveryNotes): void {
    const { findings, ledger } = this.#parts;
    if (receipts.some(({ answered = 0 }) => isOk(answered))) findings.mark('a receipt after a 2xx');
    if (!sending.life.isAlive) findings.mark('a receipt from a process that has ended');
    receipts.push(sending);
    const webhook = ledger.webhooks.get(record.webhookId)?.record;
    if (webhook?.delivery.semantics === 'at-most-once' && receipts.length > 1) {
      findings.violate('I8', `${record.id} is at-most-once and was received ${receipts.length} times`);
    }
  }

  // ------------------------------------------------------------------------------------------ what is sent

  /** I14, I17: for this tenant, and as it was published. */
  #judgeContent({ request }: Sending, notes: DeliveryNotes): void {
    const { findings, ledger } = this.#parts;
    const { event, record } = notes;
    const webhook = ledger.webhooks.get(record.webhookId)?.record;
    if (webhook?.tenantId !== event.tenantId)
      findings.violate(
        'I14',
        `${record.id}: an event of ${event.tenantId} for a webhook of ${webhook?.tenantId}`,
      );
    if (request.headers['webhook-id'] === event.id) this.#parts.shapes.sent(request, notes);
  }

  /** I17: a fresh time, and a signature that verifies. */
  #judgeMessage(sending: Sending, webhookId: string): void {
    const { findings, ledger, batches } = this.#parts;
    const { request, senderNow } = sending;
    const id = request.headers['webhook-id'] ?? '';
    batches.sent(sending, id);
    const isBatched = ledger.webhooks.get(webhookId)?.record.delivery.mode === 'batched';
    if (isBatched !== id.startsWith('bat_'))
      findings.violate('I21', `${id} was sent to ${webhookId}, which is ${isBatched ? '' : 'not '}batched`);
    const timestamp = request.headers['webhook-timestamp'];
    if (Number(timestamp) !== Math.floor(senderNow / 1000))
      findings.violate('I17', `${id} was sent with the time ${timestamp} at ${senderNow}`);
    const secret = ledger.webhooks.get(webhookId)?.secret ?? '';
    const hmac = createHmac('sha256', Buffer.from(secret.slice('whsec_'.length), 'base64'));
    const signature = hmac.update(`${id}.${timestamp}.`).update(request.body).digest('base64');
    if (request.headers['webhook-signature'] !== `v1,${signature}`)
      findings.violate('I17', `${id} was sent with a wrong signature`);
  }

  /**
   * I9, I20: who sends has a claim of its own, and everything that was sent before under other claims has its row by now: as it ended, or as
   * lost. So no receipt, and none after a 2xx above all, is without a cause in the log.
   */
  #judgeCause(
    { life, at }: Sending,
    { record, claims, attempts, attemptsPruned, sendings }: DeliveryNotes,
  ): void {
    const { findings } = this.#parts;
    const own = [...claims].filter(([, claim]) => claim.life === life);
    if (own.length === 0) findings.violate('I5', `${life.name} sends ${record.id}, which it has not claimed`);
    const bySame = sendings.filter((sending) => sending.life === life).length;
    if (bySame > own.length)
      findings.violate(
        'I9',
        `${life.name} sends ${record.id} for the ${bySame}th time under ${own.length} claims`,
      );
    this.#judgeLease(life, { record, claims }, at);
    if (attemptsPruned) return;
    const open = record.status === 'delivering' ? 1 : 0;
    if (sendings.length > attempts.length + open) {
      findings.violate(
        'I20',
        `${record.id} (${record.status}) is sent for the ${sendings.length}th time and has ${attempts.length} attempts`,
      );
    }
  }

  /** I5: the lease of who sends outlasts the request. Who stood still, or whose clock was set, cannot know. */
  #judgeLease(life: Life, { record, claims }: Pick<DeliveryNotes, 'record' | 'claims'>, at: number): void {
    const { findings, settings } = this.#parts;
    if (life.disturbedAt > 0) return;
    const leftMs = (record.leaseUntil ?? 0) - at;
    if (claims.get(record.token)?.life !== life || leftMs < settings.timeoutMs - 1)
      findings.violate('I5', `${life.name} sends ${record.id} with ${leftMs} ms left of its lease`);
  }

  /** I6: no more often than the policy allows, claims lost and attempts aborted aside. */
  #judgeCount({
    record,
    sendings,
    sendingsBefore,
    attempts,
    attemptsBefore,
    attemptsPruned,
  }: DeliveryNotes): void {
    const { findings, ledger, settings } = this.#parts;
    if (attemptsPruned) return;
    const webhook = ledger.webhooks.get(record.webhookId)?.record;
    const allowed = attemptsOf(webhook?.retry ?? settings.retry);
    // Aborted, or refused in a batch that was split.
    const uncounted = attempts.filter(
      ({ number, error, late, counted }) =>
        number > attemptsBefore && !counted && error?.kind !== 'lost' && !late,
    ).length;
    const made = sendings.length - sendingsBefore;
    if (made > allowed + settings.maxLost + uncounted) {
      findings.violate(
        'I6',
        `${record.id} is sent ${made} times; ${allowed} attempts and ${settings.maxLost} lost claims are allowed`,
      );
    }
  }

  /** I15: per process in all, and per process and webhook. */
  #judgeCaps({ life }: Sending, webhookId: string): void {
    const { findings, ledger, settings } = this.#parts;
    const flights = this.#inFlight.get(life);
    if (flights === undefined) return;
    const all = flights.size + 1;
    if (all > settings.maxInFlight)
      findings.violate('I15', `${life.name} has ${all} requests under way, of ${settings.maxInFlight}`);
    if (all === settings.maxInFlight) findings.mark('all slots taken');
    const cap = ledger.webhooks.get(webhookId)?.record.maxInFlight ?? settings.maxInFlightPerWebhook;
    let same = 1;
    for (const sending of flights) if (this.membersOf(sending)[0]?.record.webhookId === webhookId) same += 1;
    if (same > cap)
      findings.violate('I15', `${life.name} has ${same} requests to ${webhookId} under way, of ${cap}`);
  }

  // ------------------------------------------------------------------------------------------ what is stored of it

  /** I7, I11, I18: what a settlement that was applied says of the request was so. */
  settled({ record, sendings }: DeliveryNotes, { next, attempt }: Settlement, { life }: PortCall): void {
    const { findings } = this.#parts;
    if (next.status === 'delivered') {
      const answered = sendings.some(
        (sending) => sending.life === life && sending.end === 'answered' && isOk(sending.answered ?? 0),
      );
      if (!answered)
        findings.violate('I7', `${record.id} was stored as delivered, but ${life.name} saw no 2xx`);
    }
    if (attempt === undefined) return;
    if (attempt.error !== undefined) findings.mark(`attempt: ${attempt.error.kind}`);
    this.#judgeSecrets(record.webhookId, JSON.stringify(attempt));
  }

  #judgeSecrets(webhookId: string, stored: string): void {
    const { findings, ledger } = this.#parts;
    const secret = ledger.webhooks.get(webhookId)?.secret ?? '';
    if (stored.includes(secret.slice('whsec_'.length)))
      findings.violate('I18', `an attempt for ${webhookId} holds its secret`);
    if (/v1,[A-Za-z0-9+/]{40}/.test(stored))
      findings.violate('I18', `an attempt for ${webhookId} holds a signature`);
  }
}

/** A status that is final. */
export function isOk(status: number): boolean {
  return status >= 200 && status <= 299;
}

/** How many attempts a policy allows. */
export function attemptsOf(policy: RetryPolicyData): number {
  return policy.kind === 'schedule' ? policy.delaysMs.length : policy.attempts;
}
