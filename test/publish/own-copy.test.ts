import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ownCopy } from '../../src/publish/own-copy.ts';

test('plain data is copied, whatever it is, down to the last object', () => {
  fc.assert(
    fc.property(fc.object({ withNullPrototype: true, withDate: true, withMap: true }), (value) => {
      const copy = ownCopy(value);
      expect(JSON.stringify(copy)).toBe(JSON.stringify(value));
      expect(sharedPlain(value, copy)).toBe(false);
    }),
  );
});

/** Whether any plain object or array of the one is the same in the other. */
function sharedPlain(one: unknown, other: unknown): boolean {
  if (typeof one !== 'object' || one === null || typeof other !== 'object' || other === null) return false;
  const isPlain = Array.isArray(one) || [Object.prototype, null].includes(Object.getPrototypeOf(one));
  if (!isPlain) return false;
  if (one === other) return true;
  return Object.keys(one).some((key) =>
    sharedPlain(one[key as keyof typeof one], other[key as keyof typeof other]),
  );
}

test('what is of a class stays what it is', () => {
  class Money {
    readonly cents = 5;
  }
  const value = {
    at: new Date(0),
    money: new Money(),
    map: new Map(),
    bytes: new Uint8Array(2),
    run: () => 1,
  };
  const copy = ownCopy(value) as typeof value;
  expect(copy).not.toBe(value);
  for (const name of Object.keys(value) as (keyof typeof value)[]) expect(copy[name]).toBe(value[name]);
});

test('what is shared inside is shared in the copy: thirty doublings cost thirty objects', () => {
  let value: unknown = 'x';
  for (let n = 0; n < 30; n += 1) value = [value, value];
  const [left, right] = ownCopy(value) as unknown[];
  expect(left).toBe(right);
});

test('__proto__ is a name like another', () => {
  const copy = ownCopy(JSON.parse('{"__proto__":{"polluted":true}}')) as Record<string, unknown>;
  expect(Object.keys(copy)).toEqual(['__proto__']);
  expect(copy.polluted).toBeUndefined();
});

test('too deep, or in a circle, is a typed error and no crash', () => {
  const nested = (depth: number): unknown =>
    depth === 0 ? 1 : JSON.parse('['.repeat(depth) + ']'.repeat(depth));
  expect(ownCopy(nested(1_000))).toEqual(nested(1_000));
  const circle: unknown[] = [];
  circle.push(circle);
  for (const value of [nested(1_001), nested(100_000), circle]) {
    expect(() => ownCopy(value)).toThrow('data is nested more than 1000 deep');
  }
});
