import { quote } from '../errors.ts';

/** Makes the error for a wrong field: `InvalidEventError` and `InvalidInputError` both fit. */
export type FieldError = new (field: string, message: string, options?: ErrorOptions) => Error;

const MAX_HEADERS = 100;
const MAX_VALUE_BYTES = 8 * 1024;
const MAX_TOTAL_BYTES = 16 * 1024;
const MAX_CONTENT_TYPE_LENGTH = 255;

/**
 * Names that are the library's own or rule the connection (RFC 9110 7.6.1): a caller that sets them could forge a signature or smuggle
 * a second request. `__proto__` is refused because the headers are kept as plain objects.
 */
const reservedNames: ReadonlySet<string> = new Set([
  'webhook-id',
  'webhook-timestamp',
  'webhook-signature',
  'content-type',
  'content-length',
  'transfer-encoding',
  'user-agent',
  'host',
  'connection',
  'keep-alive',
  'upgrade',
  'te',
  'trailer',
  'expect',
  'accept-encoding',
  '__proto__',
]);

/** `svix-` is the legacy spelling of the `webhook-` headers, which some receivers still prefer. */
const reservedPrefixes: readonly string[] = ['proxy-', 'svix-'];

/** A `token` of RFC 9110 5.6.2. */
const tokenPattern = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Visible ASCII, blanks and tabs. Node would send Latin-1 too, but receivers disagree about what it means. */
const valuePattern = /^[\t\x20-\x7e]*$/;

/** `media-type` of RFC 9110 8.3.1. */
const contentTypePattern =
  /^[!#$%&'*+.^_`|~0-9A-Za-z-]+\/[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[\t ]*;[\t ]*[!#$%&'*+.^_`|~0-9A-Za-z-]+=(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+|"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e]|\\[\t\x20-\x7e])*"))*$/;

/** Whether nobody but the library may set this header. `name` is in lower case. */
export function isReservedHeader(name: string): boolean {
  return reservedNames.has(name) || reservedPrefixes.some((prefix) => name.startsWith(prefix));
}

/**
 * Headers as they are stored and sent: names in lower case, values without blanks around them. At most 100, 8 KiB a value, 16 KiB
 * of names and values in all; ASCII only; no reserved names, no name twice. Throws an `InvalidField` that names the header
 * (`headers.x-trace`) and never shows a value.
 */
export function checkHeaders(
  field: string,
  value: unknown,
  InvalidField: FieldError,
): Readonly<Record<string, string>> {
  const entries = entriesOf(field, value, InvalidField);
  if (entries.length > MAX_HEADERS) {
    throw new InvalidField(
      field,
      `${field} has ${entries.length} headers; at most ${MAX_HEADERS} are allowed`,
    );
  }
  const headers: Record<string, string> = {};
  let bytes = 0;
  for (const [spelled, raw] of entries) {
    const name = spelled.toLowerCase();
    const problem = nameProblem(spelled, name) ?? valueProblem(raw);
    if (problem !== undefined)
      throw new InvalidField(`${field}.${name}`, `${field}: ${quote(spelled)} ${problem}`);
    if (Object.hasOwn(headers, name))
      throw new InvalidField(`${field}.${name}`, `${field}: ${quote(name)} is given twice`);
    const text = String(raw).replace(/^[\t ]+|[\t ]+$/g, '');
    headers[name] = text;
    bytes += name.length + text.length;
  }
  if (bytes > MAX_TOTAL_BYTES) {
    throw new InvalidField(field, `${field} has ${bytes} bytes; at most ${MAX_TOTAL_BYTES} are allowed`);
  }
  return headers;
}

/** Each property is read once: a getter cannot answer the check with one value and the request with another. */
function entriesOf(field: string, value: unknown, InvalidField: FieldError): readonly [string, unknown][] {
  try {
    if (isPlainObject(value)) return Object.entries(value);
  } catch (cause) {
    throw new InvalidField(field, `${field} cannot be read`, { cause });
  }
  throw new InvalidField(field, `${field} must be a plain object of strings, not ${kindOf(value)}`);
}

function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** What it is, and not the value: that may be a credential. */
function kindOf(value: unknown): string {
  return typeof value === 'object' || typeof value === 'function' ? quote(value) : typeof value;
}

function nameProblem(spelled: string, name: string): string | undefined {
  if (!tokenPattern.test(spelled)) return 'is not a header name';
  return isReservedHeader(name) ? 'is a reserved header' : undefined;
}

function valueProblem(value: unknown): string | undefined {
  if (typeof value !== 'string') return `must be a string, not ${kindOf(value)}`;
  if (value.length > MAX_VALUE_BYTES)
    return `has ${value.length} characters; at most ${MAX_VALUE_BYTES} are allowed`;
  return valuePattern.test(value)
    ? undefined
    : 'holds line breaks, control characters or characters beyond ASCII';
}

/** A media type such as `application/json; charset=utf-8`, of at most 255 characters. Throws an `InvalidField`. */
export function checkContentType(field: string, value: unknown, InvalidField: FieldError): string {
  if (
    typeof value === 'string' &&
    value.length <= MAX_CONTENT_TYPE_LENGTH &&
    contentTypePattern.test(value)
  ) {
    return value;
  }
  throw new InvalidField(
    field,
    `${field} must be a media type such as "application/json", not ${quote(value)}`,
  );
}
