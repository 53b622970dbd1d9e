import type { WebhookRecord } from '../../domain/webhook.ts';
import type { Repos, WebhookStore } from '../../repos.ts';
import { aWebhook } from '../contract/records.ts';
import { type CrashPoint, Gate } from './crash-point.ts';
import { Endpoints, type Receipt } from './endpoints.ts';
import { type Acknowledged, Host, TENANT } from './host.ts';
import { type Passage, passageOf } from './passage.ts';
import type { Scenario } from './scenarios.ts';
import type { CrashSubject } from './subject.ts';

/** How long a history goes on after its last step before it counts as stuck, in leases. */
const PATIENCE = 12;
/** How often is looked whether it is over, in parts of a lease. */
const LOOKS_PER_LEASE = 40;

/** What happened, for the check of the promise. */
export interface Told {
  readonly scenario: Scenario;
  readonly repos: Repos;
  readonly tenantId: string;
  readonly webhooks: readonly WebhookRecord[];
  readonly acknowledged: readonly Acknowledged[];
  readonly receipts: readonly Receipt[];
  readonly point: CrashPoint | undefined;
  /** Whether all came to an end in time. */
  readonly isOver: boolean;
  /** Calls of the store that were made. */
  readonly calls: number;
  /** What was called at the point. */
  readonly operation: string | undefined;
}

/** How a history is run. */
export interface HistoryParts {
  readonly scenario: Scenario;
  readonly subject: CrashSubject;
  readonly leaseMs: number;
  readonly point: CrashPoint | undefined;
}

/** Runs a scenario on a subject, from empty repos until nothing waits. */
export async function runHistory(parts: HistoryParts): Promise<Told> {
  const history = new History(parts, await passageOf(parts.subject.time));
  await history.register();
  try {
    return await history.play();
  } finally {
    await history.close();
  }
}

class History {
  readonly #parts: HistoryParts;
  readonly #passage: Passage;
  readonly #gate: Gate;
  readonly #webhooks: readonly WebhookRecord[];
  readonly #endpoints: Endpoints;
  readonly #host: Host;

  constructor(parts: HistoryParts, passage: Passage) {
    this.#parts = parts;
    this.#passage = passage;
    this.#gate = new Gate(passage, parts.point);
    this.#webhooks = webhooksOf(parts.scenario, passage.clock.now());
    const life = (): number => {
      // What the process before this one sent last comes in just now.
      if (this.#host.lives > 1) void this.#gate.release();
      return this.#host.lives;
    };
    this.#endpoints = new Endpoints(this.#webhooks, parts.scenario, { clock: passage.clock, life });
    this.#host = new Host({
      ...parts,
      passage,
      gate: this.#gate,
      webhooks: this.#webhooks,
      transport: this.#endpoints.transport,
    });
  }

  async register(): Promise<void> {
    const { subject } = this.#parts;
    for (const webhook of this.#webhooks) {
      if (subject.storeWebhook) await subject.storeWebhook(webhook);
      else await (subject.repos.webhooks as WebhookStore).insert(webhook);
    }
  }

  async play(): Promise<Told> {
    const { scenario, point } = this.#parts;
    const { clock } = this.#passage;
    const begin = clock.now();
    await this.#host.running();
    for (const step of scenario.steps) {
      await this.#passage.pass(Math.max(0, begin + step.atMs - clock.now()));
      await this.#host.take(step);
    }
    let isOver = await this.#ends();
    await this.#gate.release();
    isOver = isOver && (await this.#ends());
    return {
      scenario,
      repos: this.#host.repos,
      tenantId: TENANT,
      webhooks: this.#webhooks,
      acknowledged: this.#host.acknowledged,
      receipts: this.#endpoints.receipts,
      point,
      isOver,
      calls: this.#gate.calls,
      operation: this.#gate.operation,
    };
  }

  async close(): Promise<void> {
    this.#host.end();
    await this.#passage.rest();
  }

  /** Whether nothing waits any more, within the time of some leases. */
  async #ends(): Promise<boolean> {
    const { leaseMs } = this.#parts;
    const { clock } = this.#passage;
    const end = clock.now() + leaseMs * PATIENCE;
    while (clock.now() < end) {
      await this.#host.running();
      await this.#passage.pass(leaseMs / LOOKS_PER_LEASE);
      if (await this.#nothingWaits()) return true;
    }
    return false;
  }

  async #nothingWaits(): Promise<boolean> {
    const { repos, acknowledged } = this.#host;
    const webhookIds = this.#webhooks.map(({ id }) => id);
    const deliveryIds = acknowledged.flatMap(({ deliveries }) => deliveries.map(({ id }) => id));
    const deliveries = await repos.events.getDeliveries(deliveryIds);
    if (deliveries.some(({ completedAt }) => completedAt === undefined)) {
      await this.#enableAll(webhookIds);
      return false;
    }
    if ((await repos.webhooks.getMany(webhookIds)).some(({ status }) => status.state === 'retrying'))
      return false;
    // One that is held is empty: a disable that came late took it, and it is served again with what comes next.
    return (await repos.state.get(webhookIds)).every(({ nextAt }) => nextAt === null);
  }

  /** A webhook that is still disabled holds what waits: a call of the host's may have come late. */
  async #enableAll(ids: readonly string[]): Promise<void> {
    for (const { id, status } of await this.#host.repos.webhooks.getMany(ids)) {
      if (status.state === 'disabled') await this.#host.perform((surehook) => surehook.webhooks.enable(id));
    }
  }
}

function webhooksOf(scenario: Scenario, now: number): readonly WebhookRecord[] {
  return scenario.webhooks.map(({ delivery, maxInFlight }, index) =>
    aWebhook({
      tenantId: TENANT,
      url: `https://hook${index}.example.com/in`,
      delivery: { semantics: 'at-least-once', mode: 'single', ordered: false, ...delivery },
      ...(maxInFlight !== undefined && { maxInFlight }),
      createdAt: now,
      updatedAt: now,
    }),
  );
}
