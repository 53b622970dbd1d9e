import assert from 'node:assert/strict';
import type { AppendEntry } from '../../repos.ts';
import { ids, only, rejectsWithConflict, same } from './expect.ts';
import { type Law, lawsOf } from './law.ts';
import { aDelivery, anAttempt, anEvent, times } from './records.ts';

/** Publishing again under one id or key stores nothing again, and other content under it is refused. */
export const idempotencyLaws: readonly Law[] = lawsOf('idempotency', {
  'returns the stored event for an id that is stored': async (context) => {
    const first = keyed({ id: 'evt_same', fingerprint: 'equal' });
    const again = keyed({ id: 'evt_same', fingerprint: 'equal' });
    await context.append(first);
    same(only(await context.append(again)), { ...first, duplicate: true });
    same(await context.repos.events.getDeliveries(ids(again.deliveries)), []);
  },

  'returns the stored event for a key that is stored': async (context) => {
    const first = keyed({ idempotencyKey: 'key', fingerprint: 'equal' });
    const again = keyed({ idempotencyKey: 'key', fingerprint: 'equal' });
    await context.append(first);
    same(only(await context.append(again)), { ...first, duplicate: true });
    same(await context.repos.events.getEvents([again.event.id]), []);
    same(await context.repos.events.getDeliveries(ids(again.deliveries)), []);
    same(ids(await context.claim()), ids(first.deliveries));
  },

  'returns a duplicate as it is now': async (context) => {
    const entry = keyed({});
    await context.append(entry);
    const claimed = only(await context.claim());
    await context.settle(claimed, { status: 'delivered' }, anAttempt({ httpStatus: 200 }));
    const stored = await context.delivery(claimed.id);
    same(only(await context.append(entry)), { event: entry.event, deliveries: [stored], duplicate: true });
  },

  'knows a repetition within one batch': async (context) => {
    const first = keyed({ idempotencyKey: 'key', fingerprint: 'equal' });
    const sameKey = keyed({ idempotencyKey: 'key', fingerprint: 'equal' });
    const sameId = keyed({ id: first.event.id, fingerprint: 'equal' });
    const results = await context.append(first, sameKey, sameId);
    same(results, [
      { ...first, duplicate: false },
      { ...first, duplicate: true },
      { ...first, duplicate: true },
    ]);
    same(ids(await context.claim()), ids(first.deliveries));
  },

  'stores what is new in a batch beside what is not': async (context) => {
    const [old, fresh] = [keyed({}), keyed({})];
    await context.append(old);
    same(await context.append(old, fresh), [
      { ...old, duplicate: true },
      { ...fresh, duplicate: false },
    ]);
  },

  'refuses other content under an id': async (context) => {
    await context.append(keyed({ id: 'evt_same', fingerprint: 'one' }));
    await rejectsWithConflict(context.append(keyed({ id: 'evt_same', fingerprint: 'other' })));
  },

  'refuses other content under a key': async (context) => {
    await context.append(keyed({ idempotencyKey: 'key', fingerprint: 'one' }));
    await rejectsWithConflict(context.append(keyed({ idempotencyKey: 'key', fingerprint: 'other' })));
  },

  'refuses other content under a key within one batch, and stores none of it': async (context) => {
    const first = keyed({ idempotencyKey: 'key', fingerprint: 'one' });
    const other = keyed({ idempotencyKey: 'key', fingerprint: 'other' });
    await rejectsWithConflict(context.append(first, other));
    same(await context.repos.events.getEvents([first.event.id, other.event.id]), []);
  },

  'keeps the keys of tenants apart, however tenant and key are put together': async (context) => {
    const entries = [
      ['a', 'bc'],
      ['ab', 'c'],
      ['a:b', 'c'],
      ['a', 'b:c'],
      ['', 'abc'],
    ].map(([tenantId, idempotencyKey]) =>
      keyed({ tenantId: `${tenantId}`, idempotencyKey: `${idempotencyKey}` }),
    );
    for (const entry of entries) same(only(await context.append(entry)).duplicate, false);
  },

  'stores one of many concurrent publishes with one key': async (context) => {
    const entries = times(20, () => keyed({ idempotencyKey: 'key', fingerprint: 'equal' }));
    const results = (await Promise.all(entries.map((entry) => context.append(entry)))).map(only);
    assert.equal(results.filter((result) => !result.duplicate).length, 1);
    assert.equal(new Set(results.map((result) => result.event.id)).size, 1);
    assert.equal((await context.claim()).length, 1);
  },

  'stores one of concurrent publishes with one key and different content': async (context) => {
    const entries = times(10, (n) => keyed({ idempotencyKey: 'key', fingerprint: `content ${n}` }));
    const outcomes = await Promise.allSettled(entries.map((entry) => context.append(entry)));
    assert.equal(outcomes.filter((outcome) => outcome.status === 'fulfilled').length, 1);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') await rejectsWithConflict(Promise.reject(outcome.reason));
    }
    assert.equal((await context.claim()).length, 1);
  },
});

function keyed(fields: Parameters<typeof anEvent>[0]): AppendEntry {
  const event = anEvent(fields);
  return { event, deliveries: [aDelivery(event)] };
}
