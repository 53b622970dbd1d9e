import type { DeliveryRecord, Repos } from '../../src/index.ts';
import type { Endpoint } from './endpoints.ts';
import { type Case, isLost, judge, story } from './judge.ts';
import { typeOf } from './protocol.ts';
import { type Receipt, receiptKey } from './receiver.ts';

/** What a run leaves to be judged. */
export interface Evidence {
  readonly repos: Repos;
  /** Endpoints by the id of their webhook. */
  readonly webhooks: ReadonlyMap<string, Endpoint>;
  /** By `receiptKey`. */
  readonly receipts: ReadonlyMap<string, readonly Receipt[]>;
  /** Ids of the events that somebody was told are stored. */
  readonly acknowledged: ReadonlySet<string>;
}

/** What was found. */
export interface Findings {
  events: number;
  deliveries: number;
  attempts: number;
  lost: number;
  late: number;
  /** Receipts after a 2xx that are explained, by what explains them. */
  readonly duplicates: Map<string, number>;
  /** At-most-once deliveries that were given up. */
  givenUp: number;
  readonly violations: string[];
}

const PAGE = 1_000;
/** Deliveries whose attempts are asked for at a time. */
const AT_A_TIME = 8;

/** Holds what the store says and what the endpoints got against each other; reads the store a page at a time. */
export async function audit(evidence: Evidence): Promise<Findings> {
  return await new Audit(evidence).run();
}

class Audit {
  readonly #evidence: Evidence;
  readonly #findings: Findings = {
    events: 0,
    deliveries: 0,
    attempts: 0,
    lost: 0,
    late: 0,
    duplicates: new Map(),
    givenUp: 0,
    violations: [],
  };
  /** Each webhook's bit, and the bits of the webhooks that an event has deliveries for. */
  readonly #bits: ReadonlyMap<string, number>;
  readonly #heard = new Map<string, number>();
  /** Keys of receipts whose delivery was not seen. */
  readonly #unseen: Set<string>;

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
    this.#unseen = new Set(evidence.receipts.keys());
    this.#bits = new Map([...evidence.webhooks.keys()].map((id, index) => [id, 1 << index]));
  }

  async run(): Promise<Findings> {
    for await (const page of pagesOf(this.#evidence.repos)) {
      for (let from = 0; from < page.length; from += AT_A_TIME) {
        await Promise.all(page.slice(from, from + AT_A_TIME).map((delivery) => this.#look(delivery)));
      }
    }
    for (const key of this.#unseen) this.#violation(`a receipt of ${key}, which is not stored`);
    this.#judgeEvents();
    return this.#findings;
  }

  #violation(message: string): void {
    this.#findings.violations.push(message);
  }

  async #look(delivery: DeliveryRecord): Promise<void> {
    const { eventId, webhookId, id } = delivery;
    const { repos, webhooks, receipts } = this.#evidence;
    const endpoint = webhooks.get(webhookId);
    if (endpoint === undefined) return this.#violation(`${id} is for a webhook that nobody made`);
    const bit = this.#bits.get(webhookId) ?? 0;
    const heard = this.#heard.get(eventId) ?? 0;
    if ((heard & bit) !== 0) this.#violation(`two deliveries of ${eventId} for ${endpoint.path}`);
    this.#heard.set(eventId, heard | bit);
    const key = receiptKey(eventId, endpoint.path);
    this.#unseen.delete(key);
    const attempts = await repos.events.attempts(id);
    this.#judge({ delivery, endpoint, attempts, receipts: receipts.get(key) ?? [] });
  }

  #judge(one: Case): void {
    const { delivery, attempts } = one;
    const { duplicates } = this.#findings;
    this.#findings.deliveries += 1;
    this.#findings.attempts += attempts.length;
    this.#findings.lost += attempts.filter(isLost).length;
    this.#findings.late += attempts.filter(({ late }) => late).length;
    if (delivery.reason !== undefined) this.#findings.givenUp += 1;
    const { wrong, causes } = judge(one);
    for (const cause of causes) duplicates.set(cause, (duplicates.get(cause) ?? 0) + 1);
    if (wrong.length > 0) this.#violation(`${wrong.join('; ')}\n${story(one)}`);
  }

  /** No acknowledged event is lost, and no event is stored in part. */
  #judgeEvents(): void {
    const { acknowledged } = this.#evidence;
    this.#findings.events = this.#heard.size;
    for (const id of acknowledged) {
      if (!this.#heard.has(id)) this.#violation(`the acknowledged event ${id} is lost`);
    }
    for (const [id, bits] of this.#heard) {
      if (bits !== this.#subscribedTo(typeOf(id))) this.#violation(`event ${id} is stored in part`);
    }
  }

  #subscribedTo(type: string): number {
    let bits = 0;
    for (const [id, { events }] of this.#evidence.webhooks) {
      if (events === undefined || events === type) bits |= this.#bits.get(id) ?? 0;
    }
    return bits;
  }
}

/** Every delivery there is, a page at a time. */
async function* pagesOf({ events }: Repos): AsyncGenerator<readonly DeliveryRecord[]> {
  for (let page = await events.listDeliveries({ limit: PAGE }); ; ) {
    const last = page.at(-1);
    if (last === undefined) return;
    yield page;
    const { createdAt, id } = last;
    page = await events.listDeliveries({ limit: PAGE, after: { createdAt, id } });
  }
}
