import type { Repos } from '../../src/index.ts';
import type { Life } from './life.ts';
import type { Timeline } from './timeline.ts';
import type { Trace } from './trace.ts';

/** One call of a port by one life. */
export interface PortCall {
  /** Counts all calls of a history from 0. */
  readonly number: number;
  /** Such as `events.settle`. */
  readonly name: string;
  readonly args: readonly unknown[];
  readonly life: Life;
  /** True time, epoch ms. */
  readonly at: number;
}

/** What becomes of a call: when it is applied and when its caller hears of it, and what goes wrong. */
export interface Fate {
  readonly applyAfterMs: number;
  readonly returnAfterMs: number;
  /** Refused unapplied; applied, but failed for the caller; never returned. */
  readonly failure?: 'before' | 'after' | 'never';
  /** The process ends: before the call is applied, after that, or after what it did upon its return. */
  readonly crash?: { readonly phase: CrashPhase; readonly downMs: number };
}

/** Where in a call its process ends. */
export type CrashPhase = 'before' | 'applied' | 'returned';

/** What a call came to at the store. */
export type Outcome = { readonly value: unknown } | { readonly error: unknown };

/** What the ports need of the world. */
export interface PortsWorld {
  readonly timeline: Timeline;
  readonly trace: Trace;
  readonly store: Repos;
  /** Whether the store can be reached at all. */
  readonly isStoreAway: boolean;
  /** The number of a call that is made now. */
  countCall(): number;
  fateOf(call: PortCall): Fate;
  /** After how long news of the store reach a life, ms; `undefined`: never. */
  newsDelay(life: Life): number | undefined;
  /** Ends the process; another begins after `downMs`. */
  crash(life: Life, crash: { readonly why: string; readonly downMs: number }): void;
  readonly watcher: PortWatcher;
}

/** Who watches the ports. */
export interface PortWatcher {
  /** `isTrouble`: it will fail, not return, or take its time. */
  called(call: PortCall, isTrouble: boolean): void;
  /** Resolves when it has looked at what the store holds now. */
  applied(call: PortCall, outcome: Outcome): Promise<void>;
  returned(call: PortCall, outcome: Outcome): void;
}

const methods: Readonly<Record<keyof Repos, readonly string[]>> = {
  webhooks: ['getMany', 'subscribers', 'setStatus', 'insert', 'update', 'delete', 'list'],
  events: [
    ...['append', 'claimExpress', 'claimQueues', 'settle', 'exhaustQueue', 'ownQueues', 'markReplay'],
    ...['cancel', 'promoteReplays', 'getDeliveries', 'deliveriesOf', 'getContents', 'getEvents', 'attempts'],
    ...['listDeliveries', 'countDeliveries', 'prune'],
  ],
  state: [
    ...['open', 'acquire', 'save', 'reset', 'get'],
    ...['takeTokens', 'returnTokens', 'recordOutcomes', 'outcomes', 'pruneState'],
  ],
};
const news: Readonly<Partial<Record<keyof Repos, string>>> = { webhooks: 'onChange', events: 'onWork' };

/** A call that takes longer holds its process up, ms. */
const SLOW_MS = 100;

type Method = (...args: readonly unknown[]) => Promise<unknown>;
type Listen = (listener: (news: unknown) => void) => () => void;

/** The store as one life sees it: every call is two events, applied and returned. */
export function portsOf(life: Life, world: PortsWorld): Repos {
  const ports: Record<string, Record<string, unknown>> = {};
  for (const port of ['webhooks', 'events', 'state'] as const) {
    const target = world.store[port] as unknown as Record<string, Method>;
    const wrapped: Record<string, unknown> = {};
    for (const method of methods[port]) {
      const apply = target[method]?.bind(target);
      if (apply !== undefined)
        wrapped[method] = (...args: unknown[]) =>
          call(world, { name: `${port}.${method}`, args, life }, apply);
    }
    const name = news[port] ?? '';
    const listen = target[name]?.bind(target) as Listen | undefined;
    if (listen !== undefined) wrapped[name] = listening(world, life, { name, listen });
    ports[port] = wrapped;
  }
  return ports as unknown as Repos;
}

function call(
  world: PortsWorld,
  made: Pick<PortCall, 'name' | 'args' | 'life'>,
  apply: Method,
): Promise<unknown> {
  const { timeline, trace } = world;
  const { life } = made;
  if (!life.isAlive) return new Promise(() => {});
  const one: PortCall = { ...made, number: world.countCall(), at: timeline.now };
  const fate = world.fateOf(one);
  trace.note(life.name, `${one.name} …`, one.args);
  const isSlow = fate.applyAfterMs + fate.returnAfterMs > SLOW_MS;
  world.watcher.called(one, isSlow || fate.failure !== undefined);
  return new Promise((resolve, reject) => {
    const settle = (outcome: Outcome): void => {
      world.watcher.returned(one, outcome);
      if ('error' in outcome) reject(outcome.error as Error);
      else resolve(outcome.value);
    };
    timeline.after(fate.applyAfterMs, () => timeline.hold(happen(world, { call: one, fate, apply, settle })));
  });
}

interface Happening {
  readonly call: PortCall;
  readonly fate: Fate;
  readonly apply: Method;
  readonly settle: (outcome: Outcome) => void;
}

async function happen(world: PortsWorld, happening: Happening): Promise<void> {
  const { call: made, fate } = happening;
  const { life, name } = made;
  const { trace } = world;
  // What the process had sent off but not delivered ends with it.
  if (!life.isAlive) return;
  if (fate.crash?.phase === 'before') {
    world.crash(life, { why: `before ${name}`, downMs: fate.crash.downMs });
    return;
  }
  if (fate.failure === 'before' || world.isStoreAway) {
    trace.note(life.name, `${name} refused`);
    giveBack(world, happening, { error: new Error('the store is away') });
    return;
  }
  const outcome = await outcomeOf(happening.apply, made.args);
  trace.note(life.name, `${name} =`, 'error' in outcome ? outcome.error : outcome.value);
  await world.watcher.applied(made, outcome);
  if (fate.crash?.phase === 'applied') {
    world.crash(life, { why: `after ${name} was applied`, downMs: fate.crash.downMs });
    return;
  }
  const unacknowledged = fate.failure === 'after';
  giveBack(world, happening, unacknowledged ? { error: new Error('the connection broke') } : outcome);
}

function giveBack(world: PortsWorld, { call: made, fate, settle }: Happening, outcome: Outcome): void {
  const { timeline, trace } = world;
  const { life, name } = made;
  if (fate.failure === 'never') return;
  const tell = (): void => {
    trace.note(life.name, `${name} ${'error' in outcome ? 'fails' : 'returns'}`);
    settle(outcome);
    const { crash } = fate;
    if (crash?.phase === 'returned')
      timeline.after(0, () => world.crash(life, { why: `after ${name} returned`, downMs: crash.downMs }));
  };
  timeline.after(fate.returnAfterMs, tell, life);
}

async function outcomeOf(apply: Method, args: readonly unknown[]): Promise<Outcome> {
  try {
    return { value: await apply(...args) };
  } catch (error) {
    return { error };
  }
}

function listening(
  world: PortsWorld,
  life: Life,
  { name, listen }: { name: string; listen: Listen },
): Listen {
  const { timeline, trace } = world;
  return (listener) => {
    const end = listen((told) => {
      const delayMs = world.newsDelay(life);
      if (delayMs === undefined) return;
      const hear = (): void => {
        trace.note(life.name, name, told);
        listener(told);
      };
      timeline.after(delayMs, hear, life);
    });
    life.onEnd(end);
    return end;
  };
}
