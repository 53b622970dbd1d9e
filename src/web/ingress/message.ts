/** An incoming webhook, its body read in whole. */
export interface IngressRequest {
  readonly headers: Headers;
  /** The bytes as they came. Not to be changed: they are what is published. */
  readonly body: Uint8Array;
  /** As the server gave it to the handler. */
  readonly url: string;
  /** Epoch ms, by the handler's clock. */
  readonly now: number;
}

/** What a verifier found out about a webhook that is genuine. All of it may be missing. */
export interface Verified {
  /** The sender's id of it, the same whenever it is sent again: of all with one id only the first is published. */
  readonly id?: string | undefined;
  /** The sender's name for what happened. Made into an event type as the option `type` says. */
  readonly type?: string | undefined;
  /** When it happened. Must be the same whenever it is sent again. */
  readonly timestamp?: Date | undefined;
  /** Who sent it, where the option `source` does not say: 1 to 256 characters. */
  readonly source?: string | undefined;
}

/**
 * Decides whether a webhook is genuine: `false` refuses it with 401, `true` or what was found out lets it pass. A throw, any other
 * value, and no answer within 10 s are faults of the host's: 500.
 */
export type IngressVerifier = (request: IngressRequest) => boolean | Verified | Promise<boolean | Verified>;

/** A webhook that was verified. */
export interface IngressMessage extends IngressRequest, Verified {}
