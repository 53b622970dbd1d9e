/** What each route does. Values are checked by the methods that get them: here texts only become what those take. */
import type { DeliveryStatus } from '../../domain/delivery.ts';
import { InvalidInputError, NotFoundError, quote } from '../../errors.ts';
import { redactUrl } from '../../http/redact.ts';
import { json } from '../answers.ts';
import type { InspectedFace } from './face.ts';
import { readInstant, readSpan } from './times.ts';

/** A request that may be answered. */
export interface Call {
  readonly face: InspectedFace;
  /** The `:id` of the path, percent-decoded once; empty where the route has none. */
  readonly id: string;
  readonly query: Readonly<Record<string, string | undefined>>;
  /** The fields of the JSON body. */
  readonly body: Readonly<Record<string, unknown>>;
  /** Epoch ms. */
  readonly now: number;
}

export type Action = (call: Call) => Promise<Response>;

export const listDeliveries: Action = async ({ face, query, now }) => {
  const { tenantId, webhookId, eventType, cursor, status, since, until, limit } = query;
  const page = await face.deliveries.list({
    tenantId,
    webhookId,
    eventType,
    cursor,
    status: status as DeliveryStatus | undefined,
    since: since === undefined ? since : readInstant('since', since, now),
    until: until === undefined ? until : readInstant('until', until, now),
    limit: wholeNumber('limit', limit),
  });
  return json(200, page);
};

export const getDelivery: Action = async ({ face, id }) => {
  return json(200, found(await face.deliveries.get(id), 'delivery', id));
};

export const listAttempts: Action = async ({ face, id }) => {
  return json(200, { items: await face.deliveries.attempts(id) });
};

export const replay: Action = async ({ face, id }) => json(202, await face.deliveries.replay(id));

export const resend: Action = async ({ face, id }) => json(202, await face.deliveries.resend(id));

export const cancel: Action = async ({ face, id }) => json(200, await face.deliveries.cancel(id));

export const replayMany: Action = async ({ face, body, now }) => {
  const { since, until, ...rest } = body;
  const result = await face.deliveries.replayMany({
    ...rest,
    ...(since !== undefined && { since: readInstant('since', since, now) }),
    ...(until !== undefined && { until: readInstant('until', until, now) }),
  });
  return json(rest.dryRun === true ? 200 : 202, result);
};

export const explain: Action = async ({ face, query: { eventId = '', webhookId = '' } }) => {
  return json(200, await face.deliveries.explain({ eventId, webhookId }));
};

export const listWebhooks: Action = async ({ face, query: { tenantId, cursor, limit } }) => {
  const page = await face.webhooks.list({ tenantId, cursor, limit: wholeNumber('limit', limit) });
  return json(200, { ...page, items: page.items.map(masked) });
};

export const getWebhook: Action = async ({ face, id }) => {
  return json(200, masked(found(await face.webhooks.get(id), 'webhook', id)));
};

export const getHealth: Action = async ({ face, id, query: { window } }) => {
  if (window === undefined) return json(200, await face.webhooks.health(id));
  const windowMs = readSpan('window', window);
  const health = face.webhooks.health(id, { windowMs });
  return json(200, await health.catch((error: unknown) => Promise.reject(named(error, window))));
};

/** A window of a wrong length is told by the name that it has here. */
function named(error: unknown, window: string): unknown {
  if (!(error instanceof InvalidInputError) || error.field !== 'windowMs') return error;
  return new InvalidInputError('window', `${quote(window)}: ${error.message}`);
}

export const enable: Action = async ({ face, id }) => json(200, masked(await face.webhooks.enable(id)));

export const disable: Action = async ({ face, id }) => json(200, masked(await face.webhooks.disable(id)));

export const sendTest: Action = async ({ face, id }) => json(202, await face.webhooks.sendTest(id));

/** Tokens in the query of a URL are for its endpoint only. */
function masked<Shown extends { readonly url: string }>(webhook: Shown): Shown {
  return { ...webhook, url: redactUrl(webhook.url) };
}

function found<T>(value: T | undefined, kind: 'webhook' | 'delivery', id: string): T {
  if (value === undefined) throw new NotFoundError(kind, id);
  return value;
}

function wholeNumber(field: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidInputError(field, `${field} must be a whole number, not ${quote(text)}`);
}
