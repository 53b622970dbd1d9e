import { setTimeout as wait } from 'node:timers/promises';
import type { Pool } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { DeliveryRecord, SettledState } from '../../src/domain/delivery.ts';
import { migrate, type PostgresRepos, postgresRepos } from '../../src/postgres/index.ts';
import type { Random } from '../../src/random.ts';
import type { QueueClaim } from '../../src/repos.ts';
import { HELD_BACK } from '../../src/sql/codes.ts';
import { anAttempt, anEntry, freshId, times } from '../../src/testing/contract/records.ts';
import { seededRandom } from '../../src/testing/seeded-random.ts';
import { startServer, type TestServer } from './server.ts';

const KEYS = times(20, (n) => `key ${n}`);
const WORKERS = 8;
const CHAOS_MS = 2_500;
const SHORT_LEASE_MS = 40;
const WEBHOOK = 'whk_any';
const LEAVE_MS = 30_000;

let server: TestServer;
let pool: Pool;

beforeAll(async () => {
  server = await startServer();
  pool = server.pool({ max: 4 });
}, 30_000);
afterAll(() => server.dispose());

/** What is known of a delivery from outside. */
interface Life {
  readonly key: string;
  readonly beganAt: number;
  committedAt: number;
  firstClaim?: number;
  /** Given up while it waited: what comes of it is a replay. */
  wasCancelled?: true;
}

interface Lease {
  readonly delivery: DeliveryRecord;
  readonly from: number;
  readonly until: number;
}

/** Everything that happened, in the order in which this process saw it. */
class Trial {
  readonly lives = new Map<string, Life>();
  readonly holders = new Map<string, Lease>();
  readonly faults: string[] = [];
  readonly given: string[] = [];
  readonly counts: Record<string, number> = {};
  ended = false;
  #step = 0;

  step(): number {
    this.#step += 1;
    return this.#step;
  }

  count(what: string, by: number = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + by;
  }

  /** A claim was answered, maybe later than one that was made after it: nobody else may hold the key at any instant of the lease. */
  claimed(delivery: DeliveryRecord, leaseMs: number): void {
    this.count('claimed');
    const until = delivery.leaseUntil ?? 0;
    const lease: Lease = { delivery, from: until - leaseMs, until };
    const holder = this.holders.get(delivery.orderingKey ?? '');
    const isStale = holder !== undefined && holder.from >= until;
    if (holder !== undefined && holder.until > lease.from && !isStale)
      this.faults.push(`${delivery.id} was claimed while ${holder.delivery.id} was under way`);
    if (!isStale) this.holders.set(delivery.orderingKey ?? '', lease);
    const life = this.lives.get(delivery.id);
    if (life !== undefined) life.firstClaim ??= this.step();
  }

  cancelled(id: string): void {
    this.count('cancelled');
    this.given.push(id);
    const life = this.lives.get(id);
    if (life !== undefined) life.wasCancelled = true;
  }

  /** What has to be said before a settlement is sent: it may be applied at once. */
  letGo(delivery: DeliveryRecord): void {
    const key = delivery.orderingKey ?? '';
    const held = this.holders.get(key)?.delivery;
    if (held?.id === delivery.id && held.token === delivery.token) this.holders.delete(key);
  }

  /** Pairs of one key of which the first was there before the second began, and which were first claimed the other way round. */
  outOfOrder(): string[] {
    const found: string[] = [];
    for (const key of KEYS) {
      const ofKey = [...this.lives].filter(
        ([, life]) => life.key === key && life.firstClaim !== undefined && !life.wasCancelled,
      );
      for (const [a, first] of ofKey) {
        for (const [b, second] of ofKey) {
          if (first.committedAt < second.beganAt && (first.firstClaim ?? 0) > (second.firstClaim ?? 0))
            found.push(`${b} went before ${a} of ${key}`);
        }
      }
    }
    return found;
  }
}

function pick<T>(random: Random, list: readonly T[]): T {
  return list[Math.floor(random.next() * list.length)] as T;
}

/** Publishes one after the other, some of it in transactions of the host's that stay open or are rolled back. */
async function publish(repos: PostgresRepos, hosts: Pool, { trial, random }: Part): Promise<void> {
  while (!trial.ended) {
    const key = pick(random, KEYS);
    const queue = random.next() < 0.15 ? 'express' : 'own';
    const entries = times(1 + Math.floor(random.next() * 4), () =>
      anEntry({ orderingKey: key, queue, webhookId: WEBHOOK, dueAt: Date.now() - 1_000 }),
    );
    const beganAt = trial.step();
    const isHosts = random.next() < 0.4;
    if (isHosts && !(await inHostTransaction(repos, hosts, { entries, random }))) continue;
    if (!isHosts) await repos.events.append(entries, { now: Date.now() });
    const committedAt = trial.step();
    for (const { deliveries } of entries) {
      for (const { id } of deliveries) trial.lives.set(id, { key, beganAt, committedAt });
      trial.count('published');
    }
    await wait(random.next() * 60);
  }
}

async function inHostTransaction(
  repos: PostgresRepos,
  hosts: Pool,
  { entries, random }: { readonly entries: ReturnType<typeof anEntry>[]; readonly random: Random },
): Promise<boolean> {
  const host = await hosts.connect();
  await host.query('BEGIN');
  await repos.events.append(entries, { now: Date.now(), tx: host });
  await wait(random.next() * 60);
  const isKept = random.next() < 0.6;
  await host.query(isKept ? 'COMMIT' : 'ROLLBACK');
  host.release();
  return isKept;
}

interface Part {
  readonly trial: Trial;
  readonly random: Random;
}

/** Claims, ends and gives back at random, and forgets some of what it claimed. */
async function work(repos: PostgresRepos, { trial, random }: Part): Promise<void> {
  const forgotten: DeliveryRecord[] = [];
  while (!trial.ended) {
    const leaseMs = random.next() < 0.2 ? SHORT_LEASE_MS : LEAVE_MS;
    const now = Date.now();
    const queue =
      random.next() < 0.25
        ? batchClaim(random)
        : { webhookId: WEBHOOK, limit: 1 + Math.floor(random.next() * 8) };
    const results = await repos.events.claimQueues({ now, leaseUntil: now + leaseMs, queues: [queue] });
    const claimed = results.flatMap(({ deliveries }) => deliveries.map(({ delivery }) => delivery));
    for (const delivery of claimed) trial.claimed(delivery, leaseMs);
    if (leaseMs === SHORT_LEASE_MS) await wait(random.next() * 2 * SHORT_LEASE_MS);
    if (leaseMs === SHORT_LEASE_MS && random.next() < 0.5) forgotten.push(...claimed);
    else await settle(repos, claimed, { trial, random });
    const late = random.next() < 0.1 ? forgotten.splice(0) : [];
    await settle(repos, late, { trial, random });
    if (random.next() < 0.3) await disturb(repos, { trial, random });
  }
}

function batchClaim(random: Random): QueueClaim {
  const limits = { maxEvents: 1 + Math.floor(random.next() * 12), maxBytes: 100_000, maxWaitMs: 0 };
  return { webhookId: WEBHOOK, limit: 1, batch: { id: freshId('bat'), ...limits } };
}

async function settle(
  repos: PostgresRepos,
  claimed: readonly DeliveryRecord[],
  { trial, random }: Part,
): Promise<void> {
  const batches = [...Map.groupBy(claimed, ({ id, batch }) => batch?.id ?? id).values()];
  const settlements = batches.map((members) => {
    const [first, ...others] = members as [DeliveryRecord, ...DeliveryRecord[]];
    for (const member of members) trial.letGo(member);
    const next = endOf(first, random);
    if (next.status === 'exhausted') trial.given.push(...members.map(({ id }) => id));
    const { id: deliveryId, token } = first;
    const attempt = anAttempt({ counted: random.next() < 0.5 });
    return {
      deliveryId,
      token,
      attempt,
      next,
      others: others.map(({ id, token }) => ({ deliveryId: id, token })),
    };
  });
  for (const result of await repos.events.settle(settlements, { now: Date.now() })) trial.count(result);
}

function endOf({ batch }: DeliveryRecord, random: Random): SettledState {
  const chance = random.next();
  if (chance < 0.6) return { status: 'delivered' };
  if (chance < 0.66) return { status: 'exhausted', reason: 'attempts-used-up' };
  if (chance < 0.72) return { status: 'exhausted', reason: 'attempts-used-up', blocks: true };
  const dueAt = Date.now() + (random.next() < 0.5 ? -1 : random.next() * 30);
  const stays = batch !== undefined && random.next() < 0.7;
  return { status: 'waiting', dueAt, queue: 'own', ...(stays && { batch }) };
}

/** What others do at the same time. */
async function disturb({ events }: PostgresRepos, { trial, random }: Part): Promise<void> {
  const now = Date.now();
  const chance = random.next();
  if (chance < 0.1) {
    const blocks = random.next() < 0.5;
    const request = {
      webhookId: WEBHOOK,
      reason: 'cancelled',
      now,
      limit: 3,
      ...(blocks && { blocks }),
    } as const;
    for (const { id } of await events.exhaustQueue(request)) trial.cancelled(id);
  } else if (chance < 0.5) {
    await events.markReplay(trial.given.splice(0, 4), { now });
    await events.promoteReplays({ now, limit: 3 });
  } else if (chance < 0.55) await events.prune({ exhaustedBefore: now - 500, limit: 2 });
  else await moveFromExpress(events);
}

async function moveFromExpress(events: PostgresRepos['events']): Promise<number> {
  const now = Date.now();
  const { deliveries } = await events.claimExpress({ now, leaseUntil: now + LEAVE_MS, limit: 5 });
  const next: SettledState = { status: 'waiting', dueAt: now - 1, queue: 'own' };
  await events.settle(
    deliveries.map(({ delivery: { id, token } }) => ({ deliveryId: id, token, next })),
    { now },
  );
  return deliveries.length;
}

/** Whoever is held back has somebody in front who is not. */
const WRONGLY_HELD = `
SELECT count(*)::int AS wrong FROM surehook.deliveries h
WHERE h.wake_at = ${HELD_BACK} AND NOT EXISTS (
  SELECT 1 FROM surehook.deliveries t
  WHERE t.webhook_id = h.webhook_id AND t.ordering_key = h.ordering_key AND t.wake_at IS DISTINCT FROM ${HELD_BACK}
    AND (t.line_place = 0 OR t.line_place = 1 AND t.seq < h.seq))`;

/** Ends everything, in turn. */
async function drain({ events }: PostgresRepos): Promise<number> {
  for (let idle = 0; idle < 10; ) {
    const now = Date.now();
    const dead = await events.listDeliveries({ status: 'exhausted', limit: 100_000 });
    const blockers = dead.filter(({ blocks }) => blocks).map(({ id }) => id);
    await events.markReplay(blockers, { now });
    const replayed = await events.promoteReplays({ now, limit: 1_000 });
    const moved = await moveFromExpress(events);
    const queues = [{ webhookId: WEBHOOK, limit: 100 }];
    const [result] = await events.claimQueues({ now, leaseUntil: now + LEAVE_MS, queues });
    const settlements = (result?.deliveries ?? []).map(({ delivery: { id, token } }) => {
      return { deliveryId: id, token, next: { status: 'delivered' } as const };
    });
    await events.settle(settlements, { now });
    if (settlements.length + replayed.length + moved > 0) idle = 0;
    else {
      idle += 1;
      await wait(20);
    }
  }
  const all = await events.listDeliveries({ limit: 100_000 });
  return all.filter(({ status }) => status !== 'delivered' && status !== 'exhausted').length;
}

it.each(seeds())(
  'keeps every line in order and moving, whoever works at it (seed %i)',
  async (seed) => {
    await pool.query('DROP SCHEMA IF EXISTS surehook CASCADE');
    await migrate(pool);
    const trial = new Trial();
    const pools = times(WORKERS, () => server.pool({ max: 2 }));
    const hosts = server.pool({ max: 8 });
    const repos = pools.map((one) => postgresRepos(one, { notifications: false }));
    const parts = repos.flatMap((one, n) => [
      work(one, { trial, random: seededRandom(seed * 100 + n) }),
      publish(one, hosts, { trial, random: seededRandom(seed * 100 + 50 + n) }),
    ]);
    await wait(CHAOS_MS);
    trial.ended = true;
    await Promise.all(parts);
    expect((await pool.query(WRONGLY_HELD)).rows).toEqual([{ wrong: 0 }]);
    // Nobody's lease runs longer than the test waits.
    await pool.query('UPDATE surehook.deliveries SET wake_at = 0, lease_until = 0 WHERE status = 1');
    const [first] = repos;
    expect(first && (await drain(first))).toBe(0);
    expect(trial.faults).toEqual([]);
    expect(trial.outOfOrder()).toEqual([]);
    expect(trial.counts.applied).toBeGreaterThan(100);
    if (process.env.SUREHOOK_COUNTS) console.log(trial.counts);
    for (const one of repos) await one.close();
    await Promise.all([...pools, hosts].map((one) => one.end()));
  },
  30_000,
);

function seeds(): number[] {
  const given = process.env.SUREHOOK_SEED;
  return given === undefined ? [1, 2] : [Number(given)];
}
