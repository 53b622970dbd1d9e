import type { AttemptErrorKind } from '../domain/delivery.ts';
import type { PublicWebhookStatus } from '../views.ts';

/** How far back health looks. */
export interface HealthQuery {
  /** 15 minutes to 7 days. @default 24 hours */
  readonly windowMs?: number | undefined;
}

/** A count that stops somewhere. */
export interface BoundedCount {
  readonly count: number;
  /** False: there are that many or more. */
  readonly isExact: boolean;
}

/**
 * How a webhook fares, by what all processes have stored: what the last 10 seconds brought may be missing. Attempts are counted by quarters of an hour, and the
 * one in which the window begins counts whole. Requests are counted: a batch is one. Aborted and lost ones are neither success nor failure.
 */
export interface WebhookHealth {
  readonly webhookId: string;
  readonly status: PublicWebhookStatus;
  readonly windowMs: number;
  /** Attempts that ended in the window: `succeeded` and `failed`. */
  readonly attempts: number;
  readonly succeeded: number;
  readonly failed: number;
  /** 0 to 1; `undefined` without attempts. */
  readonly successRate: number | undefined;
  /** What half, nine tenths and 99 hundredths of the attempts, failed ones included, did not exceed, ms: right to within a tenth. `undefined` without attempts. */
  readonly latencyMs: { readonly p50: number; readonly p90: number; readonly p99: number } | undefined;
  /** What is pending, failed or being sent. While the webhook is well, those behind the first 10 000 due of all webhooks may not be counted. */
  readonly waiting: BoundedCount;
  /** What is exhausted. */
  readonly dead: BoundedCount;
  /** In the window. */
  readonly lastSuccessAt?: Date;
  /** In the window. `httpStatus` is 0, and `kind` and `message` are set, where there was no response. */
  readonly lastFailure?: {
    readonly at: Date;
    readonly httpStatus: number;
    readonly kind?: AttemptErrorKind;
    readonly message?: string;
  };
  /** While it is left alone because it failed several times in a row: until then nothing is sent to it. */
  readonly nextProbeAt?: Date;
}
