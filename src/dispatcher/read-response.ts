/** A response as it is used: every field of its type, but for the headers, which are read apart. */
export interface ReadResponse {
  readonly status: number;
  readonly headers: unknown;
  readonly body: Uint8Array;
}

/** What is used of the headers of a response. */
export interface ReadHeaders {
  /** As it was sent. */
  readonly retryAfter: string | undefined;
  /** As they are stored. */
  readonly shown: Readonly<Record<string, string>>;
}

const NO_BODY: Uint8Array = new Uint8Array(0);

/**
 * What a transport answered. A transport of the host's may answer anything: the status decides, and what else is unusable is left out, so
 * that a 2xx is final whatever comes with it. `undefined` without a usable status.
 */
export function readResponse(response: unknown): ReadResponse | undefined {
  const status = field(response, 'status');
  if (typeof status !== 'number' || !Number.isInteger(status) || status < 100 || status > 999)
    return undefined;
  const body = field(response, 'body');
  return {
    status,
    headers: field(response, 'headers'),
    body: body instanceof Uint8Array ? body : NO_BODY,
  };
}

/** A copy of the headers of a response, with what `mask` makes of their values. */
export function readHeaders(headers: unknown, mask: (value: string) => string): ReadHeaders {
  const shown: Record<string, string> = {};
  let retryAfter: string | undefined;
  for (const name of Object.keys(Object(headers))) {
    const value = field(headers, name);
    if (typeof value !== 'string' || name === '__proto__') continue;
    if (name === 'retry-after') retryAfter = value;
    shown[name] = mask(value);
  }
  return { retryAfter, shown: Object.freeze(shown) };
}

/** A field may be a getter that throws. */
function field(holder: unknown, name: string): unknown {
  if (typeof holder !== 'object' || holder === null) return undefined;
  try {
    return (holder as Record<string, unknown>)[name];
  } catch {
    return undefined;
  }
}
