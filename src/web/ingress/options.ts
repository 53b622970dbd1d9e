/** Every option of an ingress handler, its default and its bounds: validated once, when the handler is made. */
import type { Clock } from '../../clock.ts';
import { listIn, misuse, numberIn, plainObject, stringIn } from '../../domain/check.ts';
import { isEventType } from '../../domain/event-pattern.ts';
import { checkTenantId } from '../../domain/ids.ts';
import { quote } from '../../errors.ts';
import { isReservedHeader } from '../../http/headers.ts';
import { checkClock, hook } from '../host.ts';
import { checkRanges, type Range } from './addresses.ts';
import type { IngressMessage, IngressVerifier } from './message.ts';
import { readOptions } from './secrets.ts';

/** How incoming webhooks are validated, and what is published of them. Only `verify` is required. */
export interface IngressOptions {
  /** `standardWebhooks({ secret })`, `stripe({ secret })`, `github({ secret })`, or a function. */
  readonly verify: IngressVerifier;
  /**
   * The type to publish as, or what makes a name that becomes the type: characters that types do not have become `_`, empty segments are left out.
   * Where there is none the webhook is refused with 422. @default what the verifier found
   */
  readonly type?: string | ((message: IngressMessage) => Made);
  /** Whose event it is; a function that makes `undefined` refuses it with 422. @default 'default' */
  readonly tenantId?: string | ((message: IngressMessage) => Made);
  /**
   * The event's `source`, and the scope of the sender's ids: two senders of one kind that publish for one tenant need two.
   * @default 'standard-webhooks', 'stripe', 'github', or what the verifier found
   */
  readonly source?: string;
  /** Headers that must be there (else 400), by name, or with the value that they must have (else 401). */
  readonly requiredHeaders?: readonly string[] | Readonly<Record<string, string>>;
  /** CIDR ranges and addresses that may send; others get 403. IPv4 mapped into IPv6 is IPv4. @default all */
  readonly allow?: readonly string[];
  /**
   * How many proxies of yours stand before the handler: the sender is that many entries from the right of `X-Forwarded-For`. Without it that header
   * is not looked at. Not together with `remoteAddress`.
   */
  readonly trustedHops?: number;
  /** The sender's address, for `allow`: a `Request` does not have it. @default what `toNodeHandler` tells */
  readonly remoteAddress?: (request: Request) => string | undefined;
  /** Size of a body, in bytes; `maxPayloadBytes` of the surehook holds as well. @default 262_144 */
  readonly maxBytes?: number;
  /** How long a body may take to come in, in ms. @default 10_000 */
  readonly readTimeoutMs?: number;
  /** Headers that become headers of the event, where they are there. Only such that are the same when a webhook is sent again. */
  readonly forwardHeaders?: readonly string[];
  /** Told why a genuine webhook was not stored, and of faults of the host's: of all that gets 409, 422, 429 or 5xx. */
  readonly onError?: (error: unknown) => void;
  /** @default systemClock */
  readonly clock?: Clock;
}

/** What a hook makes: a text, or nothing. */
type Made = string | undefined | Promise<string | undefined>;

/** The options, checked. */
export interface IngressSettings {
  readonly verify: IngressVerifier;
  readonly type: IngressOptions['type'];
  readonly tenantId: IngressOptions['tenantId'];
  readonly source: string | undefined;
  /** Names in lower case, each with the value that it must have. */
  readonly requiredHeaders: readonly (readonly [string, string | undefined])[];
  readonly allow: readonly Range[] | undefined;
  readonly trustedHops: number;
  readonly remoteAddress: ((request: Request) => unknown) | undefined;
  readonly maxBytes: number;
  readonly readTimeoutMs: number;
  readonly forwardHeaders: readonly string[];
  readonly onError: ((error: unknown) => unknown) | undefined;
  readonly clock: Clock;
}

const keys = [
  ...(['verify', 'type', 'tenantId', 'source', 'requiredHeaders', 'allow', 'trustedHops'] as const),
  ...(['remoteAddress', 'maxBytes', 'readTimeoutMs', 'forwardHeaders', 'onError', 'clock'] as const),
];
const DEFAULT_MAX_BYTES = 262_144;
const MAX_BYTES = 64 * 1024 * 1024;
const DEFAULT_READ_MS = 10_000;
const LONGEST_READ_MS = 600_000;
const MAX_HOPS = 16;
const MAX_HEADERS = 100;
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const refusing = { refuse: misuse } as const;

/** Throws `TypeError` or `RangeError` naming the option, and quoting it where it cannot be a secret. */
export function checkIngressOptions(input: unknown): IngressSettings {
  const given = readOptions(input, keys);
  const { trustedHops, maxBytes = DEFAULT_MAX_BYTES, readTimeoutMs = DEFAULT_READ_MS } = given;
  const whole = { min: 1, integer: true, ...refusing };
  if (typeof given.verify !== 'function')
    throw new TypeError('verify must be a function, such as stripe({ secret }) makes');
  if (trustedHops !== undefined && given.remoteAddress !== undefined)
    throw new TypeError('trustedHops and remoteAddress cannot both be given');
  return {
    verify: given.verify as IngressVerifier,
    type: textOrHook('type', given.type, checkType),
    tenantId: textOrHook('tenantId', given.tenantId, (value) => checkTenantId('tenantId', value, refusing)),
    source:
      given.source === undefined ? undefined : stringIn('source', given.source, { max: 256, ...refusing }),
    requiredHeaders: checkRequired(given.requiredHeaders),
    allow: given.allow === undefined ? undefined : checkRanges('allow', given.allow),
    trustedHops:
      trustedHops === undefined ? 0 : numberIn('trustedHops', trustedHops, { ...whole, max: MAX_HOPS }),
    remoteAddress: hook('remoteAddress', given.remoteAddress),
    maxBytes: numberIn('maxBytes', maxBytes, { ...whole, max: MAX_BYTES }),
    readTimeoutMs: numberIn('readTimeoutMs', readTimeoutMs, { ...whole, max: LONGEST_READ_MS }),
    forwardHeaders: checkForwarded(given.forwardHeaders),
    onError: hook('onError', given.onError),
    clock: checkClock(given.clock),
  };
}

function textOrHook<Hook>(
  field: string,
  value: unknown,
  check: (value: unknown) => string,
): string | Hook | undefined {
  if (value === undefined || typeof value === 'function') return value as Hook | undefined;
  if (typeof value === 'string') return check(value);
  throw new TypeError(`${field} must be a string or a function, not ${quote(value)}`);
}

function checkType(value: unknown): string {
  if (isEventType(value)) return value;
  throw new RangeError(
    `type must be an event type, segments of A-Z a-z 0-9 _ - joined by dots, not ${quote(value)}`,
  );
}

/** Values may be shared secrets: they are never quoted. */
function checkRequired(value: unknown): IngressSettings['requiredHeaders'] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return headerNames('requiredHeaders', value).map((name) => [name, undefined]);
  if (typeof value !== 'object')
    throw new TypeError('requiredHeaders must be an array of names, or an object');
  const entries = Object.entries(plainObject('requiredHeaders', value, refusing));
  const names = headerNames(
    'requiredHeaders',
    entries.map(([name]) => name),
  );
  return entries.map(([spelled, text], index) => {
    const message = `requiredHeaders: the value of ${quote(spelled)} must be a string that a header can have`;
    if (typeof text !== 'string') throw new TypeError(message);
    if (!/^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/.test(text)) throw new RangeError(message);
    return [names[index] ?? spelled, text];
  });
}

function checkForwarded(value: unknown): readonly string[] {
  if (value === undefined) return [];
  const names = headerNames('forwardHeaders', value);
  const reserved = names.find(isReservedHeader);
  if (reserved === undefined) return names;
  throw new RangeError(`forwardHeaders: ${quote(reserved)} is a reserved header`);
}

function headerNames(field: string, value: unknown): readonly string[] {
  const list = listIn(field, value, { min: 1, max: MAX_HEADERS, ...refusing });
  const names = list.map((name) => {
    if (typeof name === 'string' && NAME.test(name)) return name.toLowerCase();
    const message = `${field}: ${quote(name)} is not a header name`;
    throw typeof name === 'string' ? new RangeError(message) : new TypeError(message);
  });
  if (new Set(names).size === names.length) return names;
  throw new RangeError(`${field} must not name a header twice`);
}
