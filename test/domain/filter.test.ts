import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Filter, type FilterSubject, matchesFilter } from '../../src/domain/filter.ts';
import { checkFilter } from '../../src/domain/filter-check.ts';
import { InvalidInputError } from '../../src/errors.ts';

const payload = {
  total: 100,
  paid: true,
  note: null,
  at: '2024-05-01T00:00:00Z',
  tags: ['eu', 7, null],
  items: [{ sku: 'a-1' }, { sku: 'b-2' }],
  nested: { list: [[1]] },
  '': 'empty name',
};
const subject: FilterSubject = {
  type: 'invoice.paid',
  source: 'shop',
  headers: { 'x-region': 'eu-west', 'x.dotted': 'yes' },
  data: () => payload,
};

describe('each operator', () => {
  const table: readonly [Filter, boolean][] = [
    [{ field: 'type', eq: 'invoice.paid' }, true],
    [{ field: 'type', eq: 'Invoice.paid' }, false],
    [{ field: 'source', eq: 'shop' }, true],
    [{ field: 'headers.x-region', prefix: 'eu-' }, true],
    [{ field: 'headers.x.dotted', eq: 'yes' }, true],
    [{ field: 'headers.constructor', exists: true }, false],
    [{ field: 'data', exists: true }, true],
    [{ field: 'data', eq: null }, false],
    [{ field: 'data.total', eq: 100 }, true],
    [{ field: 'data.total', eq: '100' }, false],
    [{ field: 'data.paid', eq: true }, true],
    [{ field: 'data.paid', eq: 1 }, false],
    [{ field: 'data.note', eq: null }, true],
    [{ field: 'data.missing', eq: null }, false],
    [{ field: 'data.items', eq: '[object Object],[object Object]' }, false],
    [{ field: 'data.total', ne: 100 }, false],
    [{ field: 'data.total', ne: '100' }, true],
    [{ field: 'data.missing', ne: 1 }, true],
    [{ field: 'data.total', in: [1, 100] }, true],
    [{ field: 'data.total', in: ['100'] }, false],
    [{ field: 'data.missing', in: [null] }, false],
    [{ field: 'data.note', exists: true }, true],
    [{ field: 'data.missing', exists: true }, false],
    [{ field: 'data.missing', exists: false }, true],
    [{ field: 'data.at', prefix: '2024-' }, true],
    [{ field: 'data.total', prefix: '1' }, false],
    [{ field: 'data.at', suffix: 'Z' }, true],
    [{ field: 'data.at', suffix: '+01:00' }, false],
    [{ field: 'data.at', contains: '-05-' }, true],
    [{ field: 'data.tags', contains: 'eu' }, true],
    [{ field: 'data.tags', contains: 7 }, true],
    [{ field: 'data.tags', contains: '7' }, false],
    [{ field: 'data.tags', contains: null }, true],
    [{ field: 'data.total', contains: 1 }, false],
    [{ field: 'data.total', gt: 99 }, true],
    [{ field: 'data.total', gt: 100 }, false],
    [{ field: 'data.total', gt: '99' }, false],
    [{ field: 'data.total', gte: 100 }, true],
    [{ field: 'data.total', lt: 101 }, true],
    [{ field: 'data.total', lt: 100 }, false],
    [{ field: 'data.total', lte: 100 }, true],
    [{ field: 'data.note', lte: 0 }, false],
    [{ field: 'data.missing', lt: 1 }, false],
    [{ field: 'data.at', gte: '2024-01-01T00:00:00Z' }, true],
    [{ field: 'data.items.1.sku', eq: 'b-2' }, true],
    [{ field: 'data.items.2.sku', exists: true }, false],
    [{ field: 'data.items.01.sku', exists: true }, false],
    [{ field: 'data.items.length', exists: true }, false],
    [{ field: 'data.at.length', exists: true }, false],
    [{ field: 'data.nested.list.0.0', eq: 1 }, true],
    [{ field: 'data.constructor', exists: true }, false],
    [{ field: 'data.__proto__', exists: true }, false],
    [{ field: 'data.nested.toString', exists: true }, false],
    [{ all: [] }, true],
    [{ any: [] }, false],
    [
      {
        all: [
          { field: 'data.total', gt: 1 },
          { field: 'data.paid', eq: false },
        ],
      },
      false,
    ],
    [
      {
        any: [
          { field: 'data.total', gt: 1 },
          { field: 'data.paid', eq: false },
        ],
      },
      true,
    ],
    [{ not: { field: 'data.paid', eq: true } }, false],
  ];

  test.each(table)('%j: %s', (filter, matches) => {
    expect(matchesFilter(checkFilter('filter', filter), subject)).toBe(matches);
  });
});

test('an own property named __proto__, as JSON can have it, is a property like any other', () => {
  const data = (): unknown => JSON.parse('{"__proto__":{"admin":true}}');
  expect(matchesFilter({ field: 'data.__proto__.admin', eq: true }, { type: 'a', data })).toBe(true);
});

test('an event without data, source or headers has none of their fields', () => {
  for (const field of ['data', 'data.a', 'source', 'headers.a'] as const) {
    expect(matchesFilter({ field, exists: false }, { type: 'a' })).toBe(true);
  }
});

test('the payload is asked for only when a rule needs it', () => {
  const data = (): unknown => expect.fail('asked for');
  expect(
    matchesFilter(
      {
        any: [
          { field: 'type', eq: 'a' },
          { field: 'data.x', eq: 1 },
        ],
      },
      { type: 'a', data },
    ),
  ).toBe(true);
});

test('a payload nested 100 000 deep is matched without overflowing the stack', () => {
  const deep: unknown = JSON.parse(`${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`);
  const field = `data${'.a'.repeat(500)}` as const;
  expect(matchesFilter(checkFilter('filter', { field, exists: true }), { type: 'a', data: () => deep })).toBe(
    true,
  );
});

const anyFilter: fc.Arbitrary<Filter> = fc.letrec<{ filter: Filter; rule: Filter }>((tie) => {
  const scalar = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null));
  const field = fc.constantFrom(
    'type',
    'source',
    'headers.x',
    'data',
    'data.a',
    'data.a.0',
    'data.b.c',
    'data.toString',
  );
  const operator = fc.oneof(
    scalar.map((eq) => ({ eq })),
    scalar.map((ne) => ({ ne })),
    fc.array(scalar, { minLength: 1, maxLength: 4 }).map((list) => ({ in: list })),
    fc.boolean().map((exists) => ({ exists })),
    fc.string().map((prefix) => ({ prefix })),
    fc.string().map((suffix) => ({ suffix })),
    scalar.map((contains) => ({ contains })),
    fc.oneof(fc.string(), fc.integer()).map((gt) => ({ gt })),
    fc.oneof(fc.string(), fc.integer()).map((lte) => ({ lte })),
  );
  return {
    rule: fc.tuple(field, operator).map(([name, rest]) => ({ field: name, ...rest }) as Filter),
    filter: fc.oneof(
      { maxDepth: 4 },
      tie('rule'),
      fc.array(tie('filter'), { maxLength: 3 }).map((all) => ({ all })),
      fc.array(tie('filter'), { maxLength: 3 }).map((any) => ({ any })),
      tie('filter').map((not) => ({ not })),
    ),
  };
}).filter;

/** Payloads with traps: what has own accessors must not be run. */
const trap = Object.defineProperty({}, 'a', { enumerable: true, get: () => expect.fail('ran') });
const anyData = fc.oneof(
  fc.anything(),
  fc.constant(trap),
  fc.record({
    a: fc.oneof(fc.array(fc.jsonValue()), fc.string(), fc.integer()),
    b: fc.dictionary(fc.constant('c'), fc.jsonValue()),
  }),
);
const subjects = fc.record({
  type: fc.string(),
  source: fc.option(fc.string(), { nil: undefined }),
  data: anyData.map((data) => () => data),
});

describe('laws', () => {
  const law = (holds: (filter: Filter, event: FilterSubject) => void): void =>
    fc.assert(
      fc.property(anyFilter, subjects, (filter, event) => {
        holds(filter, event);
      }),
      { numRuns: 300 },
    );

  test('not(not f) is f', () => {
    law((f, event) => expect(matchesFilter({ not: { not: f } }, event)).toBe(matchesFilter(f, event)));
  });

  test('not(all) is any(not), and not(any) is all(not)', () => {
    fc.assert(
      fc.property(fc.array(anyFilter, { maxLength: 4 }), subjects, (parts, event) => {
        const negated = parts.map((not) => ({ not }));
        expect(matchesFilter({ not: { all: parts } }, event)).toBe(matchesFilter({ any: negated }, event));
        expect(matchesFilter({ not: { any: parts } }, event)).toBe(matchesFilter({ all: negated }, event));
      }),
    );
  });

  test('a filter that was read is equal to what was given, also by way of JSON, and matches the same', () => {
    law((f, event) => {
      const read = checkFilter('filter', f);
      expect(JSON.parse(JSON.stringify(read))).toEqual(JSON.parse(JSON.stringify(f)));
      expect(matchesFilter(read, event)).toBe(matchesFilter(f, event));
    });
  });

  test('eq and ne are opposites, and so are exists and not exists, for every payload', () => {
    fc.assert(
      fc.property(subjects, fc.oneof(fc.string(), fc.integer(), fc.constant(null)), (event, value) => {
        const field = 'data.a';
        expect(matchesFilter({ field, ne: value }, event)).toBe(!matchesFilter({ field, eq: value }, event));
        expect(matchesFilter({ field, exists: false }, event)).toBe(
          !matchesFilter({ field, exists: true }, event),
        );
      }),
    );
  });
});

function nested(depth: number): unknown {
  let filter: unknown = { field: 'type', eq: 'a' };
  for (let at = 1; at < depth; at++) filter = { not: filter };
  return filter;
}

const rule = { field: 'type', eq: 'a' };
const self: { all: unknown[] } = { all: [] };
self.all.push(self);

describe('what is refused', () => {
  const cases: readonly [unknown, string][] = [
    [null, 'filter'],
    ['type = "a"', 'filter'],
    [() => true, 'filter'],
    [[rule], 'filter'],
    [{}, 'filter'],
    [new Map(), 'filter'],
    [Object.create(rule), 'filter'],
    [new Proxy(rule, {}), 'filter'],
    [{ $where: 'while(1);' }, 'filter.$where'],
    [{ all: rule }, 'filter.all'],
    [{ all: [rule, 7] }, 'filter.all[1]'],
    [{ all: [rule], any: [rule] }, 'filter.all'],
    [{ any: Array(101).fill(rule) }, 'filter.any'],
    [{ not: { any: [{ not: null }] } }, 'filter.not.any[0].not'],
    [{ field: 'type' }, 'filter'],
    [{ field: 'type', eq: 'a', ne: 'b' }, 'filter.ne'],
    [{ field: 'type', regex: 'a+' }, 'filter.regex'],
    [{ field: 'type', constructor: 'a' }, 'filter.constructor'],
    [{ field: 'tenantId', eq: 'a' }, 'filter.field'],
    [{ field: 'data.', eq: 'a' }, 'filter.field'],
    [{ field: 'data..a', eq: 'a' }, 'filter.field'],
    [{ field: 'headers.', eq: 'a' }, 'filter.field'],
    [{ field: 'headers.a b', eq: 'a' }, 'filter.field'],
    [{ field: `data.${'a'.repeat(1_020)}`, eq: 'a' }, 'filter.field'],
    [{ field: 7, eq: 'a' }, 'filter.field'],
    [{ field: 'type', eq: {} }, 'filter.eq'],
    [{ field: 'type', eq: undefined }, 'filter.eq'],
    [{ field: 'type', eq: Number.NaN }, 'filter.eq'],
    [{ field: 'type', eq: 1n }, 'filter.eq'],
    [{ field: 'type', eq: 'a'.repeat(1_025) }, 'filter.eq'],
    [{ field: 'type', eq: '\ud800' }, 'filter.eq'],
    [{ field: 'type', eq: 'a\u0000' }, 'filter.eq'],
    [{ field: 'type', in: 'a' }, 'filter.in'],
    [{ field: 'type', in: [] }, 'filter.in'],
    [{ field: 'type', in: ['a', []] }, 'filter.in[1]'],
    [{ field: 'type', exists: 1 }, 'filter.exists'],
    [{ field: 'type', prefix: /a/ }, 'filter.prefix'],
    [{ field: 'type', gt: true }, 'filter.gt'],
    [{ field: 'type', gt: Number.POSITIVE_INFINITY }, 'filter.gt'],
    [JSON.parse('{"field":"type","eq":"a","__proto__":{}}'), 'filter.__proto__'],
    [{ field: 'type', eq: 'a', [Symbol('eq')]: 1 }, 'filter["Symbol(eq)"]'],
    [
      {
        field: 'type',
        get eq() {
          return expect.fail('ran');
        },
      },
      'filter.eq',
    ],
    [nested(11), `filter${'.not'.repeat(10)}`],
    [nested(1_000), `filter${'.not'.repeat(10)}`],
    [self, `filter${'.all[0]'.repeat(10)}`],
    [{ all: [{ any: Array(60).fill(rule) }, { any: Array(41).fill(rule) }] }, 'filter'],
    [{ all: Array(100).fill({ all: [] }) }, 'filter'],
  ];

  test.each(cases.map(([value, field], index) => [index, field, value] as const))(
    'case %i: the error names %s',
    (_, field, value) => {
      const error = thrownBy(() => checkFilter('filter', value));
      expect(error).toBeInstanceOf(InvalidInputError);
      expect((error as InvalidInputError).field).toBe(field);
    },
  );

  test('anything at all gets a filter or the typed error', () => {
    fc.assert(
      fc.property(
        fc.anything({ withNullPrototype: true, withBigInt: true, withSparseArray: true }),
        (value) => {
          const error = thrownBy(() => checkFilter('filter', value));
          expect(error === undefined || error instanceof InvalidInputError).toBe(true);
        },
      ),
    );
  });
});

test('the bounds themselves are allowed: depth 10, 100 rules', () => {
  expect(checkFilter('filter', nested(10))).toEqual(nested(10));
  const wide = { all: Array(100).fill(rule) };
  expect(checkFilter('filter', wide)).toEqual(wide);
});

test('header names become lower case', () => {
  expect(checkFilter('filter', { field: 'headers.X-Region', eq: 'A' })).toEqual({
    field: 'headers.x-region',
    eq: 'A',
  });
});

test('a filter that was read does not follow later changes of the input', () => {
  const list = ['a'];
  const read = checkFilter('filter', { field: 'type', in: list });
  list.push('b');
  expect(read).toEqual({ field: 'type', in: ['a'] });
});

function thrownBy(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}
