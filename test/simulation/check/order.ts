import type { DeliveryRecord, Settlement } from '../../../src/index.ts';
import type { Sending } from '../network.ts';
import type { Findings } from './findings.ts';
import type { DeliveryNotes, Ledger, WebhookNotes } from './ledger.ts';
import { isOk } from './requests.ts';

/** What the checks of order work with. */
export interface OrderLawParts {
  readonly ledger: Ledger;
  readonly findings: Findings;
  readonly membersOf: (sending: Sending) => readonly DeliveryNotes[];
}

/**
 * I10, for each webhook and ordering key: first successful receipts are in the order of publishing, one request is under way at a time, and what
 * is given up holds those behind it up, or does not, as the webhook wants it.
 */
export class OrderLaws {
  readonly #parts: OrderLawParts;

  constructor(parts: OrderLawParts) {
    this.#parts = parts;
  }

  /** A delivery is claimed; its notes hold it as it was. */
  claimed({ record }: DeliveryNotes, queue: 'express' | 'own'): void {
    if (record.orderingKey === undefined || queue === 'express') return;
    const { ledger, findings } = this.#parts;
    const line = ledger.line(record);
    if (line.some((one) => one.record !== record && holdsPlace(one.record)))
      findings.mark('order: a turn before others');
    if (line.some(isSkipped)) findings.mark('order: a turn after one that was skipped');
    if (!isTurn(record, ledger))
      findings.violate('I10', `${record.id} was claimed, and it is the turn of ${turnOf(line)?.record.id}`);
  }

  /** A request is about to start. */
  sent(sending: Sending, { flights, record }: WebhookNotes): void {
    const { findings, membersOf } = this.#parts;
    const keys = keysOf(membersOf(sending));
    if (keys.size === 0) return;
    for (const flight of flights) {
      // Who stood still for longer than its lease does not know yet that it lost it.
      if (!flight.life.isAlive || flight.life.disturbedAt > 0) continue;
      const same = [...keysOf(membersOf(flight))].filter((key) => keys.has(key));
      if (same.length > 0)
        findings.violate(
          'I10',
          `${sending.life.name} sends to ${record.id} with another request for key ${JSON.stringify(same[0])} under way`,
        );
      else findings.mark('order: two keys side by side');
    }
  }

  /** A request has arrived; it is among the receipts of its deliveries. */
  received(sending: Sending): void {
    if (!isOk(sending.answered ?? 0)) return;
    for (const notes of this.#parts.membersOf(sending)) this.#judgeReceipt(notes);
  }

  #judgeReceipt(notes: DeliveryNotes): void {
    const { ledger, findings } = this.#parts;
    if (notes.receipts.filter(isSuccess).length > 1) return;
    const late = ledger
      .line(notes.record)
      .find(
        (one) =>
          one.order < notes.order &&
          !one.receipts.some(isSuccess) &&
          holdsPlace(one.record) &&
          !one.wasReplayed,
      );
    if (late === undefined) return;
    findings.violate(
      'I10',
      `${notes.record.id} was received before ${late.record.id} (${late.record.status}), which was published before it`,
    );
  }

  /** Given up by the engine, a delivery keeps its place as its webhook wants it. The notes hold it after that. */
  settled({ record }: DeliveryNotes, { next }: Settlement): void {
    if (next.status === 'exhausted') this.#judgeGivenUp(record);
  }

  /** Given up with all that waited in its queue. */
  givenUp({ record }: DeliveryNotes): void {
    if (record.reason !== 'webhook-deleted') this.#judgeGivenUp(record);
  }

  #judgeGivenUp(record: DeliveryRecord): void {
    const { ledger, findings } = this.#parts;
    const webhook = ledger.webhooks.get(record.webhookId);
    if (record.orderingKey === undefined || webhook === undefined || webhook.isDeleted) return;
    const blocks = webhook.record.delivery.onExhausted !== 'skip';
    if (blocks) findings.mark('order: a line is blocked');
    if ((record.blocks === true) !== blocks)
      findings.violate(
        'I10',
        `${record.id} was given up and ${blocks ? 'does not block' : 'blocks'} those behind it`,
      );
  }
}

/** Whether it is a delivery's turn: always, where order does not matter. */
export function isTurn(record: DeliveryRecord, ledger: Ledger): boolean {
  if (record.orderingKey === undefined) return true;
  return turnOf(ledger.line(record))?.record.id === record.id;
}

/** Whether a delivery waits behind one that nobody but the host can move. */
export function isHeldUp(record: DeliveryRecord, ledger: Ledger): boolean {
  // Whatever waits for a webhook that is gone is given up.
  if (record.orderingKey === undefined || ledger.webhooks.get(record.webhookId)?.isDeleted) return false;
  const turn = turnOf(ledger.line(record))?.record;
  return turn !== undefined && turn.id !== record.id && turn.status === 'exhausted';
}

/** Where a delivery stands in its line, in words. */
export function standing(record: DeliveryRecord, ledger: Ledger): string {
  const turn = turnOf(ledger.line(record))?.record;
  if (record.orderingKey === undefined || turn === undefined) return '';
  return turn.id === record.id ? ', and it is its turn,' : `, behind ${turn.id}, which is ${turn.status},`;
}

function turnOf(line: readonly DeliveryNotes[]): DeliveryNotes | undefined {
  return (
    line.find(({ record }) => record.status === 'delivering' && record.queue === 'own') ??
    line.find(({ record }) => holdsPlace(record))
  );
}

/** Whether a delivery keeps those behind it waiting. */
export function holdsPlace({ status, blocks }: DeliveryRecord): boolean {
  return status === 'exhausted' ? blocks === true : status !== 'delivered';
}

function isSkipped({ record }: DeliveryNotes): boolean {
  return record.status === 'exhausted' && record.blocks !== true;
}

function isSuccess({ answered = 0 }: Sending): boolean {
  return isOk(answered);
}

function keysOf(members: readonly DeliveryNotes[]): ReadonlySet<string> {
  return new Set(members.flatMap(({ record }) => record.orderingKey ?? []));
}
