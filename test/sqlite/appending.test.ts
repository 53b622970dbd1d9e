/** Appends of more entries than one statement stores. */
import { beforeEach, describe, expect, it } from 'vitest';
import { ConflictError } from '../../src/errors.ts';
import type { AppendEntry } from '../../src/repos.ts';
import { type SqliteRepos, sqliteRepos } from '../../src/sqlite/index.ts';
import { ROWS_AT_ONCE } from '../../src/sqlite/rows-insert.ts';
import { aDelivery, anEntry, anEvent, LONG_AGO_MS } from '../../src/testing/contract/records.ts';
import { freshFiles } from './files.ts';

const freshFile = freshFiles();
const NOW = LONG_AGO_MS + 1_000_000;
const MANY = 2 * ROWS_AT_ONCE + 3;

let repos: SqliteRepos;

beforeEach(() => {
  repos = sqliteRepos(freshFile());
  return () => repos.close();
});

const idsOf = (entry: AppendEntry | undefined): string[] => entry?.deliveries.map(({ id }) => id) ?? [];
const entries = (): AppendEntry[] => Array.from({ length: MANY }, () => anEntry());

describe('an append of many', () => {
  it.each([0, 5, ROWS_AT_ONCE - 1, ROWS_AT_ONCE, MANY - 1])(
    'finds a duplicate that is the one at %i, and stores the others',
    async (index) => {
      const all = entries();
      const known = all[index] as AppendEntry;
      await repos.events.append([known], { now: NOW });
      const results = await repos.events.append(all, { now: NOW });
      expect(results.map(({ duplicate }) => duplicate)).toEqual(all.map((entry) => entry === known));
      const { deliveries } = await repos.events.claimExpress({ now: NOW, leaseUntil: NOW + 1, limit: 99 });
      expect(deliveries.map(({ delivery }) => delivery.id)).toEqual(
        [known, ...all.filter((entry) => entry !== known)].flatMap(idsOf),
      );
    },
  );

  it('compares an entry with those before it only', async () => {
    const stored = anEvent();
    await repos.events.append([{ event: stored, deliveries: [] }], { now: NOW });
    // It stands for a stored event, so that its key is not taken, and a later one may have that with other content.
    const repeated = { event: { ...stored, idempotencyKey: 'k' }, deliveries: [] };
    const keyed = { event: { ...anEvent(), tenantId: stored.tenantId, idempotencyKey: 'k' }, deliveries: [] };
    const results = await repos.events.append([...entries(), repeated, keyed, ...entries()], { now: NOW });
    expect(results.filter(({ duplicate }) => duplicate).map(({ event }) => event.id)).toEqual([stored.id]);
    expect(await repos.events.getEvents([keyed.event.id])).toEqual([keyed.event]);
  });

  it.each([0, 1, ROWS_AT_ONCE + 2, MANY - 1])(
    'names the delivery id that is in use, the one at %i, and stores nothing',
    async (index) => {
      const all = entries();
      const [id = ''] = idsOf(all[index]);
      await repos.events.append([anEntry({ id })], { now: NOW });
      const appending = repos.events.append(all, { now: NOW });
      await expect(appending).rejects.toThrow(ConflictError);
      await expect(appending).rejects.toThrow(id);
      const rest = all.filter((_, n) => n !== index).flatMap(idsOf);
      expect(await repos.events.getDeliveries(rest)).toEqual([]);
      expect(await repos.events.getEvents(all.map(({ event }) => event.id))).toEqual([]);
    },
  );

  it('names a delivery id that occurs twice in it', async () => {
    const event = anEvent();
    const twice = [
      aDelivery(event),
      aDelivery(event, { id: 'dlv_twice' }),
      aDelivery(event, { id: 'dlv_twice' }),
    ];
    await expect(repos.events.append([{ event, deliveries: twice }], { now: NOW })).rejects.toThrow(
      'dlv_twice',
    );
  });

  it('stores deliveries of every kind as they are', async () => {
    const event = anEvent();
    const kinds = [
      {},
      { status: 'exhausted', reason: 'webhook-unavailable', completedAt: NOW },
      { status: 'failed', attempts: 2, tries: 1, lost: 1, token: 3 },
      { queue: 'own', orderingKey: '' },
      { queue: 'own' },
    ] as const;
    const deliveries = Array.from({ length: 4 }, () =>
      kinds.map((fields) => aDelivery(event, fields)),
    ).flat();
    await repos.events.append([{ event, deliveries }], { now: NOW });
    expect(await repos.events.deliveriesOf(event.id)).toEqual(deliveries);
  });
});
