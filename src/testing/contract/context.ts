import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import type { AttemptData, DeliveryRecord } from '../../domain/delivery.ts';
import type { WebhookRecord } from '../../domain/webhook.ts';
import type {
  AppendEntry,
  AppendResult,
  ClaimedDelivery,
  ClaimResult,
  LeaseTimes,
  Repos,
  SettledState,
  SettleResult,
  WebhookStore,
} from '../../repos.ts';
import { only } from './expect.ts';
import { anEntry, LONG_AGO_MS, times } from './records.ts';

/** The clock of a store that judges due times and leases by a clock of its own. */
export interface ContractTime {
  /** The store's present time, epoch ms. */
  now(): number | Promise<number>;
  /** Resolves when at least `ms` of the store's time have passed. May really wait. */
  advance(ms: number): Promise<void>;
  /** True where the store's time also passes by itself, as a server's does; default false. */
  readonly flows?: boolean;
}

/** What an adapter supplies for each law. */
export interface ContractSubject {
  /** Empty repos that nobody else uses. */
  readonly repos: Repos;
  /** Give it when the store has a clock of its own; leave it out when the store believes each caller's `now`. */
  readonly time?: ContractTime;
  /** Stores a webhook where `repos.webhooks` is no `WebhookStore`. */
  storeWebhook?(webhook: WebhookRecord): Promise<void>;
  /** Called once after the law, whether it held or not. */
  dispose?(): Promise<void> | void;
}

/** How a law claims: defaults are a limit of 100 and a lease that does not run out while the law runs. */
export interface ClaimOptions {
  readonly limit?: number;
  readonly leaseMs?: number;
}

/** How long a law waits. */
export interface LawTimes {
  /** Length of a lease that a law waits out, ms of the store's time. */
  readonly leaseMs: number;
  /** How long to wait for a wake-up, ms of real time. */
  readonly noticeMs: number;
}

const HOUR_MS = 3_600_000;
/** News of the same process comes within a few turns of the event loop. */
const QUICK_TURNS = 10;
const POLL_MS = 5;

/** What a law works with: fresh repos, their time, and the usual steps. */
export class LawContext {
  readonly repos: Repos;
  /** A lease short enough to wait for its end. */
  readonly leaseMs: number;
  /** How near to an instant a law may look: 1 ms, or half a lease where time passes by itself. */
  readonly marginMs: number;
  readonly #subject: ContractSubject;
  readonly #time: ContractTime;
  readonly #noticeMs: number;

  constructor(subject: ContractSubject, { leaseMs, noticeMs }: LawTimes) {
    this.#subject = subject;
    this.#noticeMs = noticeMs;
    this.#time = subject.time ?? callersTime();
    this.repos = subject.repos;
    this.leaseMs = leaseMs;
    this.marginMs = this.#time.flows ? Math.ceil(leaseMs / 2) : 1;
  }

  /** Whether the store judges by a clock of its own. */
  get hasStoreClock(): boolean {
    return this.#subject.time !== undefined;
  }

  /** The webhooks' second half; fails the law where there is none. */
  get webhookStore(): WebhookStore {
    const { webhooks } = this.repos;
    if (!('insert' in webhooks)) {
      assert.fail(
        'repos.webhooks is no WebhookStore: name the family webhook-store in `skip`, with the reason',
      );
    }
    return webhooks;
  }

  /** The store's present time. */
  async now(): Promise<number> {
    return this.#time.now();
  }

  /** Lets at least `ms` of the store's time pass. */
  async advance(ms: number): Promise<void> {
    await this.#time.advance(ms);
  }

  /** The times of a claim made now. */
  async lease(leaseMs: number = HOUR_MS): Promise<LeaseTimes> {
    const now = await this.now();
    return { now, leaseUntil: now + leaseMs };
  }

  /** Stores webhooks by whatever means the subject has. */
  async storeWebhooks(...webhooks: readonly WebhookRecord[]): Promise<void> {
    for (const webhook of webhooks) {
      if (this.#subject.storeWebhook) await this.#subject.storeWebhook(webhook);
      else assert.equal(await this.webhookStore.insert(webhook), true);
    }
  }

  /** Appends the entries in one call. */
  async append(...entries: readonly AppendEntry[]): Promise<readonly AppendResult[]> {
    return this.repos.events.append(entries, { now: await this.now() });
  }

  /** Appends `count` events in one call, each with one delivery that has these fields; returns the deliveries. */
  async publish(count: number, fields: Partial<DeliveryRecord> = {}): Promise<readonly DeliveryRecord[]> {
    const results = await this.append(...times(count, () => anEntry(fields)));
    return results.flatMap((result) => result.deliveries);
  }

  /** One claim of the express queue. */
  async claimResult({ limit = 100, leaseMs }: ClaimOptions = {}): Promise<ClaimResult> {
    return this.repos.events.claimExpress({ ...(await this.lease(leaseMs)), limit });
  }

  /** What one claim of the express queue gets. */
  async claim(options: ClaimOptions = {}): Promise<readonly DeliveryRecord[]> {
    return deliveriesOf((await this.claimResult(options)).deliveries);
  }

  /** One claim of a webhook's own queue. */
  async claimOwnResult(webhookId: string, options: ClaimOptions = {}): Promise<ClaimResult> {
    const queues = [{ webhookId, limit: options.limit ?? 100 }];
    return only(await this.repos.events.claimQueues({ ...(await this.lease(options.leaseMs)), queues }));
  }

  /** What one claim of a webhook's own queue gets. */
  async claimOwn(webhookId: string, options: ClaimOptions = {}): Promise<readonly DeliveryRecord[]> {
    return deliveriesOf((await this.claimOwnResult(webhookId, options)).deliveries);
  }

  /** Settles a claimed delivery under the token it carries. */
  async settle(claimed: DeliveryRecord, next: SettledState, attempt?: AttemptData): Promise<SettleResult> {
    const settlement = { deliveryId: claimed.id, token: claimed.token, next, ...(attempt && { attempt }) };
    return only(await this.repos.events.settle([settlement], { now: await this.now() }));
  }

  /** Appends, claims and gives up one delivery; returns it as it is then. */
  async exhausted(fields: Partial<DeliveryRecord> = {}): Promise<DeliveryRecord> {
    const { id } = only(await this.publish(1, fields));
    const claimed = await (fields.queue === 'own' ? this.claimOwn(fields.webhookId ?? '') : this.claim());
    const one = only(claimed.filter((delivery) => delivery.id === id));
    assert.equal(await this.settle(one, { status: 'exhausted', reason: 'attempts-used-up' }), 'applied');
    return this.delivery(id);
  }

  /** The delivery as it is stored. */
  async delivery(id: string): Promise<DeliveryRecord> {
    return only(await this.repos.events.getDeliveries([id]));
  }

  /** Lets a claim of `leaseMs` run out. */
  async outliveLease(): Promise<void> {
    await this.advance(this.leaseMs + this.marginMs);
  }

  /** Waits, in real time, until news has come that may come from another process. */
  async eventually(hasCome: () => boolean, what: string): Promise<void> {
    for (let turn = 0; turn < QUICK_TURNS && !hasCome(); turn += 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (let waitedMs = 0; waitedMs < this.#noticeMs && !hasCome(); waitedMs += POLL_MS) await wait(POLL_MS);
    assert.ok(hasCome(), `never heard of: ${what}`);
  }
}

function deliveriesOf(claimed: readonly ClaimedDelivery[]): readonly DeliveryRecord[] {
  return claimed.map(({ delivery }) => delivery);
}

/** The time that the laws tell a store without a clock of its own. */
function callersTime(): ContractTime {
  let now = LONG_AGO_MS + 365 * 24 * HOUR_MS;
  return {
    now: () => now,
    advance: async (ms) => {
      now += ms;
    },
  };
}
