import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkEventId, checkTenantId, newId } from '../../src/domain/ids.ts';
import { InvalidEventError, InvalidInputError } from '../../src/errors.ts';
import { systemRandom } from '../../src/random.ts';
import { fixedRandom } from './fixed-random.ts';

describe('new ids', () => {
  test('are a prefix, ten digits of time and sixteen of chance', () => {
    expect(newId('evt', 0, fixedRandom(0))).toBe('evt_0000000000000g40r40m30e209');
    expect(newId('dlv', 2 ** 48 - 1, fixedRandom(0))).toMatch(/^dlv_7zzzzzzzzz/);
    expect(newId('whk', 1_700_000_000_000, systemRandom)).toMatch(/^whk_[0-9a-hjkmnp-tv-z]{26}$/);
  });

  test('hold the instant and the chance without loss', () => {
    const digits = '0123456789abcdefghjkmnpqrstvwxyz';
    const value = (text: string): bigint =>
      [...text].reduce((sum, digit) => sum * 32n + BigInt(digits.indexOf(digit)), 0n);
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.uint8Array({ minLength: 10, maxLength: 10 }), (n, bytes) => {
        const now = n % 2 ** 48;
        const id = newId('evt', now, { next: () => 0, bytes: () => bytes });
        expect(value(id.slice(4, 14))).toBe(BigInt(now));
        expect(value(id.slice(14))).toBe(BigInt(`0x${Buffer.from(bytes).toString('hex')}`));
      }),
    );
  });

  test('sort by time, as text', () => {
    const instant = fc.nat(2 ** 31 - 1).chain((high) => fc.nat(65_535).map((low) => high * 65_536 + low));
    fc.assert(
      fc.property(instant, instant, (a, b) => {
        fc.pre(a !== b);
        expect(newId('evt', a, systemRandom) < newId('evt', b, systemRandom)).toBe(a < b);
      }),
    );
  });

  test('are all different within one millisecond', () => {
    const ids = Array.from({ length: 20_000 }, () => newId('dlv', 1, systemRandom));
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe("a host's event id", () => {
  test.each(['a', 'order-7_B', 'x'.repeat(128)])('%s is taken', (id) => {
    expect(checkEventId(id)).toBe(id);
  });

  test.each([['a.b'], [''], ['a\n'], ['a\u0000'], ['a b'], ['é'], ['x'.repeat(129)], [7], [null], [['a']]])(
    '%j is refused',
    (id) => {
      expect(() => checkEventId(id)).toThrow(InvalidEventError);
      expect(() => checkEventId(id)).toThrow(/^id must be/);
    },
  );
});

describe('a tenant id', () => {
  test.each(['default', 'Ümlaut 7', "'; DROP TABLE--", '%', 'x'.repeat(128)])('%s is taken', (id) => {
    expect(checkTenantId('tenantId', id)).toBe(id);
  });

  test.each([
    [''],
    ['*'],
    ['null'],
    ['undefined'],
    [null],
    [undefined],
    [7],
    [['a']],
    ['a\u0000'],
    ['\ud800'],
    ['x'.repeat(129)],
  ])('%j is refused', (id) => {
    expect(() => checkTenantId('tenantId', id)).toThrow(InvalidInputError);
    expect(() => checkTenantId('tenantId', id)).toThrow(/^tenantId must/);
  });
});
