import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByAge } from '../../src/memory/by-age.ts';

interface Place {
  readonly createdAt: number;
  readonly id: string;
}

const place = fc.record({ createdAt: fc.nat(8), id: fc.string({ maxLength: 2 }) });
const order = fc.constantFrom('newest' as const, 'oldest' as const);
const span = fc.record({ order, after: place, since: fc.nat(9), until: fc.nat(9) }, { requiredKeys: [] });

const newestFirst = (a: Place, b: Place): number =>
  b.createdAt - a.createdAt || (a.id < b.id ? 1 : Number(a.id > b.id) * -1);
const same = (a: Place, b: Place): boolean => a.createdAt === b.createdAt && a.id === b.id;

describe('ByAge', () => {
  it('is a sorted list, whatever is added, removed and read in whatever order', () => {
    const command = fc.oneof(
      { weight: 5, arbitrary: fc.record({ kind: fc.constant('add' as const), place }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), place }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('read' as const), span, limit: fc.nat(6) }) },
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        const list = new ByAge<{ record: Place }>();
        let model: Place[] = [];
        for (const step of commands) {
          if (step.kind === 'add' && !model.some((one) => same(one, step.place))) {
            list.add({ record: step.place });
            model.push(step.place);
          } else if (step.kind === 'remove') {
            list.remove(step.place);
            model = model.filter((one) => !same(one, step.place));
          } else if (step.kind === 'read') {
            const { order: first, after, since = 0, until = 99 } = step.span;
            const compare = (a: Place, b: Place): number =>
              first === 'oldest' ? newestFirst(b, a) : newestFirst(a, b);
            const expected = model
              .toSorted(compare)
              .filter((one) => after === undefined || compare(after, one) < 0)
              .filter(({ createdAt }) => since <= createdAt && createdAt < until);
            const page = list.page(step.span, step.limit);
            expect(page.map(({ record }) => record)).toEqual(expected.slice(0, step.limit));
          }
          expect(list.size).toBe(model.length);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('counts only accepted rows towards the limit', () => {
    const list = new ByAge<{ record: Place }>();
    for (let n = 0; n < 10; n += 1) list.add({ record: { createdAt: n, id: `${n}` } });
    const even = list.page({}, 3, ({ record }) => record.createdAt % 2 === 0);
    expect(even.map(({ record }) => record.id)).toEqual(['8', '6', '4']);
  });

  it.each(['newest', 'oldest'] as const)('reads %s first from a place on, not what is before it', (first) => {
    const list = new ByAge<{ record: Place }>();
    for (let n = 0; n < 1_000; n += 1) list.add({ record: { createdAt: n, id: `${n}` } });
    let looks = 0;
    const after = { createdAt: 500, id: '500' };
    list.page({ order: first, after, since: 1, until: 999 }, 3, () => {
      looks += 1;
      return true;
    });
    expect(looks).toBe(3);
  });

  it('reads the oldest without sorting what has arrived behind them', () => {
    const list = new ByAge<{ record: Place }>();
    for (let n = 0; n < 10; n += 1) list.add({ record: { createdAt: n, id: `${n}` } });
    list.page({}, 1);
    let reads = 0;
    const arrived = (id: string): Place => ({
      createdAt: 10,
      get id() {
        reads += 1;
        return id;
      },
    });
    for (const id of ['b', 'c', 'a']) list.add({ record: arrived(id) });
    const ids = (limit: number): string =>
      list
        .page({ order: 'oldest', after: { createdAt: 3, id: '3' } }, limit)
        .map(({ record }) => record.id)
        .join('');
    expect(ids(6)).toBe('456789');
    expect(reads).toBe(0);
    expect(ids(8)).toBe('456789ab');
  });
});
