import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { listIn, misuse } from '../../domain/check.ts';
import { quote } from '../../errors.ts';
import { canonicalAddress } from '../../http/address.ts';

type Ip = ipaddr.IPv4 | ipaddr.IPv6;

/** A network and the length of its prefix in bits. */
export type Range = readonly [Ip, number];

const MAX_RANGES = 10_000;
const BITS = /^(?:0|[1-9][0-9]{0,2})$/;

/**
 * Reads a list of CIDR ranges and single addresses, such as `192.0.2.0/24` and `2001:db8::1`. Only what has one reading passes: no short
 * or octal IPv4, no bits beyond the prefix, and no IPv4 written as IPv6 (peers of that form are judged as IPv4). Throws
 * `TypeError` or `RangeError`.
 */
export function checkRanges(field: string, value: unknown): readonly Range[] {
  const list = listIn(field, value, { min: 1, max: MAX_RANGES, refuse: misuse });
  return list.map((text, index) => {
    const range = typeof text === 'string' ? readRange(text) : undefined;
    if (range !== undefined) return range;
    const name = `${field}[${index}]`;
    const message = `${name} must be an IP address or a CIDR range such as "192.0.2.0/24", not ${quote(text)}`;
    throw misuse(name, message, typeof text === 'string' ? 'range' : 'type');
  });
}

function readRange(text: string): Range | undefined {
  const [address = '', bits, ...rest] = text.split('/');
  const ip = parse(address);
  if (ip === undefined || isIP(address) !== familyOf(ip) || rest.length > 0) return undefined;
  const longest = ip.kind() === 'ipv4' ? 32 : 128;
  if (bits === undefined) return [ip, longest];
  if (!BITS.test(bits) || Number(bits) > longest) return undefined;
  return isNetwork(ip, Number(bits)) ? [ip, Number(bits)] : undefined;
}

/** Whether all bits after the prefix are zero. */
function isNetwork(ip: Ip, prefix: number): boolean {
  return ip.toByteArray().every((byte, index) => {
    const kept = Math.min(8, Math.max(0, prefix - 8 * index));
    return (byte & (0xff >> kept)) === 0;
  });
}

/** Whether an address lies in one of the ranges; IPv4 mapped into IPv6 counts as the IPv4 address. What is no address does not. */
export function isInRanges(address: string, ranges: readonly Range[]): boolean {
  const ip = parse(address);
  return (
    ip !== undefined &&
    ranges.some(([network, prefix]) => network.kind() === ip.kind() && ip.match(network, prefix))
  );
}

/**
 * The address that the outermost of `hops` trusted proxies saw: each appends its peer to `X-Forwarded-For`, so it is that many entries
 * from the right. `undefined` where there are fewer, or one of them is no address; what stands left of them anyone can write.
 */
export function forwardedAddress(header: string | null, hops: number): string | undefined {
  const entries = (header ?? '').split(',').map((entry) => entry.trim());
  const trusted = entries.slice(-hops);
  return trusted.length === hops && trusted.every((entry) => parse(entry) !== undefined)
    ? trusted[0]
    : undefined;
}

/** Without the spellings that only some parsers take for IPv4, such as `127.1` and `0x7f.0.0.1`. */
function parse(text: string): Ip | undefined {
  const canonical = isIP(text) === 0 ? undefined : canonicalAddress(text);
  return canonical === undefined ? undefined : ipaddr.parse(canonical);
}

function familyOf(ip: Ip): number {
  return ip.kind() === 'ipv4' ? 4 : 6;
}
