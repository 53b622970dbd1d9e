import { sleep } from '../clock.ts';
import type { DeliveryRecord } from '../domain/delivery.ts';
import type { Reporter } from '../events.ts';
import type { DeliveryQuery } from '../repos.ts';
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

/**
 * After each page marking rests so many times as long as the page took, up to a bound: it gets a hundredth of the time and, where live traffic makes everything take
 * longer, less of the work. 100 000 take three to five minutes on an idle machine and thirteen on a busy one: sending them, half an hour at the default pace, never waits for it.
 */
const REST = 99;
const LONGEST_REST_MS = 4_000;

/** What was published later than that after it began is left alone: else what is given up meanwhile could keep it going for ever. Clocks of other processes may be ahead by as much. */
const AHEAD_MS = 3_600_000;

/**
 * Replays what a filter finds. Replays are sent in the order of their marking, so that the oldest are marked first, page by page. All of a millisecond, of which nothing
 * tells who came first, is marked together: they take their turns by themselves, where their webhook is ordered.
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
    let count = 0;
    for await (const page of this.#pages()) {
      const replayable = await this.#replayable(page);
      count += this.#filter.dryRun ? replayable.length : await this.#markAll(replayable);
    }
    return count;
  }

  async #markAll(found: readonly DeliveryRecord[]): Promise<number> {
    let count = 0;
    for (let at = 0; at < found.length; at += PAGE) {
      count += await this.#mark(found.slice(at, at + PAGE));
      // A store that answers at once would otherwise keep the host from everything else until the end.
      await sleep(this.#parts.settings.clock, 0);
    }
    return count;
  }

  async #mark(found: readonly DeliveryRecord[]): Promise<number> {
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

  /** What the filter finds, oldest first: about a page at a time, and always whole milliseconds. */
  async *#pages(): AsyncGenerator<readonly DeliveryRecord[]> {
    const { clock } = this.#parts.settings;
    const longestMs = this.#filter.dryRun ? 0 : LONGEST_REST_MS;
    const until = Math.min(clock.now() + AHEAD_MS, this.#filter.conditions.until ?? Number.POSITIVE_INFINITY);
    const query = { order: 'oldest', until, limit: PAGE } as const;
    let last: DeliveryRecord | undefined;
    let held: readonly DeliveryRecord[] = [];
    do {
      const startedAt = clock.now();
      const page = await this.#list(last === undefined ? query : { ...query, after: last });
      last = page.length < PAGE ? undefined : page.at(-1);
      const found = [...held, ...page];
      const whole = found.filter(({ createdAt }) => createdAt !== last?.createdAt);
      held = found.slice(whole.length);
      yield whole;
      if (last !== undefined) await sleep(clock, Math.min(longestMs, REST * (clock.now() - startedAt)));
    } while (last !== undefined);
  }

  async #list(
    query: Pick<DeliveryQuery, 'order' | 'until' | 'after' | 'limit'>,
  ): Promise<readonly DeliveryRecord[]> {
    const { storage, settings } = this.#parts;
    const { events } = settings.repos;
    return await storage.once('events.listDeliveries', () =>
      events.listDeliveries({ ...this.#filter.conditions, status: 'exhausted', ...query }),
    );
  }

  async #replayable(page: readonly DeliveryRecord[]): Promise<readonly DeliveryRecord[]> {
    const { reason } = this.#filter;
    const meant = page.filter((record) => reason === undefined || record.reason === reason);
    const webhooks = await webhooksOf(this.#parts, meant);
    return meant.filter((record) => obstacleToReplay(record, webhooks.get(record.webhookId)) === undefined);
  }
}
