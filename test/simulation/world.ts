import { hmacSigner } from '../../src/http/signing.ts';
import { createSurehook, type Random, type Repos, type Signer, type Surehook } from '../../src/index.ts';
import { seededRandom } from '../../src/testing/index.ts';
import { type EndpointState, hookNumber } from './endpoint.ts';
import { Host } from './host.ts';
import { Life } from './life.ts';
import { Network } from './network.ts';
import { Node } from './node.ts';
import { optionsOf } from './options.ts';
import { type Action, fairWeather, type Plan, type Weather } from './plan.ts';
import { type Fate, type PortCall, type PortsWorld, portsOf } from './ports.ts';
import { BEGINNING, type Timeline } from './timeline.ts';
import { Trace } from './trace.ts';
import type { Watcher } from './watcher.ts';

/** What becomes of each port call. */
export type Fates = (call: PortCall, world: World) => Fate;

/** What a world is made of. */
export interface WorldParts {
  readonly plan: Plan;
  readonly store: Repos;
  readonly timeline: Timeline;
  readonly fates: Fates;
  readonly watcher: (world: World) => Watcher;
  readonly isRead: boolean;
}

/** Signing is the same for all: its cache of keys need not be made anew for every life. */
const signer: Signer = hmacSigner();

/** Nodes, store, network and endpoints of one history, and what befalls them. */
export class World implements PortsWorld {
  readonly plan: Plan;
  readonly timeline: Timeline;
  readonly trace: Trace;
  readonly store: Repos;
  readonly watcher: Watcher;
  readonly nodes: readonly Node[];
  readonly host: Host;
  /** In the order of the plan's webhooks. */
  webhookIds: readonly string[] = [];
  weather: Weather;
  #outages = 0;
  #calls = 0;
  readonly #fates: Fates;
  readonly #random: Random;
  readonly #network: Network;
  readonly #endpoints: readonly EndpointState[];

  constructor({ plan, store, timeline, fates, watcher, isRead }: WorldParts) {
    this.plan = plan;
    this.store = store;
    this.timeline = timeline;
    this.trace = new Trace(timeline, isRead);
    this.weather = plan.weather;
    this.#fates = fates;
    this.#random = seededRandom(plan.seed * 31 + 1);
    this.nodes = Array.from({ length: plan.nodes }, (_, n) => new Node('ABC'[n] ?? 'Z', this.#skew(n)));
    this.#endpoints = plan.webhooks.map((webhook, n) => ({
      plan: webhook,
      beginning: BEGINNING,
      random: seededRandom(plan.seed * 37 + n),
    }));
    this.host = new Host(this);
    this.watcher = watcher(this);
    this.#network = new Network({
      timeline,
      trace: this.trace,
      random: this.#random,
      weather: () => this.weather,
      endpointOf: (url) => this.#endpoints[hookNumber(url)],
      watcher: this.watcher,
    });
  }

  get isStoreAway(): boolean {
    return this.#outages > 0;
  }

  countCall(): number {
    this.#calls += 1;
    return this.#calls - 1;
  }

  get calls(): number {
    return this.#calls;
  }

  fateOf(call: PortCall): Fate {
    return this.#fates(call, this);
  }

  newsDelay(): number | undefined {
    const delayMs = this.#random.next() * this.weather.latencyMs;
    if (this.plan.news === 'none') return undefined;
    return this.plan.news === 'lossy' && this.#random.next() < 0.5 ? undefined : delayMs;
  }

  // ------------------------------------------------------------------------------------------ processes

  /** Starts a process where none runs. */
  start(node: Node): void {
    if (node.current !== undefined) return;
    node.lives += 1;
    const name = `${node.name}${node.lives}`;
    const seed = this.plan.seed * 41 + node.lives * 3 + this.nodes.indexOf(node);
    const life = new Life({ timeline: this.timeline, name, node, seed });
    const surehook = this.#surehookOf(life);
    node.current = { life, surehook };
    this.trace.note(name, 'begins');
    this.watcher.began(life);
    void surehook.start();
  }

  /** Ends the process of a life, if it still runs, and starts another later. */
  crash(life: Life, crash: { readonly why: string; readonly downMs: number }): void {
    const node = this.#nodeOf(life);
    if (node !== undefined) this.kill(node, crash);
  }

  kill(node: Node, { why, downMs }: { readonly why: string; readonly downMs: number }): void {
    const { current } = node;
    if (current === undefined) return;
    this.trace.note(current.life.name, `killed: ${why}`);
    node.current = undefined;
    current.life.end();
    this.watcher.killed(current.life);
    this.timeline.after(downMs, () => this.start(node));
  }

  pause(node: Node, forMs: number): void {
    const { current } = node;
    if (current === undefined || current.life.isPaused) return;
    current.life.isPaused = true;
    current.life.disturbedAt = this.timeline.now;
    node.disturbances += 1;
    this.trace.note(current.life.name, 'paused');
    this.timeline.after(forMs, () => this.resume(node));
  }

  resume(node: Node): void {
    const life = node.current?.life;
    if (life === undefined || !life.isPaused) return;
    life.isPaused = false;
    life.disturbedAt = this.timeline.now;
    node.disturbances += 1;
    this.trace.note(life.name, 'resumed');
    this.timeline.resume(life);
  }

  async #stop(
    node: Node,
    { deadlineMs, downMs }: { readonly deadlineMs: number; readonly downMs: number },
  ): Promise<void> {
    const { awake, disturbances } = node;
    if (awake === undefined) return;
    const { life, surehook } = awake;
    const began = this.timeline.now;
    this.trace.note(life.name, 'stops');
    await surehook.stop({ deadlineMs });
    if (node.current?.life !== life) return;
    this.trace.note(life.name, 'stopped');
    const tookMs = this.timeline.now - began;
    this.watcher.stopped(life, { tookMs, deadlineMs, disturbed: node.disturbances !== disturbances });
    node.current = undefined;
    life.end();
    this.timeline.after(downMs, () => this.start(node));
  }

  // ------------------------------------------------------------------------------------------ what happens

  /** Puts the plan's actions on the timeline. */
  schedule(): void {
    for (const action of this.plan.actions) this.timeline.after(action.atMs, () => this.#act(action));
    this.timeline.after(this.plan.faultsEndMs, () => this.#calm());
  }

  #act(action: Action): void {
    const node = 'node' in action ? this.nodes[action.node % this.nodes.length] : undefined;
    switch (action.do) {
      case 'crash':
        if (node !== undefined) this.kill(node, { why: 'by the plan', downMs: action.downMs });
        return;
      case 'pause':
        if (node !== undefined) this.pause(node, action.forMs);
        return;
      case 'stop':
        if (node !== undefined) void this.#stop(node, action);
        return;
      case 'jump':
        if (node !== undefined) this.#jump(node, action.byMs);
        return;
      case 'outage':
        this.#lose(action.forMs);
        return;
      default:
        this.host.act(action);
    }
  }

  #jump(node: Node, byMs: number): void {
    node.skewMs += byMs;
    node.disturbances += 1;
    this.trace.note(node.name, 'jumps', byMs);
    if (node.current !== undefined) node.current.life.disturbedAt = this.timeline.now;
    this.watcher.jumped(node.current?.life);
  }

  #lose(forMs: number): void {
    this.#outages += 1;
    this.trace.note('db', 'goes away');
    this.watcher.outage(true);
    this.timeline.after(forMs, () => {
      this.#outages -= 1;
      this.trace.note('db', 'is back');
      if (!this.isStoreAway) this.watcher.outage(false);
    });
  }

  /** From here on nothing goes wrong any more. */
  #calm(): void {
    this.trace.note('all', 'calm');
    this.weather = { ...fairWeather, latencyMs: this.plan.weather.latencyMs };
    for (const node of this.nodes) {
      this.resume(node);
      this.start(node);
    }
    this.watcher.calmed();
  }

  // ------------------------------------------------------------------------------------------ parts

  #skew(n: number): number {
    return this.plan.hasStoreClock
      ? Math.round((seededRandom(this.plan.seed * 43 + n).next() * 2 - 1) * this.plan.weather.skewMs)
      : 0;
  }

  #nodeOf(life: Life): Node | undefined {
    return this.nodes.find(({ current }) => current?.life === life);
  }

  #surehookOf(life: Life): Surehook {
    const surehook = createSurehook({
      ...optionsOf(this.plan),
      repos: portsOf(life, this),
      transport: this.#network.transportOf(life),
      clock: life.clock,
      random: life.random,
      signer,
    });
    surehook.on('error', (error) => {
      this.trace.note(life.name, 'error', error);
      this.watcher.told(life, error);
    });
    return surehook;
  }
}
