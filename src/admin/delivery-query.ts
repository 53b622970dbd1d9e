import { oneOf, plainObject } from '../domain/check.ts';
import { type DeliveryStatus, deliveryStatuses, type ExhaustedReason } from '../domain/delivery.ts';
import { isEventType } from '../domain/event-pattern.ts';
import { checkTenantId } from '../domain/ids.ts';
import { instantOf } from '../domain/instant.ts';
import { InvalidInputError, quote } from '../errors.ts';
import type { DeliveryQuery } from '../repos.ts';
import { checkId } from './check-id.ts';
import { readPage } from './pages.ts';

/** Conditions on deliveries. All that are given hold at once. */
export interface DeliveryConditions {
  readonly tenantId?: string | undefined;
  readonly webhookId?: string | undefined;
  /** One exact type. */
  readonly eventType?: string | undefined;
  /** Published at or after this instant. */
  readonly since?: Date | undefined;
  /** Published before this instant. */
  readonly until?: Date | undefined;
}

/** Which deliveries to list, newest first. */
export interface DeliveryListQuery extends DeliveryConditions {
  readonly status?: DeliveryStatus | undefined;
  /** From the page before. */
  readonly cursor?: string | undefined;
  /** 1 to 1 000. @default 50 */
  readonly limit?: number | undefined;
}

/** Which exhausted deliveries to replay: one condition at least, so that nobody replays everybody's by a slip. */
export interface ReplayFilter extends DeliveryConditions {
  /** Given up for this reason. */
  readonly reason?: ExhaustedReason | undefined;
  /** Only count. @default false */
  readonly dryRun?: boolean | undefined;
}

/** A replay filter as it was read. */
export interface ParsedFilter {
  readonly conditions: Omit<DeliveryQuery, 'status' | 'after' | 'limit'>;
  readonly reason: ExhaustedReason | undefined;
  readonly dryRun: boolean;
}

const conditionNames = ['tenantId', 'webhookId', 'eventType', 'since', 'until'] as const;
const reasons: { readonly [Reason in ExhaustedReason]: true } = {
  'attempts-used-up': true,
  'webhook-unavailable': true,
  'webhook-gone': true,
  'webhook-deleted': true,
  'at-most-once-failed': true,
  'outcome-unknown': true,
  cancelled: true,
  'not-sendable': true,
};

/** Reads what `deliveries.list` was given. Throws `InvalidInputError`. */
export function readListQuery(query: unknown): DeliveryQuery {
  const given = plainObject('query', query, {
    keys: [...conditionNames, 'status', 'cursor', 'limit'] as const,
    path: '',
  });
  const { status } = given;
  return {
    ...readPage(given),
    ...readConditions(given),
    ...(status !== undefined && { status: oneOf('status', status, { choices: deliveryStatuses }) }),
  };
}

/** Reads what `deliveries.replayMany` was given. Throws `InvalidInputError`. */
export function readReplayFilter(filter: unknown): ParsedFilter {
  const names = [...conditionNames, 'reason'] as const;
  const given = plainObject('filter', filter, { keys: [...names, 'dryRun'] as const, path: '' });
  if (names.every((name) => given[name] === undefined)) {
    throw new InvalidInputError('filter', `filter must have one of ${names.join(', ')}`);
  }
  const { reason, dryRun = false } = given;
  const choices = Object.keys(reasons) as ExhaustedReason[];
  return {
    conditions: readConditions(given),
    reason: reason === undefined ? undefined : oneOf('reason', reason, { choices }),
    dryRun: oneOf('dryRun', dryRun, { choices: [true, false] }),
  };
}

function readConditions(
  given: {
    readonly [Name in keyof DeliveryConditions]?: unknown;
  },
): ParsedFilter['conditions'] {
  const { tenantId, webhookId, eventType, since, until } = given;
  return {
    ...(tenantId !== undefined && { tenantId: checkTenantId('tenantId', tenantId) }),
    ...(webhookId !== undefined && { webhookId: checkId(webhookId, 'webhookId') }),
    ...(eventType !== undefined && { eventType: readType(eventType) }),
    ...(since !== undefined && { since: instantOf('since', since) }),
    ...(until !== undefined && { until: instantOf('until', until) }),
  };
}

function readType(value: unknown): string {
  if (isEventType(value)) return value;
  throw new InvalidInputError(
    'eventType',
    `eventType must be an event type such as "invoice.paid", not ${quote(value)}`,
  );
}
