import { matchesAny } from '../../../src/domain/event-pattern.ts';
import {
  type AppendEntry,
  ConflictError,
  type NewEvent,
  type Published,
  RateLimitedError,
} from '../../../src/index.ts';
import { hookNumber } from '../endpoint.ts';
import { shapedData } from '../options.ts';
import type { Plan } from '../plan.ts';
import type { Ending, Publishing } from '../watcher.ts';
import type { Findings } from './findings.ts';
import type { Ledger } from './ledger.ts';

/** What the checks of publishing work with. */
export interface PublishLawParts {
  readonly ledger: Ledger;
  readonly findings: Findings;
  readonly plan: Plan;
}

/** What hosts are promised: what was published is stored, once, for every webhook that it is for (I1, I2), and what was refused is not (I26). */
export class PublishLaws {
  readonly #parts: PublishLawParts;
  /** What each key stands for, once a publish with it has resolved. */
  readonly #keys = new Map<string, { readonly eventId: string; readonly content: string }>();

  constructor(parts: PublishLawParts) {
    this.#parts = parts;
  }

  /** By the number in it: what an event was published with. */
  readonly #together = new Map<number, readonly number[]>();
  readonly #stored = new Set<number>();
  /** Refused by the rate of their tenant. */
  readonly #refused = new Set<number>();

  /** A host publishes. */
  publishing({ events }: Publishing): void {
    const numbers = events.filter(({ idempotencyKey }) => idempotencyKey === undefined).map(numberOf);
    for (const number of numbers) this.#together.set(number, numbers);
  }

  /** I1: what is published together is stored together, so that no end of a process comes between. */
  appended(entries: readonly AppendEntry[]): void {
    const numbers = new Set(
      entries.map(({ event }) => numberOf({ data: JSON.parse(new TextDecoder().decode(event.body)).data })),
    );
    for (const number of numbers) {
      this.#stored.add(number);
      if (this.#refused.has(number))
        this.#parts.findings.violate('I26', `event ${number} is stored, and was refused`);
    }
    for (const number of numbers) {
      const missing = (this.#together.get(number) ?? []).filter((other) => !numbers.has(other));
      if (missing.length === 0) continue;
      this.#parts.findings.violate(
        'I1',
        `event ${number} was stored without ${missing.join()}, published with it`,
      );
      return;
    }
  }

  /** Retention may have freed keys. */
  pruned(): void {
    const { ledger } = this.#parts;
    for (const [key, { eventId }] of this.#keys) if (!ledger.events.has(eventId)) this.#keys.delete(key);
  }

  published({ events, at }: Publishing, ending: Ending<readonly Published[]>): void {
    const { findings } = this.#parts;
    if ('error' in ending) {
      findings.mark(`publish: ${failureOf(ending.error)}`);
      if (ending.error instanceof RateLimitedError) this.#judgeRefused(events);
      return;
    }
    for (const [index, event] of events.entries()) {
      const published = ending.value[index];
      if (published === undefined) findings.violate('I1', 'publish resolved with fewer results than events');
      else this.#judge(event, published, at);
    }
  }

  #judgeRefused(events: readonly NewEvent[]): void {
    for (const number of events.filter(({ idempotencyKey }) => idempotencyKey === undefined).map(numberOf)) {
      this.#refused.add(number);
      if (this.#stored.has(number))
        this.#parts.findings.violate('I26', `event ${number} was refused, and is stored`);
    }
  }

  #judge(event: NewEvent, published: Published, at: number): void {
    const { ledger, findings } = this.#parts;
    const { id } = published.event;
    if (!ledger.events.has(id)) {
      findings.violate('I1', `publish resolved, and event ${id} is not stored`);
      return;
    }
    this.#judgeKey(event, published);
    for (const { id: deliveryId } of published.deliveries) {
      if (!ledger.deliveries.has(deliveryId))
        findings.violate('I1', `publish resolved, and delivery ${deliveryId} of ${id} is not stored`);
    }
    if (!published.duplicate) this.#judgeFanOut(event, published, at);
  }

  /** I2: one key, one set of deliveries. */
  #judgeKey({ idempotencyKey, tenantId, data, type }: NewEvent, { event, duplicate }: Published): void {
    if (idempotencyKey === undefined) return;
    const { findings } = this.#parts;
    const key = `${tenantId} ${idempotencyKey}`;
    const content = JSON.stringify([type, data]);
    const known = this.#keys.get(key);
    if (known === undefined) this.#keys.set(key, { eventId: event.id, content });
    else if (known.eventId !== event.id)
      findings.violate('I2', `key ${key} stands for ${known.eventId} and for ${event.id}`);
    else if (known.content !== content)
      findings.violate('I2', `key ${key} was used for other content, and publish resolved`);
    else if (duplicate) findings.mark('publish: duplicate');
  }

  /** I1: every webhook that was there and subscribed all the time has exactly one. */
  #judgeFanOut({ type, tenantId, data }: NewEvent, { event, deliveries }: Published, at: number): void {
    const { ledger, findings } = this.#parts;
    for (const { record, changedAt, isDeleted } of ledger.webhooks.values()) {
      const isSteady = changedAt < at;
      const passes =
        (record.filter === undefined ||
          (record.filter as unknown as { eq: number }).eq === (data as { odd: number }).odd) &&
        shapedData(this.#parts.plan, hookNumber(record.url), data) !== undefined;
      const isMeant = record.tenantId === tenantId && matchesAny(record.events, type) && passes;
      const count = deliveries.filter(({ webhookId }) => webhookId === record.id).length;
      const isOpen = !isDeleted && record.status.state !== 'disabled';
      if (count > (isMeant ? 1 : 0))
        findings.violate('I1', `event ${event.id} has ${count} deliveries to ${record.id}`);
      if (isMeant && isSteady && isOpen && count !== 1)
        findings.violate('I1', `event ${event.id} has no delivery to ${record.id}`);
    }
  }
}

function failureOf(error: unknown): string {
  if (error instanceof RateLimitedError) return 'over the rate';
  return error instanceof ConflictError ? 'conflict' : 'failed';
}

function numberOf({ data }: { readonly data?: unknown }): number {
  return (data as { n?: number } | undefined)?.n ?? -1;
}
