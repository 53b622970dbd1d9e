import type { Dispatcher } from 'undici';
import type { AnswerHeaders } from './answer-headers.ts';
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
 * It is a handler of the older kind, which undici 7 uses inside: one of the newer kind is wrapped, and gets headers that were read anew.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  /** Resolves with the answer or rejects with `TransportError`. */
  readonly answer: Promise<TransportResponse>;
  #end: ExchangeEnd | undefined;
  #resolve!: (response: TransportResponse) => void;
  #reject!: (error: TransportError) => void;
  readonly #maxBytes: number;
  readonly #answerHeaders: AnswerHeaders;
  #interim = 0;
  #status = 0;
  #headers = NO_HEADERS;
  #body = NO_BODY;
  #length = 0;

  constructor(maxBytes: number, answerHeaders: AnswerHeaders, end: ExchangeEnd) {
    this.#maxBytes = maxBytes;
    this.#answerHeaders = answerHeaders;
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

  /** undici wants it. */
  onConnect(): void {}

  /** Called for every interim response too. */
  onHeaders(status: number, raw: readonly Buffer[]): boolean {
    if (this.settled) return true;
    if (status >= 200 && status <= 999) {
      this.#status = status;
      this.#headers = this.#answerHeaders.read(raw);
    } else if (status < 100 || status > 999) {
      this.#stop(new TransportError('invalid-response', 'the response has an impossible status'));
    } else if (++this.#interim > MAX_INTERIM) {
      this.#stop(new TransportError('invalid-response', 'the response has too many interim responses'));
    }
    return true;
  }

  onData(chunk: Uint8Array): boolean {
    if (this.settled) return true;
    this.#keep(chunk);
    if (this.#length === this.#maxBytes && chunk.length > 0) this.#stop(undefined);
    return true;
  }

  onComplete(): void {
    this.#finish(true, undefined);
  }

  onError(error: unknown): void {
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
