import { describe, expect, it } from 'vitest';
import { TransportError } from '../../src/http/transport.ts';
import { type Phase, transportError } from '../../src/http/transport-errors.ts';

const coded = (code: string): Error =>
  Object.assign(new Error('connect 10.0.0.1:443'), { code, address: '10.0.0.1' });

describe('transportError', () => {
  it.each<[string, Phase, string]>([
    ['ECONNREFUSED', 'connect', 'refused'],
    ['EHOSTUNREACH', 'connect', 'refused'],
    ['ENETUNREACH', 'connect', 'refused'],
    ['ETIMEDOUT', 'connect', 'timeout'],
    ['ECONNRESET', 'exchange', 'reset'],
    ['EPIPE', 'exchange', 'reset'],
    ['UND_ERR_SOCKET', 'exchange', 'reset'],
    ['ECONNRESET', 'handshake', 'reset'],
    ['CERT_HAS_EXPIRED', 'handshake', 'tls'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'handshake', 'tls'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'handshake', 'tls'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'handshake', 'tls'],
    ['ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC', 'exchange', 'tls'],
    ['ENOTFOUND', 'connect', 'dns'],
    ['UND_ERR_HEADERS_OVERFLOW', 'exchange', 'invalid-response'],
    ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'exchange', 'invalid-response'],
    ['UND_ERR_INVALID_ARG', 'exchange', 'request'],
    ['constructor', 'exchange', 'request'],
    ['EMFILE', 'connect', 'request'],
  ])('takes %s while it is in %s for %s, and names no address', (code, phase, kind) => {
    const error = transportError(coded(code), phase);
    expect(error).toBeInstanceOf(TransportError);
    expect(error.kind).toBe(kind);
    expect(error.message).not.toContain('10.0.0.1');
  });

  it('leaves its own errors as they are', () => {
    const own = new TransportError('blocked', 'blocked by policy');
    expect(transportError(own, 'exchange')).toBe(own);
  });

  it.each([undefined, null, 'text', 5, {}, { code: 'ECONNRESET' }])(
    'takes %s, which is no error, for a request that failed',
    (thrown) => {
      expect(transportError(thrown, 'exchange')).toMatchObject({
        kind: 'request',
        message: 'the request could not be made',
      });
    },
  );

  it('does not keep the bytes that the parser stopped at', () => {
    const parser = Object.assign(
      new Error('Response does not match the HTTP/1.1 protocol (Expected HTTP/)'),
      { name: 'HTTPParserError', data: 'SECRET' },
    );
    const error = transportError(parser, 'exchange');
    expect(error).toMatchObject({ kind: 'invalid-response', message: parser.message });
    expect(error.cause).toBeUndefined();
  });
});
