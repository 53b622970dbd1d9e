import { setTimeout as wait } from 'node:timers/promises';
import type { DeliveryStatus, Surehook } from '../../src/index.ts';
import { SLOWEST_MS } from './endpoints.ts';
import { CAP, LEASE_MS, LONGEST_BACKOFF_MS, POLL_MS, TIMEOUT_MS } from './protocol.ts';

const UNSETTLED: readonly DeliveryStatus[] = ['delivering', 'pending', 'failed'];
const PAGE = 1_000;
const LOOK_EVERY_MS = 200;

/**
 * Once nobody dies any more, nothing that has to be done may rest for longer. A claim that a dead worker left ends with its lease, and the
 * lease on its queue may end after that; a queue that nobody opened is found by the sweep, at every eighth poll; then come a back-off and a request; a
 * store that was away is tried again after 3.2 s at most; and the machine is busy.
 */
const LONGEST_REST_MS = 2 * LEASE_MS + 8 * POLL_MS + LONGEST_BACKOFF_MS + TIMEOUT_MS + 3_200 + 3_000;

/** What is not settled. */
interface Rest {
  readonly deliveries: number;
  /** Webhooks that are not Enabled. */
  readonly webhooks: readonly string[];
}

/** The end of a run, in which nothing goes wrong any more: everything that waits must come to its end. */
export class Peace {
  readonly #surehook: Surehook;
  readonly #receipts: () => number;

  /** `receipts`: how many requests have come in so far. */
  constructor(surehook: Surehook, receipts: () => number) {
    this.#surehook = surehook;
    this.#receipts = receipts;
  }

  /**
   * Resolves when nothing waits, nothing is leased, and every webhook is Enabled; or with what went against that: nothing happened for longer than
   * anything may rest, or it took longer in all than the backlog explains.
   */
  async settled(): Promise<string | undefined> {
    const began = Date.now();
    const backlog = await this.#backlog();
    const longestMs = longestFor(backlog);
    let seen = '';
    let seenAt = began;
    for (;;) {
      const rest = await this.#rest();
      if (rest.deliveries === 0 && rest.webhooks.length === 0) return undefined;
      const now = Date.now();
      const sight = `${this.#receipts()} ${rest.deliveries} ${rest.webhooks}`;
      if (sight !== seen) seenAt = now;
      seen = sight;
      if (now - seenAt > LONGEST_REST_MS)
        return `stuck: nothing happened for ${now - seenAt} ms, ${told(rest)}`;
      if (now - began > longestMs)
        return `slow: not done after ${now - began} ms with a backlog of ${backlog}, ${told(rest)}`;
      await wait(LOOK_EVERY_MS);
    }
  }

  async #rest(): Promise<Rest> {
    const { deliveries, webhooks } = this.#surehook;
    let waiting = 0;
    for (const status of UNSETTLED) waiting += (await deliveries.list({ status, limit: PAGE })).items.length;
    const { items } = await webhooks.list();
    const open = items.filter(({ status }) => status.state !== 'enabled');
    return { deliveries: waiting, webhooks: open.map(({ url }) => url) };
  }

  async #backlog(): Promise<number> {
    let count = 0;
    for (const status of UNSETTLED) {
      let cursor: string | undefined;
      do {
        const page = await this.#surehook.deliveries.list({ status, limit: PAGE, cursor });
        count += page.items.length;
        cursor = page.cursor;
      } while (cursor !== undefined);
    }
    return count;
  }
}

/** As if all of it were for the slowest endpoint, whose webhook, served by one process, has half of its cap under way. */
function longestFor(backlog: number): number {
  return 2 * LONGEST_REST_MS + (backlog * SLOWEST_MS) / (CAP / 2);
}

function told({ deliveries, webhooks }: Rest): string {
  return `and ${deliveries} deliveries are not settled, and not Enabled: ${webhooks.join(', ') || 'none'}`;
}
