import { TransportError, type TransportErrorKind } from './transport.ts';

/** Codes of Node, the system and undici that mean one thing whatever went on. */
const kinds: Readonly<Record<string, TransportErrorKind>> = {
  ECONNREFUSED: 'refused',
  EHOSTUNREACH: 'refused',
  ENETUNREACH: 'refused',
  EHOSTDOWN: 'refused',
  EADDRNOTAVAIL: 'refused',
  ECONNRESET: 'reset',
  ECONNABORTED: 'reset',
  EPIPE: 'reset',
  UND_ERR_SOCKET: 'reset',
  UND_ERR_CLOSED: 'aborted',
  UND_ERR_DESTROYED: 'aborted',
  UND_ERR_ABORTED: 'aborted',
  ETIMEDOUT: 'timeout',
  UND_ERR_CONNECT_TIMEOUT: 'timeout',
  ENOTFOUND: 'dns',
  EAI_AGAIN: 'dns',
  EPROTO: 'tls',
  UND_ERR_HEADERS_OVERFLOW: 'invalid-response',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'invalid-response',
  ERR_ASSERTION: 'invalid-response',
};

/** What undici says, with the code of a socket error, when the answer itself was wrong: an unasked-for 100 or 101, or bytes before the request. */
const badAnswers: ReadonlySet<string> = new Set(['bad response', 'bad upgrade']);

const messages: Readonly<Record<TransportErrorKind, string>> = {
  blocked: 'blocked by policy',
  dns: 'the host name could not be resolved',
  refused: 'the connection was refused or the host is unreachable',
  reset: 'the connection was closed before the answer',
  tls: 'the TLS handshake failed',
  timeout: 'the connection timed out',
  'invalid-response': 'the response is not acceptable HTTP',
  aborted: 'ended before the answer',
  request: 'the request could not be made',
};

/** Where an error came up. In the handshake every code but those of TCP is about TLS: certificates have dozens. */
export type Phase = 'connect' | 'handshake' | 'exchange';

/**
 * Any error of a socket or of undici as a `TransportError`. Messages are ours, plus a code or the parser's fixed reason: what Node and
 * OpenSSL write holds addresses and text of the other side. The original is the `cause`, save the parser's, which holds the
 * bytes it stopped at.
 */
export function transportError(cause: unknown, phase: Phase): TransportError {
  if (cause instanceof TransportError) return cause;
  if (cause instanceof Error && cause.name === 'HTTPParserError') {
    return new TransportError('invalid-response', cause.message || messages['invalid-response']);
  }
  const code = codeOf(cause);
  const kind = kindOf(cause, code, phase);
  const detail = (kind === 'tls' || kind === 'invalid-response') && code !== '' ? ` (${code})` : '';
  return new TransportError(kind, messages[kind] + detail, { cause });
}

function kindOf(cause: unknown, code: string, phase: Phase): TransportErrorKind {
  if (cause instanceof Error && badAnswers.has(cause.message)) return 'invalid-response';
  const known = Object.hasOwn(kinds, code) ? kinds[code] : undefined;
  if (known !== undefined) return known;
  return phase === 'handshake' || /^ERR_(SSL|TLS)_/.test(code) ? 'tls' : 'request';
}

function codeOf(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return typeof code === 'string' && /^[A-Z0-9_]{1,64}$/.test(code) ? code : '';
}
