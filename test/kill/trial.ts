import { rm } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { createSurehook, type Repos, type Surehook } from '../../src/index.ts';
import { seededRandom } from '../../src/testing/seeded-random.ts';
import { audit } from './audit.ts';
import { Crew } from './crew.ts';
import { type Endpoint, endpoints } from './endpoints.ts';
import { Peace } from './peace.ts';
import { eventOf, settings } from './protocol.ts';
import { Receiver } from './receiver.ts';
import { print } from './report.ts';
import { type OpenRepos, type StoreHome, storeOf } from './store.ts';

/** What a trial is about. */
export interface TrialOptions {
  readonly store: string;
  readonly kills: number;
  readonly workers: number;
  readonly seed: number;
  /** A folder for compiled code; removed in the end. */
  readonly cache: string;
}

/** Beside what workers publish. All in all some 20 events per second: the endpoint that takes longest has one or two requests under way. */
const PUBLISH_EVERY_MS = 100;
/** Beyond this the kills have come to a halt. */
const LONGEST_MS_PER_KILL = 2_000;
const LOOK_EVERY_MS = 100;
const DISTURB_EVERY_MS = 4_000;

/** One run from an empty store to the verdict. */
export class Trial {
  readonly #options: TrialOptions;
  readonly #violations: string[] = [];
  readonly #acknowledged = new Set<string>();
  /** Ids that this process has to publish (again), until somebody says that they are stored. */
  readonly #unsure = new Set<string>();
  readonly #disturbances = new Map<string, number>();
  #crew: Crew | undefined;
  #home: StoreHome | undefined;
  #isPublishing = true;

  constructor(options: TrialOptions) {
    this.#options = options;
  }

  /** Resolves with the number of violations, once everything has been printed. */
  async run(): Promise<number> {
    const store = await storeOf(this.#options.store);
    const home = await store.create();
    this.#home = home;
    try {
      const receiver = await Receiver.open();
      const open = await store.open(home.address);
      try {
        return await this.#try(home, open, receiver);
      } finally {
        await open.close();
        await receiver.close();
      }
    } finally {
      await this.end();
    }
  }

  /** Ends every child at once. */
  abandon(): void {
    this.#crew?.killAll();
    this.#home?.abandon?.();
  }

  /** Leaves nothing behind, however far it came. */
  async end(): Promise<void> {
    this.#crew?.killAll();
    const home = this.#home;
    this.#home = undefined;
    await home?.dispose();
    await rm(this.#options.cache, { recursive: true, force: true });
  }

  async #try(home: StoreHome, { repos }: OpenRepos, receiver: Receiver): Promise<number> {
    const surehook = createSurehook({ ...settings, repos });
    surehook.on('error', () => {});
    const webhooks = await register(surehook, receiver);
    const crew = this.#hire(home, receiver, webhooks);
    const began = Date.now();
    crew.start(this.#options.workers);
    const work = [this.#publish(surehook), this.#disturb(home)];
    await this.#untilKilled(crew);
    const killedFor = Date.now() - began;
    crew.calm();
    this.#isPublishing = false;
    await Promise.all(work);
    const unrest = await new Peace(surehook, () => receiver.count).settled();
    if (unrest !== undefined) this.#violations.push(unrest);
    await crew.stop();
    const peacefulFor = Date.now() - began - killedFor;
    for (const id of crew.acknowledged) this.#acknowledged.add(id);
    const { receipts } = receiver;
    const findings = await audit({ repos, webhooks, receipts, acknowledged: this.#acknowledged });
    await this.#judgeWebhooks(surehook, repos);
    this.#violations.push(...findings.violations);
    print({
      crew: crew.counts,
      disturbances: this.#disturbances,
      findings,
      acknowledged: this.#acknowledged.size,
      receipts: receiver.count,
      violations: this.#violations,
      killedFor,
      peacefulFor,
    });
    return this.#violations.length;
  }

  #hire(home: StoreHome, receiver: Receiver, webhooks: ReadonlyMap<string, Endpoint>): Crew {
    const { store, seed, cache } = this.#options;
    const urls = [...webhooks].map(([id, endpoint]) => [receiver.url(endpoint), id] as const);
    this.#crew = new Crew({
      task: { store, address: home.address, webhooks: Object.fromEntries(urls) },
      random: seededRandom(seed),
      cache,
      violation: (message) => this.#violations.push(message),
    });
    return this.#crew;
  }

  /** An event at a time, and every one that nobody is sure of again, until it is acknowledged. */
  async #publish(surehook: Surehook): Promise<void> {
    for (let n = 1; this.#isPublishing || this.#openIds().length > 0; n += 1) {
      if (this.#isPublishing) this.#unsure.add(`evt_p_${n}`);
      for (const id of this.#openIds()) await this.#publishOne(surehook, id);
      await wait(PUBLISH_EVERY_MS);
    }
  }

  #openIds(): string[] {
    return [...this.#unsure, ...(this.#crew?.unsure ?? [])];
  }

  async #publishOne(surehook: Surehook, id: string): Promise<void> {
    try {
      await surehook.publish(eventOf(id));
      this.#unsure.delete(id);
      this.#crew?.unsure.delete(id);
      this.#acknowledged.add(id);
    } catch {
      // The store is away or locked: it stays unsure, and is published again.
    }
  }

  async #disturb({ disturbances }: StoreHome): Promise<void> {
    for (let n = 0; disturbances.length > 0; n += 1) {
      for (let waited = 0; waited < DISTURB_EVERY_MS; waited += LOOK_EVERY_MS) {
        if (!this.#isPublishing) return;
        await wait(LOOK_EVERY_MS);
      }
      const disturbance = disturbances[n % disturbances.length];
      if (disturbance === undefined) return;
      await disturbance.run();
      this.#disturbances.set(disturbance.name, (this.#disturbances.get(disturbance.name) ?? 0) + 1);
    }
  }

  async #untilKilled({ counts }: Crew): Promise<void> {
    const { kills } = this.#options;
    const end = Date.now() + 10_000 + kills * LONGEST_MS_PER_KILL;
    while (counts.kills < kills) {
      if (Date.now() > end) {
        this.#violations.push(`only ${counts.kills} of ${kills} kills came about`);
        return;
      }
      await wait(LOOK_EVERY_MS);
    }
  }

  async #judgeWebhooks({ webhooks }: Surehook, repos: Repos): Promise<void> {
    const { items } = await webhooks.list();
    for (const { id, url, status } of items) {
      if (status.state === 'enabled') continue;
      const [queue] = await repos.state.get([id]);
      const record = queue === undefined ? 'no queue is open' : `its queue is ${JSON.stringify(queue)}`;
      this.#violations.push(`the webhook of ${url} stayed ${JSON.stringify(status)}: ${record}`);
    }
  }
}

async function register(surehook: Surehook, receiver: Receiver): Promise<Map<string, Endpoint>> {
  const webhooks = new Map<string, Endpoint>();
  for (const endpoint of endpoints) {
    const { webhook } = await surehook.webhooks.create({
      url: receiver.url(endpoint),
      events: [endpoint.events ?? '*'],
      delivery: { semantics: endpoint.semantics },
    });
    webhooks.set(webhook.id, endpoint);
  }
  return webhooks;
}
