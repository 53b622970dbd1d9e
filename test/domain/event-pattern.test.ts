import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkEventType, checkPatterns, isEventType, matchesAny } from '../../src/domain/event-pattern.ts';
import { InvalidEventError, InvalidInputError } from '../../src/errors.ts';

const segment = fc.stringMatching(/^[A-Za-z0-9_-]{1,5}$/);
const types = fc.array(segment, { minLength: 1, maxLength: 20 }).map((segments) => segments.join('.'));

const notTypes: readonly unknown[] = [
  '',
  '.',
  'a.',
  '.a',
  'a..b',
  '*',
  'a.*',
  '**',
  'a b',
  'a\n',
  'a\u0000',
  'ä',
  'іnvoice.paid', // Cyrillic і
  'invoice․paid', // one dot leader
  '(a+)+$',
  'a/b',
  'a'.repeat(129),
  'a'.repeat(65_536),
  Array(21).fill('a').join('.'),
  Array(1_000).fill('a').join('.'),
  null,
  undefined,
  7,
  ['a'],
  { toString: () => 'a' },
];

describe('event types', () => {
  test.each(['a', 'A-1_z', 'invoice.paid', 'a'.repeat(128), Array(20).fill('a').join('.'), '__proto__'])(
    '%s is one',
    (type) => {
      expect(checkEventType(type)).toBe(type);
    },
  );

  test.each(notTypes.map((type) => [type]))('%j is none', (type) => {
    expect(isEventType(type)).toBe(false);
    expect(() => checkEventType(type)).toThrow(InvalidEventError);
    expect(() => checkEventType(type)).toThrow(/^type must be/);
  });

  test('are all that the grammar makes', () => {
    fc.assert(
      fc.property(types, (type) => {
        expect(isEventType(type)).toBe(true);
      }),
    );
  });
});

describe('patterns', () => {
  test('are types, categories and *, and repeated ones are dropped', () => {
    expect(checkPatterns('events', ['a.b', 'a.*', '*', 'a.b', '__proto__.*'])).toEqual([
      'a.b',
      'a.*',
      '*',
      '__proto__.*',
    ]);
  });

  test.each(['', '**', '.', '.*', '*.*', '*.a', 'a.*.b', 'a*', 'a.**', 'a..*', '(a|b)', 'ä.*'])(
    '%j is none',
    (pattern) => {
      expect(() => checkPatterns('events', ['ok', pattern])).toThrow(InvalidInputError);
      expect(() => checkPatterns('events', ['ok', pattern])).toThrow(/^events\[1\] must be .*, not "/);
    },
  );

  test.each([[[]], ['a'], [undefined], [Array(101).fill('a')], [new Set(['a'])]])(
    '%j is no list of them',
    (list) => {
      expect(() => checkPatterns('events', list)).toThrow(/^events must/);
    },
  );

  test('a list that is proxied or computed is refused without being run', () => {
    const computed = Object.defineProperty(['a'], 0, { get: () => expect.fail('ran') });
    expect(() => checkPatterns('events', computed)).toThrow(/^events\[0\]/);
    expect(() => checkPatterns('events', new Proxy(['a'], {}))).toThrow('a proxy');
  });
});

describe('matching', () => {
  test.each([
    ['invoice.paid', 'invoice.paid', true],
    ['invoice.paid', 'Invoice.paid', false],
    ['invoice.paid', 'invoice.paid.late', false],
    ['invoice.*', 'invoice.paid', true],
    ['invoice.*', 'invoice.paid.late', true],
    ['invoice.*', 'invoice', false],
    ['invoice.*', 'invoices.paid', false],
    ['invoice.*', 'Invoice.paid', false],
    ['*', 'anything.at.all', true],
  ])('%s and %s: %s', (pattern, type, matches) => {
    expect(matchesAny([pattern], type)).toBe(matches);
    expect(matchesAny(['other', pattern], type)).toBe(matches);
  });

  test('nothing matches no patterns', () => {
    expect(matchesAny([], 'a')).toBe(false);
  });

  test('a category is exactly the types that begin with its segments and go on', () => {
    fc.assert(
      fc.property(types, types, (category, type) => {
        const [head, all] = [category.split('.'), type.split('.')];
        const isBelow = all.length > head.length && head.every((part, index) => part === all[index]);
        expect(matchesAny([`${category}.*`], type)).toBe(isBelow);
        expect(matchesAny([`${category}.*`], `${category}.${type}`)).toBe(true);
        expect(matchesAny([category], type)).toBe(category === type);
      }),
    );
  });
});
