import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NewestFirst } from '../../src/memory/newest-first.ts';

interface Place {
  readonly createdAt: number;
  readonly id: string;
}

const place = fc.record({ createdAt: fc.nat(8), id: fc.string({ maxLength: 2 }) });
const span = fc.record({ after: place, since: fc.nat(9), until: fc.nat(9) }, { requiredKeys: [] });

const newestFirst = (a: Place, b: Place): number =>
  b.createdAt - a.createdAt || (a.id < b.id ? 1 : Number(a.id > b.id) * -1);
const same = (a: Place, b: Place): boolean => a.createdAt === b.createdAt && a.id === b.id;

describe('NewestFirst', () => {
  it('is a sorted list, whatever is added, removed and read in whatever order', () => {
    const command = fc.oneof(
      { weight: 5, arbitrary: fc.record({ kind: fc.constant('add' as const), place }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), place }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('read' as const), span, limit: fc.nat(6) }) },
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        const list = new NewestFirst<{ record: Place }>();
        let model: Place[] = [];
        for (const step of commands) {
          if (step.kind === 'add' && !model.some((one) => same(one, step.place))) {
            list.add({ record: step.place });
            model.push(step.place);
          } else if (step.kind === 'remove') {
            list.remove(step.place);
            model = model.filter((one) => !same(one, step.place));
          } else if (step.kind === 'read') {
            const { after, since = 0, until = 99 } = step.span;
            const expected = model
              .toSorted(newestFirst)
              .filter((one) => after === undefined || newestFirst(after, one) < 0)
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
    const list = new NewestFirst<{ record: Place }>();
    for (let n = 0; n < 10; n += 1) list.add({ record: { createdAt: n, id: `${n}` } });
    const even = list.page({}, 3, ({ record }) => record.createdAt % 2 === 0);
    expect(even.map(({ record }) => record.id)).toEqual(['8', '6', '4']);
  });
});
