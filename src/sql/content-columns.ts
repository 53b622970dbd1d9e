import type { DeliveryContent } from '../repos.ts';
import { type DeliveryColumns, deliveryOf } from './delivery-columns.ts';
import { eventOf } from './event-columns.ts';

/** A delivery and its event in columns; `e_` is put before what both have. */
export interface ContentColumns extends DeliveryColumns {
  readonly e_tenant_id: string;
  readonly e_type: string;
  readonly e_created_at: number;
  /** The delivery's own where it has one. */
  readonly body: Uint8Array;
  readonly idempotency_key: string | null;
  readonly fingerprint: string;
  readonly extra: string | null;
}

/** The delivery of columns, and its event as its webhook gets it. */
export function contentOf(columns: ContentColumns): DeliveryContent {
  const { body, idempotency_key, fingerprint, extra } = columns;
  const event = eventOf({
    id: columns.event_id,
    tenant_id: columns.e_tenant_id,
    type: columns.e_type,
    body,
    created_at: columns.e_created_at,
    idempotency_key,
    fingerprint,
    extra,
  });
  return { delivery: deliveryOf(columns), event };
}
