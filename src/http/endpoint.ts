import { isIPv4 } from 'node:net';
import { domainToUnicode } from 'node:url';
import { ForbiddenEndpointError, quote } from '../errors.ts';
import { isPublicAddress } from './address.ts';

/** Which URLs may be called. */
export interface EndpointPolicy {
  /** Also `http:` URLs. */
  readonly allowHttp: boolean;
  /** Also private, loopback and other special addresses, and names that have no public meaning. For development. */
  readonly allowPrivateAddresses: boolean;
  /** Exactly these ports; `undefined`: 443, 80 with `allowHttp`, and 1024 to 65535 but for those that browsers block. */
  readonly ports: readonly number[] | undefined;
}

const MAX_URL_LENGTH = 2048;
const MAX_NAME_LENGTH = 253;

/** The ports from 1024 on that belong to other protocols (WHATWG Fetch, "bad port"). */
const badPorts: ReadonlySet<number> = new Set([
  1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697,
  10080,
]);

/** Last labels that never name a public host: RFC 6761, RFC 6762, RFC 7686, RFC 9476, ICANN's `internal`, and customs of private networks. */
const privateSuffixes: ReadonlySet<string> = new Set([
  'localhost',
  'localdomain',
  'local',
  'internal',
  'intranet',
  'private',
  'corp',
  'home',
  'lan',
  'svc',
  'onion',
  'alt',
]);

/** A label of a name as servers really have them: letters, digits, inner hyphens, underscores. */
const labelPattern = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/**
 * The canonical form of an endpoint's URL: equal for all spellings of one endpoint (case, default port, trailing dot, dot segments, international names).
 * Throws `ForbiddenEndpointError` when it is not a well-formed URL or the policy does not allow it. Says nothing about where a
 * name points: that is checked whenever a connection is made.
 */
export function checkEndpointUrl(url: unknown, policy: EndpointPolicy): string {
  if (typeof url !== 'string')
    throw new ForbiddenEndpointError(`The url must be a string, not ${quote(url)}`);
  const parsed = parseUrl(url);
  const broken = brokenRule(url, parsed, policy);
  if (broken !== undefined) throw refusal(broken, url);
  const canonical = `${parsed.protocol}//${hostOf(parsed)}${parsed.pathname}${parsed.search}`;
  if (canonical.length > MAX_URL_LENGTH) throw refusal(`has more than ${MAX_URL_LENGTH} characters`, url);
  return canonical;
}

/** What the WHATWG parser would silently repair (blanks, backslashes, missing slashes) is refused first: two parsers could read it differently. */
function parseUrl(url: string): URL {
  const text = url.slice(0, MAX_URL_LENGTH + 1);
  if (text.length > MAX_URL_LENGTH) throw refusal(`has more than ${MAX_URL_LENGTH} characters`, url);
  if (/[\s\x00-\x20\x7f-\x9f]/.test(text)) throw refusal('holds blanks or control characters', url);
  if (text.includes('\\') || !text.isWellFormed()) throw refusal('is malformed', url);
  if (!/^https?:/i.test(text)) throw refusal('must be an https URL', url);
  const parsed = URL.parse(text);
  if (parsed === null || !/^https?:\/\/[^/]/i.test(text)) throw refusal('is malformed', url);
  return parsed;
}

function brokenRule(url: string, parsed: URL, policy: EndpointPolicy): string | undefined {
  const authority = url.slice(url.indexOf('//') + 2).split(/[/?#]/, 1)[0] ?? '';
  if (parsed.protocol === 'http:' && !policy.allowHttp) return 'must be an https URL';
  if (authority.includes('@')) return 'must not hold credentials';
  if (url.includes('#')) return 'must not have a fragment';
  if (authority.includes('%')) return 'has a percent-encoded host';
  return brokenPortRule(parsed, authority, policy) ?? brokenHostRule(parsed.hostname, policy);
}

function brokenPortRule(parsed: URL, authority: string, policy: EndpointPolicy): string | undefined {
  const spelled = /:([^:\]]*)$/.exec(authority)?.[1];
  if (spelled !== undefined && !/^[1-9][0-9]{0,4}$/.test(spelled)) return 'has a malformed port';
  return isPortAllowed(portOf(parsed), policy)
    ? undefined
    : `uses a port that is not allowed, ${portOf(parsed)}`;
}

function isPortAllowed(port: number, policy: EndpointPolicy): boolean {
  if (policy.ports !== undefined) return policy.ports.includes(port);
  if (port === 443) return true;
  if (port === 80) return policy.allowHttp;
  return port >= 1024 && !badPorts.has(port);
}

/** The port that a URL with an http or https scheme means. */
export function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port);
  return url.protocol === 'https:' ? 443 : 80;
}

function brokenHostRule(hostname: string, policy: EndpointPolicy): string | undefined {
  const literal = literalIn(hostname);
  if (literal !== undefined) {
    return policy.allowPrivateAddresses || isPublicAddress(literal)
      ? undefined
      : 'must have a public address';
  }
  const name = hostname.replace(/\.$/, '');
  const labels = name.split('.');
  if (name.length > MAX_NAME_LENGTH || !labels.every(isLabel)) return 'has a malformed host name';
  return policy.allowPrivateAddresses || isPublicName(labels) ? undefined : 'must have a public host name';
}

function isLabel(label: string): boolean {
  return labelPattern.test(label) && (!label.startsWith('xn--') || isInternational(label));
}

/** Node's parser lets punycode pass that decodes to nothing. */
function isInternational(label: string): boolean {
  const decoded = domainToUnicode(label);
  return decoded !== '' && decoded !== label && URL.parse(`http://${decoded}.a/`)?.hostname === `${label}.a`;
}

function isPublicName(labels: readonly string[]): boolean {
  const last = labels.at(-1) ?? '';
  return labels.length > 1 && !privateSuffixes.has(last) && !(last === 'arpa' && labels.at(-2) === 'home');
}

/** The IP address that a parsed URL's host is, without brackets; `undefined` for a name. The parser has made every spelling of IPv4 dotted decimal. */
export function literalIn(hostname: string): string | undefined {
  if (hostname.startsWith('[')) return hostname.slice(1, -1);
  return isIPv4(hostname) ? hostname : undefined;
}

function hostOf(parsed: URL): string {
  const name = parsed.hostname.replace(/\.$/, '');
  return parsed.port === '' ? name : `${name}:${parsed.port}`;
}

function refusal(rule: string, url: string): ForbiddenEndpointError {
  return new ForbiddenEndpointError(`The url ${rule}: ${quote(withoutSecrets(url))}`);
}

/** Cuts query and fragment, and whatever may be credentials, off a text that need not be a URL. */
function withoutSecrets(url: string): string {
  const end = url.search(/[?#]/);
  const head = end < 0 ? url : url.slice(0, end);
  if (!url.includes('@')) return head;
  const scheme = /^[a-z][a-z0-9+.-]*:[\\/]*/i.exec(head)?.[0] ?? '';
  const rest = head.slice(scheme.length);
  if (rest.includes('@')) return `${scheme}***${rest.slice(rest.lastIndexOf('@'))}`;
  return rest.includes('/') ? head : `${scheme}***`;
}
