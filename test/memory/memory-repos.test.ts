import { describe, expect, it } from 'vitest';
import { ConflictError } from '../../src/errors.ts';
import { memoryRepos } from '../../src/memory/index.ts';
import { anEntry, aWebhook } from '../../src/testing/contract/records.ts';
import { manualClock } from '../../src/testing/index.ts';

const NOW = 1_000_000;
const lease = (now: number, leaseMs = 30_000) => ({ now, leaseUntil: now + leaseMs });

describe('memoryRepos', () => {
  it('applies a call in one step, before its promise is returned', () => {
    const { events } = memoryRepos();
    const entry = anEntry();
    void events.append([entry], { now: NOW });
    const claim = events.claimExpress({ ...lease(NOW * 2e6), limit: 1 });
    return expect(claim).resolves.toMatchObject({ deliveries: [{ event: { id: entry.event.id } }] });
  });

  it('rejects a transaction with TypeError', async () => {
    const { events } = memoryRepos();
    const call = events.append([anEntry()], { now: NOW, tx: {} });
    await expect(call).rejects.toThrow(TypeError);
    await expect(call).rejects.toThrow('tx must be undefined, not [object]');
  });

  it('keeps the bytes it is given, without a copy', async () => {
    const { events } = memoryRepos();
    const entry = anEntry();
    await events.append([entry], { now: NOW });
    const [stored] = await events.getEvents([entry.event.id]);
    expect(stored?.body).toBe(entry.event.body);
  });

  it('names the id or the key of a conflict', async () => {
    const { events } = memoryRepos();
    const { event } = anEntry();
    const keyed = { event: { ...event, idempotencyKey: 'order 7' }, deliveries: [] };
    await events.append([keyed], { now: NOW });
    const sameId = { event: { ...event, fingerprint: 'other' }, deliveries: [] };
    const sameKey = { event: { ...keyed.event, id: 'evt_new', fingerprint: 'other' }, deliveries: [] };
    await expect(events.append([sameId], { now: NOW })).rejects.toThrow(event.id);
    await expect(events.append([sameKey], { now: NOW })).rejects.toThrow('"order 7"');
    await expect(events.append([sameKey], { now: NOW })).rejects.toThrow(ConflictError);
  });

  it('records of a lost claim when it began and how long its lease was', async () => {
    const { events } = memoryRepos();
    const entry = anEntry({ dueAt: NOW });
    await events.append([entry], { now: NOW });
    await events.claimExpress({ ...lease(NOW + 5, 1_000), limit: 1 });
    await events.claimExpress({ ...lease(NOW + 9_000), limit: 1 });
    const [attempt] = await events.attempts(entry.deliveries[0]?.id ?? '');
    expect(attempt).toMatchObject({ startedAt: NOW + 5, durationMs: 1_000, error: { kind: 'lost' } });
  });

  it('does not claim twice in one call what has a lease that ends at once', async () => {
    const { events } = memoryRepos();
    await events.append([anEntry()], { now: NOW });
    const instant = { now: NOW * 2e6, leaseUntil: NOW * 2e6 };
    const { deliveries } = await events.claimExpress({ ...instant, limit: 10 });
    expect(deliveries).toHaveLength(1);
  });

  it('does not let a claim of a queue depend on leases that others have', async () => {
    const { state } = memoryRepos();
    await state.open([{ webhookId: 'a', failures: 0, nextAt: 0 }], { now: NOW });
    const take = (now: number) => state.acquire({ ...lease(now, 1_000), healthy: 1, failing: 1 });
    expect((await take(NOW)).queues).toHaveLength(1);
    // A caller whose clock is ahead sees the lease ended but has no room; one that is behind still sees it.
    const ahead = await state.acquire({ ...lease(NOW + 5_000), healthy: 0, failing: 0 });
    expect(ahead).toEqual({ queues: [], nextAt: 0 });
    expect(await take(NOW + 500)).toEqual({ queues: [], nextAt: NOW + 1_000 });
    expect((await take(NOW + 1_000)).queues).toHaveLength(1);
  });

  it('keeps new tokens of a queue above old ones even where time stands still', async () => {
    const { state } = memoryRepos();
    const opening = { webhookId: 'a', failures: 0, nextAt: 0 } as const;
    await state.open([opening], { now: NOW });
    const first = (await state.acquire({ ...lease(NOW), healthy: 1, failing: 0 })).queues[0];
    expect(first?.token).toBe(NOW + 1);
    const kept = { webhookId: 'a', token: NOW + 1, failures: 0, notBefore: 0, nextAt: null } as const;
    await state.save([{ ...kept, close: true }], { now: NOW });
    await state.open([opening], { now: NOW });
    const second = (await state.acquire({ ...lease(NOW), healthy: 1, failing: 0 })).queues[0];
    expect(second?.token).toBeGreaterThan(NOW + 1);
    expect(await state.save([kept], { now: NOW })).toEqual([{ result: 'lost' }]);
  });

  it('with a clock, lets no caller end a lease early', async () => {
    const clock = manualClock(NOW);
    const { events } = memoryRepos({ clock });
    await events.append([anEntry({ dueAt: NOW })], { now: NOW });
    const slow = { now: NOW - 600_000, leaseUntil: NOW - 600_000 + 30_000 };
    const claimed = await events.claimExpress({ ...slow, limit: 1 });
    expect(claimed.deliveries[0]?.delivery.leaseUntil).toBe(NOW + 30_000);
    const fast = { ...lease(NOW + 600_000), limit: 1 };
    expect(await events.claimExpress(fast)).toEqual({ deliveries: [], nextDueAt: NOW + 30_000 });
    await clock.advance(30_000);
    expect((await events.claimExpress(fast)).deliveries).toHaveLength(1);
  });

  it('tells listeners once per append, whatever its size, and nothing of what waits for nobody', async () => {
    const { events } = memoryRepos();
    const heard: unknown[] = [];
    events.onWork?.((work) => heard.push(work));
    const entries = ['b', 'a', 'b'].map((webhookId) => anEntry({ queue: 'own', webhookId }));
    await events.append([...entries, anEntry()], { now: NOW });
    expect(heard).toEqual([{ express: true, replays: false, ownQueues: ['b', 'a'] }]);
    const dead = anEntry({ status: 'exhausted', reason: 'webhook-unavailable', completedAt: NOW });
    await events.append([dead], { now: NOW });
    await events.append(entries, { now: NOW });
    expect(heard).toHaveLength(1);
  });

  it('forgets what subscriptions and tenants held once webhooks are gone', async () => {
    const { webhooks } = memoryRepos();
    const webhook = aWebhook({ events: ['a.*', 'b'] });
    for (let round = 0; round < 3; round += 1) {
      await webhooks.insert(webhook);
      expect(await webhooks.subscribers('tenant', 'a.b')).toEqual([webhook]);
      await webhooks.delete(webhook.id);
      expect(await webhooks.subscribers('tenant', 'a.b')).toEqual([]);
      expect(await webhooks.list({ tenantId: 'tenant', limit: 9 })).toEqual([]);
    }
  });
});
