/** What settling by place relies on, and what it does where a claim is not held any more. */
import { describe, expect, it } from 'vitest';
import type { ClaimedDelivery, Settlement } from '../../src/repos.ts';
import { sqliteRepos } from '../../src/sqlite/index.ts';
import { aDelivery, anAttempt, anEntry, anEvent, LONG_AGO_MS } from '../../src/testing/contract/records.ts';
import { freshFiles } from './files.ts';

const freshFile = freshFiles();
const NOW = LONG_AGO_MS + 1_000_000;
const EXPIRY = NOW + 1_000;
const PRUNED = { deliveredBefore: NOW + 9, limit: 9 };

function delivered({ delivery }: ClaimedDelivery): Settlement {
  return {
    deliveryId: delivery.id,
    token: delivery.token,
    attempt: anAttempt(),
    next: { status: 'delivered' },
  };
}

describe('a claim that another process took over', () => {
  it('leaves the others of its batch as they are settled', async () => {
    const file = freshFile();
    using ours = sqliteRepos(file);
    using others = sqliteRepos(file);
    await ours.events.append(
      Array.from({ length: 40 }, () => anEntry()),
      { now: NOW },
    );
    const { deliveries: first } = await ours.events.claimExpress({ now: NOW, leaseUntil: EXPIRY, limit: 1 });
    const { deliveries: rest } = await ours.events.claimExpress({
      now: NOW,
      leaseUntil: EXPIRY + 9_000,
      limit: 99,
    });
    const taken = await others.events.claimExpress({ now: EXPIRY, leaseUntil: EXPIRY + 9_000, limit: 99 });
    expect(taken.deliveries.map(({ delivery }) => delivery.id)).toEqual(
      first.map(({ delivery }) => delivery.id),
    );
    const results = await ours.events.settle([...rest, ...first].map(delivered), { now: EXPIRY });
    expect(results).toEqual([...rest.map(() => 'applied'), 'late']);
    for (const { delivery } of rest) {
      expect(await ours.events.getDeliveries([delivery.id])).toMatchObject([
        { status: 'delivered', attempts: 1 },
      ]);
      expect(await ours.events.attempts(delivery.id)).toMatchObject([{ number: 1, token: 1, late: false }]);
    }
    expect(await others.events.settle(taken.deliveries.map(delivered), { now: EXPIRY })).toEqual(['applied']);
  });
});

describe('a count of attempts that another report has raised since the claim', () => {
  it('is found out', async () => {
    const file = freshFile();
    using repos = sqliteRepos(file);
    await repos.events.append([anEntry()], { now: NOW });
    const { deliveries } = await repos.events.claimExpress({ now: NOW, leaseUntil: EXPIRY, limit: 1 });
    const held = deliveries.map(delivered);
    // Under a token that nobody was given: recorded, and that is all.
    const strayed = held.map((settlement) => ({ ...settlement, token: 99 }));
    using others = sqliteRepos(file);
    expect(await others.events.settle(strayed, { now: NOW })).toEqual(['late']);
    expect(await repos.events.settle(held, { now: NOW })).toEqual(['applied']);
    const attempts = await repos.events.attempts(held[0]?.deliveryId ?? '');
    expect(attempts.map(({ number, token, late }) => [number, token, late])).toEqual([
      [1, 99, true],
      [2, 1, false],
    ]);
  });
});

describe('a place', () => {
  it('is never given to another delivery, so that a late report is not taken for one of its', async () => {
    const file = freshFile();
    using ours = sqliteRepos(file);
    using others = sqliteRepos(file);
    const event = anEvent();
    await ours.events.append([{ event, deliveries: [aDelivery(event), aDelivery(event)] }], { now: NOW });
    const { deliveries } = await ours.events.claimExpress({ now: NOW, leaseUntil: EXPIRY, limit: 2 });
    await others.events.settle(deliveries.map(delivered), { now: NOW });
    expect(await others.events.prune(PRUNED)).toMatchObject({ deliveries: 2, events: 1 });
    await others.events.append([anEntry(), anEntry()], { now: NOW });
    const newer = await others.events.claimExpress({ now: NOW, leaseUntil: EXPIRY, limit: 2 });
    expect(await ours.events.settle(deliveries.map(delivered), { now: NOW })).toEqual(['unknown', 'unknown']);
    const ids = newer.deliveries.map(({ delivery }) => delivery.id);
    const found = await ours.events.getDeliveries(ids);
    expect(found.map(({ status }) => status)).toEqual(['delivering', 'delivering']);
  });
});
