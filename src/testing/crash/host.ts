import type { WebhookRecord } from '../../domain/webhook.ts';
import { ConflictError, NotFoundError } from '../../errors.ts';
import type { Transport } from '../../http/transport.ts';
import type { SurehookOptions } from '../../options.ts';
import type { Repos } from '../../repos.ts';
import type { Surehook } from '../../surehook.ts';
import { seededRandom } from '../seeded-random.ts';
import type { Gate } from './crash-point.ts';
import { Life } from './life.ts';
import type { Passage } from './passage.ts';
import type { Scenario, Step } from './scenarios.ts';
import type { CrashSubject } from './subject.ts';

/** Whose webhooks and events a history is about. */
export const TENANT = 'tenant';

/** How often the host looks whether it was answered, and how long it waits after an error, ms. */
const LOOK_MS = 5;
const PAUSE_MS = 50;

/** An event whose publish was acknowledged. */
export interface Acknowledged {
  readonly eventId: string;
  readonly orderingKey: string | undefined;
  readonly deliveries: readonly { readonly id: string; readonly webhookId: string }[];
}

/** What a host works with. */
export interface HostParts {
  readonly scenario: Scenario;
  readonly subject: CrashSubject;
  readonly leaseMs: number;
  readonly passage: Passage;
  readonly gate: Gate;
  readonly webhooks: readonly WebhookRecord[];
  readonly transport: Transport;
}

/** A host with one process at a time: it starts the next one where one has ended, and repeats what it was not answered. */
export class Host {
  readonly acknowledged: Acknowledged[] = [];
  repos: Repos;
  /** How many processes there were. */
  lives = 0;
  readonly #parts: HostParts;
  #life: Life | undefined;
  #published = 0;

  constructor(parts: HostParts) {
    this.#parts = parts;
    this.repos = parts.subject.repos;
  }

  /** The process that runs; where the one before has ended, the next one is started. */
  async running(): Promise<Life> {
    if (this.#life !== undefined && !this.#life.hasEnded) return this.#life;
    const { subject, passage, gate, transport } = this.#parts;
    if (this.#life !== undefined && subject.reopen) this.repos = await subject.reopen();
    this.lives += 1;
    this.#life = new Life({
      repos: this.repos,
      clock: passage.clock,
      transport,
      guard: gate.guard,
      options: this.#options(),
    });
    await this.#life.surehook.start();
    return this.#life;
  }

  /** The process ends, and no other one is started. */
  end(): void {
    this.#life?.end();
  }

  async take(step: Step): Promise<void> {
    switch (step.do) {
      case 'publish':
        for (let n = 0; n < step.count; n += 1)
          await this.#publish(step.keys === undefined ? undefined : `key${n % step.keys}`);
        return;
      case 'disable':
      case 'enable': {
        const id = this.#parts.webhooks[step.webhook]?.id ?? '';
        await this.perform((surehook) => surehook.webhooks[step.do](id));
        return;
      }
      case 'stop':
        await this.perform((surehook) => surehook.stop({ deadlineMs: step.deadlineMs }));
        this.end();
        await this.running();
        return;
      case 'replay':
        for (const { deliveries } of this.acknowledged)
          for (const { id } of deliveries) await this.perform((surehook) => surehook.deliveries.replay(id));
        return;
      case 'outage':
        this.#parts.gate.awayUntil = this.#parts.passage.clock.now() + step.forMs;
    }
  }

  /** Repeats what the host does until it is answered; `undefined`: with a refusal. */
  async perform<T>(act: (surehook: Surehook) => Promise<T>): Promise<T | undefined> {
    const { passage } = this.#parts;
    for (;;) {
      const life = await this.running();
      let answer: { readonly value?: T; readonly error?: unknown } | undefined;
      act(life.surehook).then(
        (value) => {
          answer = { value };
        },
        (error: unknown) => {
          answer = { error };
        },
      );
      await passage.pass(0);
      while (answer === undefined && !life.hasEnded) await passage.pass(LOOK_MS);
      if (answer === undefined) continue;
      if (answer.error === undefined) return answer.value;
      if (answer.error instanceof ConflictError || answer.error instanceof NotFoundError) return undefined;
      await passage.pass(PAUSE_MS);
    }
  }

  /** As a careful host does it: under a key, so that it can be repeated until it is acknowledged. */
  async #publish(orderingKey: string | undefined): Promise<void> {
    this.#published += 1;
    const event = {
      type: 'a.b',
      tenantId: TENANT,
      data: this.#published,
      idempotencyKey: `publish${this.#published}`,
      ...(orderingKey !== undefined && { orderingKey }),
    };
    const done = await this.perform((surehook) => surehook.publish(event));
    if (done !== undefined)
      this.acknowledged.push({ eventId: done.event.id, orderingKey, deliveries: done.deliveries });
  }

  #options(): Omit<SurehookOptions, 'repos' | 'clock' | 'transport'> {
    const { leaseMs, scenario } = this.#parts;
    const { delaysMs, unavailableAfterMs } = scenario;
    return {
      retry:
        delaysMs === undefined
          ? { kind: 'exponential', baseMs: 50, factor: 2, maxMs: 100, attempts: 100, jitter: 0 }
          : { kind: 'schedule', delaysMs, jitter: 0 },
      backoff: { baseMs: 50, factor: 2, maxMs: 100, jitter: 0 },
      ...(unavailableAfterMs !== undefined && { unavailableAfterMs }),
      timeoutMs: Math.floor(leaseMs / 2),
      leaseMs,
      pollMs: Math.ceil(leaseMs / 4),
      maxInFlight: 4,
      maxInFlightPerWebhook: 2,
      prefetch: 4,
      webhookCacheMs: 200,
      random: seededRandom(this.lives),
    };
  }
}
