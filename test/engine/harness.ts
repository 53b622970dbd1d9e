/** What the tests of the engine share: a surehook on the manual clock with a scripted endpoint, and a log of all it tells. */
import { inspect } from 'node:util';
import {
  type Attempt,
  type Clock,
  createSurehook,
  type Delivery,
  type MemoryRepos,
  memoryRepos,
  type NewEvent,
  type NewWebhook,
  type Published,
  type Repos,
  type Surehook,
  type SurehookError,
  type SurehookEvents,
  type SurehookOptions,
  type Transport,
  type Webhook,
} from '../../src/index.ts';
import {
  type ManualClock,
  manualClock,
  type ScriptedAnswer,
  type ScriptedTransport,
  scriptedTransport,
  seededRandom,
  type TransportScript,
} from '../../src/testing/index.ts';

export const SECOND: number = 1_000;
export const MINUTE: number = 60_000;
export const HOUR: number = 3_600_000;
export const DAY: number = 24 * HOUR;

/** Long leases and polls, so that weeks of manual time cost few timers. */
export const slowPolls: Partial<SurehookOptions> = { pollMs: HOUR, leaseMs: 2 * HOUR, webhookCacheMs: HOUR };

export const url = (name: string | number): string => `https://hook${name}.example.com/in`;

/** An answer that takes its time. */
export function delayed(afterMs: number, answer: ScriptedAnswer): ScriptedAnswer {
  // biome-ignore lint/suspicious/noThenProperty: the name of a field of the script, which nobody awaits
  return { afterMs, then: answer };
}

/** One thing that a surehook told. */
export type Told = {
  [Name in keyof SurehookEvents]: {
    readonly name: Name;
    readonly at: number;
    readonly args: SurehookEvents[Name];
  };
}[keyof SurehookEvents];

const eventNames: readonly (keyof SurehookEvents)[] = [
  'event:published',
  'event:filtered',
  'delivery:attempted',
  'delivery:delivered',
  'delivery:failed',
  'delivery:exhausted',
  'webhook:status',
  'error',
];

/** Everything that a surehook tells, in order. */
export class Log {
  readonly told: Told[] = [];

  constructor(surehook: Surehook, clock: Clock) {
    for (const name of eventNames) {
      surehook.on(name, (...args: unknown[]) => {
        this.told.push({ name, at: clock.now(), args } as unknown as Told);
      });
    }
  }

  of<Name extends keyof SurehookEvents>(name: Name): SurehookEvents[Name][0][] {
    return this.told.filter((one) => one.name === name).map(({ args }) => args[0] as SurehookEvents[Name][0]);
  }

  get errors(): SurehookError[] {
    return this.of('error');
  }

  /** The states that a webhook went through, as `from>to`. */
  moves(webhookId?: string): string[] {
    return this.of('webhook:status')
      .filter((change) => webhookId === undefined || change.webhookId === webhookId)
      .map(({ from, to }) => `${from.state}>${to.state}`);
  }
}

export interface Bench<T extends Transport = ScriptedTransport> {
  readonly clock: ManualClock;
  readonly repos: MemoryRepos;
  readonly transport: T;
  readonly surehook: Surehook;
  readonly log: Log;
}

/** A surehook that is not started yet. */
export function bench(script: TransportScript = 200, options: Partial<SurehookOptions> = {}): Bench {
  const clock = manualClock();
  const repos = memoryRepos();
  const transport = scriptedTransport(script, { clock });
  return { clock, repos, transport, ...made({ clock, repos, transport, ...options }) };
}

/** The same, started. */
export async function running(
  script: TransportScript = 200,
  options: Partial<SurehookOptions> = {},
): Promise<Bench> {
  const made = bench(script, options);
  await made.surehook.start();
  return made;
}

let seed = 0;

/** A surehook and its log. */
export function made(options: SurehookOptions & { readonly clock: Clock }): { surehook: Surehook; log: Log } {
  seed += 1;
  const surehook = createSurehook({ random: seededRandom(seed), ...options });
  return { surehook, log: new Log(surehook, options.clock) };
}

/** Registers a webhook for everything. */
export async function hook(
  surehook: Surehook,
  name: string | number = 0,
  more: Partial<NewWebhook> = {},
): Promise<Webhook> {
  const { webhook } = await surehook.webhooks.create({ url: url(name), events: ['*'], ...more });
  return webhook;
}

export const atMostOnce: { readonly delivery: { readonly semantics: 'at-most-once' } } = {
  delivery: { semantics: 'at-most-once' },
};

/** Publishes `count` events one by one; the data of each is its number. */
export async function publishMany(
  surehook: Surehook,
  count: number,
  more: Partial<Omit<NewEvent, 'body' | 'contentType'>> = {},
): Promise<Published[]> {
  const published: Published[] = [];
  for (let n = 0; n < count; n += 1)
    published.push(await surehook.publish({ type: 'a.b', data: n, ...more }));
  return published;
}

/** The only delivery of an event, as it is now. */
export async function deliveryOf(surehook: Surehook, { deliveries }: Published): Promise<Delivery> {
  const [only] = deliveries;
  const delivery = await surehook.deliveries.get(only?.id ?? '');
  if (delivery === undefined) throw new Error('The event has no delivery');
  return delivery;
}

export async function attemptsOf(surehook: Surehook, { deliveries }: Published): Promise<Attempt[]> {
  return await surehook.deliveries.attempts(deliveries[0]?.id ?? '');
}

/** Every delivery there is, oldest first. */
export async function allDeliveries(surehook: Surehook): Promise<Delivery[]> {
  const all: Delivery[] = [];
  let cursor: string | undefined;
  do {
    const page = await surehook.deliveries.list({ limit: 1_000, cursor });
    all.push(...page.items);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return all.reverse();
}

/** How many there are of each. */
export function tally<T>(items: readonly T[], keyOf: (item: T) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const item of items) counts[keyOf(item)] = (counts[keyOf(item)] ?? 0) + 1;
  return counts;
}

export async function stateOf(surehook: Surehook, { id }: { readonly id: string }): Promise<string> {
  return (await surehook.webhooks.get(id))?.status.state ?? 'none';
}

/** The payload number of a request made by `publishMany`. */
export function numberOf(request: { text(): string }): number {
  return (JSON.parse(request.text()) as { data: number }).data;
}

/** What a process that was killed leaves behind: nothing of it runs on, and nothing of it is ever answered. */
export interface Mortal {
  readonly surehook: Surehook;
  readonly log: Log;
  /** SIGKILL: its timers do not fire, its calls do not reach the repos, what they brought back is not seen. */
  kill(): void;
}

/** A surehook in a process that can be killed. Repos, clock and endpoints live on. */
export function mortal(
  options: SurehookOptions & { readonly clock: Clock; readonly transport: Transport },
): Mortal {
  const life = { over: false };
  const never = new Promise<never>(() => {});
  const guard = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(_, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]): unknown => {
          if (life.over) return never;
          if (name === 'onWork' || name === 'onChange') {
            const listener = args[0] as (...told: unknown[]) => void;
            return value.call(target, (...told: unknown[]) => {
              if (!life.over) listener(...told);
            });
          }
          return stillborn(life, value.apply(target, args));
        };
      },
    });
  const { clock, repos, transport } = options;
  const guarded: Clock = {
    now: () => clock.now(),
    schedule: (delayMs, run) => clock.schedule(delayMs, () => (life.over ? undefined : run())),
  };
  const parts = made({
    ...options,
    clock: guarded,
    transport: {
      send: (request) => stillborn(life, transport.send(request)) as ReturnType<Transport['send']>,
    },
    repos: { webhooks: guard(repos.webhooks), events: guard(repos.events), state: guard(repos.state) },
  });
  return {
    ...parts,
    kill: () => {
      life.over = true;
    },
  };
}

/** A promise whose outcome is seen only by the living. */
function stillborn(life: { readonly over: boolean }, result: unknown): unknown {
  if (!(result instanceof Promise)) return result;
  return new Promise((resolve, reject) => {
    result.then(
      (value) => life.over || resolve(value),
      (error: unknown) => life.over || reject(error),
    );
  });
}

/** Wraps repos so that `meddle` decides about every call; it may do the call, refuse it, or lose its answer. */
export function meddled(
  repos: MemoryRepos,
  meddle: (call: string, run: () => Promise<unknown>) => Promise<unknown> | unknown,
  leaveOut: readonly string[] = [],
): Repos {
  const wrap = <T extends object>(port: string, target: T): T =>
    new Proxy(target, {
      get(_, name) {
        if (leaveOut.includes(String(name))) return undefined;
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function' || name === 'onWork' || name === 'onChange') {
          return typeof value === 'function' ? value.bind(target) : value;
        }
        return (...args: unknown[]): unknown =>
          meddle(`${port}.${String(name)}`, () => value.apply(target, args) as Promise<unknown>);
      },
    });
  return {
    webhooks: wrap('webhooks', repos.webhooks),
    events: wrap('events', repos.events),
    state: wrap('state', repos.state),
  };
}

/** What a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    (value) => {
      throw new Error(`It resolved with ${inspect(value)}`);
    },
    (error: unknown) => error,
  );
}
