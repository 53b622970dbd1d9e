import type { Dispatcher } from 'undici';
import { TransportError, type TransportResponse } from './transport.ts';
import { transportError } from './transport-errors.ts';

/** Who hears that an exchange is over, once. */
export interface ExchangeEnd {
  /** `clean`: the answer was read to its end, so that the connection may serve again. */
  ended(clean: boolean): void;
}

/** Interim responses (1xx) beyond this are an attack. */
const MAX_INTERIM = 16;

const NO_BODY: Uint8Array = new Uint8Array(0);
const NO_HEADERS: Readonly<Record<string, string>> = {};

/**
 * One request and its answer, as undici reports it. From the final status on it ends with an answer whatever happens to the body: a 2xx is final.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  /** Resolves with the answer or rejects with `TransportError`. */
  readonly answer: Promise<TransportResponse>;
  #end: ExchangeEnd | undefined;
  #resolve!: (response: TransportResponse) => void;
  #reject!: (error: TransportError) => void;
  readonly #maxBytes: number;
  #interim = 0;
  #status = 0;
  #headers = NO_HEADERS;
  #body = NO_BODY;
  #length = 0;

  constructor(maxBytes: number, end: ExchangeEnd) {
    this.#maxBytes = maxBytes;
    this.#end = end;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Whether it is over. */
  get settled(): boolean {
    return this.#end === undefined;
  }

  /** Ends it now: with the answer as far as it came, or with kind `aborted`. */
  abort(): void {
    this.#stop(new TransportError('aborted', 'ended before the answer'));
  }

  /** Ends it because no request could be made of it. */
  fail(error: unknown): void {
    this.#stop(error);
  }

  /** Present so that undici treats this as a handler of the current kind. */
  onRequestStart(): void {}

  /** Called for every interim response too. */
  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    if (this.settled) return;
    if (status >= 200 && status <= 999) {
      this.#status = status;
      this.#headers = firstValues(headers);
    } else if (status < 100 || status > 999) {
      this.#stop(new TransportError('invalid-response', 'the response has an impossible status'));
    } else if (++this.#interim > MAX_INTERIM) {
      this.#stop(new TransportError('invalid-response', 'the response has too many interim responses'));
    }
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (this.settled) return;
    this.#keep(chunk);
    if (this.#length === this.#maxBytes && chunk.length > 0) this.#stop(undefined);
  }

  onResponseEnd(): void {
    this.#finish(true, undefined);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: unknown): void {
    this.#stop(error);
  }

  /** An error counts only before the final status. */
  #stop(error: unknown): void {
    this.#finish(false, error);
  }

  #finish(clean: boolean, error: unknown): void {
    const end = this.#end;
    if (end === undefined) return;
    // undici keeps up to 256 finished requests of a connection, and with them their handlers: nothing else may live that long.
    this.#end = undefined;
    if (this.#status === 0) this.#reject(transportError(error, 'exchange'));
    else this.#resolve({ status: this.#status, headers: this.#headers, body: this.#received() });
    this.#headers = NO_HEADERS;
    this.#body = NO_BODY;
    end.ended(clean);
  }

  /** Copied, because a chunk is a view that keeps a whole read buffer alive; grown by doubling, because chunks may be of one byte. */
  #keep(chunk: Uint8Array): void {
    const taken = chunk.subarray(0, this.#maxBytes - this.#length);
    const needed = this.#length + taken.length;
    if (needed > this.#body.length) {
      const grown = new Uint8Array(Math.min(this.#maxBytes, Math.max(needed, this.#body.length * 2)));
      grown.set(this.#body.subarray(0, this.#length));
      this.#body = grown;
    }
    this.#body.set(taken, this.#length);
    this.#length = needed;
  }

  #received(): Uint8Array {
    return this.#length === this.#body.length ? this.#body : this.#body.slice(0, this.#length);
  }
}

/** Of repeated headers the first. Copies only when there is something to change, which is rare. */
function firstValues(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Readonly<Record<string, string>> {
  const firsts: Record<string, string> = {};
  for (const name of Object.keys(headers)) {
    const value = headers[name];
    const first = typeof value === 'string' ? value : value?.[0];
    if (first !== undefined && name !== '__proto__') firsts[name] = first;
  }
  return firsts;
}
