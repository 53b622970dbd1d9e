import { RateLimitedError, SurehookError, type SurehookErrorCode } from '../../errors.ts';
import { type Failure, failure } from '../answers.ts';
import { Refusal } from '../host.ts';

/** A refusal with this answer. */
export function refused(status: number, error: Failure, headers?: Readonly<Record<string, string>>): Refusal {
  return new Refusal(failure(status, error, headers));
}

/** Statuses of what surehook rejects with. From 500 on the host is told, and the client nothing. */
const statuses: Readonly<Record<SurehookErrorCode, number>> = {
  'invalid-input': 400,
  'invalid-event': 400,
  'not-found': 404,
  conflict: 409,
  'payload-too-large': 413,
  'forbidden-endpoint': 422,
  'rate-limited': 429,
  'host-code': 500,
  storage: 503,
};

/** The answer to what was thrown. An adapter's message may quote what it was called with, the host's code its secrets: neither is shown. */
export function answerTo(thrown: unknown): Response {
  if (thrown instanceof Refusal) return thrown.answer;
  const status = thrown instanceof SurehookError ? statuses[thrown.code] : 500;
  if (status === 503) return storeFailed();
  if (!(thrown instanceof SurehookError) || status >= 500) return internalError();
  const { code, message } = thrown;
  const field = 'field' in thrown && typeof thrown.field === 'string' ? { field: thrown.field } : {};
  return failure(status, { code, message, ...field }, retryAfter(thrown));
}

function retryAfter(error: SurehookError): Record<string, string> {
  if (!(error instanceof RateLimitedError) || !Number.isFinite(error.retryAfterMs)) return {};
  return { 'retry-after': String(Math.ceil(error.retryAfterMs / 1_000)) };
}

function storeFailed(): Response {
  const message = 'The store failed or did not answer in time';
  return failure(503, { code: 'storage', message }, { 'retry-after': '1' });
}

function internalError(): Response {
  return failure(500, { code: 'internal', message: 'Internal error' });
}
