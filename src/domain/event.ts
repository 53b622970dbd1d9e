/** Something that happened, as it is stored. Immutable: its body bytes are fixed at publish and equal in every attempt. */
export interface EventRecord {
  /** `evt_…`, or the id that the host gave. It is the `webhook-id` of every attempt and replay. */
  readonly id: string;
  readonly tenantId: string;
  /** Such as `invoice.paid`. Compared code point by code point: no case folding, no Unicode normalisation. */
  readonly type: string;
  /** Where the event comes from, for filters. */
  readonly source?: string;
  /** Headers of this event, names in lower case: seen by filters and sent with every attempt. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The exact bytes that are signed and sent. */
  readonly body: Uint8Array;
  readonly contentType: string;
  /** When it happened, epoch ms. */
  readonly timestamp: number;
  /** When it was published, epoch ms. */
  readonly createdAt: number;
  /** Not attempted before this instant, epoch ms. */
  readonly deliverAt?: number;
  /** Ordered webhooks get events with the same key one at a time, in the order of publishing. */
  readonly orderingKey?: string;
  /** At most one event of a tenant is stored with this key. */
  readonly idempotencyKey?: string;
  /** Digest of all that the host gave: tells a repeated publish from another event under the same key or id. */
  readonly fingerprint: string;
}
