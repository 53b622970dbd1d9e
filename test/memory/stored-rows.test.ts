import { describe, expect, it } from 'vitest';
import { Replays } from '../../src/memory/replays.ts';
import { StoredRows } from '../../src/memory/stored-rows.ts';
import { aDelivery, anEntry, anEvent } from '../../src/testing/contract/records.ts';

/** An event with two deliveries, each with a body of its own. */
function shaped(): Parameters<StoredRows['place']>[0][number] {
  const event = anEvent();
  const deliveries = [aDelivery(event), aDelivery(event)];
  const bodies = new Map(deliveries.map(({ id }, index) => [id, Uint8Array.of(index)]));
  return { event, deliveries, bodies };
}

describe('StoredRows', () => {
  it('lets go of the body of a delivery that is gone, while its event is still there', () => {
    const rows = new StoredRows();
    const [placed] = rows.place([shaped()]);
    const [gone, kept] = placed?.stored.rows ?? [];
    if (gone === undefined || kept === undefined) expect.fail('nothing was stored');
    expect(gone.event.body).toEqual(Uint8Array.of(0));
    expect(rows.remove(gone)).toBe(0);
    expect(gone.event).toBe(placed?.stored.event);
    expect(kept.event.body).toEqual(Uint8Array.of(1));
    expect(rows.remove(kept)).toBe(1);
    expect(rows.events([kept.event.id])).toEqual([]);
  });

  it('makes no copy of an event for deliveries without a body of their own', () => {
    const entry = anEntry();
    const [placed] = new StoredRows().place([entry]);
    expect(placed?.stored.rows[0]?.event).toBe(entry.event);
  });
});

describe('Replays', () => {
  it('take each row once, in the order of their marking, whatever is taken out between', () => {
    const rows = new StoredRows();
    const placed = rows.place([shaped(), shaped()]).flatMap(({ stored }) => stored.rows);
    const [a, b, c, d] = placed;
    if (a === undefined || b === undefined || c === undefined || d === undefined) expect.fail('too few');
    const replays = new Replays();
    for (const row of [c, a, b]) replays.add(row);
    replays.remove(c);
    replays.remove(d);
    replays.add(c);
    expect(replays.take(2)).toEqual([a, b]);
    replays.remove(a);
    expect(replays.take(9)).toEqual([c]);
    expect(replays.take(9)).toEqual([]);
  });
});
