/**
 * Everything surehook rejects with, in one family: `error instanceof SurehookError` tells ours from others,
 * `error.code` tells which. Misuse of the options is a plain `TypeError` or `RangeError`, thrown at once.
 */

/** What `SurehookError.code` can be. */
export type SurehookErrorCode =
  | 'payload-too-large'
  | 'invalid-event'
  | 'invalid-input'
  | 'forbidden-endpoint'
  | 'not-found'
  | 'conflict'
  | 'rate-limited'
  | 'storage'
  | 'host-code';

/** The base of every error that surehook makes itself. */
export abstract class SurehookError extends Error {
  /** Which error this is; stable across versions, fit for a `switch`. */
  abstract readonly code: SurehookErrorCode;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The serialised body of an event is larger than `maxPayloadBytes`. Nothing was stored. */
export class PayloadTooLargeError extends SurehookError {
  readonly code = 'payload-too-large';
  /** Size of the body that was refused, in bytes. */
  readonly bytes: number;
  /** The limit in force, in bytes. */
  readonly maxBytes: number;

  constructor(bytes: number, maxBytes: number) {
    super(`The event's body has ${bytes} bytes; maxPayloadBytes is ${maxBytes}`);
    this.bytes = bytes;
    this.maxBytes = maxBytes;
  }
}

/** One thing that a schema of the catalogue has against an event. */
export interface EventIssue {
  /** In the schema's own words, which may quote the data: 200 characters at most. */
  readonly message: string;
  /** Where it is, such as `data.lines[0].sku`. */
  readonly path: string;
}

/** A field of an event is wrong. Nothing was stored. */
export class InvalidEventError extends SurehookError {
  readonly code = 'invalid-event';
  /** Path of the field, such as `type`, `headers.x-trace` or `data.lines[0].sku`. */
  readonly field: string;
  /** Set exactly when the event's schema refused its `data`: the first ten things it found. */
  readonly issues?: readonly EventIssue[];

  constructor(
    field: string,
    message: string,
    options?: ErrorOptions & { readonly issues?: readonly EventIssue[] },
  ) {
    super(message, options);
    this.field = field;
    if (options?.issues !== undefined) this.issues = options.issues;
  }
}

/** A field of a webhook, an id, or a field of a list query is wrong. Nothing was stored. */
export class InvalidInputError extends SurehookError {
  readonly code = 'invalid-input';
  /** Path of the field, such as `events[0]` or `limit`. */
  readonly field: string;

  constructor(field: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.field = field;
  }
}

/**
 * The URL of a webhook is not one that may be called: malformed, not public, or against the `endpoints` option. The
 * message names the rule and quotes the URL without its query.
 */
export class ForbiddenEndpointError extends SurehookError {
  readonly code = 'forbidden-endpoint';
  /** Always `url`: the field of the webhook that was refused. */
  readonly field = 'url';
}

/** An id names nothing that exists (or nothing of this tenant: the two cannot be told apart). */
export class NotFoundError extends SurehookError {
  readonly code = 'not-found';
  /** What was looked for. */
  readonly kind: 'webhook' | 'delivery' | 'event';
  /** The id that was asked for. */
  readonly id: string;

  constructor(kind: 'webhook' | 'delivery' | 'event', id: string) {
    super(`There is no ${kind} ${quote(id)}`);
    this.kind = kind;
    this.id = id;
  }
}

/** The request contradicts what is stored: a transition that the machine does not have, or a key used for other content. */
export class ConflictError extends SurehookError {
  readonly code = 'conflict';
}

/** The tenant has published more than the `rateLimit` option allows. Nothing was stored. */
export class RateLimitedError extends SurehookError {
  readonly code = 'rate-limited';
  readonly tenantId: string;
  /** When the same call can succeed if the tenant publishes nothing else, in ms; infinite where it has more events than `burst`. */
  readonly retryAfterMs: number;

  constructor(tenantId: string, retryAfterMs: number) {
    const when =
      retryAfterMs === Number.POSITIVE_INFINITY
        ? 'publish fewer events at once'
        : `try again in ${retryAfterMs} ms`;
    super(`The tenant ${quote(tenantId)} has published more than rateLimit allows: ${when}`);
    this.tenantId = tenantId;
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * A repo failed or did not answer in time; `cause` is its own error, without the secrets where it was given a webhook to store. When `publish` rejects with
 * this the outcome may be unknown (an acknowledgement can be lost): publish again with the same `idempotencyKey`, which stores it once.
 */
export class StorageError extends SurehookError {
  readonly code = 'storage';
  /** The port call that failed, such as `events.append`. */
  readonly operation: string;

  constructor(operation: string, message: string, options?: ErrorOptions) {
    super(`${operation}: ${message}`, options);
    this.operation = operation;
  }
}

/**
 * Code that the host supplied (a signer, a retry function, a schema, a listener) threw, did not answer in time or broke its contract; `cause` is its
 * error. Of a signer's, which is given secrets, it has the message only, and no secret in it.
 */
export class HostCodeError extends SurehookError {
  readonly code = 'host-code';
  /** Which part of the host's code, such as `signer`, `shape` or `listener of delivery:delivered`. */
  readonly part: string;

  constructor(part: string, options?: ErrorOptions) {
    super(`The host's ${part} threw or broke its contract`, options);
    this.part = part;
  }
}

const QUOTED_LENGTH = 80;

/** Quotes any value for an error message: short, on one line, without running code of the value. */
export function quote(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value.length > QUOTED_LENGTH ? `${value.slice(0, QUOTED_LENGTH)}…` : value);
    case 'bigint':
      return `${value}n`;
    case 'symbol':
    case 'number':
    case 'boolean':
    case 'undefined':
      return String(value);
    case 'function':
      return '[function]';
    case 'object':
      return value === null ? 'null' : quoteObject(value);
  }
}

function quoteObject(value: object): string {
  try {
    return Array.isArray(value) ? `[array of ${value.length}]` : '[object]';
  } catch {
    // A proxy that was revoked, or one whose traps throw.
    return '[object]';
  }
}

/** The message of whatever was thrown, which need not be an Error; bounded, and it never throws itself. */
export function messageOf(thrown: unknown): string {
  try {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return String(message).slice(0, 500);
  } catch {
    return 'a value that cannot be shown';
  }
}
