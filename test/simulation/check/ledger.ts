import type {
  AttemptRecord,
  DeliveryRecord,
  EventRecord,
  QueueRecord,
  WebhookRecord,
} from '../../../src/index.ts';
import type { Life } from '../life.ts';
import type { Sending } from '../network.ts';

/** A claim that a life was given. */
interface ClaimNote {
  readonly life: Life;
  /** True time, epoch ms. */
  readonly at: number;
  readonly queue: 'express' | 'own';
  /** The batch that it was claimed in. */
  readonly batchId?: string;
}

/** All that is known of one delivery. */
export interface DeliveryNotes {
  /** Rises with every append: the order of publishing. */
  readonly order: number;
  /** As its webhook gets it. */
  readonly event: EventRecord;
  /** Whether that has bytes of its own. */
  readonly isShaped: boolean;
  /** As the store held it when it was last looked at. */
  record: DeliveryRecord;
  attempts: readonly AttemptRecord[];
  /** Retention took its attempts: their number says no more than that. */
  attemptsPruned: boolean;
  /** By token. */
  readonly claims: Map<number, ClaimNote>;
  /** Tokens whose settlement was applied. */
  readonly settled: Set<number>;
  /** Whether it was ever replayed: then it may come after those that were published after it. */
  wasReplayed: boolean;
  /** When it was last marked for replay, true time. */
  markedAt: number;
  /** When a host was told that it is cancelled, true time; undefined: never since its last replay. */
  cancelledAt: number | undefined;
  /** Every request that was started for it. */
  readonly sendings: Sending[];
  /** Those that arrived. */
  readonly receipts: Sending[];
  /** Requests started before it was last marked for replay. */
  sendingsBefore: number;
  /** Attempts recorded before it was last marked for replay. */
  attemptsBefore: number;
}

/** All that is known of one webhook. */
export interface WebhookNotes {
  /** As it was last stored; kept when it is deleted. */
  record: WebhookRecord;
  /** What it signs with, as its creator was shown it. */
  readonly secret: string;
  /** True time since when no request may start for it: it was disabled or deleted. */
  closedAt: number | undefined;
  isDeleted: boolean;
  /** True times of answers that senders saw. */
  lastSuccessAt: number;
  lastFailureAt: number;
  /** The instant of its newest change, true time. */
  changedAt: number;
  /** Its queue's record, if it has one. */
  queue: QueueRecord | undefined;
  /** The highest token that its queue ever had. */
  queueToken: number;
  /** Who acquired its queue last. */
  holder: Life | undefined;
  /** Since when, true time. */
  holderSince: number;
  /** When the call was made that stored its failures as they are, true time. */
  failuresAt: number;
  /** Who made it. */
  failuresBy: Life | undefined;
  /** Requests to it that are under way. */
  readonly flights: Set<Sending>;
  /** The number of the newest call that saved its queue. */
  lastSave: number;
  /** When its queue was last reset from outside, true time. */
  resetAt: number;
}

/** What the store is known to hold, as of the last applied write. */
export class Ledger {
  readonly deliveries: Map<string, DeliveryNotes> = new Map();
  readonly events: Map<string, EventRecord> = new Map();
  readonly webhooks: Map<string, WebhookNotes> = new Map();
  /** By event and webhook. */
  readonly #byPair = new Map<string, DeliveryNotes>();
  /** By webhook and ordering key, in the order of publishing. */
  readonly #lines = new Map<string, DeliveryNotes[]>();
  #appended = 0;

  addWebhook(record: WebhookRecord, secret: string): WebhookNotes {
    const notes: WebhookNotes = {
      record,
      secret,
      closedAt: undefined,
      isDeleted: false,
      lastSuccessAt: 0,
      lastFailureAt: 0,
      changedAt: 0,
      queue: undefined,
      queueToken: 0,
      holder: undefined,
      holderSince: 0,
      failuresAt: 0,
      failuresBy: undefined,
      flights: new Set(),
      lastSave: 0,
      resetAt: 0,
    };
    this.webhooks.set(record.id, notes);
    return notes;
  }

  /** @param body its own bytes, where it has any. */
  addDelivery(record: DeliveryRecord, event: EventRecord, body: Uint8Array | undefined): DeliveryNotes {
    this.#appended += 1;
    const notes: DeliveryNotes = {
      order: this.#appended,
      event: body === undefined ? event : { ...event, body },
      isShaped: body !== undefined,
      record,
      attempts: [],
      attemptsPruned: false,
      claims: new Map(),
      settled: new Set(),
      wasReplayed: false,
      markedAt: 0,
      cancelledAt: undefined,
      sendings: [],
      receipts: [],
      sendingsBefore: 0,
      attemptsBefore: 0,
    };
    this.deliveries.set(record.id, notes);
    this.#byPair.set(pairOf(record.eventId, record.webhookId), notes);
    if (record.orderingKey !== undefined) this.#lines.set(lineOf(record), [...this.line(record), notes]);
    return notes;
  }

  /** All deliveries of the same webhook and ordering key, in the order of publishing; none where order does not matter. */
  line(record: DeliveryRecord): readonly DeliveryNotes[] {
    return (record.orderingKey === undefined ? undefined : this.#lines.get(lineOf(record))) ?? [];
  }

  /** The delivery of an event to a webhook. */
  of(eventId: string, webhookId: string): DeliveryNotes | undefined {
    return this.#byPair.get(pairOf(eventId, webhookId));
  }

  removeDelivery(notes: DeliveryNotes): void {
    const { record } = notes;
    this.deliveries.delete(record.id);
    const line = this.line(record);
    if (line.length > 0)
      this.#lines.set(
        lineOf(record),
        line.filter((one) => one !== notes),
      );
  }
}

function pairOf(eventId: string, webhookId: string): string {
  return `${eventId} ${webhookId}`;
}

function lineOf({ webhookId, orderingKey }: DeliveryRecord): string {
  return `${webhookId} ${orderingKey}`;
}

/** Whether a delivery has come to its end. */
export function hasEnded({ status }: DeliveryRecord): boolean {
  return status === 'delivered' || status === 'exhausted';
}
