import { execFile } from 'node:child_process';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it, test, vi } from 'vitest';
import { keyValueRepos } from '../../examples/custom-adapter/index.ts';
import { key, partsOf } from '../../examples/custom-adapter/keys.ts';
import { type KeyValueStore, type Range, SortedStore } from '../../examples/custom-adapter/store.ts';
import type { DeliveryRecord, SettledState } from '../../src/domain/delivery.ts';
import type { AppendEntry, EventRepo, LeaseTimes, Repos, Settlement } from '../../src/repos.ts';
import { allLaws, runContract } from '../../src/testing/index.ts';

// The example imports the package by its name: here that is what lies in src, built or not.
vi.mock('surehook', () => import('../../src/index.ts'));

const EVERYTHING: Range = { from: '', to: '\uffff', limit: 100_000 };
const FAR_MS = 1_000_000;

describe('the custom adapter', () => {
  runContract({ test, create: () => ({ repos: keyValueRepos(new SortedStore()) }) });
});

describe('the custom adapter over a store that answers in a later turn', () => {
  runContract({ test, create: () => ({ repos: keyValueRepos(later(new SortedStore())) }) });
});

describe('the keys of the custom adapter', () => {
  const part = fc.oneof(
    fc.string({ unit: fc.constantFrom('\0', '\x01', '\x02', 'a', 'b', '/') }),
    fc.string({ unit: 'binary' }),
  );

  it('sort part by part, and give their parts back', () => {
    fc.assert(
      fc.property(fc.array(part, { maxLength: 4 }), fc.array(part, { maxLength: 4 }), (a, b) => {
        expect(partsOf(key(...a))).toEqual(a);
        expect(Math.sign(compare(key(...a), key(...b)))).toBe(compareParts(a, b));
      }),
    );
  });

  it('sort instants as numbers', () => {
    const instant = fc.integer({ min: 0, max: 8_640_000_000_000_000 });
    fc.assert(
      fc.property(instant, instant, (a, b) => {
        expect(compare(key('due', a), key('due', b))).toBe(Math.sign(a - b));
      }),
    );
  });
});

describe('what the custom adapter reads', () => {
  it.each([50, 3_000])(
    'is the same for a claim and a count of 5 with %d deliveries waiting in each queue',
    async (waiting) => {
      const counted = counting(new SortedStore());
      const repos = keyValueRepos(counted.store);
      for (const queue of ['express', 'own'] as const) await append(repos, entries(waiting, { queue }));
      const times = { now: FAR_MS, leaseUntil: 2 * FAR_MS };
      const reads = [
        await counted.during(() => repos.events.claimExpress({ ...times, limit: 5 })),
        await counted.during(() =>
          repos.events.claimQueues({ ...times, queues: [{ webhookId: 'whk', limit: 5 }] }),
        ),
        await counted.during(() => repos.events.ownQueues({ limit: 100 })),
        await counted.during(() => repos.events.countDeliveries({ webhookId: 'whk', limit: 5 })),
      ];
      expect(reads).toEqual([32, 32, 1, 15]);
    },
  );

  it.each([50, 1_000])('is the same for a batch of 5 of %d, and for a line of as many', async (waiting) => {
    const counted = counting(new SortedStore());
    const repos = keyValueRepos(counted.store);
    await append(repos, entries(waiting, { queue: 'own' }));
    await append(repos, entries(waiting, { queue: 'own', webhookId: 'ordered', orderingKey: 'k' }));
    const times = { now: FAR_MS, leaseUntil: 2 * FAR_MS };
    const batch = { id: 'bat_1', maxEvents: 5, maxBytes: FAR_MS, maxWaitMs: 0 };
    const queues = [{ webhookId: 'whk', limit: 1, batch }];
    const reads = [
      await counted.during(() => repos.events.claimQueues({ ...times, queues })),
      await counted.during(() =>
        repos.events.claimQueues({ ...times, queues: [{ webhookId: 'ordered', limit: 5 }] }),
      ),
    ];
    expect(reads).toEqual([52, 9]);
  });

  it.each([50, 1_000])('is the same for an acquisition of 5 of %d queues', async (waiting) => {
    const counted = counting(new SortedStore());
    const repos = keyValueRepos(counted.store);
    const queues = Array.from({ length: waiting }, (_, n) => ({
      webhookId: `whk_${n}`,
      failures: 0,
      nextAt: n,
    }));
    await repos.state.open(queues, { now: 0 });
    const request = { now: FAR_MS, leaseUntil: 2 * FAR_MS, healthy: 5, failing: 5 };
    expect(await counted.during(() => repos.state.acquire(request))).toBe(22);
  });
});

describe('what the custom adapter leaves', () => {
  it('is nothing but its counter once everything has ended and was pruned', async () => {
    const store = new SortedStore();
    const repos = keyValueRepos(store);
    const { events } = repos;
    const claimAll = async (now: number): Promise<DeliveryRecord[]> => {
      const times = { now, leaseUntil: now + 5 };
      const [own] = await events.claimQueues({ ...times, queues: [{ webhookId: 'whk', limit: 9 }] });
      const express = await events.claimExpress({ ...times, limit: 9 });
      return [...(own?.deliveries ?? []), ...express.deliveries].map(({ delivery }) => delivery);
    };
    const unheard = entries(1, {}).map(({ event }) => ({ event, deliveries: [] }));
    const shaped = entries(1, {}).map((entry) => ({
      ...entry,
      bodies: new Map([[entry.deliveries[0]?.id ?? '', Uint8Array.of(1)]]),
    }));
    await append(repos, [...entries(4, { queue: 'own' }), ...entries(3, {}), ...shaped, ...unheard]);
    await events.exhaustQueue({ webhookId: 'whk', reason: 'cancelled', now: 5, limit: 2 });
    const [replayed] = await events.listDeliveries({ status: 'exhausted', limit: 1 });
    await events.markReplay([replayed?.id ?? ''], { now: 6 });
    await events.promoteReplays({ now: 7, limit: 9 });
    // Each claim is lost once.
    expect(await claimAll(10)).toHaveLength(7);
    const settlements = (await claimAll(20)).map(({ id, token }) => {
      return { deliveryId: id, token, next: { status: 'delivered' } } as const;
    });
    await events.settle(settlements, { now: 21 });
    const pruned = await events.prune({ deliveredBefore: 22, exhaustedBefore: 22, limit: 9 });
    expect(pruned).toEqual({ deliveries: 8, events: 9, attempts: 7, more: false });
    expect((await store.range(EVERYTHING)).map(([name]) => partsOf(name))).toEqual([['sequence']]);
  });

  it('is nothing of what was cancelled, and nothing of old tallies and full buckets', async () => {
    const store = new SortedStore();
    const { events, state } = keyValueRepos(store);
    const waiting = [...entries(1, {}), ...entries(2, { queue: 'own', orderingKey: 'a' })];
    await events.append(waiting, { now: 0 });
    await events.cancel(
      waiting.flatMap(({ deliveries }) => deliveries.map(({ id }) => id)),
      { now: 5 },
    );
    await events.prune({ exhaustedBefore: 6, limit: 9 });
    const bucket = { bucket: 'tenant', perMinute: 60 };
    await state.takeTokens([{ ...bucket, burst: 5, wanted: 3, atLeast: 1 }], { now: 5 });
    await state.returnTokens([{ ...bucket, count: 1 }], { now: 5 });
    await state.recordOutcomes([
      { webhookId: 'whk', writer: 'w', startsAt: 0, succeeded: 1, failed: 0, latencies: [1] },
    ]);
    const prune = { outcomesBefore: 1, limit: 9 };
    expect(await state.pruneState({ ...prune, now: 2_004 })).toBe(false);
    expect((await store.range(EVERYTHING)).map(([name]) => partsOf(name)[0])).toContain('bucket');
    expect(await state.pruneState({ ...prune, now: 2_005 })).toBe(false);
    expect((await store.range(EVERYTHING)).map(([name]) => partsOf(name))).toEqual([['sequence']]);
  });

  it('is nothing of lines and batches either', async () => {
    const store = new SortedStore();
    const { events } = keyValueRepos(store);
    for (const orderingKey of ['a', 'b', 'a', 'a']) {
      await events.append(entries(1, { queue: 'own', orderingKey }), { now: 0 });
    }
    const times = { now: 10, leaseUntil: 20 };
    const claimed = await claimBatch(events, times);
    await events.settle([settlementOf(claimed, { status: 'exhausted', reason: 'cancelled', blocks: true })], {
      now: 11,
    });
    expect(await claimBatch(events, times)).toEqual([]);
    await events.prune({ exhaustedBefore: 12, limit: 9 });
    await events.settle([settlementOf(await claimBatch(events, times), { status: 'delivered' })], {
      now: 12,
    });
    await events.exhaustQueue({ webhookId: 'whk', reason: 'cancelled', now: 12, limit: 9 });
    await events.prune({ deliveredBefore: 13, exhaustedBefore: 13, limit: 9 });
    expect((await store.range(EVERYTHING)).map(([name]) => partsOf(name))).toEqual([['sequence']]);
  });

  it('is nothing of a batch that the store did not take, and the next one is taken', async () => {
    const store = new SortedStore();
    const write = vi.spyOn(store, 'write').mockRejectedValueOnce(new Error('disk full'));
    const repos = keyValueRepos(store);
    const [entry] = entries(1, {});
    await expect(append(repos, [entry!])).rejects.toThrow('disk full');
    expect(await store.range(EVERYTHING)).toEqual([]);
    expect(await append(repos, [entry!])).toMatchObject([{ duplicate: false }]);
    expect(write).toHaveBeenCalledTimes(2);
  });
});

describe('a batch of the custom adapter', () => {
  it('is handed out again in the order of the first time, whatever was due first', async () => {
    const { events } = keyValueRepos(new SortedStore());
    for (const dueAt of [3, 1, 2]) await events.append(entries(1, { queue: 'own', dueAt }), { now: 0 });
    const first = await claimBatch(events, { now: 10, leaseUntil: 20 });
    const again = await claimBatch(events, { now: 30, leaseUntil: 40 });
    expect(again.map(({ id }) => id)).toEqual(first.map(({ id }) => id));
    expect(again[0]?.batch).toEqual(first[0]?.batch);
  });

  it('is dissolved where the turn of one of its members has gone to another', async () => {
    const { events } = keyValueRepos(new SortedStore());
    for (const orderingKey of ['a', 'a', 'b']) {
      await events.append(entries(1, { queue: 'own', orderingKey }), { now: 0 });
    }
    const times = { now: 10, leaseUntil: 90 };
    const [gone] = await claimBatch(events, times, 1);
    await events.settle([settlementOf([gone!], { status: 'exhausted', reason: 'cancelled' })], { now: 10 });
    const batch = await claimBatch(events, times);
    expect(batch.map(({ orderingKey }) => orderingKey)).toEqual(['a', 'b']);
    await events.markReplay([gone!.id], { now: 10 });
    await events.promoteReplays({ now: 10, limit: 1 });
    const waiting = { status: 'waiting', dueAt: 10, queue: 'own' } as const;
    const replayed = (await events.claimExpress({ ...times, limit: 1 })).deliveries[0]!.delivery;
    await events.settle(
      [settlementOf(batch, { ...waiting, batch: batch[0]!.batch! }), settlementOf([replayed], waiting)],
      { now: 10 },
    );
    expect((await claimBatch(events, times)).map(({ id }) => id)).toEqual([gone!.id, batch[1]!.id]);
    expect(await claimBatch(events, times)).toEqual([]);
  });

  it('is not ended by a settlement that names a lost claim, and no member of it is said to have ended', async () => {
    const { events } = keyValueRepos(new SortedStore());
    await events.append(entries(2, { queue: 'own' }), { now: 0 });
    const [one, two] = await claimBatch(events, { now: 10, leaseUntil: 20 });
    const settlement = settlementOf([one!, { ...two!, token: 0 }], { status: 'delivered' });
    expect(await events.settle([settlement], { now: 11 })).toEqual(['late']);
    expect(await events.getDeliveries([one!.id, two!.id])).toMatchObject([
      { status: 'delivering' },
      { status: 'delivering' },
    ]);
  });
});

describe('what the custom adapter remembers', () => {
  it('is the token of a queue that was closed, also where time stands still', async () => {
    const { state } = keyValueRepos(new SortedStore());
    const acquireNew = async (): Promise<number> => {
      await state.open([{ webhookId: 'whk', failures: 0, nextAt: 1 }], { now: 5 });
      const { queues } = await state.acquire({ now: 5, leaseUntil: 9, healthy: 1, failing: 0 });
      return queues[0]?.token ?? 0;
    };
    const token = await acquireNew();
    const close = { webhookId: 'whk', token, failures: 0, notBefore: 0, nextAt: null, close: true } as const;
    expect(await state.save([close], { now: 5 })).toEqual([{ result: 'closed' }]);
    expect(await acquireNew()).toBeGreaterThan(token + 1);
    expect(await state.save([close], { now: 5 })).toEqual([{ result: 'lost' }]);
  });
});

describe('the files of the custom adapter', { timeout: 20_000 }, () => {
  it('demo.ts shows what it promises, and no secret', async () => {
    const { stdout, stderr } = await runNode([fileOf('demo.ts')]);
    expect(stderr).toBe('');
    expect(stdout.match(/^ok {4}/gm)).toHaveLength(5);
    expect(stdout).not.toMatch(/FAILED|whsec_/);
  });

  it('check.ts runs every law under node --test, and skips none', async () => {
    const { stdout } = await runNode(['--test', '--test-reporter=tap', fileOf('check.ts')]);
    expect(stdout).toContain(`# pass ${allLaws.length}\n`);
    for (const other of ['fail', 'skipped', 'cancelled', 'todo']) expect(stdout).toContain(`# ${other} 0\n`);
  });
});

/** Rejects when the process does not end with 0. */
async function runNode(args: readonly string[]): Promise<{ stdout: string; stderr: string }> {
  const hook = new URL('./from-sources.ts', import.meta.url).href;
  const flags = ['--no-warnings', '--experimental-strip-types', '--import', hook];
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  return await promisify(execFile)(process.execPath, [...flags, ...args], { env, maxBuffer: 2 ** 24 });
}

function fileOf(name: string): string {
  return fileURLToPath(new URL(`../../examples/custom-adapter/${name}`, import.meta.url));
}

/** As a store elsewhere: other calls come in between. */
function later(store: KeyValueStore): KeyValueStore {
  return {
    get: async (name) => turn().then(() => store.get(name)),
    range: async (range) => turn().then(() => store.range(range)),
    write: async (batch) => turn().then(() => store.write(batch)),
  };
}

/** Counts what is read: gets, and entries of ranges. */
function counting(store: KeyValueStore): {
  store: KeyValueStore;
  during(work: () => Promise<unknown>): Promise<number>;
} {
  let reads = 0;
  const get: KeyValueStore['get'] = (name) => {
    reads += 1;
    return store.get(name);
  };
  const range: KeyValueStore['range'] = async (request) => {
    const found = await store.range(request);
    reads += found.length;
    return found;
  };
  return {
    store: { get, range, write: (batch) => store.write(batch) },
    during: async (work) => {
      reads = 0;
      await work();
      return reads;
    },
  };
}

/** One batch of the queue of `whk`. */
async function claimBatch(
  events: EventRepo,
  times: LeaseTimes,
  maxEvents = 9,
): Promise<readonly DeliveryRecord[]> {
  claims += 1;
  const batch = { id: `bat_${claims}`, maxEvents, maxBytes: 1_000, maxWaitMs: 0 };
  const [claimed] = await events.claimQueues({ ...times, queues: [{ webhookId: 'whk', limit: 1, batch }] });
  return claimed!.deliveries.map(({ delivery }) => delivery);
}

function settlementOf([first, ...rest]: readonly DeliveryRecord[], next: SettledState): Settlement {
  const others = rest.map(({ id, token }) => ({ deliveryId: id, token }));
  return { deliveryId: first!.id, token: first!.token, others, next };
}

let claims = 0;
let made = 0;

/** Events with one delivery each to `whk`, due from the instant 0 on. */
function entries(count: number, fields: Partial<DeliveryRecord>): AppendEntry[] {
  return Array.from({ length: count }, () => {
    made += 1;
    const event = {
      id: `evt_${made}`,
      tenantId: 'tenant',
      type: 'a',
      body: new Uint8Array(),
      contentType: 'application/json',
      timestamp: 0,
      createdAt: 0,
      fingerprint: `${made}`,
      idempotencyKey: `key ${made}`,
    };
    const delivery: DeliveryRecord = {
      ...{ id: `dlv_${made}`, eventId: event.id, webhookId: 'whk', tenantId: 'tenant', eventType: 'a' },
      ...{ status: 'pending', queue: 'express', dueAt: 0, createdAt: 0 },
      ...{ token: 0, attempts: 0, tries: 0, lost: 0 },
      ...fields,
    };
    return { event, deliveries: [delivery] };
  });
}

function append(repos: Repos, batch: readonly AppendEntry[]): Promise<readonly unknown[]> {
  return repos.events.append(batch, { now: 0 });
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function compareParts(a: readonly string[], b: readonly string[]): number {
  for (const [index, part] of a.entries()) {
    const other = b[index];
    if (other === undefined) return 1;
    if (part !== other) return compare(part, other);
  }
  return a.length < b.length ? -1 : 0;
}
