import {
  type Transport,
  TransportError,
  type TransportErrorKind,
  type TransportRequest,
  type TransportResponse,
} from '../../src/http/transport.ts';

/** How an attempt ended and how long it took. `httpStatus` 0: there was no answer. */
export interface Attempted {
  readonly httpStatus: number;
  readonly kind?: TransportErrorKind;
  readonly message?: string;
  readonly response?: TransportResponse;
  readonly elapsedMs: number;
}

export const DEADLINE_MS = 300;
const GRACE_MS = 100;
export const MAX_RESPONSE_BYTES: number = 16 * 1024;

const body = new TextEncoder().encode(JSON.stringify({ type: 'invoice.paid', data: 'x'.repeat(500) }));

/** The request that every attempt makes, without an end of its own. */
export function requestTo(url: string): TransportRequest {
  return {
    url,
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'webhook-id': 'evt_1',
      'webhook-signature': 'v1,c2lnbmF0dXJl',
    },
    body,
    maxResponseBytes: MAX_RESPONSE_BYTES,
    signal: new AbortController().signal,
    onAbort: () => {},
  };
}

/** One attempt with the engine's part of it: at the deadline the request is aborted, and after a grace nobody waits any longer. */
export async function attempt(
  transport: Transport,
  url: string,
  deadlineMs: number = DEADLINE_MS,
): Promise<Attempted> {
  const started = performance.now();
  const listeners: (() => void)[] = [];
  let isOver = false;
  const deadline = setTimeout(() => {
    isOver = true;
    for (const listener of listeners) listener();
  }, deadlineMs);
  let grace: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<Attempted>((resolve) => {
    grace = setTimeout(
      () => resolve({ httpStatus: 0, kind: 'request', message: 'never ended', elapsedMs: Infinity }),
      deadlineMs + GRACE_MS,
    );
  });
  const elapsed = (): number => performance.now() - started;
  const sent = transport.send({ ...requestTo(url), onAbort: (listener) => listeners.push(listener) }).then(
    (response): Attempted => ({ httpStatus: response.status, response, elapsedMs: elapsed() }),
    (error: unknown): Attempted => ({ httpStatus: 0, ...failure(error, isOver), elapsedMs: elapsed() }),
  );
  try {
    return await Promise.race([sent, late]);
  } finally {
    clearTimeout(deadline);
    clearTimeout(grace);
  }
}

function failure(
  error: unknown,
  isOver: boolean,
): { readonly kind: TransportErrorKind; readonly message: string } {
  if (!(error instanceof TransportError))
    return { kind: 'request', message: `no TransportError: ${String(error)}` };
  return { kind: isOver && error.kind === 'aborted' ? 'timeout' : error.kind, message: error.message };
}

/** Waits, briefly and really, until something holds. */
export async function eventually(holds: () => boolean, withinMs = 1000): Promise<boolean> {
  const end = performance.now() + withinMs;
  while (!holds() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 5));
  return holds();
}
