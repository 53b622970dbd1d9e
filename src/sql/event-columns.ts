import type { EventRecord } from '../domain/event.ts';

/** An event in columns: what is searched has one of its own, and so have the bytes. */
export interface EventColumns {
  readonly id: string;
  readonly tenant_id: string;
  readonly type: string;
  readonly body: Uint8Array;
  readonly created_at: number;
  readonly idempotency_key: string | null;
  readonly fingerprint: string;
  /** JSON text of the fields that are not as usual; null when all are: JSON, published when it happened, and nothing else. */
  readonly extra: string | null;
}

interface Extra {
  readonly source?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly contentType?: string;
  readonly timestamp?: number;
  readonly deliverAt?: number;
  readonly orderingKey?: string;
}

const USUAL_CONTENT_TYPE = 'application/json';

/** What the column `extra` holds of an event. */
export function extraText(event: EventRecord): string | null {
  const { source, headers, contentType, timestamp, createdAt, deliverAt, orderingKey } = event;
  const isUsual =
    source === undefined &&
    headers === undefined &&
    deliverAt === undefined &&
    orderingKey === undefined &&
    timestamp === createdAt &&
    contentType === USUAL_CONTENT_TYPE;
  if (isUsual) return null;
  return JSON.stringify({
    source,
    headers,
    deliverAt,
    orderingKey,
    contentType: contentType === USUAL_CONTENT_TYPE ? undefined : contentType,
    timestamp: timestamp === createdAt ? undefined : timestamp,
  });
}

/** What decides with which others an event can be sent, of the column `extra`. */
export function kindFieldsOf(extra: string | null): Pick<EventRecord, 'contentType' | 'headers'> {
  const { contentType = USUAL_CONTENT_TYPE, headers }: Extra = extra === null ? {} : JSON.parse(extra);
  return headers === undefined ? { contentType } : { contentType, headers };
}

/** The event of columns. The bytes are taken as they are, without a copy. */
export function eventOf(columns: EventColumns): EventRecord {
  const extra: Extra | undefined = columns.extra === null ? undefined : JSON.parse(columns.extra);
  const event: { -readonly [Field in keyof EventRecord]: EventRecord[Field] } = {
    id: columns.id,
    tenantId: columns.tenant_id,
    type: columns.type,
    body: columns.body,
    contentType: extra?.contentType ?? USUAL_CONTENT_TYPE,
    timestamp: extra?.timestamp ?? columns.created_at,
    createdAt: columns.created_at,
    fingerprint: columns.fingerprint,
  };
  if (columns.idempotency_key !== null) event.idempotencyKey = columns.idempotency_key;
  if (extra === undefined) return event;
  if (extra.source !== undefined) event.source = extra.source;
  if (extra.headers !== undefined) event.headers = extra.headers;
  if (extra.orderingKey !== undefined) event.orderingKey = extra.orderingKey;
  if (extra.deliverAt !== undefined) event.deliverAt = extra.deliverAt;
  return event;
}
