/** What the tests of the inspection API share: a surehook whose deliveries stand in every status, and requests to its handler. */
import { createSurehook, type Delivery, memoryRepos, type Surehook, type Webhook } from '../../src/index.ts';
import { type ManualClock, manualClock, scriptedTransport, seededRandom } from '../../src/testing/index.ts';
import {
  type FailureBody,
  type InspectionOptions,
  inspectionHandler,
  type Scope,
} from '../../src/web/index.ts';

/** An answer, read. */
export interface Answer<T = unknown> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
  readonly text: string;
}

/** A request, as text: `GET /v1/webhooks`. */
export interface Asked {
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  readonly body?: string | Uint8Array<ArrayBuffer> | ReadableStream;
}

export interface Inspection {
  readonly clock: ManualClock;
  readonly surehook: Surehook;
  /** The webhook of tenant `acme` that answers well, and that of `acme` that answers 500. */
  readonly good: Webhook;
  readonly bad: Webhook;
  /** The webhook of tenant `other`. */
  readonly foreign: Webhook;
  /** Signing secrets and credentials: nothing may ever show one of them. */
  readonly secrets: readonly string[];
  handler(options?: Partial<InspectionOptions>): (request: Request) => Promise<Response>;
  deliveries(query?: Parameters<Surehook['deliveries']['list']>[0]): Promise<Delivery[]>;
}

export const everything: Scope = { allTenants: true };

/** Each webhook has three deliveries; those of the bad one were attempted once and given up. The surehook that is inspected never delivers. */
export async function inspection(): Promise<Inspection> {
  const clock = manualClock();
  const transport = scriptedTransport(
    ({ url }: { readonly url: string }) =>
      url.includes('bad')
        ? { status: 500, headers: { 'x-trace': 't1' }, body: '<script>"bad"</script>\n' }
        : 204,
    { clock },
  );
  const repos = memoryRepos();
  const made = createSurehook({
    repos,
    clock,
    transport,
    random: seededRandom(1),
    retry: (attempt) => (attempt === 1 ? 0 : undefined),
  });
  const secrets: string[] = [];
  const create = async (name: string, tenantId: string): Promise<Webhook> => {
    const { webhook, secret } = await made.webhooks.create({
      url: `https://${name}.example.com/in?token=canary-query-${name}`,
      events: ['invoice.*'],
      tenantId,
      name,
      headers: { authorization: `Bearer canary-header-${name}` },
    });
    await clock.advance(1);
    secrets.push(secret, secret.slice(6), `canary-header-${name}`, `canary-query-${name}`);
    return webhook;
  };
  const good = await create('good', 'acme');
  const bad = await create('bad', 'acme');
  const foreign = await create('foreign', 'other');
  await made.start();
  for (const n of [1, 2, 3]) {
    await clock.advance(60_000);
    for (const tenantId of ['acme', 'other'])
      await made.publish({ type: n === 3 ? 'invoice.paid' : 'invoice.made', data: n, tenantId });
    await made.idle();
  }
  await clock.advance(60_000);
  await made.stop();
  // A web process beside the worker: it is never started.
  const surehook = createSurehook({ repos, clock, random: seededRandom(2) });
  return {
    clock,
    surehook,
    good,
    bad,
    foreign,
    secrets,
    handler: (options = {}) =>
      inspectionHandler(surehook, { authorize: () => everything, clock, ...options }),
    deliveries: async (query = {}) => (await surehook.deliveries.list(query)).items,
  };
}

/** Asks a handler, at the path from the root: `ask(handler, 'GET /v1/webhooks')`. */
export async function ask<T = never>(
  handler: (request: Request) => Promise<Response>,
  what: string,
  { headers = {}, json, body }: Asked = {},
): Promise<Answer<[T] extends [never] ? Readonly<Record<string, unknown>> & Partial<FailureBody> : T>> {
  const [method = '', path = ''] = what.split(' ');
  const sent = json === undefined ? body : JSON.stringify(json);
  const request = new Request(`http://localhost${path}`, {
    method,
    headers: { ...(json !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(sent !== undefined && { body: sent, duplex: 'half' }),
  });
  const response = await handler(request);
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: text === '' ? (undefined as never) : JSON.parse(text),
  };
}
