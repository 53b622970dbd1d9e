/** Every option of a surehook, its default and its bounds: validated once, at the door. */
import { type Clock, systemClock } from './clock.ts';
import { type BackoffPolicy, defaultBackoff } from './domain/backoff.ts';
import { misuse, numberIn, oneOf, plainObject } from './domain/check.ts';
import { defaultMaxRetryAfterMs } from './domain/outcome.ts';
import type { RateLimit } from './domain/rate-limit.ts';
import { checkRetryPolicyData, defaultRetry, type RetryPolicy } from './domain/retry-policy.ts';
import type { EventCatalog } from './domain/standard-schema.ts';
import { quote } from './errors.ts';
import type { EndpointPolicy } from './http/endpoint.ts';
import { checkHeaders } from './http/headers.ts';
import { sealedWebhooks } from './http/sealing.ts';
import { type Signer, standardSigner } from './http/signing.ts';
import type { Transport } from './http/transport.ts';
import { LEASE_SHARE_OF_TIMEOUT, longestTimeoutMs } from './options/lease.ts';
import {
  type CatalogMap,
  checkCatalog,
  checkRateLimit,
  checkShape,
  type Shape,
} from './options/publishing.ts';
import { checkSecretKeys } from './options/secret-keys.ts';
import { type Random, systemRandom } from './random.ts';
import type { Repos } from './repos.ts';

/** What a host may give to `createSurehook`. Only `repos` is required. */
export interface SurehookOptions<Catalog extends EventCatalog = EventCatalog> {
  /** Where webhooks, events and state are kept. Repos of different adapters may be mixed. */
  readonly repos: Repos;
  /**
   * When a failed delivery is tried again: data of `retrySchedule` or `retryExponential`, or a function. A webhook's own `retry` comes first.
   * @default retrySchedule([0, 10_000, 60_000, 600_000, 3_600_000])
   */
  readonly retry?: RetryPolicy;
  /**
   * How long a webhook that keeps failing is left alone between two probes, whatever the retry policies of its deliveries say. None after the
   * first failure in a row, which may be the event's fault; `baseMs` after the second, then growing.
   * @default { baseMs: 1_000, factor: 2, maxMs: 600_000, jitter: 0.1 }
   */
  readonly backoff?: Partial<BackoffPolicy>;
  /** D: a webhook that has had no success for this long since its first failure becomes Unavailable, in ms. @default 7 days */
  readonly unavailableAfterMs?: number;
  /** The longest Retry-After that is honoured, in ms. @default 3_600_000 */
  readonly maxRetryAfterMs?: number;
  /** One request, from connect to the end of the headers and the bounded body, in ms. A webhook may have a shorter one. @default 15_000 */
  readonly timeoutMs?: number;
  /** How long a claim is held, in ms. Must be at least `timeoutMs` / 0.7, so that no lease ends under a request. @default 30_000 */
  readonly leaseMs?: number;
  /** The safety-net poll, in ms: work is found at once by wake-ups, and after this without them. @default 1_000 */
  readonly pollMs?: number;
  /** Requests under way at a time, in this process. @default 256 */
  readonly maxInFlight?: number;
  /** The same for each webhook; a webhook's own `maxInFlight` comes first. @default 16 */
  readonly maxInFlightPerWebhook?: number;
  /** Deliveries claimed beyond those under way, in this process. @default 256 */
  readonly prefetch?: number;
  /** Claims of one delivery whose outcome was never recorded, after which it is given up (`outcome-unknown`). @default 10 */
  readonly maxLost?: number;
  /** Size of a serialised body, in bytes. @default 262_144 */
  readonly maxPayloadBytes?: number;
  /**
   * How many events a tenant may publish, by all processes on the store together: so many per minute, and after a pause so many at once. What is
   * refused rejects with `RateLimitedError`. What an object leaves out is `{ perMinute: 100, burst: 200 }`. @default false
   */
  readonly rateLimit?: false | Partial<RateLimit>;
  /**
   * Every event type there is, with the Standard Schema of its `data` (zod, valibot, arktype, ...). `publish` then takes these types only, with `data`
   * and not `body`; types and runtime both see to it. What is sent is what the schema makes of `data`: its output, with defaults filled in, values
   * coerced and unknown fields stripped where it does that. A schema may be async; it gets a copy of plain objects and arrays. `webhook.test` needs none.
   * @default none
   */
  readonly catalog?: Catalog;
  /**
   * Called at publish for each subscribed webhook whose filter passes: what it makes is stored, signed and sent to that webhook in place of the event's
   * `data`, in every attempt and replay. Sync or async, up to 100 calls at a time; each must settle within `storageTimeoutMs`. Where it throws, `publish`
   * rejects with `HostCodeError` and nothing is stored. Test events and `resend` do not go through it. @default none
   */
  readonly shape?: Shape;
  /**
   * 32 bytes: signing secrets and credential headers are stored sealed with it (AES-256-GCM). Of several keys the first seals and all open, so that
   * keys can be changed. What was stored before is sealed when it is next updated. @default none: as they are
   */
  readonly secretKey?: Uint8Array | readonly Uint8Array[];
  /** How much of a response body is read before the connection is dropped, in bytes. @default 16_384 */
  readonly maxResponseBytes?: number;
  /** How much of it is stored with the attempt, in bytes of UTF-8. @default 4_096 */
  readonly storedResponseBytes?: number;
  /** Replayed deliveries that this process lets into the queues per second, so that live traffic does not suffer. @default 50 */
  readonly replaysPerSecond?: number;
  /**
   * How long what has ended is kept, in ms: delivered deliveries, given up ones (the dead letters), and the attempts of either. An event goes
   * with its last delivery, and with it its idempotency key. `Infinity` keeps.
   * @default { deliveredMs: 30 days, deadLetterMs: 7 days, attemptsMs: 30 days }
   */
  readonly retention?: Partial<Retention>;
  /** A further request header that carries the event's id, such as `idempotency-key`. @default none */
  readonly idempotencyHeader?: string;
  /** Which URLs may be called. @default { allowHttp: false, allowPrivateAddresses: false } */
  readonly endpoints?: Partial<EndpointPolicy>;
  /** How long a webhook is trusted to be unchanged when the repo does not tell of changes, in ms. @default 1_000 */
  readonly webhookCacheMs?: number;
  /** A repo call that has not settled after this counts as failed, in ms: the bound of `publish`. @default 5_000 */
  readonly storageTimeoutMs?: number;
  /** How requests are made. @default httpTransport() over undici */
  readonly transport?: Transport;
  /** @default systemClock */
  readonly clock?: Clock;
  /** @default systemRandom */
  readonly random?: Random;
  /** How requests are signed. @default standardSigner() */
  readonly signer?: Signer;
}

/** How long what has ended is kept, in ms; `Infinity` keeps. */
export interface Retention {
  /** After the delivery. */
  readonly deliveredMs: number;
  /** After giving up. */
  readonly deadLetterMs: number;
  /** Attempts, after their delivery has ended. Those of a delivery that goes go with it. */
  readonly attemptsMs: number;
}

/** The options with every default filled in. */
export interface Settings
  extends Omit<
    Required<SurehookOptions>,
    | 'transport'
    | 'idempotencyHeader'
    | 'backoff'
    | 'endpoints'
    | 'retention'
    | 'rateLimit'
    | 'catalog'
    | 'shape'
    | 'secretKey'
  > {
  readonly backoff: BackoffPolicy;
  readonly endpoints: EndpointPolicy;
  readonly retention: Retention;
  readonly transport: Transport | undefined;
  readonly idempotencyHeader: string | undefined;
  readonly rateLimit: RateLimit | undefined;
  readonly catalog: CatalogMap | undefined;
  readonly shape: Shape | undefined;
}

const DAY_MS = 86_400_000;
const FOREVER_MS = 3_650 * DAY_MS;

interface NumberOption {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  /** @default true */
  readonly isWhole?: boolean;
  /** `Infinity` is allowed beyond `max`. @default false */
  readonly isUnbounded?: boolean;
}

const numbers = {
  // Infinite: such a webhook never becomes Unavailable.
  unavailableAfterMs: { default: 7 * DAY_MS, min: 1, max: FOREVER_MS, isUnbounded: true },
  maxRetryAfterMs: { default: defaultMaxRetryAfterMs, min: 0, max: 30 * DAY_MS },
  timeoutMs: { default: 15_000, min: 1, max: 600_000 },
  leaseMs: { default: 30_000, min: 1, max: DAY_MS },
  pollMs: { default: 1_000, min: 1, max: 3_600_000 },
  maxInFlight: { default: 256, min: 1, max: 65_536 },
  maxInFlightPerWebhook: { default: 16, min: 1, max: 65_536 },
  prefetch: { default: 256, min: 1, max: 65_536 },
  maxLost: { default: 10, min: 0, max: 1_000_000 },
  maxPayloadBytes: { default: 262_144, min: 1, max: 64 * 1024 * 1024 },
  maxResponseBytes: { default: 16_384, min: 0, max: 1024 * 1024 },
  storedResponseBytes: { default: 4_096, min: 0, max: 65_536 },
  replaysPerSecond: { default: 50, min: 1, max: 1_000_000 },
  webhookCacheMs: { default: 1_000, min: 0, max: 3_600_000 },
  storageTimeoutMs: { default: 5_000, min: 1, max: 600_000 },
} as const satisfies Record<string, NumberOption>;

const backoffNumbers = {
  baseMs: { default: defaultBackoff.baseMs, min: 0, max: DAY_MS, isWhole: false },
  factor: { default: defaultBackoff.factor, min: 1, max: 100, isWhole: false },
  maxMs: { default: defaultBackoff.maxMs, min: 0, max: DAY_MS, isWhole: false },
  jitter: { default: defaultBackoff.jitter, min: 0, max: 1, isWhole: false },
} as const satisfies Record<string, NumberOption>;

const kept = { min: 0, max: FOREVER_MS, isUnbounded: true } as const;
const retentionNumbers = {
  deliveredMs: { default: 30 * DAY_MS, ...kept },
  deadLetterMs: { default: 7 * DAY_MS, ...kept },
  attemptsMs: { default: 30 * DAY_MS, ...kept },
} as const satisfies Record<string, NumberOption>;

const others = [
  'repos',
  'retry',
  'backoff',
  'endpoints',
  'retention',
  'rateLimit',
  'catalog',
  'shape',
  'secretKey',
  'idempotencyHeader',
  'transport',
  'clock',
  'random',
  'signer',
] as const;
const optionNames = [...(Object.keys(numbers) as (keyof typeof numbers)[]), ...others];

const refusing = { refuse: misuse } as const;

/** Throws `TypeError` or `RangeError` naming the option and quoting the value. */
export function checkOptions(input: unknown): Settings {
  const given = plainObject('the options', input, { keys: optionNames, path: '', ...refusing });
  const random = withMethods<Random>('random', given.random ?? systemRandom, ['next', 'bytes']);
  const repos = checkRepos(given.repos);
  const keys = checkSecretKeys(given.secretKey);
  const settings: Settings = {
    ...numbersIn(given, numbers, ''),
    repos: { ...repos, webhooks: sealedWebhooks(repos.webhooks, { keys, random }) },
    retry: checkRetry(given.retry),
    backoff: checkNumbers('backoff', given.backoff, backoffNumbers),
    endpoints: checkEndpoints(given.endpoints),
    retention: checkNumbers('retention', given.retention, retentionNumbers),
    rateLimit: checkRateLimit(given.rateLimit),
    catalog: checkCatalog(given.catalog),
    shape: checkShape(given.shape),
    idempotencyHeader: checkIdempotencyHeader(given.idempotencyHeader),
    transport:
      given.transport === undefined ? undefined : withMethods('transport', given.transport, ['send']),
    clock: withMethods<Clock>('clock', given.clock ?? systemClock, ['now', 'schedule']),
    random,
    signer: withMethods<Signer>('signer', given.signer ?? standardSigner(), ['sign']),
  };
  if (settings.timeoutMs > longestTimeoutMs(settings)) {
    throw new RangeError(
      `leaseMs must be at least timeoutMs / ${LEASE_SHARE_OF_TIMEOUT}, so that no lease ends under a request: ` +
        `leaseMs is ${settings.leaseMs}, timeoutMs is ${settings.timeoutMs}`,
    );
  }
  return settings;
}

/** Each number of a table, as given or by default. */
function numbersIn<K extends string>(
  given: Readonly<Record<string, unknown>>,
  table: Readonly<Record<K, NumberOption>>,
  path: string,
): Record<K, number> {
  const entries = Object.entries<NumberOption>(table).map(([name, option]) => {
    const { default: preset, isWhole: integer = true, isUnbounded, ...bounds } = option;
    const value = given[name] === undefined ? preset : given[name];
    if (isUnbounded && value === Number.POSITIVE_INFINITY) return [name, value];
    return [name, numberIn(path + name, value, { ...bounds, integer, ...refusing })];
  });
  return Object.fromEntries(entries);
}

/** An object of such numbers only. */
function checkNumbers<K extends string>(
  name: string,
  value: unknown,
  table: Readonly<Record<K, NumberOption>>,
): Record<K, number> {
  const given = plainObject(name, value === undefined ? {} : value, {
    keys: Object.keys(table),
    ...refusing,
  });
  return numbersIn(given, table, `${name}.`);
}

function checkRepos(value: unknown): Repos {
  if (value === undefined)
    throw new TypeError('repos is required: { webhooks, events, state }, such as memoryRepos()');
  // An adapter's repos may have more than the three, such as a way to close them.
  if (typeof value !== 'object' || value === null)
    throw new TypeError(`repos must be an object with webhooks, events and state, not ${quote(value)}`);
  const repos: Partial<Record<keyof Repos, unknown>> = value;
  return {
    webhooks: withMethods('repos.webhooks', repos.webhooks, ['getMany', 'subscribers', 'setStatus']),
    events: withMethods('repos.events', repos.events, [
      ...['append', 'claimExpress', 'claimQueues', 'settle', 'exhaustQueue', 'ownQueues', 'markReplay'],
      ...['cancel', 'promoteReplays', 'getDeliveries', 'deliveriesOf', 'getContents', 'getEvents'],
      ...['attempts', 'listDeliveries', 'countDeliveries', 'prune'],
    ]),
    state: withMethods('repos.state', repos.state, [
      ...['open', 'acquire', 'save', 'reset', 'get', 'takeTokens', 'returnTokens'],
      ...['recordOutcomes', 'outcomes', 'pruneState'],
    ]),
  };
}

function checkRetry(value: unknown): RetryPolicy {
  if (value === undefined) return defaultRetry;
  if (typeof value === 'function') return value as RetryPolicy;
  return checkRetryPolicyData('retry', value, refusing);
}

function checkEndpoints(value: unknown): EndpointPolicy {
  const keys = ['allowHttp', 'allowPrivateAddresses', 'ports'] as const;
  const { allowHttp, allowPrivateAddresses, ports } = plainObject('endpoints', value ?? {}, {
    keys,
    ...refusing,
  });
  const flag = (name: string, given: unknown): boolean =>
    given === undefined ? false : oneOf(`endpoints.${name}`, given, { choices: [true, false], ...refusing });
  return {
    allowHttp: flag('allowHttp', allowHttp),
    allowPrivateAddresses: flag('allowPrivateAddresses', allowPrivateAddresses),
    ports: checkPorts(ports),
  };
}

function checkPorts(value: unknown): readonly number[] | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value))
    throw new TypeError(`endpoints.ports must be an array of ports, not ${quote(value)}`);
  return value.map((port, index) =>
    numberIn(`endpoints.ports[${index}]`, port, { min: 1, max: 65_535, integer: true, ...refusing }),
  );
}

function checkIdempotencyHeader(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string')
    throw new TypeError(`idempotencyHeader must be a header name, not ${quote(value)}`);
  return Object.keys(checkHeaders('idempotencyHeader', { [value]: 'evt' }, HeaderMisuse))[0];
}

class HeaderMisuse extends RangeError {
  constructor(_field: string, message: string) {
    super(message);
  }
}

/** A part that the host supplies as an object: checked for the methods that will be called. */
function withMethods<T>(field: string, value: unknown, methods: readonly string[]): T {
  if (typeof value !== 'object' || value === null) {
    throw new TypeError(`${field} must be an object with ${methods.join(', ')}, not ${quote(value)}`);
  }
  for (const method of methods) {
    if (typeof (value as Record<string, unknown>)[method] !== 'function') {
      throw new TypeError(
        `${field}.${method} must be a function, not ${quote((value as Record<string, unknown>)[method])}`,
      );
    }
  }
  return value as T;
}
