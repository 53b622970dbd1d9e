import type { ClaimResult, Repos, Transport, TransportRequest, WebhookStore } from '../../src/index.ts';
import { type Mark, type Operation, TOKEN_HEADER, WORKER_HEADER } from './protocol.ts';
import type { Suicide } from './suicide.ts';

/** Every place to die at, each with the chance to come up that its weight gives it. */
export const places: readonly { readonly operation: Operation; readonly at: Mark['at'] }[] = [
  { operation: 'append', at: 'inside' },
  { operation: 'append', at: 'inside' },
  { operation: 'append', at: 'after' },
  { operation: 'claimExpress', at: 'inside' },
  { operation: 'claimExpress', at: 'after' },
  { operation: 'claimQueues', at: 'inside' },
  { operation: 'claimQueues', at: 'after' },
  { operation: 'send', at: 'before' },
  { operation: 'send', at: 'inside' },
  { operation: 'send', at: 'after' },
  { operation: 'send', at: 'after' },
  { operation: 'settle', at: 'before' },
  { operation: 'settle', at: 'inside' },
  { operation: 'settle', at: 'inside' },
  { operation: 'settle', at: 'after' },
  { operation: 'setStatus', at: 'before' },
  { operation: 'setStatus', at: 'after' },
  { operation: 'open', at: 'inside' },
  { operation: 'acquire', at: 'after' },
  { operation: 'save', at: 'before' },
  { operation: 'save', at: 'after' },
];

/** The token of the newest claim of each delivery that this process has made, by event and webhook. */
export type Tokens = Map<string, number>;

/** Repos whose calls can be the last, and that note under which token what was claimed. */
export function fatalRepos(
  repos: Repos & { readonly webhooks: WebhookStore },
  suicide: Suicide,
  tokens: Tokens,
): Repos {
  const hasWork = ({ deliveries }: ClaimResult): boolean => deliveries.length > 0;
  const note = ({ deliveries }: ClaimResult): void => {
    for (const { delivery, event } of deliveries) {
      tokens.set(`${event.id} ${delivery.webhookId}`, delivery.token);
    }
  };
  const { webhooks, events, state } = repos;
  const always = (): boolean => true;
  return {
    webhooks: over(webhooks, {
      setStatus: (changes) => suicide.around('setStatus', () => webhooks.setStatus(changes), always),
    }),
    events: over(events, {
      append: (entries, options) => suicide.around('append', () => events.append(entries, options), always),
      claimExpress: async (request) => {
        const result = await suicide.around('claimExpress', () => events.claimExpress(request), hasWork);
        note(result);
        return result;
      },
      claimQueues: async (request) => {
        const call = (): Promise<readonly ClaimResult[]> => events.claimQueues(request);
        const results = await suicide.around('claimQueues', call, (all) => all.some(hasWork));
        results.forEach(note);
        return results;
      },
      settle: (settlements, options) =>
        suicide.around('settle', () => events.settle(settlements, options), always),
    }),
    state: over(state, {
      open: (entries, options) => suicide.around('open', () => state.open(entries, options), always),
      acquire: (request) =>
        suicide.around(
          'acquire',
          () => state.acquire(request),
          ({ queues }) => queues.length > 0,
        ),
      save: (...args) => suicide.around('save', () => state.save(...args), always),
    }),
  };
}

/** `methods` in place of those of `object`, and everything else as it is. */
function over<T extends object>(object: T, methods: Partial<T>): T {
  return new Proxy(object, {
    get(target, name) {
      if (Object.hasOwn(methods, name)) return Reflect.get(methods, name);
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** What the requests of one worker say of themselves. */
export interface Origin {
  readonly worker: string;
  /** Webhook ids by URL. */
  readonly webhooks: Readonly<Record<string, string>>;
  readonly tokens: Tokens;
}

/** A transport whose requests name their claim, and can be the last. */
export function fatalTransport(transport: Transport, suicide: Suicide, origin: Origin): Transport {
  const named = (request: TransportRequest): TransportRequest => {
    const key = `${request.headers['webhook-id']} ${origin.webhooks[request.url]}`;
    const token = String(origin.tokens.get(key));
    const headers = { ...request.headers, [TOKEN_HEADER]: token, [WORKER_HEADER]: origin.worker };
    return {
      url: request.url,
      method: request.method,
      headers,
      body: request.body,
      maxResponseBytes: request.maxResponseBytes,
      get signal() {
        return request.signal;
      },
      onAbort: (listener) => request.onAbort(listener),
    };
  };
  return {
    send: (request) =>
      suicide.around(
        'send',
        () => transport.send(named(request)),
        ({ status }) => status >= 200 && status <= 299,
      ),
    close: async () => await transport.close?.(),
  };
}
