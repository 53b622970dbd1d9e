/**
 * The seam between the engine and the network. The engine owns the deadline: it aborts a request when its time is over
 * and does not wait for a transport that ignores that.
 */
export interface Transport {
  /**
   * Makes one request and resolves with the answer once its bounded body has been read. Rejects with `TransportError`
   * (or anything else, which counts as kind `request`) when there is no answer. When aborted after the status line
   * it resolves with what it has; when aborted before, it rejects. Never follows redirects, never decompresses.
   */
  send(request: TransportRequest): Promise<TransportResponse>;
  /** Drops idle connections and refuses new requests. */
  close?(): Promise<void>;
}

/** One request leaving the house. */
export interface TransportRequest {
  readonly url: string;
  readonly method: 'POST';
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** Stop reading the body after this many bytes and drop the connection. */
  readonly maxResponseBytes: number;
  /** For transports over `fetch`: aborted when the engine ends the request. Made when first read. */
  readonly signal: AbortSignal;
  /** Cheaper than `signal`: calls `listener` once when the engine ends the request, at once if it has. */
  onAbort(listener: () => void): void;
}

/** What an endpoint answered. */
export interface TransportResponse {
  /** 100 to 999. */
  readonly status: number;
  /** Names in lower case; of repeated headers the first. */
  readonly headers: Readonly<Record<string, string>>;
  /** At most `maxResponseBytes`, exactly as received. */
  readonly body: Uint8Array;
}

/** Why there was no answer. */
export type TransportErrorKind =
  | 'blocked'
  | 'dns'
  | 'refused'
  | 'reset'
  | 'tls'
  | 'timeout'
  | 'invalid-response'
  | 'aborted'
  | 'request';

/** What a transport rejects with. Its message is stored with the attempt: no secret, no internal address. */
export class TransportError extends Error {
  override readonly name = 'TransportError';
  readonly kind: TransportErrorKind;

  constructor(kind: TransportErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}
