import { Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import { canonicalAddress, isPublicAddress } from './address.ts';
import { TransportError } from './transport.ts';

/** Finds the addresses of a host name, all of them, as IP literals. Rejects or resolves to none when there are none. */
export type Resolve = (hostname: string) => Promise<readonly string[]>;

/** A resolver that can be ended. */
export interface DnsResolver {
  readonly resolve: Resolve;
  /** Fails the look-ups under way. */
  close(): void;
}

/** How to ask. */
export interface DnsOptions {
  /** How long one server is waited for, first time; the second time it is twice that. Default 2 500 ms. */
  readonly timeoutMs?: number;
  /** Servers as `address:port`; default: the system's. */
  readonly servers?: readonly string[];
}

const DNS_TIMEOUT_MS = 2500;
const DNS_TRIES = 2;

/** More are not tried: each attempt costs time, and the list comes from whoever owns the name. */
const MAX_ADDRESSES = 4;

/**
 * Asks the DNS over sockets of its own (c-ares). `dns.lookup` would occupy one of the process's four worker threads for as long as a hostile name server likes,
 * and with it the host's files and passwords. It follows that /etc/hosts is not read; `localhost` and names under it are loopback (RFC 6761). Look-ups of one name
 * at the same time are made once.
 */
export function dnsResolver(options: DnsOptions = {}): DnsResolver {
  const resolver = new Resolver({ timeout: options.timeoutMs ?? DNS_TIMEOUT_MS, tries: DNS_TRIES });
  if (options.servers !== undefined) resolver.setServers(options.servers);
  const running = new Map<string, Promise<readonly string[]>>();
  const resolve = (hostname: string): Promise<readonly string[]> => {
    if (hostname === 'localhost' || hostname.endsWith('.localhost'))
      return Promise.resolve(['127.0.0.1', '::1']);
    const known = running.get(hostname);
    if (known !== undefined) return known;
    const answer = ask(resolver, hostname).finally(() => running.delete(hostname));
    running.set(hostname, answer);
    return answer;
  };
  return { resolve, close: () => resolver.cancel() };
}

/** IPv4 and IPv6 in turn, beginning with IPv4, which fewer hosts lack. One kind failing does not hide the other. */
async function ask(resolver: Resolver, hostname: string): Promise<readonly string[]> {
  const [v4, v6] = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
  if (v4.status === 'rejected' && v6.status === 'rejected') throw v4.reason;
  const a = v4.status === 'fulfilled' ? v4.value : [];
  const b = v6.status === 'fulfilled' ? v6.value : [];
  return Array.from({ length: Math.max(a.length, b.length) }, (_, i) => [a[i], b[i]])
    .flat()
    .filter((address) => address !== undefined);
}

/** Whose addresses to find, and how. */
export interface AddressQuery {
  /** A URL's host name, or an IP literal without brackets. */
  readonly hostname: string;
  readonly allowPrivateAddresses: boolean;
  readonly resolve: Resolve;
}

/**
 * The addresses that may be dialled, at most four, canonical. One address among the answers that is not public refuses the name. Rejects with
 * `TransportError`: `blocked`, which does not tell what was found, or `dns`.
 */
export async function checkedAddresses(query: AddressQuery): Promise<readonly string[]> {
  const literal = isIP(query.hostname) !== 0;
  const found = literal ? [query.hostname] : await lookUp(query);
  if (!query.allowPrivateAddresses && !found.every(isPublicAddress)) throw blocked();
  const addresses = found.map(canonicalAddress).filter((address) => address !== undefined);
  if (addresses.length === 0) throw new TransportError('dns', 'the host name could not be resolved');
  return [...new Set(addresses)].slice(0, MAX_ADDRESSES);
}

async function lookUp(query: AddressQuery): Promise<readonly string[]> {
  try {
    return await query.resolve(query.hostname);
  } catch (cause) {
    throw new TransportError('dns', 'the host name could not be resolved', { cause });
  }
}

/** Refused by the endpoint policy. One message for all reasons, so that it is no oracle for what lies behind a name. */
export function blocked(): TransportError {
  return new TransportError('blocked', 'blocked by policy');
}
