import { type Clock, systemClock } from '../clock.ts';
import {
  type Transport,
  TransportError,
  type TransportErrorKind,
  type TransportRequest,
  type TransportResponse,
} from '../http/transport.ts';

/** What a scripted endpoint does with one request. */
export type ScriptedAnswer =
  /** Answers with this status and an empty body. */
  | number
  | {
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string | Uint8Array;
    }
  /** Fails with a `TransportError` of this kind. */
  | { readonly error: TransportErrorKind; readonly message?: string }
  /** Never answers; fails as `aborted` when the engine ends the request. */
  | 'hang'
  /** Does the rest once that much of the clock's time has passed, unless the request ends before. */
  | { readonly afterMs: number; readonly then: ScriptedAnswer };

/**
 * How requests are answered: all alike; by a list, one after the other, the last for all further ones (an empty list
 * answers 200); or by a function that is given the request and its number, 0 for the first. What the function throws, the
 * transport rejects with.
 */
export type TransportScript =
  | ScriptedAnswer
  | readonly ScriptedAnswer[]
  | ((request: SentRequest, n: number) => ScriptedAnswer | Promise<ScriptedAnswer>);

/** A request that was made. */
export interface SentRequest {
  readonly url: string;
  readonly method: 'POST';
  readonly headers: Readonly<Record<string, string>>;
  /** A copy of the bytes as they were sent. */
  readonly body: Uint8Array;
  /** When it was made, epoch ms of the clock. */
  readonly at: number;
  /** The body decoded as UTF-8. */
  text(): string;
}

/** A transport without a network that remembers what it was asked to send. */
export interface ScriptedTransport extends Transport {
  /** Every request, in the order they were made. */
  readonly requests: readonly SentRequest[];
  /** Requests that have no answer yet. */
  readonly inFlight: number;
  /** The most there ever were at a time. */
  readonly peakInFlight: number;
  /** The requests to this very URL. */
  to(url: string): readonly SentRequest[];
}

/** Settings of a scripted transport. */
export interface ScriptedTransportOptions {
  /** Stamps requests and times `afterMs`. Default: the real clock. */
  readonly clock?: Clock;
}

/** Makes a transport that answers by a script; the default answers 200 to everything. */
export function scriptedTransport(
  script: TransportScript = 200,
  options: ScriptedTransportOptions = {},
): ScriptedTransport {
  return new Scripted(script, options.clock ?? systemClock);
}

/**
 * A script that answers each URL by a script of its own, its requests counted apart. A URL that is not among the routes is
 * answered by `otherwise` (default: fails as `refused`, as an address where nobody listens).
 */
export function byUrl(
  routes: Readonly<Record<string, TransportScript>>,
  otherwise: TransportScript = { error: 'refused', message: 'No route of the script has this URL' },
): TransportScript {
  const counts = new Map<string, number>();
  return (request) => {
    const n = counts.get(request.url) ?? 0;
    counts.set(request.url, n + 1);
    const route = Object.hasOwn(routes, request.url) ? routes[request.url] : undefined;
    return answerOf(route ?? otherwise, request, n);
  };
}

class Scripted implements ScriptedTransport {
  readonly requests: SentRequest[] = [];
  readonly #script: TransportScript;
  readonly #clock: Clock;
  #inFlight = 0;
  #peakInFlight = 0;
  #isClosed = false;

  constructor(script: TransportScript, clock: Clock) {
    this.#script = script;
    this.#clock = clock;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get peakInFlight(): number {
    return this.#peakInFlight;
  }

  to(url: string): readonly SentRequest[] {
    return this.requests.filter((request) => request.url === url);
  }

  async send(request: TransportRequest): Promise<TransportResponse> {
    if (this.#isClosed) throw new TransportError('request', 'The transport is closed');
    const n = this.requests.length;
    const sent = sentRequest(request, this.#clock.now());
    this.requests.push(sent);
    this.#inFlight += 1;
    this.#peakInFlight = Math.max(this.#peakInFlight, this.#inFlight);
    try {
      return await this.#play(await answerOf(this.#script, sent, n), request);
    } finally {
      this.#inFlight -= 1;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  async #play(answer: ScriptedAnswer, request: TransportRequest): Promise<TransportResponse> {
    if (answer === 'hang') return hang(request);
    if (typeof answer === 'number') return response({ status: answer }, request);
    if ('error' in answer)
      throw new TransportError(answer.error, answer.message ?? `Scripted: ${answer.error}`);
    if ('status' in answer) return response(answer, request);
    await this.#wait(answer.afterMs, request);
    return this.#play(answer.then, request);
  }

  #wait(delayMs: number, request: TransportRequest): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.schedule(delayMs, resolve);
      request.onAbort(() => {
        cancel();
        reject(aborted());
      });
    });
  }
}

function answerOf(
  script: TransportScript,
  request: SentRequest,
  n: number,
): ScriptedAnswer | Promise<ScriptedAnswer> {
  if (typeof script === 'function') return script(request, n);
  return isList(script) ? (script[n] ?? script.at(-1) ?? 200) : script;
}

function isList(script: ScriptedAnswer | readonly ScriptedAnswer[]): script is readonly ScriptedAnswer[] {
  return Array.isArray(script);
}

function sentRequest({ url, method, headers, body }: TransportRequest, at: number): SentRequest {
  const copy = body.slice();
  return { url, method, headers: { ...headers }, body: copy, at, text: () => new TextDecoder().decode(copy) };
}

function response(
  { status, headers = {}, body = '' }: Extract<ScriptedAnswer, { status: number }>,
  { maxResponseBytes }: TransportRequest,
): TransportResponse {
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body;
  return { status, headers, body: bytes.subarray(0, maxResponseBytes) };
}

function hang(request: TransportRequest): Promise<never> {
  return new Promise((_, reject) => {
    request.onAbort(() => reject(aborted()));
  });
}

function aborted(): TransportError {
  return new TransportError('aborted', 'The request was aborted');
}
