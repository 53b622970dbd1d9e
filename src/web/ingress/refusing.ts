import { RateLimitedError, SurehookError } from '../../errors.ts';
import { failure, json } from '../answers.ts';
import type { BodyFault } from '../body.ts';
import { Refusal } from '../host.ts';

/** Why a webhook is refused. */
type Reason =
  | BodyFault
  | 'method'
  | 'address'
  | 'length'
  | 'content-type'
  | 'encoding'
  | 'signature'
  | 'invalid-event'
  | 'conflict';

/** Fixed texts: none tells why a signature is not right, and none holds anything of the webhook. */
const refusals: Readonly<Record<Reason, readonly [status: number, code: string, message: string]>> = {
  method: [405, 'method-not-allowed', 'Send a POST'],
  address: [403, 'forbidden', 'This address may not send here'],
  length: [400, 'invalid-input', 'The content-length is malformed'],
  'content-type': [415, 'unsupported-media-type', 'The content-type is malformed'],
  encoding: [415, 'unsupported-media-type', 'Send the body without a content-encoding'],
  'too-large': [413, 'body-too-large', 'The body is too large'],
  'too-slow': [408, 'body-too-slow', 'The body took too long'],
  broken: [400, 'body-broken', 'The body ended early'],
  signature: [401, 'unauthorized', 'The webhook could not be verified'],
  'invalid-event': [422, 'invalid-event', 'The webhook cannot be published'],
  conflict: [409, 'conflict', 'Another webhook with this id was stored before'],
};

const STORAGE_RETRY_SECONDS = '5';

/** A refusal with a fixed answer. */
export function refused(reason: Reason): Refusal {
  return new Refusal(refusal(reason));
}

function refusal(reason: Reason): Response {
  const [status, code, message] = refusals[reason];
  return failure(status, { code, message }, reason === 'method' ? { allow: 'POST' } : {});
}

/** A refusal of a webhook without a header that is required. */
export function refusedWithout(header: string): Refusal {
  const message = `The header ${header} is required`;
  return new Refusal(failure(400, { code: 'invalid-input', message, field: header }));
}

/** The answer to a webhook that is stored. */
export function stored(id: string, duplicate: boolean): Response {
  return json(202, { id, duplicate });
}

/** The answer to a webhook on whose way something was thrown; an error that is not expected tells nothing but that. */
export function answerTo(error: unknown): Response {
  if (error instanceof Refusal) return error.answer;
  if (error instanceof RateLimitedError) return tooMany(error);
  const code = error instanceof SurehookError ? error.code : undefined;
  switch (code) {
    case 'payload-too-large':
      return refusal('too-large');
    case 'invalid-event':
    case 'conflict':
      return refusal(code);
    case 'storage':
      return failure(
        503,
        { code, message: 'The store failed or did not answer in time' },
        { 'retry-after': STORAGE_RETRY_SECONDS },
      );
    default:
      return failure(500, { code: 'internal', message: 'Internal error' });
  }
}

/** One webhook is one event, which any burst lets through in time: the wait is finite. */
function tooMany({ code, retryAfterMs }: RateLimitedError): Response {
  const seconds = Math.max(1, Math.ceil(retryAfterMs / 1000));
  const headers = { 'retry-after': String(seconds) };
  return failure(429, { code, message: 'Too many webhooks: send it again later' }, headers);
}
