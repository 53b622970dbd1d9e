import type { Clock } from '../../clock.ts';
import { plainObject } from '../../domain/check.ts';
import { InvalidInputError, quote } from '../../errors.ts';
import { type BodyFault, readBody } from '../body.ts';
import { refused } from './refusal.ts';
import type { Route } from './routes.ts';

/** Reads the query: each known parameter once, and no other. Throws `InvalidInputError`. */
export function readQuery(params: URLSearchParams, { query }: Route): Record<string, string> {
  const read: Record<string, string> = {};
  for (const [name, value] of params) {
    if (!query.includes(name)) {
      const known = query.length === 0 ? 'there are none here' : `known are ${query.join(', ')}`;
      throw new InvalidInputError(name.slice(0, 64), `${quote(name)} is not a query parameter: ${known}`);
    }
    if (Object.hasOwn(read, name)) throw new InvalidInputError(name, `${name} must be given once`);
    read[name] = value;
  }
  return read;
}

const MAX_BODY_BYTES = 65_536;
const BODY_TIMEOUT_MS = 10_000;

const faults: Readonly<Record<BodyFault, readonly [status: number, message: string]>> = {
  'too-large': [413, `The body may have ${MAX_BODY_BYTES} bytes`],
  'too-slow': [408, `The body took more than ${BODY_TIMEOUT_MS} ms`],
  broken: [400, 'The body ended early'],
};

/** Reads the body of a POST: a JSON object of fields that the route knows, or none. */
export async function readFields(
  request: Request,
  { fields }: Route,
  clock: Clock,
): Promise<Readonly<Record<string, unknown>>> {
  const bytes = await readBody(request, { maxBytes: MAX_BODY_BYTES, timeoutMs: BODY_TIMEOUT_MS, clock });
  if (typeof bytes === 'string') {
    const [status, message] = faults[bytes];
    throw refused(status, { code: `body-${bytes}`, message });
  }
  if (bytes.byteLength === 0) return {};
  if (!isJson(request)) {
    throw refused(415, { code: 'unsupported-media-type', message: 'A body must be application/json' });
  }
  return plainObject('body', parsed(bytes), { keys: fields, path: '' });
}

/** A page of another site can send it only after the host has said so to the browser's preflight. */
export function isJson(request: Request): boolean {
  return /^application\/json\s*(;|$)/i.test(request.headers.get('content-type') ?? '');
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new InvalidInputError('body', 'The body must be JSON');
  }
}
