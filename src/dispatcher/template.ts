import type { EventRecord } from '../domain/event.ts';
import type { WebhookRecord } from '../domain/webhook.ts';
import { isReservedHeader } from '../http/headers.ts';
import { credentialsIn, maskHeaders, redactUrl, secretParts, tokensIn } from '../http/redact.ts';
import { isSealed } from '../http/sealed-text.ts';
import { type ReadHeaders, readHeaders } from './read-response.ts';

/** What of a request is the same for every event of a webhook: made once per version of its record. */
export class Template {
  readonly webhook: WebhookRecord;
  /** As stored with attempts: credentials masked. */
  readonly shownUrl: string;
  readonly #headers: Readonly<Record<string, string>>;
  /** Whether a header of the webhook's is masked where it is shown. */
  readonly #hasCredentials: boolean;
  /** Parts of secrets that an endpoint must not be able to echo into what is stored. */
  readonly #hidden: readonly string[];
  /** The secrets, where none of them expires. */
  readonly #secrets: readonly string[] | undefined;
  /** Whether something of it could not be opened, be it a secret that signs no more. */
  readonly #hasSealed: boolean;
  /** Headers of an answer that cannot change, and what was read of them: our transport gives the same ones again for as long as an endpoint sends them. */
  #answer: readonly [given: unknown, read: ReadHeaders] | undefined;

  constructor(webhook: WebhookRecord, userAgent: string) {
    const secrets = webhook.secrets.map(({ secret }) => secret);
    this.webhook = webhook;
    this.shownUrl = redactUrl(webhook.url);
    this.#headers = { ...sendable(webhook.headers ?? {}), 'user-agent': userAgent };
    const credentials = credentialsIn(this.#headers);
    this.#hasCredentials = credentials.length > 0;
    this.#hidden = secretParts([...secrets, ...credentials, ...tokensIn(webhook.url)]);
    this.#hasSealed = [...secrets, ...credentials].some(isSealed);
    this.#secrets = webhook.secrets.some(({ expiresAt }) => expiresAt !== undefined) ? undefined : secrets;
  }

  /** The secrets that sign now, newest first. */
  secrets(now: number): readonly string[] {
    if (this.#secrets !== undefined) return this.#secrets;
    const active = this.webhook.secrets.filter(({ expiresAt }) => expiresAt === undefined || expiresAt > now);
    return active.map(({ secret }) => secret);
  }

  /** Whether a credential or a secret that signs now could not be opened: then there is nothing that may be sent. */
  isSealed(now: number): boolean {
    if (!this.#hasSealed) return false;
    return [...this.secrets(now), ...credentialsIn(this.#headers)].some(isSealed);
  }

  /** The headers of a request. Ours come last: neither an event nor a webhook can override them. */
  headers(event: EventRecord, timestamp: number, signature: string): Record<string, string> {
    return {
      // Only the first spread of a literal is fast.
      ...(event.headers ? { ...event.headers, ...this.#headers } : this.#headers),
      'content-type': event.contentType,
      'webhook-id': event.id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': signature,
    };
  }

  /** The headers of a request as they are stored with the attempt: no credentials, no signature. */
  shown(headers: Readonly<Record<string, string>>, event: EventRecord): Readonly<Record<string, string>> {
    if (this.#hasCredentials || event.headers !== undefined) return maskHeaders(headers);
    return { ...headers, 'webhook-signature': '***' };
  }

  /** What must not appear in anything stored about an attempt. */
  hidden(event: EventRecord, signature: string): readonly string[] {
    const ofEvent = event.headers === undefined ? [] : secretParts(credentialsIn(event.headers));
    // The usual one is `v1,` and the base64 of one signature: nothing to take apart.
    const isPlain = signature.startsWith('v1,') && !signature.includes(' ');
    const ofSignature = isPlain ? [signature.slice(3)] : secretParts([signature]);
    return [...this.#hidden, ...ofEvent, ...ofSignature];
  }

  /** What is used of an answer's headers. What an event's own headers hide is not hidden for others. */
  answer(given: unknown, event: EventRecord, mask: (value: string) => string): ReadHeaders {
    if (event.headers !== undefined) return readHeaders(given, mask);
    if (this.#answer === undefined || this.#answer[0] !== given) {
      const read = readHeaders(given, mask);
      if (!Object.isFrozen(given)) return read;
      this.#answer = [given, read];
    }
    return this.#answer[1];
  }
}

/** A host that keeps its own webhooks table need not have checked its headers; a reserved one could redirect or smuggle a request. */
function sendable(headers: Readonly<Record<string, string>>): Record<string, string> {
  const named = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  return Object.fromEntries(named.filter(([name]) => !isReservedHeader(name)));
}
