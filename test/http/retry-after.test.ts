import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRetryAfter } from '../../src/http/retry-after.ts';

const now = Date.UTC(2025, 0, 1, 12, 0, 0);

describe('parseRetryAfter', () => {
  it.each([
    ['0', 0],
    ['1', 1000],
    ['0060', 60_000],
    ['120', 120_000],
    ['999999999', 999_999_999_000],
    ['Wed, 01 Jan 2025 12:00:01 GMT', 1000],
    ['Wed, 01 Jan 2025 13:00:00 GMT', 3_600_000],
    ['Thu, 01 Jan 2099 00:00:00 GMT', Date.UTC(2099, 0, 1) - now],
  ])('takes %s (RS9)', (value, delayMs) => {
    expect(parseRetryAfter(value, now)).toBe(delayMs);
  });

  it.each([
    '99999999999',
    '-5',
    '1e9',
    '0x10',
    '',
    ' ',
    'Infinity',
    'NaN',
    '+60',
    '1.5',
    '60 ',
    ' 60',
    '1,2',
    '６０',
    '60s',
    '٣',
    'Fri, 01 Jan 1999 00:00:00 GMT',
    'Wed, 01 Jan 2025 12:00:00 GMT',
    'Wed, 01 Jan 2025 11:59:59 GMT',
    'Tue, 01 Jan 2030 00:00:00 UTC',
    'Mon, 01 Jan 2030 00:00:00 GMT',
    'Tue, 1 Jan 2030 00:00:00 GMT',
    'Tue, 01 Jan 2030 00:00:00',
    'Wed, 30 Feb 2030 00:00:00 GMT',
    'Tue, 01 Jan 2030 24:00:00 GMT',
    'Tue, 01 Jan 2030 00:00:60 GMT',
    'tue, 01 jan 2030 00:00:00 gmt',
    'Tue, 01 Jan 2030 00:00:00 +0000',
    'Tuesday, 01-Jan-30 00:00:00 GMT',
    'Tue Jan  1 00:00:00 2030',
    '2030-01-01T00:00:00.000Z',
    '2030-01-01',
    'Mon, 01 Jan 12345 00:00:00 GMT',
    'tomorrow',
  ])('ignores %j (RS9)', (value) => {
    expect(parseRetryAfter(value, now)).toBeUndefined();
  });

  it('ignores a header that is not there', () => {
    expect(parseRetryAfter(undefined, now)).toBeUndefined();
  });

  it('takes every date to come as HTTP writes it, and no other text gives anything but a span', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date(now + 1000), max: new Date('9999-01-01'), noInvalidDate: true }),
        (date) => {
          const whole = Math.floor(date.getTime() / 1000) * 1000;
          expect(parseRetryAfter(new Date(whole).toUTCString(), now)).toBe(whole - now);
        },
      ),
    );
    fc.assert(
      fc.property(fc.string(), (value) => {
        const delayMs = parseRetryAfter(value, now);
        expect(delayMs === undefined || (Number.isSafeInteger(delayMs) && delayMs >= 0)).toBe(true);
      }),
    );
  });
});
