import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrate, type PostgresPool, postgresRepos } from '../../src/postgres/index.ts';
import type { Repos } from '../../src/repos.ts';
import {
  aDelivery,
  anAttempt,
  anEntry,
  anEvent,
  aWebhook,
  LONG_AGO_MS,
} from '../../src/testing/contract/records.ts';
import { startServer, type TestServer } from './server.ts';

/** Where in the life of one statement its fault comes. */
type Phase = 'before' | 'after';

const FAULTS = ['40001', '40P01', '53300', 'ECONNRESET'] as const;

/** Fails the statement of that number, before or after the server has run it; counts them. */
class FaultyPool implements PostgresPool {
  statements = 0;
  fault: { readonly at: number; readonly code: string; readonly phase: Phase } | undefined;
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  async query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }> {
    return this.#run(() => this.#pool.query(text, values));
  }

  async connect(): Promise<unknown> {
    const client = await this.#pool.connect();
    return {
      query: (text: string, values?: unknown[]) => this.#run(() => client.query(text, values)),
      release: (destroy?: boolean) => client.release(destroy),
    };
  }

  async #run(statement: () => Promise<{ rows: unknown[] }>): Promise<{ rows: unknown[] }> {
    const { fault } = this;
    this.statements += 1;
    if (this.statements !== fault?.at) return statement();
    if (fault.phase === 'after') await statement();
    throw Object.assign(new Error('a fault of the test'), { code: fault.code });
  }
}

let server: TestServer;
let pool: Pool;
let faulty: FaultyPool;
let repos: Repos;

beforeAll(async () => {
  server = await startServer();
  pool = server.pool();
  await migrate(pool);
  faulty = new FaultyPool(pool);
  repos = postgresRepos(faulty, { notifications: false });
}, 30_000);
afterAll(() => server.dispose());

const now = Date.now();
const leaseUntil = now + 60_000;

/** Prepares what a method works on, and makes the call; both calls must have ended in what `check` expects. */
interface Scenario {
  prepare(): Promise<{ call(): Promise<unknown>; check(): Promise<void> }>;
}

async function claimed(): Promise<{ id: string; token: number }> {
  const entry = anEntry({ queue: 'own', webhookId: `whk_${Math.random()}` });
  await repos.events.append([entry], { now });
  const queues = [{ webhookId: entry.deliveries[0]?.webhookId ?? '', limit: 1 }];
  const [result] = await repos.events.claimQueues({ now, leaseUntil, queues });
  const delivery = result?.deliveries[0]?.delivery;
  if (delivery === undefined) throw new Error('nothing was claimed');
  return delivery;
}

const SCENARIOS: Record<string, Scenario> = {
  append: {
    async prepare() {
      const event = anEvent();
      const deliveries = [aDelivery(event), aDelivery(event)];
      return {
        call: () => repos.events.append([{ event, deliveries }], { now }),
        check: async () => {
          expect(await repos.events.getEvents([event.id])).toHaveLength(1);
          expect(await repos.events.getDeliveries(deliveries.map(({ id }) => id))).toHaveLength(2);
        },
      };
    },
  },
  'append of what is stored': {
    async prepare() {
      const [stored, fresh] = [anEntry(), anEntry()];
      await repos.events.append([stored], { now });
      return {
        call: () => repos.events.append([stored, fresh], { now }),
        check: async () => {
          const results = await repos.events.append([stored, fresh], { now });
          expect(results.map(({ duplicate }) => duplicate)).toEqual([true, true]);
        },
      };
    },
  },
  settle: {
    async prepare() {
      const { id, token } = await claimed();
      const settlement = {
        deliveryId: id,
        token,
        attempt: anAttempt(),
        next: { status: 'delivered' },
      } as const;
      return {
        call: () => repos.events.settle([settlement], { now }),
        check: async () => {
          expect((await repos.events.getDeliveries([id]))[0]).toMatchObject({
            status: 'delivered',
            attempts: 1,
            tries: 1,
          });
          expect(await repos.events.attempts(id)).toHaveLength(1);
        },
      };
    },
  },
  'settle of a late worker': {
    async prepare() {
      const { id, token } = await claimed();
      const next = { status: 'waiting', dueAt: LONG_AGO_MS, queue: 'own' } as const;
      const late = { deliveryId: id, token: token + 1, attempt: anAttempt(), next };
      return {
        call: () => repos.events.settle([late], { now }),
        check: async () => {
          expect((await repos.events.getDeliveries([id]))[0]).toMatchObject({
            status: 'delivering',
            attempts: 1,
          });
          expect(await repos.events.attempts(id)).toMatchObject([{ late: true }]);
        },
      };
    },
  },
  prune: {
    async prepare() {
      const event = anEvent();
      const delivery = aDelivery(event, { status: 'exhausted', reason: 'cancelled', completedAt: 1_000 });
      await repos.events.append([{ event, deliveries: [delivery] }], { now });
      return {
        call: () => repos.events.prune({ exhaustedBefore: 2_000, attemptsBefore: 2_000, limit: 10 }),
        check: async () => {
          expect(await repos.events.getDeliveries([delivery.id])).toEqual([]);
          expect(await repos.events.getEvents([event.id])).toEqual([]);
        },
      };
    },
  },
  'mark and promote a replay': {
    async prepare() {
      const entry = anEntry({ status: 'exhausted', reason: 'cancelled', completedAt: now });
      await repos.events.append([entry], { now });
      const ids = entry.deliveries.map(({ id }) => id);
      return {
        call: async () => {
          await repos.events.markReplay(ids, { now });
          await repos.events.promoteReplays({ now, limit: 10 });
        },
        check: async () =>
          expect((await repos.events.getDeliveries(ids))[0]).toMatchObject({ status: 'pending' }),
      };
    },
  },
  'a webhook’s insert, status and update': {
    async prepare() {
      const webhook = aWebhook();
      const { webhooks } = repos;
      if (!('insert' in webhooks)) throw new Error('no WebhookStore');
      const change = { webhookId: webhook.id, from: webhook.status, to: { state: 'disabled' } } as const;
      return {
        call: async () => {
          await webhooks.insert(webhook);
          await webhooks.setStatus([change]);
          await webhooks.update({ ...webhook, name: 'new', revision: 2 }, 1);
        },
        check: async () =>
          expect(await webhooks.getMany([webhook.id])).toMatchObject([
            { name: 'new', revision: 2, status: { state: 'disabled' } },
          ]),
      };
    },
  },
  'a queue’s open, save and reset': {
    async prepare() {
      const webhookId = `whk_${Math.random()}`;
      return {
        call: async () => {
          await repos.state.open([{ webhookId, failures: 1, nextAt: 5 }], { now });
          const [queue] = await repos.state.get([webhookId]);
          const change = { webhookId, token: queue?.token ?? 0, failures: 2, notBefore: 7, nextAt: 9 };
          await repos.state.save([change], { now });
        },
        check: async () =>
          expect(await repos.state.get([webhookId])).toMatchObject([
            { failures: 2, notBefore: 7, nextAt: 9 },
          ]),
      };
    },
  },
};

describe.each(Object.keys(SCENARIOS))('%s', (name) => {
  it.each(FAULTS.flatMap((code) => [[code, 'before'] as const, [code, 'after'] as const]))(
    'is whole after %s %s each statement in turn, and can be called again',
    async (code, phase) => {
      for (let at = 1; ; at += 1) {
        faulty.fault = undefined;
        const { call, check } = await (SCENARIOS[name] as Scenario).prepare();
        faulty.statements = 0;
        faulty.fault = { at, code, phase };
        const outcome = await call().then(
          () => 'resolved',
          () => 'rejected',
        );
        const wasHit = faulty.statements >= at;
        faulty.fault = undefined;
        if (outcome === 'rejected') await call();
        await check();
        if (!wasHit) return expect(at).toBeGreaterThan(1);
      }
    },
  );
});

it('gives up a conflict between transactions only after several runs', async () => {
  const entry = anEntry();
  faulty.statements = 0;
  faulty.fault = { at: 1, code: '40001', phase: 'before' };
  await repos.events.append([entry], { now });
  faulty.fault = undefined;
  expect(faulty.statements).toBe(2);
});
