/** What the tests of the ingress share: senders that are not the code under test, and a surehook behind a handler. */
import { createHmac, createPrivateKey, sign } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import {
  createSurehook,
  type EventRecord,
  memoryRepos,
  type Surehook,
  type SurehookOptions,
} from '../../src/index.ts';
import {
  type ManualClock,
  manualClock,
  type ScriptedTransport,
  scriptedTransport,
  seededRandom,
} from '../../src/testing/index.ts';
import { ingressHandler } from '../../src/web/ingress/handler.ts';
import type { IngressOptions } from '../../src/web/ingress/options.ts';
import type { RequestContext, WebHandler } from '../../src/web/node.ts';

export const bytesOf = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

/** A secret of Standard Webhooks whose bytes are all the same. */
export const secretOf = (fill: number, length = 32): string =>
  `whsec_${Buffer.alloc(length, fill).toString('base64')}`;

export type Sent = Readonly<Record<string, string>>;

/** Epoch seconds of the manual clock's start. */
export const START: number = 1_767_225_600;

/** What a sender signs with. */
export interface Signing {
  readonly id?: string;
  readonly seconds?: number;
  readonly secrets?: readonly string[];
}

/** As the package signs; bytes that are no text as the specification says. */
export function standardHeaders(
  body: Uint8Array,
  { id = 'msg_1', seconds = START, secrets = [secretOf(1)] }: Signing = {},
): Sent {
  const content = Buffer.concat([Buffer.from(`${id}.${seconds}.`), body]);
  const entries = secrets.map((secret) => {
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
    return `v1,${createHmac('sha256', key).update(content).digest('base64')}`;
  });
  return {
    'webhook-id': id,
    'webhook-timestamp': String(seconds),
    'webhook-signature': entries.join(' '),
  };
}

/** As the package signs. */
export function packageHeaders(
  body: string,
  { id = 'msg_1', seconds = START, secrets = [secretOf(1)] }: Signing = {},
): Sent {
  const signature = new Webhook(String(secrets[0])).sign(id, new Date(seconds * 1000), body);
  return { 'webhook-id': id, 'webhook-timestamp': String(seconds), 'webhook-signature': signature };
}

const PKCS8_HEAD = '302e020100300506032b657004220420';

/** The `v1a` entry of a seed, and the public key that verifies it. */
export function asymmetricEntry(seed: Uint8Array, content: Uint8Array): string {
  const key = Buffer.concat([Buffer.from(PKCS8_HEAD, 'hex'), seed]);
  const privateKey = createPrivateKey({ key, format: 'der', type: 'pkcs8' });
  return `v1a,${sign(null, content, privateKey).toString('base64')}`;
}

export function stripeHeaders(
  body: Uint8Array,
  { seconds = START, secrets = ['whsec_stripe'] }: Signing = {},
): Sent {
  const hex = secrets.map((secret) =>
    createHmac('sha256', secret)
      .update(Buffer.concat([Buffer.from(`${seconds}.`), body]))
      .digest('hex'),
  );
  return { 'stripe-signature': [`t=${seconds}`, ...hex.map((one) => `v1=${one}`)].join(',') };
}

/** What GitHub sends beside the body. */
export interface GithubSigning {
  readonly event?: string;
  readonly delivery?: string;
  readonly secret?: string;
}

export function githubHeaders(
  body: Uint8Array,
  {
    event = 'push',
    delivery = '72d3162e-cc78-11e3-81ab-4c9367dc0958',
    secret = 'octo secret',
  }: GithubSigning = {},
): Sent {
  return {
    'x-github-event': event,
    'x-github-delivery': delivery,
    'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
  };
}

/** An answer, read. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: {
    readonly id?: string;
    readonly duplicate?: boolean;
    readonly error?: { readonly code: string };
  };
}

export interface Post {
  readonly headers?: Sent;
  readonly body?: Uint8Array<ArrayBuffer> | string | ReadableStream | null;
  readonly method?: string;
  readonly context?: RequestContext;
}

/** Sends a webhook to a handler. */
export async function post(handler: WebHandler, sent: Post): Promise<Answer> {
  const { headers = {}, body = null, method = 'POST', context } = sent;
  const request = new Request('http://localhost/in?from=test', {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body !== null && { body, duplex: 'half' }),
  } as RequestInit);
  return await read(await handler(request, context));
}

async function read(response: Response): Promise<Answer> {
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: JSON.parse(text) };
}

export interface Ingress {
  readonly clock: ManualClock;
  readonly surehook: Surehook;
  readonly transport: ScriptedTransport;
  readonly handler: WebHandler;
  /** What `onError` was told. */
  readonly errors: unknown[];
  /** Everything that was published, as it is stored. */
  published(): Promise<readonly EventRecord[]>;
}

/** A handler before a surehook on memory that is not started; a webhook gets everything of the default tenant. */
export async function ingress(
  options: Partial<IngressOptions> & Pick<IngressOptions, 'verify'>,
  given: Partial<SurehookOptions> = {},
): Promise<Ingress> {
  const clock = manualClock();
  const transport = scriptedTransport(200, { clock });
  const repos = memoryRepos();
  const surehook = createSurehook({ repos, clock, transport, random: seededRandom(1), ...given });
  const errors: unknown[] = [];
  const ids: string[] = [];
  surehook.on('event:published', ({ event }) => ids.push(event.id));
  const handler = ingressHandler(surehook, { clock, onError: (error) => errors.push(error), ...options });
  const published = async (): Promise<readonly EventRecord[]> => await repos.events.getEvents(ids);
  return { clock, surehook, transport, handler, errors, published };
}
