import type { WebhookRecord, WebhookStatus } from '../domain/webhook.ts';
import { quote } from '../errors.ts';

/**
 * A webhook in columns: what is searched, ordered or compared has one of its own, the rest is `config`, JSON text. `config` holds
 * the signing secrets: it goes into no log, error or listing.
 */
export interface WebhookColumns {
  readonly id: string;
  readonly tenant_id: string;
  readonly created_at: number;
  readonly revision: number;
  /** Of `statusText`. */
  readonly status: string;
  readonly config: string;
}

/** What `config` holds. */
type Config = Omit<WebhookRecord, 'id' | 'tenantId' | 'createdAt' | 'revision' | 'status'>;

/** The columns of a webhook. */
export function webhookColumns(webhook: WebhookRecord): WebhookColumns {
  const { id, tenantId, createdAt, revision, status, ...config } = webhook;
  return {
    id,
    tenant_id: tenantId,
    created_at: createdAt,
    revision,
    status: statusText(status),
    config: JSON.stringify(config satisfies Config),
  };
}

/** The webhook of columns. Throws, without what they hold, where somebody else has made them unreadable. */
export function webhookOf(columns: WebhookColumns): WebhookRecord {
  const config = configOf(columns);
  return {
    ...config,
    id: columns.id,
    tenantId: columns.tenant_id,
    createdAt: columns.created_at,
    revision: columns.revision,
    status: JSON.parse(columns.status),
  };
}

/** The error of `JSON.parse` quotes the text around the place where it stops: there are secrets in it. */
function configOf({ id, config }: WebhookColumns): Config {
  try {
    return JSON.parse(config);
  } catch {
    throw new Error(`the row of webhook ${quote(id)} cannot be read`);
  }
}

/** A status as text: two are equal in every field (`sameStatus`) exactly when their texts are equal, so that a compare-and-set compares texts. */
export function statusText(status: WebhookStatus): string {
  switch (status.state) {
    case 'enabled':
      return JSON.stringify({ state: status.state, since: status.since, failingSince: status.failingSince });
    case 'retrying':
      return JSON.stringify({ state: status.state, since: status.since, failing: status.failing });
    case 'unavailable':
      return JSON.stringify({ state: status.state, since: status.since });
    case 'disabled':
      return JSON.stringify({ state: status.state, reason: status.reason });
  }
}
