import { sleep } from '../clock.ts';
import type { DeliveryRecord } from '../domain/delivery.ts';
import type { Reporter } from '../events.ts';
import type { PagePosition } from '../repos.ts';
import { toDelivery } from '../views.ts';
import { type ParsedFilter, readReplayFilter } from './delivery-query.ts';
import { type RecordParts, webhooksOf } from './records.ts';
import { obstacleToReplay } from './replayable.ts';

/** What replaying many takes. */
export interface ReplayManyParts extends RecordParts {
  readonly reporter: Reporter;
  /** Called after replays were marked. */
  readonly replaysMarked: () => void;
}

/** Deliveries that are read, and that are marked, at a time. */
const PAGE = 500;

/** A delivery as it was read. */
interface Found {
  readonly id: string;
  readonly token: number;
}

/**
 * After each span but the last marking rests so many times as long as the span took, up to a bound: it gets a twentieth of the time and, where live traffic makes
 * everything take longer, less of the work.
 */
const REST = 19;
const LONGEST_REST_MS = 2_000;

/** From one instant up to another, epoch ms. */
interface Span {
  readonly since?: number;
  readonly until?: number;
}

/**
 * Replays what a filter finds. Replays are sent in the order of their marking, so that the oldest are to be marked first; listings begin with the newest.
 * The first walk through them therefore only notes the instants at which pages end, and the second goes from span to span, the oldest first: what is kept of a
 * million deliveries is two thousand instants. A span holds all of a millisecond, of which nothing tells who came first; marked together they take their turns
 * by themselves, where their webhook is ordered.
 */
export class ReplayMany {
  readonly #parts: ReplayManyParts;
  readonly #filter: ParsedFilter;

  /** Throws `InvalidInputError` for a wrong filter. */
  constructor(parts: ReplayManyParts, filter: unknown) {
    this.#parts = parts;
    this.#filter = readReplayFilter(filter);
  }

  /** How many were marked; with `dryRun`, how many would be now. */
  async run(): Promise<number> {
    const { clock } = this.#parts.settings;
    let count = 0;
    if (this.#filter.dryRun) {
      for await (const page of this.#pages({})) count += (await this.#replayable(page)).length;
    } else {
      let restMs = 0;
      for (const span of await this.#spans()) {
        await sleep(clock, restMs);
        const startedAt = clock.now();
        count += await this.#markSpan(span);
        restMs = Math.min(LONGEST_REST_MS, REST * (clock.now() - startedAt));
      }
    }
    return count;
  }

  /** Spans of about a page each that hold all there is now, the oldest first. */
  async #spans(): Promise<readonly Span[]> {
    const ends = new Set<number>();
    for await (const page of this.#pages({})) {
      const [first, last] = [page.at(0), page.at(-1)];
      if (first === undefined || last === undefined) continue;
      if (ends.size === 0) ends.add(first.createdAt + 1);
      ends.add(last.createdAt);
    }
    const instants = [...ends].reverse();
    return instants.slice(1).map((until, at) => ({ since: instants[at] ?? 0, until }));
  }

  async #markSpan(span: Span): Promise<number> {
    const found: Found[] = [];
    for await (const page of this.#pages(span)) {
      for (const { id, token } of await this.#replayable(page)) found.push({ id, token });
    }
    found.reverse();
    let count = 0;
    for (let at = 0; at < found.length; at += PAGE) count += await this.#mark(found.slice(at, at + PAGE));
    return count;
  }

  async #mark(found: readonly Found[]): Promise<number> {
    const ids = found.map(({ id }) => id);
    const tokens = found.map(({ token }) => token);
    const { storage, settings, reporter, replaysMarked } = this.#parts;
    const { events } = settings.repos;
    let tries = 0;
    const marked = await storage.once('events.markReplay', () => {
      tries += 1;
      return events.markReplay(ids, { now: settings.clock.now(), tokens });
    });
    replaysMarked();
    if (reporter.wants('delivery:replaying')) {
      for (const record of marked) reporter.emit('delivery:replaying', { delivery: toDelivery(record) });
    }
    if (tries === 1 || marked.length === ids.length) return marked.length;
    // An earlier try whose answer was lost may have marked them, and some may have been sent since.
    const current = await storage.once('events.getDeliveries', () => events.getDeliveries(ids));
    const before = new Map(found.map(({ id, token }) => [id, token]));
    return current.filter(({ id, status, token }) => status !== 'exhausted' || token !== before.get(id))
      .length;
  }

  /** What the filter finds in a span, newest first. */
  async *#pages(span: Span): AsyncGenerator<readonly DeliveryRecord[]> {
    const { storage, settings } = this.#parts;
    const query = { ...this.#filter.conditions, ...span, status: 'exhausted', limit: PAGE } as const;
    let after: PagePosition | undefined;
    do {
      const place = after === undefined ? query : { ...query, after };
      const page = await storage.once('events.listDeliveries', () =>
        settings.repos.events.listDeliveries(place),
      );
      yield page;
      after = page.length < PAGE ? undefined : page.at(-1);
      // A store that answers at once would otherwise keep the host from everything else until the end.
      await sleep(settings.clock, 0);
    } while (after !== undefined);
  }

  async #replayable(page: readonly DeliveryRecord[]): Promise<readonly DeliveryRecord[]> {
    const { reason } = this.#filter;
    const meant = page.filter((record) => reason === undefined || record.reason === reason);
    const webhooks = await webhooksOf(this.#parts, meant);
    return meant.filter((record) => obstacleToReplay(record, webhooks.get(record.webhookId)) === undefined);
  }
}
