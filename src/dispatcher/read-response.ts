/** A response as it is used: its own copy, every field of its type. */
export interface ReadResponse {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: Uint8Array;
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
    headers: readHeaders(field(response, 'headers')),
    body: body instanceof Uint8Array ? body : NO_BODY,
  };
}

function readHeaders(headers: unknown): Record<string, string> {
  const read: Record<string, string> = {};
  if (typeof headers !== 'object' || headers === null) return read;
  for (const name of Object.keys(headers)) {
    const value = field(headers, name);
    if (typeof value === 'string' && name !== '__proto__') read[name] = value;
  }
  return read;
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
