import { BlockList } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalAddress, isPublicAddress } from '../../src/http/address.ts';

/** The policy written down a second time, for Node's own matcher. */
const denied = new BlockList();
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  denied.addSubnet(net, bits);
}
const allowedV6 = new BlockList();
allowedV6.addSubnet('2000::', 3, 'ipv6');
const deniedV6 = new BlockList();
for (const [net, bits] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const) {
  deniedV6.addSubnet(net, bits, 'ipv6');
}

const dotted = (bytes: readonly number[]): string => bytes.join('.');
const publicV4 = (bytes: readonly number[]): boolean => !denied.check(dotted(bytes));

/** Addresses at and around the edges of the ranges as often as anywhere else. */
const edges = [
  0, 1, 2, 3, 9, 10, 11, 63, 64, 88, 99, 100, 113, 127, 128, 168, 169, 172, 191, 192, 198, 203, 223, 224, 254,
  255,
];
const byte = fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(...edges));
const v4 = fc.tuple(byte, byte, byte, byte);

/** Any way in which `inet_aton` lets one write four bytes: 1 to 4 parts, each decimal, octal or hexadecimal. */
const spelledV4 = fc
  .tuple(
    v4,
    fc.integer({ min: 1, max: 4 }),
    fc.array(fc.constantFrom(10, 8, 16), { minLength: 4, maxLength: 4 }),
  )
  .map(([bytes, parts, bases]) => {
    const heads = bytes.slice(0, parts - 1);
    const tail = bytes.slice(parts - 1).reduce((sum, b) => sum * 256 + b, 0);
    const text = [...heads, tail].map((n, i) => inBase(n, bases[i] ?? 10)).join('.');
    return { bytes, text };
  });

function inBase(n: number, base: number): string {
  if (base === 16) return `0x${n.toString(16)}`;
  return base === 8 && n > 0 ? `0${n.toString(8)}` : String(n);
}

const group = fc.oneof(
  fc.integer({ min: 0, max: 0xffff }),
  fc.constantFrom(
    0,
    0,
    0,
    1,
    0x2000,
    0x2001,
    0x2002,
    0x3fff,
    0x0db8,
    0xffff,
    0x64,
    0xff9b,
    0x7f00,
    0xfe80,
    0x5f00,
  ),
);
const v6 = fc.oneof(
  fc.array(group, { minLength: 8, maxLength: 8 }),
  v4.map(([a, b, c, d]) => [0x64, 0xff9b, 0, 0, 0, 0, a * 256 + b, c * 256 + d]),
  v4.map(([a, b, c, d]) => [0, 0, 0, 0, 0, 0xffff, a * 256 + b, c * 256 + d]),
);

const spelledV6 = fc
  .record({ groups: v6, pad: fc.boolean(), upper: fc.boolean(), compress: fc.boolean(), dots: fc.boolean() })
  .map(({ groups, ...style }) => ({ groups, text: spellV6(groups, style) }));

function spellV6(
  groups: readonly number[],
  style: { pad: boolean; upper: boolean; compress: boolean; dots: boolean },
): string {
  const texts = groups.map((g) => (style.pad ? g.toString(16).padStart(4, '0') : g.toString(16)));
  const [g = 0, h = 0] = groups.slice(6);
  if (style.dots) texts.splice(6, 2, dotted([g >> 8, g & 255, h >> 8, h & 255]));
  const run = style.compress ? longestZeros(groups.slice(0, style.dots ? 6 : 8)) : undefined;
  const text = run
    ? `${texts.slice(0, run.start).join(':')}::${texts.slice(run.start + run.length).join(':')}`
    : texts.join(':');
  return style.upper ? text.toUpperCase() : text;
}

function longestZeros(groups: readonly number[]): { start: number; length: number } | undefined {
  let best: { start: number; length: number } | undefined;
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > (best?.length ?? 1)) best = { start, length };
  }
  return best;
}

function publicV6(groups: readonly number[]): boolean {
  const text = groups.map((g) => g.toString(16)).join(':');
  const last = groups.slice(6).flatMap((g) => [g >> 8, g & 255]);
  const head = groups.slice(0, 6).join();
  if (head === '0,0,0,0,0,65535' || head === `${0x64},${0xff9b},0,0,0,0`) return publicV4(last);
  return allowedV6.check(text, 'ipv6') && !deniedV6.check(text, 'ipv6');
}

describe('isPublicAddress', () => {
  it('judges every spelling of an IPv4 address by its bytes', () => {
    fc.assert(
      fc.property(spelledV4, ({ bytes, text }) => {
        expect(isPublicAddress(text)).toBe(publicV4(bytes));
        expect(canonicalAddress(text)).toBe(dotted(bytes));
      }),
      { numRuns: 2000 },
    );
  });

  it('judges every spelling of an IPv6 address by its bytes', () => {
    fc.assert(
      fc.property(spelledV6, ({ groups, text }) => {
        expect(isPublicAddress(text)).toBe(publicV6(groups));
        const canonical = canonicalAddress(text) ?? '';
        expect(isPublicAddress(canonical)).toBe(publicV6(groups));
        expect(canonicalAddress(canonical)).toBe(canonical);
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '100.100.100.200',
    '127.0.0.1',
    '169.254.169.254',
    '172.31.255.255',
    '192.0.0.192',
    '192.0.2.1',
    '192.88.99.1',
    '192.168.0.1',
    '198.19.0.1',
    '198.51.100.7',
    '203.0.113.9',
    '224.0.0.1',
    '239.255.255.255',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::7f00:1',
    '::ffff:127.0.0.1',
    '::ffff:0:127.0.0.1',
    '::5efe:10.0.0.1',
    '64:ff9b::127.0.0.1',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b:1::8.8.8.8',
    '100::1',
    '2001:0:7f00:1::',
    '2001:2::1',
    '2001:10::1',
    '2001:20::1',
    '2001:db8::1',
    '2002:7f00:1::',
    '2002:808:808::',
    '3fff::1',
    '5f00::1',
    'fc00::1',
    'fd00:ec2::254',
    'fe80::1',
    'fec0::1',
    'ff02::1',
    '4000::1',
    'e000::1',
  ])('refuses %s', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });

  it.each([
    '1.1.1.1',
    '8.8.8.8',
    '100.63.255.255',
    '100.128.0.0',
    '172.15.255.255',
    '172.32.0.0',
    '192.0.1.1',
    '198.17.255.255',
    '198.20.0.0',
    '223.255.255.255',
    '::ffff:8.8.8.8',
    '64:ff9b::8.8.8.8',
    '2001:200::1',
    '2606:4700::1111',
    '2a00:1450::8a',
    '3ffe::1',
  ])('allows %s', (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });

  it.each([
    '',
    'example.com',
    '2606:4700::1111%eth0',
    'fe80::1%1',
    '[2606:4700::1111]',
    '8.8.8.8:80',
    '8.8.8.8/32',
    '256.1.1.1',
    '1.2.3.4.5',
    ' 8.8.8.8',
  ])('takes %j for no address at all', (text) => {
    expect(isPublicAddress(text)).toBe(false);
    expect(canonicalAddress(text)).toBeUndefined();
  });
});
