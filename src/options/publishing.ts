/** The options that rule what may be published, and what each webhook gets of it. */
import { misuse, numberIn, plainObject } from '../domain/check.ts';
import { isEventType } from '../domain/event-pattern.ts';
import type { RateLimit } from '../domain/rate-limit.ts';
import type { StandardSchema } from '../domain/standard-schema.ts';
import { quote } from '../errors.ts';
import type { Webhook } from '../views.ts';

/**
 * Makes what one webhook gets of an event. `undefined`: it does not get it, as if its filter said so. Otherwise the result takes the place of
 * `data` in the envelope or, for an event with a `body`, of that body (a string or bytes, of the same content type).
 */
export type Shape = (event: ShapeEvent, webhook: Webhook) => unknown;

/** An event as a shape sees it: a copy for each call. */
export type ShapeEvent = {
  /** The `webhook-id` of every attempt. */
  readonly id: string;
  readonly type: string;
  readonly tenantId: string;
  readonly source?: string;
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly timestamp: Date;
} & (
  | {
      /** As its receiver will parse it. */
      readonly data: unknown;
      readonly body?: undefined;
      readonly contentType?: undefined;
    }
  | { readonly data?: undefined; readonly body: Uint8Array; readonly contentType: string }
);

/** The schema of `data` by event type. */
export type CatalogMap = ReadonlyMap<string, StandardSchema>;

const refusing = { refuse: misuse } as const;

/** Reads `catalog`. Throws `TypeError` or `RangeError`. */
export function checkCatalog(value: unknown): CatalogMap | undefined {
  if (value === undefined) return undefined;
  const schemas: Readonly<Record<string, unknown>> = plainObject('catalog', value, refusing);
  return new Map(Object.entries(schemas).map(([type, schema]) => [type, checkSchema(type, schema)]));
}

function checkSchema(type: string, value: unknown): StandardSchema {
  if (!isEventType(type)) throw new RangeError(`catalog has ${quote(type)}, which is no event type`);
  // Some schemas are functions that validate when they are called.
  const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function';
  const standard = isObject ? (value as Partial<StandardSchema>)['~standard'] : undefined;
  if (standard?.version === 1 && typeof standard.validate === 'function') return value as StandardSchema;
  throw new TypeError(`catalog[${quote(type)}] must be a Standard Schema, version 1, not ${quote(value)}`);
}

/** Reads `shape`. Throws `TypeError`. */
export function checkShape(value: unknown): Shape | undefined {
  if (value === undefined || typeof value === 'function') return value as Shape | undefined;
  throw new TypeError(`shape must be a function, not ${quote(value)}`);
}

const defaultRateLimit: RateLimit = { perMinute: 100, burst: 200 };

/** Reads `rateLimit`; what an object lacks takes its default. Throws `TypeError` or `RangeError`. */
export function checkRateLimit(value: unknown): RateLimit | undefined {
  if (value === undefined || value === false) return undefined;
  const given = plainObject('rateLimit', value, { keys: ['perMinute', 'burst'] as const, ...refusing });
  const { perMinute = defaultRateLimit.perMinute, burst = defaultRateLimit.burst } = given;
  return {
    perMinute: numberIn('rateLimit.perMinute', perMinute, { min: 0.001, max: 60_000_000, ...refusing }),
    burst: numberIn('rateLimit.burst', burst, { min: 1, max: 1_000_000, integer: true, ...refusing }),
  };
}
