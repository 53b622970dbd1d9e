/** The hostile endpoints seen through the whole of surehook: real transport, memory repos, real time. */
import { randomBytes } from 'node:crypto';
import {
  type Attempt,
  createSurehook,
  type Delivery,
  type HttpTransportOptions,
  httpTransport,
  memoryRepos,
  retrySchedule,
  type Surehook,
  type SurehookError,
  type SurehookOptions,
  type Transport,
  type Webhook,
} from '../../src/index.ts';
import { hostileCa, hostileResolve, openPolicy } from './behaviours.ts';

export const DEADLINE_MS = 300;

/** What a webhook was registered with that nobody may ever read again. */
export interface Credentials {
  /** The base64 after `whsec_`. */
  readonly secret: string;
  /** Sent as `authorization: Bearer …`. */
  readonly bearer: string;
  /** Sent as `?token=…`. */
  readonly token: string;
}

/** What became of one event for one endpoint. */
export interface Ended {
  readonly delivery: Delivery;
  readonly attempts: readonly Attempt[];
  readonly webhook: Webhook;
  readonly credentials: Credentials;
  /** Everything that could be read or heard of it, as text. */
  readonly everything: string;
  /** From publish to the end of the delivery, storing included. */
  readonly elapsedMs: number;
}

type Told = Readonly<Record<string, unknown>>;

/** A surehook that makes one attempt of 300 ms per delivery, and is ended with its transport. */
export class ThroughEngine implements AsyncDisposable {
  readonly surehook: Surehook;
  readonly errors: SurehookError[] = [];
  readonly #transport: Transport;
  readonly #told: Told[] = [];
  readonly #endings = new Map<string, (delivery: Delivery) => void>();
  #count = 0;

  constructor(
    transport: Partial<HttpTransportOptions> = {},
    options: Partial<Omit<SurehookOptions, 'transport'>> = {},
  ) {
    this.#transport = httpTransport({
      policy: openPolicy,
      resolve: hostileResolve,
      tls: { ca: hostileCa },
      ...transport,
    });
    this.surehook = createSurehook({
      repos: memoryRepos(),
      timeoutMs: DEADLINE_MS,
      retry: retrySchedule([0]),
      backoff: { baseMs: 0, maxMs: 0 },
      endpoints: { allowHttp: true, allowPrivateAddresses: true },
      ...options,
      transport: this.#transport,
    });
    this.#listen();
  }

  #listen(): void {
    const { surehook } = this;
    surehook.on('error', (error) => this.errors.push(error));
    surehook.on('delivery:attempted', (told) => this.#told.push(told));
    const ended = (told: { readonly delivery: Delivery }): void => {
      this.#told.push(told);
      this.#endings.get(told.delivery.id)?.(told.delivery);
    };
    surehook.on('delivery:delivered', ended);
    surehook.on('delivery:exhausted', ended);
  }

  /** Registers an endpoint with credentials of its own, for one event type of its own. */
  async register(url: string): Promise<{ webhook: Webhook; type: string; credentials: Credentials }> {
    const type = `row.${this.#count++}`;
    const secret = randomBytes(32).toString('base64');
    const bearer = randomBytes(24).toString('base64');
    const token = randomBytes(16).toString('hex');
    const { webhook } = await this.surehook.webhooks.create({
      url: `${url}?token=${token}`,
      events: [type],
      headers: { authorization: `Bearer ${bearer}` },
      secret: `whsec_${secret}`,
    });
    return { webhook, type, credentials: { secret, bearer, token } };
  }

  /** Registers an endpoint, sends it one event, and waits for the end of that. */
  async deliver(url: string, data: unknown = 'x'.repeat(500)): Promise<Ended> {
    const { surehook } = this;
    const { webhook, type, credentials } = await this.register(url);
    const started = performance.now();
    const { id, delivery } = await this.publish(type, data);
    const elapsedMs = performance.now() - started;
    const attempts = await surehook.deliveries.attempts(id);
    // The webhook's status is stored beside the outcome, not with it.
    if (delivery.reason === 'webhook-gone') await surehook.idle();
    const now = await surehook.webhooks.get(webhook.id);
    if (now === undefined) throw new Error('the webhook is gone');
    // The URL is the webhook's own, and read back whole; anywhere else its token is masked.
    const stored = { delivery: await surehook.deliveries.get(id), attempts, webhook: { ...now, url: '' } };
    const everything = JSON.stringify([stored, this.#told, this.errors.map(asText)]);
    return { delivery, attempts, webhook: now, credentials, everything, elapsedMs };
  }

  /** Publishes one event for one webhook and waits for the end of its delivery. */
  async publish(type: string, data: unknown): Promise<{ id: string; delivery: Delivery }> {
    const { deliveries } = await this.surehook.publish({ type, data });
    const id = deliveries[0]?.id ?? '';
    // Listening begins in the turn in which publish resolves: no attempt over a socket ends before.
    const delivery = await new Promise<Delivery>((resolve) => this.#endings.set(id, resolve));
    this.#endings.delete(id);
    return { id, delivery };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.surehook.stop({ deadlineMs: 0 });
    await this.#transport.close?.();
  }
}

function asText(error: Error): string {
  const { cause } = error;
  return `${error.stack}${cause instanceof Error ? asText(cause) : String(cause)}`;
}
