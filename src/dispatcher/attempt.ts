import type { AttemptData, AttemptErrorKind } from '../domain/delivery.ts';
import type { EventRecord } from '../domain/event.ts';
import type { Answer } from '../domain/outcome.ts';
import { HostCodeError, messageOf, quote, StorageError } from '../errors.ts';
import { maskParts } from '../http/redact.ts';
import { parseRetryAfter } from '../http/retry-after.ts';
import type { Signer } from '../http/signing.ts';
import { type Transport, TransportError, type TransportResponse } from '../http/transport.ts';
import type { Run } from '../runtime/run.ts';
import type { StoreClock } from '../runtime/store-clock.ts';
import type { Deadlines } from './deadlines.ts';
import { readResponse } from './read-response.ts';
import { RequestHandle } from './request-handle.ts';
import { storedText } from './stored-text.ts';
import type { Template } from './template.ts';

/** What attempts are made with. */
export interface AttemptParts {
  readonly run: Run;
  readonly deadlines: Deadlines;
  /** What tells the end of a secret: all processes have it in common. */
  readonly storeClock: StoreClock;
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
  /** Epoch ms. */
  readonly endedAt: number;
  readonly data: AttemptData;
  readonly answer: Answer;
}

/** A transport that was aborted gets this long to hand over what it has, in ms: a status line that came in time still counts. */
const GRACE_MS = 100;

/** What one attempt is about. */
export interface AttemptInput {
  readonly event: EventRecord;
  readonly template: Template;
  /** Epoch ms. */
  readonly startedAt: number;
  readonly done: (result: AttemptResult) => void;
}

type Received = Pick<AttemptData, 'httpStatus' | 'responseBody' | 'responseHeaders' | 'error'>;

type Draft = { -readonly [Field in keyof AttemptData]: AttemptData[Field] };

/** One attempt: from an event to what the endpoint answered, within one deadline. */
export class AttemptInProgress {
  readonly #parts: AttemptParts;
  readonly #input: AttemptInput;
  readonly #startedAt: number;
  readonly #timeoutMs: number;
  #request: RequestHandle | undefined;
  #signature = '';
  /** Made when there is something to look through: many answers are empty. */
  #hidden: readonly string[] | undefined;
  #cancelTimer: () => void = () => {};
  /** Why the engine ended it, if it did. */
  #ending: 'timeout' | 'aborted' | undefined;
  #isDone = false;

  constructor(parts: AttemptParts, input: AttemptInput) {
    this.#parts = parts;
    this.#input = input;
    this.#startedAt = input.startedAt;
    this.#timeoutMs = Math.min(input.template.webhook.timeoutMs ?? parts.timeoutMs, parts.timeoutMs);
  }

  start(): void {
    this.#cancelTimer = this.#parts.deadlines.schedule(this.#startedAt, this.#timeoutMs, () =>
      this.#end('timeout'),
    );
    if (this.#input.template.isSealed(this.#parts.storeClock.at(this.#startedAt))) {
      this.#cannotOpen();
      return;
    }
    try {
      const signed = this.#sign();
      if (typeof signed === 'string') this.#send(signed);
      else this.#sendSigned(signed);
    } catch (error) {
      this.#signingFailed(error);
    }
  }

  /** Ends it because the engine stops. */
  abort(): void {
    this.#end('aborted');
  }

  /** What the transport has by now is taken, for a short grace. */
  #end(reason: 'timeout' | 'aborted'): void {
    if (this.#isDone || this.#ending !== undefined) return;
    this.#ending = reason;
    this.#cancelTimer();
    if (this.#request === undefined) {
      this.#ended(reason);
      return;
    }
    // By the clock itself, as all deadlines: an attempt always cancels its own timer, so that the run need not keep it.
    this.#cancelTimer = this.#parts.run.clock.schedule(GRACE_MS, () => this.#ended(reason));
    this.#request.abort();
  }

  // ------------------------------------------------------------------------------------------ out

  get #timestamp(): number {
    return Math.floor(this.#startedAt / 1000);
  }

  #sign(): string | Promise<string> {
    const { event, template } = this.#input;
    const secrets = template.secrets(this.#parts.storeClock.at(this.#startedAt));
    return this.#parts.signer.sign({ id: event.id, timestamp: this.#timestamp, body: event.body, secrets });
  }

  #sendSigned(signed: Promise<string>): void {
    Promise.resolve(signed)
      .then((signature) => this.#send(signature))
      .catch((error: unknown) => this.#signingFailed(error));
  }

  #send(signature: string): void {
    if (this.#isDone) return;
    if (typeof signature !== 'string') throw new TypeError('a signer must return a string');
    const { event, template } = this.#input;
    const { idempotencyHeader, maxResponseBytes, transport } = this.#parts;
    this.#signature = signature;
    this.#hidden = undefined;
    const headers = template.headers(event, this.#timestamp, signature);
    if (idempotencyHeader !== undefined) headers[idempotencyHeader] = event.id;
    const request = new RequestHandle({
      url: template.webhook.url,
      headers,
      body: event.body,
      maxResponseBytes,
    });
    this.#request = request;
    try {
      transport.send(request).then(
        (response) => this.#answered(response),
        (error: unknown) => this.#failed(error),
      );
    } catch (error) {
      this.#failed(error);
    }
  }

  // ------------------------------------------------------------------------------------------ back

  #answered(response: TransportResponse): void {
    if (this.#isDone) return;
    const received = readResponse(response);
    if (received === undefined) {
      this.#noAnswer('invalid-response', 'the transport gave no usable response');
      return;
    }
    const { status, headers, body } = received;
    const { event, template } = this.#input;
    const { retryAfter, shown } = template.answer(headers, event, (value) => this.#masked(value));
    const retryAfterMs =
      retryAfter === undefined ? undefined : parseRetryAfter(retryAfter, this.#parts.run.now());
    this.#finish(
      { kind: 'response', status, retryAfterMs },
      {
        httpStatus: status,
        responseBody: this.#masked(storedText(body, this.#parts.storedResponseBytes)),
        responseHeaders: shown,
      },
    );
  }

  #failed(error: unknown): void {
    if (this.#isDone) return;
    if (this.#ending !== undefined) this.#ended(this.#ending);
    else if (error instanceof TransportError) this.#noAnswer(error.kind, error.message);
    else this.#noAnswer('request', `the transport failed: ${messageOf(error)}`);
  }

  #ended(reason: 'timeout' | 'aborted'): void {
    const message =
      reason === 'timeout' ? `no answer within ${this.#timeoutMs} ms` : 'the sender was stopped';
    this.#noAnswer(reason, message);
  }

  #signingFailed(thrown: unknown): void {
    if (this.#isDone) return;
    const cause = new Error(this.#masked(messageOf(thrown)));
    this.#parts.run.reporter.emit('error', new HostCodeError('signer', { cause }));
    this.#noAnswer('signing', 'no signature could be made');
  }

  #cannotOpen(): void {
    const message = `the secrets of webhook ${quote(this.#input.template.webhook.id)} cannot be opened with secretKey`;
    this.#parts.run.reporter.emit('error', new StorageError('webhooks.getMany', message));
    this.#noAnswer('signing', 'the secrets of the webhook cannot be opened');
  }

  #noAnswer(kind: AttemptErrorKind, message: string): void {
    if (this.#isDone) return;
    const error = { kind, message: this.#masked(message) };
    this.#finish({ kind: 'error', errorKind: kind }, { httpStatus: 0, responseBody: '', error });
  }

  /** Nothing that is stored may hold what an endpoint echoed of our secrets. */
  #masked(text: string): string {
    if (text === '') return text;
    const { event, template } = this.#input;
    this.#hidden ??= template.hidden(event, this.#signature);
    return maskParts(text, this.#hidden);
  }

  #finish(answer: Answer, received: Received): void {
    const { event, template, done } = this.#input;
    this.#isDone = true;
    this.#cancelTimer();
    const endedAt = this.#parts.run.now();
    const headers = this.#request?.headers ?? template.headers(event, this.#timestamp, '');
    // Written out, because a spread is several times slower.
    const data: Draft = {
      startedAt: this.#startedAt,
      durationMs: Math.max(0, endedAt - this.#startedAt),
      request: { url: template.shownUrl, headers: template.shown(headers, event) },
      counted: answer.kind === 'response' || answer.errorKind !== 'aborted',
      httpStatus: received.httpStatus,
      responseBody: received.responseBody,
    };
    if (received.responseHeaders !== undefined) data.responseHeaders = received.responseHeaders;
    if (received.error !== undefined) data.error = received.error;
    done({ endedAt, answer, data });
  }
}
