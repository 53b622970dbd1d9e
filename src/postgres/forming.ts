import type { BatchClaim, ClaimedDelivery, ClaimResult, LeaseTimes } from '../repos.ts';
import { queueCodes, statusCodes } from '../sql/codes.ts';
import { contentOf } from '../sql/content-columns.ts';
import { mostOf, type QueueWishes } from './batch-claims.ts';
import { bodyIn } from './bodies.ts';
import type { Database } from './database.ts';
import { errorCode } from './driver.ts';
import {
  type FormedDelivery,
  type FormedRow,
  formingStatement,
  NOT_FORMED,
  type QueueFound,
} from './forming-statement.ts';
import type { Placed } from './rounds.ts';
import type { Tables } from './tables.ts';

/** A queue that was left alone is not tried for so many claims: what came in lately is much like what comes next. */
const CLAIMS_UNTRIED = 16;
/** Such queues that are remembered. */
const MOST_UNTRIED = 10_000;

/** What came of an attempt to form batches. */
export interface Formed {
  readonly results: readonly Placed<ClaimResult>[];
  /** Queues that were left alone. */
  readonly left: readonly QueueWishes[];
}

/** Claims of batches where they are as nearly always: one statement does it all. */
export class Forming {
  readonly #database: Database;
  readonly #sql: string;
  /** Queues that are not tried, and for how many claims more. */
  readonly #untried = new Map<string, number>();

  constructor(database: Database, tables: Tables) {
    this.#database = database;
    this.#sql = formingStatement(tables);
  }

  /** Claims from queues, each of another webhook. */
  async claim(queues: readonly QueueWishes[], times: LeaseTimes): Promise<Formed> {
    const tried = queues.filter((queue) => ruleOf(queue) !== undefined && this.#tries(queue));
    const left = queues.filter((queue) => !tried.includes(queue));
    const results: Placed<ClaimResult>[] = [];
    for (const [queue, item] of tried.length > 0 ? await this.#form(tried, times) : []) {
      if (item === undefined) {
        this.#untried.set(queue.webhookId, CLAIMS_UNTRIED);
        left.push(queue);
      } else results.push(...item);
    }
    return { results, left };
  }

  #tries({ webhookId }: QueueWishes): boolean {
    const claims = this.#untried.get(webhookId);
    if (claims === undefined) return true;
    if (claims > 1 && this.#untried.size < MOST_UNTRIED) this.#untried.set(webhookId, claims - 1);
    else this.#untried.delete(webhookId);
    return false;
  }

  async #form(queues: readonly QueueWishes[], times: LeaseTimes): Promise<readonly Outcome[]> {
    const plan = planOf(queues);
    try {
      const values = [times.leaseUntil - times.now, ...plan.values];
      return outcomesOf(queues, plan, await this.#database.rows<FormedRow>(this.#sql, values));
    } catch (error) {
      if (errorCode(error) !== NOT_FORMED) throw error;
      return queues.map((queue) => [queue, undefined]);
    }
  }
}

/** What was claimed for each claim of a queue; undefined: it was left alone. */
type Outcome = readonly [QueueWishes, readonly Placed<ClaimResult>[] | undefined];

/** The one rule of all claims of a queue. */
function ruleOf({ claims }: QueueWishes): (BatchClaim & { readonly takes: number }) | undefined {
  const [first] = claims;
  const rule = first?.item.batch;
  if (first === undefined || rule === undefined) return undefined;
  const isOne = claims.every(
    ({ item: { batch, limit } }) =>
      limit === first.item.limit &&
      batch?.maxEvents === rule.maxEvents &&
      batch.maxBytes === rule.maxBytes &&
      batch.maxWaitMs === rule.maxWaitMs,
  );
  return isOne ? { ...rule, takes: first.item.limit === 0 ? 0 : claims.length } : undefined;
}

interface Plan {
  /** Of all batches that can come up; one more for each queue than is taken. */
  readonly ids: readonly string[];
  /** Where those of each queue begin, from 1. */
  readonly firstNrs: readonly number[];
  readonly values: readonly unknown[];
}

function planOf(queues: readonly QueueWishes[]): Plan {
  const ids: string[] = [];
  const firstNrs = queues.map(({ claims }) => {
    const first = ids.length + 1;
    ids.push(...claims.map(({ item }) => item.batch?.id ?? ''), '');
    return first;
  });
  const rules = queues.map(ruleOf);
  const values = [
    queues.map(({ webhookId }) => webhookId),
    queues.map(mostOf),
    rules.map((rule) => rule?.takes ?? 0),
    rules.map((rule) => rule?.maxEvents ?? 1),
    rules.map((rule) => rule?.maxBytes ?? 0),
    rules.map((rule) => rule?.maxWaitMs ?? 0),
    firstNrs,
    ids,
  ];
  return { ids, firstNrs, values };
}

function outcomesOf(
  queues: readonly QueueWishes[],
  { ids, firstNrs }: Plan,
  rows: readonly FormedRow[],
): readonly Outcome[] {
  const batches: FormedDelivery[][] = ids.map(() => []);
  const found: QueueFound[] = [];
  for (const row of rows) {
    if (row.id !== null) batches[row.nr - 1]?.push(row);
    else {
      const what: QueueFound = JSON.parse(row.found);
      found[what.queue - 1] = what;
    }
  }
  return queues.map((queue, at) => {
    const what = found[at];
    if (what === undefined || what.is_mixed) return [queue, undefined];
    const first = (firstNrs[at] ?? 1) - 1;
    const results = queue.claims.map(({ index }, n) => {
      const members = batches[first + n] ?? [];
      const taken = { webhookId: queue.webhookId, batchId: ids[first + n] ?? '', ends: what.ends };
      return { index, item: resultOf(members, taken, what) };
    });
    return [queue, results];
  });
}

interface Taken {
  readonly webhookId: string;
  readonly batchId: string;
  /** Of the lease. */
  readonly ends: number;
}

function resultOf(
  members: readonly FormedDelivery[],
  taken: Taken,
  { next_at, ripe_at }: QueueFound,
): ClaimResult {
  const deliveries = members
    .toSorted((a, b) => Number(a.seq) - Number(b.seq))
    .map((row) => contentIn(row, taken, members.length));
  if (next_at === null) return { deliveries };
  return { deliveries, nextDueAt: members.length > 0 ? next_at : Math.max(next_at, ripe_at) };
}

function contentIn(row: FormedDelivery, { webhookId, batchId, ends }: Taken, size: number): ClaimedDelivery {
  const created_at = Number(row.created_at);
  return contentOf({
    id: row.id,
    event_id: row.event_id,
    webhook_id: webhookId,
    tenant_id: row.tenant_id,
    event_type: row.event_type,
    status: statusCodes.delivering,
    reason: null,
    queue: queueCodes.own,
    ordering_key: null,
    blocks: 0,
    batch_id: batchId,
    batch_size: size,
    refusals: 0,
    due_at: Number(row.due_at ?? created_at),
    token: Number(row.token),
    lease_until: ends,
    attempts: row.attempts ?? 0,
    tries: row.tries ?? 0,
    lost: row.lost ?? 0,
    created_at,
    completed_at: null,
    e_tenant_id: row.e_tenant_id ?? row.tenant_id,
    e_type: row.e_type ?? row.event_type,
    e_created_at: Number(row.e_created_at ?? created_at),
    body: bodyIn(row),
    idempotency_key: row.idempotency_key,
    fingerprint: row.fingerprint,
    extra: row.extra,
  });
}
