import type { TransportRequest } from '../http/transport.ts';

/** A request as a transport sees it, and the engine's way to end it. */
export class RequestHandle implements TransportRequest {
  readonly method = 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly maxResponseBytes: number;
  #controller: AbortController | undefined;
  /** Undefined until there is one. */
  #listeners: (() => void)[] | undefined;
  #aborted = false;

  constructor(message: Pick<TransportRequest, 'url' | 'headers' | 'body' | 'maxResponseBytes'>) {
    this.url = message.url;
    this.headers = message.headers;
    this.body = message.body;
    this.maxResponseBytes = message.maxResponseBytes;
  }

  /** Made when first read: an AbortController for every request is a cost that our own transport need not pay. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#aborted) this.#controller.abort();
    return this.#controller.signal;
  }

  onAbort(listener: () => void): void {
    if (this.#aborted) callSafely(listener);
    else if (this.#listeners === undefined) this.#listeners = [listener];
    else this.#listeners.push(listener);
  }

  abort(): void {
    if (this.#aborted) return;
    this.#aborted = true;
    // Listeners of `signal` that throw are reported by the platform itself; those of a transport of the host's must not end up here.
    this.#controller?.abort();
    for (const listener of this.#listeners ?? []) callSafely(listener);
    this.#listeners = undefined;
  }
}

/** The engine does not depend on what a transport does when it is told to end; it ends the attempt by itself. */
function callSafely(listener: () => void): void {
  try {
    listener();
  } catch {
    // The attempt is recorded as timed out or aborted whatever the transport does.
  }
}
