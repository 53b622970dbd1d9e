import type {
  AppendEntry,
  AppendResult,
  LeaseTimes,
  Published,
  Surehook,
  SurehookError,
  WebhookRecord,
} from '../../../src/index.ts';
import { hookNumber } from '../endpoint.ts';
import type { Life } from '../life.ts';
import type { Sending } from '../network.ts';
import type { Outcome, PortCall } from '../ports.ts';
import type { Ending, Managing, Publishing, Watcher } from '../watcher.ts';
import type { World } from '../world.ts';
import { BatchLaws } from './batches.ts';
import { CancelLaws } from './cancels.ts';
import { CauseLaws } from './causes.ts';
import { ClosingLaws } from './closings.ts';
import { DeliveryLaws } from './deliveries.ts';
import { FaultLaws } from './faults.ts';
import { Findings } from './findings.ts';
import { HolderLaws } from './holders.ts';
import { type DeliveryNotes, Ledger, type WebhookNotes } from './ledger.ts';
import { Liveness } from './liveness.ts';
import { OrderLaws } from './order.ts';
import { PublishLaws } from './publishes.ts';
import { QueueLaws } from './queues.ts';
import { RateLaws } from './rates.ts';
import { ReplayLaws } from './replays.ts';
import { isOk, RequestLaws } from './requests.ts';
import { RetryLaws } from './retries.ts';
import { ShapeLaws } from './shapes.ts';
import { TallyLaws } from './tallies.ts';
import { WebhookLaws } from './webhooks.ts';

/** Sees everything of a history and holds it against the invariants as it happens. */
export class Checker implements Watcher {
  readonly findings: Findings;
  readonly ledger: Ledger = new Ledger();
  readonly liveness: Liveness;
  readonly #world: World;
  readonly #deliveries: DeliveryLaws;
  readonly #requests: RequestLaws;
  readonly #webhooks: WebhookLaws;
  readonly #queues: QueueLaws;
  readonly #publishes: PublishLaws;
  readonly #closings: ClosingLaws;
  readonly #faults: FaultLaws;
  readonly #causes: CauseLaws;
  readonly #holders: HolderLaws;
  readonly #order: OrderLaws;
  readonly #cancels: CancelLaws;
  readonly #rates: RateLaws;
  readonly #replays: ReplayLaws;
  readonly #shapes: ShapeLaws;
  readonly #tallies: TallyLaws;
  readonly #secrets: string[] = [];

  constructor(world: World) {
    const { plan, timeline, store } = world;
    const { settings } = plan;
    const findings = new Findings(timeline);
    const { ledger } = this;
    const leaseEnd = ({ now, leaseUntil }: LeaseTimes): number =>
      plan.hasStoreClock ? Math.floor(timeline.now) + leaseUntil - now : leaseUntil;
    this.findings = findings;
    this.#world = world;
    const isTroubled = (life: Life): boolean => this.#causes.isTroubled(life);
    const batches = new BatchLaws({ ledger, findings, timeline, isTroubled });
    const shapes = new ShapeLaws({ ledger, findings, plan });
    const cancels = new CancelLaws({ ledger, findings });
    const replays = new ReplayLaws({ ledger, findings, isTroubled });
    this.#shapes = shapes;
    this.#cancels = cancels;
    this.#replays = replays;
    this.#rates = new RateLaws({ findings, timeline, hasStoreClock: plan.hasStoreClock });
    this.#tallies = new TallyLaws({
      findings,
      timeline,
      isTroubled,
      state: store.state,
      storageTimeoutMs: settings.storageTimeoutMs,
      webhookIds: () => world.webhookIds,
    });
    this.#requests = new RequestLaws({
      ledger,
      batches,
      shapes,
      findings,
      settings,
      webhookOf: (url) => world.webhookIds[hookNumber(url)],
    });
    const membersOf = (sending: Sending): readonly DeliveryNotes[] => this.#requests.membersOf(sending);
    const order = new OrderLaws({ ledger, findings, membersOf });
    this.#order = order;
    const retries = new RetryLaws({ ledger, findings, settings });
    this.#deliveries = new DeliveryLaws({
      ledger,
      findings,
      timeline,
      events: store.events,
      leaseEnd,
      batches,
      order,
      cancels,
      marked: (call, records) => replays.marked(call, records),
      lost: (notes) => this.#causes.lost(notes),
      settled: (notes, settlement, call) => {
        this.#requests.settled(notes, settlement, call);
        retries.settled(notes, settlement, call);
        order.settled(notes, settlement);
      },
    });
    this.#webhooks = new WebhookLaws({ ledger, findings, plan, timeline, webhooks: store.webhooks });
    this.#queues = new QueueLaws({
      ledger,
      findings,
      timeline,
      state: store.state,
      leaseMs: settings.leaseMs,
    });
    this.#publishes = new PublishLaws({ ledger, findings, plan });
    this.#closings = new ClosingLaws(findings, plan);
    this.#faults = new FaultLaws({
      findings,
      timeline,
      storageTimeoutMs: settings.storageTimeoutMs,
      secrets: this.#secrets,
    });
    const { storageTimeoutMs } = settings;
    this.#causes = new CauseLaws({ ledger, findings, timeline, storageTimeoutMs });
    this.#holders = new HolderLaws({ findings, timeline, plan });
    this.liveness = new Liveness({ plan, ledger, findings, timeline });
  }

  // ------------------------------------------------------------------------------------------ ports

  called(call: PortCall, isTrouble: boolean): void {
    this.#causes.called(call);
    this.#tallies.called(call);
    if (isTrouble) this.#causes.troubled(call.life);
  }

  async applied(call: PortCall, outcome: Outcome): Promise<void> {
    if (call.name === 'events.append' && !('error' in outcome))
      this.#appended(call.args[0] as readonly AppendEntry[], outcome.value as readonly AppendResult[]);
    if (call.name === 'events.prune') await this.#pruned(outcome);
    else if (call.name.startsWith('events.')) await this.#deliveries.applied(call, outcome);
    else if (call.name.startsWith('webhooks.')) await this.#webhooks.applied(call, outcome);
    else await this.#queues.applied(call, outcome);
    this.#rates.applied(call, outcome);
    this.#tallies.applied(call, outcome);
  }

  #appended(entries: readonly AppendEntry[], results: readonly AppendResult[]): void {
    const added = entries.filter((_, index) => results[index]?.duplicate === false);
    this.#publishes.appended(entries);
    this.#shapes.appended(added);
    if (this.#world.plan.settings.rateLimit === undefined) return;
    // What the library publishes itself, a test, is of no rate.
    for (const { event } of added) if (event.type !== 'webhook.test') this.#rates.stored(event.tenantId);
  }

  async #pruned(outcome: Outcome): Promise<void> {
    if ('error' in outcome) return;
    const { deliveries, events, attempts } = outcome.value as {
      deliveries: number;
      events: number;
      attempts: number;
    };
    if (deliveries + events + attempts === 0) return;
    this.findings.mark('retention: something went');
    await this.#deliveries.pruned();
    if ([...this.ledger.deliveries.values()].some(({ record }) => record.orderingKey !== undefined))
      this.liveness.freed();
    this.#publishes.pruned();
  }

  returned(call: PortCall, outcome: Outcome): void {
    this.#faults.returned(call, outcome);
    this.#causes.returned(call, outcome);
    if (call.name.startsWith('events.claim')) this.#judgeHeld(call.life);
  }

  /** I16, by what the process itself says of what it holds. */
  #judgeHeld(life: Life): void {
    const { maxInFlight, prefetch } = this.#world.plan.settings;
    const surehook: Surehook | undefined = this.#world.nodes.find(({ current }) => current?.life === life)
      ?.current?.surehook;
    const claimed = surehook?.stats().claimed ?? 0;
    if (claimed > maxInFlight + prefetch)
      this.findings.violate('I16', `${life.name} holds ${claimed} deliveries, of ${maxInFlight + prefetch}`);
  }

  // ------------------------------------------------------------------------------------------ network

  sent(sending: Sending): void {
    this.#requests.sent(sending);
    this.#tallies.sent(sending);
    const members = this.#requests.membersOf(sending);
    const [notes] = members;
    const webhook = this.ledger.webhooks.get(notes?.record.webhookId ?? '');
    if (notes === undefined || webhook === undefined) return;
    for (const member of members) this.#cancels.sent(sending, member);
    this.#rates.sent(sending, webhook);
    this.#closings.sent(sending, webhook);
    this.#order.sent(sending, webhook);
    this.#holders.sent(sending, notes, webhook);
    webhook.flights.add(sending);
  }

  received(sending: Sending): void {
    this.#requests.received(sending);
    this.#order.received(sending);
  }

  aborted(sending: Sending): void {
    this.#landed(sending, 0);
  }

  ended(sending: Sending, status: number): void {
    const webhook = this.#landed(sending, status);
    // What its sender does not wait for any more has not failed yet: a transport that ignores that may still bring an answer.
    if (webhook !== undefined) this.#holders.ended(sending, webhook, isOk(status));
  }

  #landed(sending: Sending, status: number): WebhookNotes | undefined {
    this.#requests.ended(sending);
    const [notes] = this.#requests.membersOf(sending);
    const webhook = this.ledger.webhooks.get(notes?.record.webhookId ?? '');
    if (webhook === undefined) return undefined;
    webhook.flights.delete(sending);
    this.#webhooks.ended(sending, webhook.record.id, status);
    return webhook;
  }

  // ------------------------------------------------------------------------------------------ hosts

  adopted(webhook: WebhookRecord, secret: string): void {
    this.#webhooks.adopted(this.ledger.addWebhook(webhook, secret));
    this.#secrets.push(secret);
  }

  publishing(publishing: Publishing): void {
    this.#publishes.publishing(publishing);
  }

  published(publishing: Publishing, ending: Ending<readonly Published[]>): void {
    this.#publishes.published(publishing, ending);
  }

  replaying(managing: Managing): void {
    this.#replays.replaying(managing);
  }

  managed(managing: Managing, ending: Ending<unknown>): void {
    this.findings.mark(`host: ${managing.action.do} ${'error' in ending ? 'rejected' : 'done'}`);
    this.#closings.managed(managing, ending, this.ledger.webhooks.get(managing.id));
    this.#cancels.managed(managing, ending, this.#world.timeline.now);
    this.#replays.managed(managing, ending);
  }

  told(life: Life, error: SurehookError): void {
    this.#faults.told(life, error);
  }

  // ------------------------------------------------------------------------------------------ processes

  began(_life: Life): void {}

  killed(life: Life): void {
    this.findings.mark('a process was killed');
    this.#tallies.ended(life, 'killed');
    this.#forget(life);
  }

  stopped(
    life: Life,
    { tookMs, deadlineMs, disturbed }: { tookMs: number; deadlineMs: number; disturbed: boolean },
  ): void {
    this.findings.mark('a process was stopped');
    this.#tallies.ended(life, 'stopped');
    this.#forget(life);
    this.#causes.stopped(life);
    if (!disturbed && tookMs > deadlineMs + 1_000)
      this.findings.violate('L', `stop({ deadlineMs: ${deadlineMs} }) took ${tookMs} ms`);
    // A host may still wait for calls of its own.
    if (life.timers > 0 && life.hostCalls === 0)
      this.findings.violate('L', `${life.name} has stopped with ${life.timers} timers set`);
  }

  /** Its requests may arrive, but nobody waits for their answers. */
  #forget(life: Life): void {
    this.#requests.forget(life);
    for (const { flights } of this.ledger.webhooks.values())
      for (const flight of flights) if (flight.life === life) flights.delete(flight);
  }

  jumped(life: Life | undefined): void {
    if (life !== undefined) this.#rates.jumped(life);
    this.findings.mark('a clock was set');
  }

  outage(isAway: boolean): void {
    if (isAway) this.findings.mark('the store went away');
    else this.#webhooks.storeReturned();
  }

  calmed(): void {
    this.liveness.calmed();
    this.#tallies.calmed();
  }

  /** The last look, when all has ended or has had its time. */
  async audit(): Promise<void> {
    this.liveness.audit();
    await this.#deliveries.audit();
    this.#cancels.audit();
    this.#replays.audit();
    await this.#tallies.audit();
    this.#faults.audit(
      this.#world.nodes.flatMap(({ current }) => (current === undefined ? [] : [current.life])),
    );
  }
}
