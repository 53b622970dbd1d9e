import ipaddr from 'ipaddr.js';

type Ip = ipaddr.IPv4 | ipaddr.IPv6;

/** What no public server has: IANA's special-purpose registry for IPv4, multicast and reserved space included. */
const deniedIpv4: readonly [ipaddr.IPv4, number][] = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
].map((cidr) => ipaddr.IPv4.parseCIDR(cidr));

/** The only IPv6 space that is handed out for public use. Whatever lies outside is refused without being listed. */
const globalUnicast: [ipaddr.IPv6, number] = ipaddr.IPv6.parseCIDR('2000::/3');

/** Parts of it that are not public: IETF protocols and Teredo, documentation, 6to4, documentation again. */
const deniedIpv6: readonly [ipaddr.IPv6, number][] = [
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '3fff::/20',
].map((cidr) => ipaddr.IPv6.parseCIDR(cidr));

/** NAT64 (RFC 6052): the last 32 bits are the IPv4 address that a packet ends at. */
const nat64: [ipaddr.IPv6, number] = ipaddr.IPv6.parseCIDR('64:ff9b::/96');

/**
 * The one spelling of an IP address: dotted decimal for IPv4 and for IPv4 mapped into IPv6, RFC 5952 for other IPv6.
 * `undefined` for what is no address, and for one with a zone id, which means nothing outside this machine.
 */
export function canonicalAddress(text: string): string | undefined {
  return parse(text)?.toString();
}

/**
 * Whether a literal of any spelling is a public address. The verdict depends on its bytes alone; mapped addresses are
 * judged as the IPv4 address, NAT64 ones by the IPv4 address inside. What is no address is not public.
 */
export function isPublicAddress(text: string): boolean {
  const ip = parse(text);
  return ip !== undefined && isPublic(ip);
}

function isPublic(ip: Ip): boolean {
  if (ip instanceof ipaddr.IPv4) return !deniedIpv4.some((range) => ip.match(range));
  if (ip.match(nat64)) return isPublic(new ipaddr.IPv4(ip.toByteArray().slice(12)));
  return ip.match(globalUnicast) && !deniedIpv6.some((range) => ip.match(range));
}

function parse(text: string): Ip | undefined {
  if (!ipaddr.isValid(text)) return undefined;
  const ip = ipaddr.parse(text);
  if (ip instanceof ipaddr.IPv4) return ip;
  if (ip.zoneId !== undefined) return undefined;
  return ip.isIPv4MappedAddress() ? ip.toIPv4Address() : ip;
}
