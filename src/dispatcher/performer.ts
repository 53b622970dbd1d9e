/** One attempt: from a claimed delivery to what the endpoint answered, within one deadline. */
import type { AttemptData, AttemptErrorKind } from '../domain/delivery.ts';
import type { Answer } from '../domain/outcome.ts';
import type { WebhookRecord } from '../domain/webhook.ts';
import { HostCodeError, messageOf } from '../errors.ts';
import { maskHeaders, maskSecrets, redactUrl } from '../http/redact.ts';
import { parseRetryAfter } from '../http/retry-after.ts';
import type { Signer } from '../http/signing.ts';
import { type Transport, TransportError, type TransportResponse } from '../http/transport.ts';
import type { Run } from '../runtime/run.ts';
import type { Claim } from './lane.ts';
import { RequestHandle } from './request-handle.ts';
import { storedText } from './stored-text.ts';

/** A transport that was aborted gets this long to hand over what it has, in ms: a status line that came in time still counts. */
const GRACE_MS = 100;

/** What attempts are made with. */
export interface PerformerParts {
  readonly run: Run;
  readonly transport: Transport;
  readonly signer: Signer;
  readonly userAgent: string;
  readonly timeoutMs: number;
  readonly maxResponseBytes: number;
  readonly storedResponseBytes: number;
  readonly idempotencyHeader: string | undefined;
}

/** How an attempt ended: what is recorded, and what it means. */
export interface AttemptResult {
  readonly data: AttemptData;
  readonly answer: Answer;
}

/** What of a request is the same for every event of a webhook. */
interface Template {
  readonly headers: Readonly<Record<string, string>>;
  /** As stored with attempts: credentials masked. */
  readonly shownUrl: string;
  readonly shownHeaders: Readonly<Record<string, string>>;
  /** Values that an endpoint must not be able to echo into what is stored. */
  readonly hidden: readonly string[];
}

/** Makes attempts. */
export class Performer {
  readonly parts: PerformerParts;
  readonly #templates = new WeakMap<WebhookRecord, Template>();

  constructor(parts: PerformerParts) {
    this.parts = parts;
  }

  /**
   * Starts one attempt and calls `done` exactly once, at the latest when its deadline and a short grace have passed,
   * whatever the transport and the signer do. Returns what aborts it.
   */
  start(claim: Claim, webhook: WebhookRecord, done: (result: AttemptResult) => void): () => void {
    const attempt = new Attempt(this.parts, { claim, webhook, template: this.#template(webhook), done });
    attempt.start();
    return () => attempt.end('aborted');
  }

  #template(webhook: WebhookRecord): Template {
    const known = this.#templates.get(webhook);
    if (known !== undefined) return known;
    const headers = { ...webhook.headers, 'user-agent': this.parts.userAgent };
    const shownHeaders = maskHeaders(headers);
    const template = {
      headers,
      shownUrl: redactUrl(webhook.url),
      shownHeaders,
      hidden: Object.entries(headers).flatMap(([name, value]) =>
        shownHeaders[name] === value ? [] : [value],
      ),
    };
    this.#templates.set(webhook, template);
    return template;
  }
}

interface AttemptInput {
  readonly claim: Claim;
  readonly webhook: WebhookRecord;
  readonly template: Template;
  readonly done: (result: AttemptResult) => void;
}

class Attempt {
  readonly #parts: PerformerParts;
  readonly #input: AttemptInput;
  readonly #startedAt: number;
  readonly #timeoutMs: number;
  readonly #secrets: readonly string[];
  #request: RequestHandle | undefined;
  #signature = '';
  #cancelTimer: () => void = () => {};
  /** Why the engine ended it, if it did. */
  #ending: 'timeout' | 'aborted' | undefined;
  #isDone = false;

  constructor(parts: PerformerParts, input: AttemptInput) {
    this.#parts = parts;
    this.#input = input;
    this.#startedAt = parts.run.now();
    this.#timeoutMs = Math.min(input.webhook.timeoutMs ?? parts.timeoutMs, parts.timeoutMs);
    this.#secrets = activeSecrets(input.webhook, this.#startedAt);
  }

  start(): void {
    // By the clock itself: an attempt always ends its own timer, and there are many.
    this.#cancelTimer = this.#parts.run.clock.schedule(this.#timeoutMs, () => this.end('timeout'));
    let signed: string | Promise<string>;
    try {
      signed = this.#sign();
    } catch (error) {
      this.#signingFailed(error);
      return;
    }
    if (typeof signed === 'string') this.#send(signed);
    else
      Promise.resolve(signed)
        .then((value) => this.#send(value))
        .catch((error: unknown) => this.#signingFailed(error));
  }

  /** Ends the request: what the transport has by now is taken, for a short grace. */
  end(reason: 'timeout' | 'aborted'): void {
    if (this.#isDone || this.#ending !== undefined) return;
    this.#ending = reason;
    this.#cancelTimer();
    this.#cancelTimer = this.#parts.run.schedule(GRACE_MS, () =>
      this.#noAnswer(reason, endingMessage(reason, this.#timeoutMs)),
    );
    if (this.#request === undefined) this.#noAnswer(reason, endingMessage(reason, this.#timeoutMs));
    else this.#request.abort();
  }

  #sign(): string | Promise<string> {
    const { event } = this.#input.claim;
    const timestamp = Math.floor(this.#startedAt / 1000);
    return this.#parts.signer.sign({ id: event.id, timestamp, body: event.body, secrets: this.#secrets });
  }

  #send(signature: string): void {
    if (this.#isDone) return;
    if (typeof signature !== 'string') throw new TypeError('a signer must return a string');
    this.#signature = signature;
    const request = new RequestHandle(this.#message(signature));
    this.#request = request;
    try {
      this.#parts.transport.send(request).then(
        (response) => this.#answered(response),
        (error: unknown) => this.#failed(error),
      );
    } catch (error) {
      this.#failed(error);
    }
  }

  #message(signature: string): ConstructorParameters<typeof RequestHandle>[0] {
    const { claim, webhook, template } = this.#input;
    const { event } = claim;
    const { idempotencyHeader, maxResponseBytes } = this.#parts;
    const headers: Record<string, string> = {
      ...event.headers,
      ...template.headers,
      'content-type': event.contentType,
      'webhook-id': event.id,
      'webhook-timestamp': String(Math.floor(this.#startedAt / 1000)),
      'webhook-signature': signature,
    };
    if (idempotencyHeader !== undefined) headers[idempotencyHeader] = event.id;
    return { url: webhook.url, headers, body: event.body, maxResponseBytes };
  }

  #answered(response: TransportResponse): void {
    if (this.#isDone) return;
    const now = this.#parts.run.now();
    const { status, headers, body } = response;
    if (!Number.isInteger(status) || status < 100 || status > 999) {
      this.#noAnswer('invalid-response', 'the response had no usable status');
      return;
    }
    const retryAfterMs =
      headers['retry-after'] === undefined ? undefined : parseRetryAfter(headers['retry-after'], now);
    this.#finish(
      { kind: 'response', status, ...(retryAfterMs !== undefined && { retryAfterMs }) },
      {
        httpStatus: status,
        responseBody: this.#masked(storedText(body, this.#parts.storedResponseBytes)),
        responseHeaders: this.#maskedAll(headers),
      },
    );
  }

  #failed(error: unknown): void {
    if (this.#isDone) return;
    if (this.#ending !== undefined)
      this.#noAnswer(this.#ending, endingMessage(this.#ending, this.#timeoutMs));
    else if (error instanceof TransportError) this.#noAnswer(error.kind, error.message);
    else this.#noAnswer('request', `the transport failed: ${messageOf(error)}`);
  }

  #signingFailed(cause: unknown): void {
    if (this.#isDone) return;
    this.#parts.run.reporter.emit(
      'error',
      new HostCodeError('signer', { cause: new Error(this.#masked(messageOf(cause))) }),
    );
    this.#noAnswer('signing', 'no signature could be made');
  }

  #noAnswer(errorKind: AttemptErrorKind, message: string): void {
    if (this.#isDone) return;
    this.#finish(
      { kind: 'error', errorKind },
      { httpStatus: 0, responseBody: '', error: { kind: errorKind, message: this.#masked(message) } },
    );
  }

  #finish(
    answer: Answer,
    what: Pick<AttemptData, 'httpStatus' | 'responseBody' | 'responseHeaders' | 'error'>,
  ): void {
    this.#isDone = true;
    this.#cancelTimer();
    this.#input.done({
      answer,
      data: {
        startedAt: this.#startedAt,
        durationMs: Math.max(0, this.#parts.run.now() - this.#startedAt),
        request: { url: this.#input.template.shownUrl, headers: this.#shownHeaders() },
        counted: answer.kind === 'response' || answer.errorKind !== 'aborted',
        ...what,
      },
    });
  }

  #shownHeaders(): Readonly<Record<string, string>> {
    const { claim, template } = this.#input;
    const { event } = claim;
    return {
      ...(event.headers && maskHeaders(event.headers)),
      ...template.shownHeaders,
      'content-type': event.contentType,
      'webhook-id': event.id,
      'webhook-timestamp': String(Math.floor(this.#startedAt / 1000)),
      'webhook-signature': '***',
    };
  }

  /** An endpoint may echo what we sent. */
  #masked(text: string): string {
    return text === '' ? text : maskSecrets(text, this.#hidden());
  }

  #maskedAll(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
    const masked: Record<string, string> = {};
    for (const [name, value] of Object.entries(headers)) masked[name] = this.#masked(value);
    return masked;
  }

  #hidden(): readonly string[] {
    return [...this.#secrets, this.#signature, ...this.#input.template.hidden];
  }
}

function activeSecrets(webhook: WebhookRecord, now: number): readonly string[] {
  return webhook.secrets
    .filter(({ expiresAt }) => expiresAt === undefined || expiresAt > now)
    .map(({ secret }) => secret);
}

function endingMessage(reason: 'timeout' | 'aborted', timeoutMs: number): string {
  return reason === 'timeout' ? `no answer within ${timeoutMs} ms` : 'the sender was stopped';
}
