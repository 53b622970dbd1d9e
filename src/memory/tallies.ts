import type { OutcomeTally } from '../domain/tally.ts';

/** Tallies by the beginning of their period, their webhook and their writer. Periods are few, so that all of them may be looked at. */
export class Tallies {
  readonly #periods = new Map<number, Map<string, Map<string, OutcomeTally>>>();

  /** Stores a tally in the place of the earlier one. */
  put(tally: OutcomeTally): void {
    const webhooks = this.#periods.get(tally.startsAt) ?? new Map<string, Map<string, OutcomeTally>>();
    const writers = webhooks.get(tally.webhookId) ?? new Map<string, OutcomeTally>();
    this.#periods.set(tally.startsAt, webhooks);
    webhooks.set(tally.webhookId, writers);
    writers.set(tally.writer, tally);
  }

  /** Those of a webhook whose period starts at or after `since`. */
  of(webhookId: string, since: number): readonly OutcomeTally[] {
    const found: OutcomeTally[] = [];
    for (const [startsAt, webhooks] of this.#periods) {
      if (startsAt >= since) found.push(...(webhooks.get(webhookId)?.values() ?? []));
    }
    return found;
  }

  /** Removes up to `limit` whose period started before an instant, and returns how many those were. */
  prune(before: number, limit: number): number {
    let removed = 0;
    for (const [startsAt, webhooks] of this.#periods) {
      if (startsAt >= before) continue;
      removed += pruneFrom(webhooks, limit - removed);
      if (webhooks.size === 0) this.#periods.delete(startsAt);
    }
    return removed;
  }
}

/** Removes up to `limit` tallies of one period. */
function pruneFrom(webhooks: Map<string, Map<string, OutcomeTally>>, limit: number): number {
  let removed = 0;
  for (const [webhookId, writers] of webhooks) {
    for (const writer of writers.keys()) {
      if (removed === limit) return removed;
      writers.delete(writer);
      removed += 1;
    }
    webhooks.delete(webhookId);
  }
  return removed;
}
