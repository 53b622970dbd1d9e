import { describe, expect, it } from 'vitest';
import { checkRanges, forwardedAddress, isInRanges } from '../../src/web/ingress/addresses.ts';

describe('an allow-list', () => {
  it.each<[string, string, boolean]>([
    ['192.0.2.0/24', '192.0.2.0', true],
    ['192.0.2.0/24', '192.0.2.255', true],
    ['192.0.2.0/24', '192.0.3.0', false],
    ['192.0.2.0/24', '::ffff:192.0.2.7', true],
    ['192.0.2.0/24', '::ffff:c000:207', true],
    ['192.0.2.0/24', '2001:db8::c000:207', false],
    ['192.0.2.7', '192.0.2.7', true],
    ['192.0.2.7', '192.0.2.8', false],
    ['192.0.2.7/32', '192.0.2.8', false],
    ['0.0.0.0/0', '203.0.113.9', true],
    ['0.0.0.0/0', '::1', false],
    ['2001:db8::/32', '2001:db8:ffff::1', true],
    ['2001:DB8::/32', '2001:0db8:0:0::1', true],
    ['2001:db8::/32', '2001:db9::1', false],
    ['2001:db8::1', '2001:db8::1', true],
    ['2001:db8::1', '2001:db8::2', false],
    ['::/0', '2001:db8::1', true],
    ['::/0', '192.0.2.7', false],
    ['::/0', '::ffff:192.0.2.7', false],
    ['192.0.2.128/25', '192.0.2.127', false],
    ['192.0.2.128/25', '192.0.2.128', true],
  ])('%s and %s: %s', (range, address, expected) => {
    expect(isInRanges(address, checkRanges('allow', [range]))).toBe(expected);
  });

  it.each([
    '',
    'localhost',
    '192.0.2',
    '192.0.2.07',
    '0xc0.0.2.7',
    '3221225991',
    '192.0.2.7:80',
    '[::1]',
    'fe80::1%eth0',
    ' 192.0.2.7',
    'unknown',
  ])('has no place for the address %j', (address) => {
    expect(isInRanges(address, checkRanges('allow', ['0.0.0.0/0', '::/0']))).toBe(false);
  });

  it.each([
    ...[
      '127.0.0.0/33',
      'localhost',
      '10.0.0.0/-1',
      '::ffff:0:0/96',
      '::ffff:10.0.0.0/104',
      '::ffff:10.0.0.1',
    ],
    ...[
      '',
      '/',
      '10.0.0.0/',
      '/8',
      '10/8',
      '10.0.0/24',
      '010.0.0.0/8',
      '0x0a.0.0.0/8',
      '10.0.0.0/08',
      '10.0.0.0/8/8',
    ],
    ...[
      '10.0.0.0/8 ',
      '10.0.0.0/8.0',
      '10.0.0.0/255.0.0.0',
      '2001:db8::/129',
      '2001:db8::/',
      'fe80::%eth0/10',
      '*',
      '10.*',
    ],
  ])('refuses %j (U23)', (range) => {
    const check = (): unknown => checkRanges('allow', ['192.0.2.7', range]);
    expect(check).toThrow(RangeError);
    expect(check).toThrow(
      `allow[1] must be an IP address or a CIDR range such as "192.0.2.0/24", not "${range}"`,
    );
  });

  it.each(['10.0.0.1/8', '192.0.2.1/31', '0.0.0.1/0', '2001:db8::1/64', '192.0.2.64/25'])(
    'refuses %s, whose bits beyond the prefix mean nothing',
    (range) => {
      expect(() => checkRanges('allow', [range])).toThrow(RangeError);
    },
  );

  it.each([[[]], ['10.0.0.0/8'], [[10]], [[null]], [{}]])('refuses %j', (value) => {
    expect(() => checkRanges('allow', value)).toThrow(/^allow/);
  });
});

describe('X-Forwarded-For', () => {
  it.each<[string | null, number, string | undefined]>([
    ['192.0.2.7', 1, '192.0.2.7'],
    ['203.0.113.1, 192.0.2.7', 1, '192.0.2.7'],
    ['203.0.113.1,192.0.2.7 , 10.0.0.1', 2, '192.0.2.7'],
    ['not, an, address, 192.0.2.7', 1, '192.0.2.7'],
    ['2001:db8::1', 1, '2001:db8::1'],
    ['192.0.2.7', 2, undefined],
    ['unknown', 1, undefined],
    ['192.0.2.7, unknown', 2, undefined],
    ['192.0.2.7:443', 1, undefined],
    ['192.0.2.7,', 1, undefined],
    ['', 1, undefined],
    [null, 1, undefined],
  ])('%j behind %i hops is from %s', (header, hops, expected) => {
    expect(forwardedAddress(header, hops)).toBe(expected);
  });
});
