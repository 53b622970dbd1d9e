/**
 * How endpoints misbehave, as data: each row starts a server and says how an attempt against it must end. The transport's own
 * test runs the table, and so can any test that drives the whole of surehook.
 */
import { connect, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { AttemptErrorKind } from '../../src/domain/delivery.ts';
import type { EndpointPolicy } from '../../src/http/endpoint.ts';
import type { Resolve } from '../../src/http/resolve.ts';
import { drip, fixture, type HostileServer, pour, type Script, startServer, TLS_HOST } from './server.ts';

/** How an attempt must end: with this status, or without one and for one of these reasons. */
export type Expected =
  | { readonly status: number; readonly body?: string }
  | { readonly status: 0; readonly kinds: readonly AttemptErrorKind[] };

/** One row. */
export interface Behaviour {
  readonly name: string;
  readonly start: () => Promise<HostileServer>;
  readonly expected: Expected;
  /** Run under the policy of production, with plain HTTP allowed: the server is a canary that must see nothing. */
  readonly isCanary?: boolean;
}

/** Loopback may be called. */
export const openPolicy: EndpointPolicy = { allowHttp: true, allowPrivateAddresses: true, ports: undefined };
/** It may not. */
export const publicPolicy: EndpointPolicy = { ...openPolicy, allowPrivateAddresses: false };
/** The authority that signed the good certificate of the fixtures, and the expired and the misplaced one. */
export const hostileCa: string = fixture('ca');

const names: Readonly<Record<string, readonly string[]>> = {
  [TLS_HOST]: ['127.0.0.1'],
  'loopback.test': ['127.0.0.1'],
  'mapped.test': ['::ffff:127.0.0.1'],
  'mixed.test': ['8.8.8.8', '127.0.0.1'],
  'zone.test': ['fe80::1%lo'],
  'junk.test': ['localhost', ''],
  'empty.test': [],
};

/** The names of the table. Others do not resolve, and `hangs.test` never answers. */
export const hostileResolve: Resolve = (hostname) => {
  if (hostname === 'hangs.test') return new Promise(() => {});
  const known = names[hostname];
  return known === undefined ? Promise.reject(new Error(`no ${hostname}`)) : Promise.resolve(known);
};

const OK = 'HTTP/1.1 200 OK\r\n';
const EMPTY = 'content-length: 0\r\n\r\n';
const CHUNKED = 'transfer-encoding: chunked\r\n\r\n';
const block = Buffer.alloc(64 * 1024, 'x');

const row = (name: string, expected: Expected, script: Script): Behaviour => ({
  name,
  expected,
  start: () => startServer(script),
});

/** Answers every request with this text, and leaves the connection open. */
const says = (name: string, expected: Expected, text: string | Buffer): Behaviour =>
  row(name, expected, { onRequest: (socket) => socket.write(text) });

/** The same, and then the connection is reset or closed. */
const cutAfter = (name: string, expected: Expected, text: string): readonly Behaviour[] => [
  row(`${name}, then resets`, expected, {
    onRequest: (socket) => socket.write(text, () => setTimeout(() => socket.resetAndDestroy(), 20)),
  }),
  row(`${name}, then closes`, expected, { onRequest: (socket) => socket.end(text) }),
];

const reset: Expected = { status: 0, kinds: ['reset'] };
const timeout: Expected = { status: 0, kinds: ['timeout'] };
const invalid: Expected = { status: 0, kinds: ['invalid-response'] };
const tls: Expected = { status: 0, kinds: ['tls'] };
const dns: Expected = { status: 0, kinds: ['dns'] };
const blocked: Expected = { status: 0, kinds: ['blocked'] };

const connections: readonly Behaviour[] = [
  {
    name: 'refuses the connection',
    expected: { status: 0, kinds: ['refused'] },
    start: async () => {
      const server = await startServer({});
      await server.close();
      return { ...server, close: () => Promise.resolve() };
    },
  },
  row('resets when it has accepted', reset, { onConnection: (socket) => socket.resetAndDestroy() }),
  row('closes when it has accepted', reset, { onConnection: (socket) => socket.destroy() }),
  row('accepts and is silent', timeout, {}),
  row('accepts and does not read', timeout, {
    onConnection: (socket) => {
      socket.pause();
      setTimeout(() => socket.resume(), 500);
    },
  }),
  row('reads the request and is silent', timeout, { onRequest: () => {} }),
  ...cutAfter('says nothing', reset, ''),
  ...cutAfter('says half a status line', reset, 'HTTP/1.1 20'),
  ...cutAfter('says half its headers', reset, `${OK}content-type: te`),
  ...cutAfter('says half a body', { status: 200, body: 'half' }, `${OK}content-length: 8\r\n\r\nhalf`),
  ...cutAfter('says half a chunk', { status: 200, body: 'half' }, `${OK}${CHUNKED}8\r\nhalf`),
  ...cutAfter(
    'says half a body of an error',
    { status: 500 },
    'HTTP/1.1 500 No\r\ncontent-length: 8\r\n\r\nhalf',
  ),
  ...cutAfter('says a body of unknown length', { status: 200, body: 'all' }, `${OK}\r\nall`),
];

const slow: readonly Behaviour[] = [
  row('drips its status line', timeout, { onRequest: (socket) => drip(socket, `${OK}${EMPTY}`) }),
  row('drips its headers', timeout, {
    onRequest: (socket) => {
      socket.write(OK);
      drip(socket, `x-a: ${'b'.repeat(100)}\r\n`);
    },
  }),
  row(
    'drips its body',
    { status: 200 },
    {
      onRequest: (socket) => {
        socket.write(`${OK}content-length: 1000\r\n\r\n`);
        drip(socket, 'x'.repeat(1000));
      },
    },
  ),
  row(
    'drips its chunks',
    { status: 200 },
    {
      onRequest: (socket) => {
        socket.write(`${OK}${CHUNKED}`);
        drip(socket, '1\r\nx\r\n'.repeat(100));
      },
    },
  ),
  says(
    'promises a body and is silent',
    { status: 202, body: '' },
    'HTTP/1.1 202 OK\r\ncontent-length: 5\r\n\r\n',
  ),
  row('drips interim responses', timeout, {
    onRequest: (socket) => drip(socket, 'HTTP/1.1 103 Early\r\n\r\n'.repeat(20), 5),
  }),
];

/** Begins a response and pours until it is cut off. */
const pours = (name: string, expected: Expected, head: string, chunk: Buffer): Behaviour =>
  row(name, expected, {
    onRequest: (socket) => {
      socket.write(head);
      pour(socket, chunk);
    },
  });

const bomb = gzipSync(Buffer.alloc(20 * 1024 * 1024));
const oneByteChunks = Buffer.from('1\r\nx\r\n'.repeat(8192));
const hexBlock = Buffer.concat([Buffer.from('10000\r\n'), block, Buffer.from('\r\n')]);

const bombs: readonly Behaviour[] = [
  pours('sends 10 GB', { status: 200 }, `${OK}content-length: 10000000000\r\n\r\n`, block),
  pours('sends chunks without end', { status: 200 }, `${OK}${CHUNKED}`, hexBlock),
  pours('sends chunks of one byte without end', { status: 200 }, `${OK}${CHUNKED}`, oneByteChunks),
  pours('sends a body without end or length', { status: 200 }, `${OK}\r\n`, block),
  pours('sends an error without end', { status: 404 }, `HTTP/1.1 404 No\r\n${CHUNKED}`, hexBlock),
  pours('sends a header without end', invalid, `${OK}x-a: `, block),
  pours('sends headers without end', invalid, OK, Buffer.from('x-a: b\r\n'.repeat(4096))),
  pours(
    'sends a status line without end',
    { status: 0, kinds: ['timeout', 'invalid-response'] },
    'HTTP/1.1 200 ',
    block,
  ),
  pours(
    'sends interim responses without end',
    invalid,
    '',
    Buffer.from('HTTP/1.1 103 Early\r\n\r\n'.repeat(1024)),
  ),
  pours('sends a chunk extension without end', { status: 200 }, `${OK}${CHUNKED}5;a=`, block),
  pours(
    'sends a trailer without end',
    { status: 200, body: 'x' },
    `${OK}${CHUNKED}1\r\nx\r\n0\r\nx-a: `,
    block,
  ),
  pours('sends garbage without end', invalid, '', block),
  says(
    'sends a gzip bomb',
    { status: 200 },
    Buffer.concat([
      Buffer.from(`${OK}content-encoding: gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`),
      bomb,
    ]),
  ),
  says(
    'claims a thousand compressions',
    { status: 200, body: 'x' },
    `${OK}content-encoding: ${Array(1000).fill('gzip').join(', ')}\r\ncontent-length: 1\r\n\r\nx`,
  ),
  says('sends 17 KiB of headers', invalid, `${OK}x-a: ${'b'.repeat(17 * 1024)}\r\n${EMPTY}`),
  says(
    'sends 2 300 headers',
    invalid,
    `${OK}${Array.from({ length: 2300 }, (_, i) => `x-${i}: value\r\n`).join('')}${EMPTY}`,
  ),
];

const shapes: readonly Behaviour[] = [
  says('greets like SSH', invalid, 'SSH-2.0-OpenSSH_9.6\r\n'),
  says('greets like SMTP', invalid, '220 mail.example.com ESMTP\r\n'),
  says('says a page without a head', invalid, '<html></html>\r\n\r\n'),
  says('speaks HTTP/2', invalid, Buffer.from('000012040000000000000300000064000400100000', 'hex')),
  says('says NULs', invalid, Buffer.alloc(100)),
  says('answers with a request', invalid, 'GET / HTTP/1.1\r\nhost: a\r\n\r\n'),
  says('says status 000', invalid, `HTTP/1.1 000 No\r\n${EMPTY}`),
  says('says status 099', invalid, `HTTP/1.1 099 No\r\n${EMPTY}`),
  says('says status 999', { status: 999 }, `HTTP/1.1 999 No\r\n${EMPTY}`),
  says('says status 2', invalid, `HTTP/1.1 2 OK\r\n${EMPTY}`),
  says('says status 2000', invalid, `HTTP/1.1 2000 OK\r\n${EMPTY}`),
  says('says status -20', invalid, `HTTP/1.1 -20 OK\r\n${EMPTY}`),
  says('says version 9.9', invalid, `HTTP/9.9 200 OK\r\n${EMPTY}`),
  says('says version 1.0', { status: 200 }, `HTTP/1.0 200 OK\r\n${EMPTY}`),
  says('gives no reason', { status: 200 }, `HTTP/1.1 200\r\n${EMPTY}`),
  says('says 100 unasked', invalid, `HTTP/1.1 100 Continue\r\n\r\n${OK}${EMPTY}`),
  says(
    'says 101 with an upgrade',
    invalid,
    'HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
  ),
  says(
    'says 101 without an upgrade',
    { status: 0, kinds: ['invalid-response', 'timeout'] },
    'HTTP/1.1 101 Switching\r\n\r\n',
  ),
  says('says 103 three times', { status: 200 }, `${'HTTP/1.1 103 Early\r\n\r\n'.repeat(3)}${OK}${EMPTY}`),
  says('says 103 twenty times', invalid, `${'HTTP/1.1 103 Early\r\n\r\n'.repeat(20)}${OK}${EMPTY}`),
  says('gives two lengths', invalid, `${OK}content-length: 1\r\ncontent-length: 2\r\n\r\nxx`),
  says('gives a negative length', invalid, `${OK}content-length: -1\r\n\r\nx`),
  says('gives a length that is no number', invalid, `${OK}content-length: 1e3\r\n\r\nx`),
  says('gives a length beyond 64 bits', invalid, `${OK}content-length: 99999999999999999999999\r\n\r\nx`),
  says('gives a length and chunks', invalid, `${OK}content-length: 3\r\n${CHUNKED}0\r\n\r\n`),
  says('puts a blank before a colon', invalid, `${OK}x-a : b\r\n${EMPTY}`),
  says('folds a header', invalid, `${OK}x-a: b\r\n c\r\n${EMPTY}`),
  says('puts a NUL in a header', invalid, `${OK}x-a: b\0c\r\n${EMPTY}`),
  says('says chunk sizes that are none', { status: 200, body: '' }, `${OK}${CHUNKED}zz\r\nx\r\n0\r\n\r\n`),
  says(
    'says a chunk longer than its size',
    { status: 200, body: 'x' },
    `${OK}${CHUNKED}1\r\nxyz\r\n0\r\n\r\n`,
  ),
  says(
    'says a chunk size beyond 64 bits',
    { status: 200, body: '' },
    `${OK}${CHUNKED}ffffffffffffffffff\r\nx\r\n0\r\n\r\n`,
  ),
  says(
    'names headers like inherited properties',
    { status: 200 },
    `${OK}__proto__: x\r\nconstructor: y\r\n${EMPTY}`,
  ),
  says(
    'answers twice',
    { status: 200, body: 'a' },
    `${OK}content-length: 1\r\n\r\na${OK}content-length: 1\r\n\r\nb`,
  ),
  says('says more than its length', { status: 200, body: 'a' }, `${OK}content-length: 1\r\n\r\nabcdef`),
  says('gives a 204 a body', { status: 204, body: '' }, 'HTTP/1.1 204 No\r\ncontent-length: 3\r\n\r\nabc'),
  says(
    'says bytes that are no text',
    { status: 200, body: '\0\xff\xfe\x1b[2J<script>' },
    Buffer.from(`${OK}content-length: 15\r\n\r\n\0\xff\xfe\x1b[2J<script>`, 'latin1'),
  ),
  row(
    'answers before it was asked',
    { status: 200 },
    {
      onConnection: (socket) => socket.write(`${OK}${EMPTY}`),
    },
  ),
  ...[301, 302, 303, 307, 308].map((status) =>
    says(
      `redirects with ${status}`,
      { status },
      `HTTP/1.1 ${status} Away\r\nlocation: http://169.254.169.254/\r\n${EMPTY}`,
    ),
  ),
  says(
    'asks to come back twice',
    { status: 503 },
    `HTTP/1.1 503 Busy\r\nretry-after: 7\r\nretry-after: 9\r\n${EMPTY}`,
  ),
  says('is gone', { status: 410 }, `HTTP/1.1 410 Gone\r\n${EMPTY}`),
];

const answers = (socket: Socket): void => {
  socket.write(`HTTP/1.1 204 OK\r\n\r\n`);
};

const secure: readonly Behaviour[] = [
  row('has a good certificate', { status: 204 }, { certificate: 'good', onRequest: answers }),
  row(
    'has a good certificate for its address',
    { status: 204 },
    { certificate: 'good', host: '127.0.0.1', onRequest: answers },
  ),
  row('has an expired certificate', tls, { certificate: 'expired', onRequest: answers }),
  row('has a self-signed certificate', tls, { certificate: 'self-signed', onRequest: answers }),
  row('has a certificate for another host', tls, { certificate: 'wrong-host', onRequest: answers }),
  row('offers TLS 1.1 at most', tls, {
    certificate: 'good',
    tls: { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
    onRequest: answers,
  }),
  row('speaks plain HTTP where TLS is due', tls, { scheme: 'https', onConnection: answers }),
  row('stalls the TLS handshake', timeout, { scheme: 'https' }),
  row(
    'resets in the TLS handshake',
    { status: 0, kinds: ['reset', 'tls'] },
    {
      scheme: 'https',
      onConnection: (socket) => socket.once('data', () => socket.resetAndDestroy()),
    },
  ),
  row(
    'closes in the TLS handshake',
    { status: 0, kinds: ['reset', 'tls'] },
    {
      scheme: 'https',
      onConnection: (socket) => socket.once('data', () => socket.end()),
    },
  ),
  row('is silent behind TLS', timeout, { certificate: 'good', onRequest: () => {} }),
  row(
    'pours behind TLS',
    { status: 200 },
    {
      certificate: 'good',
      onRequest: (socket) => {
        socket.write(`${OK}${CHUNKED}`);
        pour(socket, hexBlock);
      },
    },
  ),
  row(
    'resets behind TLS in the body',
    { status: 200 },
    {
      certificate: 'good',
      onRequest: (socket) =>
        socket.write(`${OK}content-length: 9\r\n\r\nhalf`, () => setTimeout(() => socket.destroy(), 20)),
    },
  ),
  { name: 'drips the TLS handshake', expected: timeout, start: startDrippingTls },
];

/** A real TLS server behind a proxy that passes a byte each 20 ms. */
async function startDrippingTls(): Promise<HostileServer> {
  const behind = await startServer({ certificate: 'good', onRequest: answers });
  const front = await startServer({
    scheme: 'https',
    onConnection: (socket) => {
      const onward = connect(Number(new URL(behind.url).port), '127.0.0.1');
      onward.on('error', () => {});
      socket.pipe(onward);
      onward.on('data', (chunk: Buffer) => drip(socket, chunk.toString('latin1')));
      socket.on('close', () => onward.destroy());
    },
  });
  return {
    ...front,
    close: async () => {
      await front.close();
      await behind.close();
    },
  };
}

/** The server must see nothing: the name does not resolve, or not to where one may go. */
const unreachable = (host: string, expected: Expected, isCanary: boolean): Behaviour => ({
  ...row(`is called ${host}${isCanary ? ' in production' : ''}`, expected, { host, onRequest: answers }),
  isCanary,
});

const addresses: readonly Behaviour[] = [
  unreachable('fails.test', dns, false),
  unreachable('empty.test', dns, false),
  unreachable('junk.test', dns, false),
  unreachable('hangs.test', timeout, false),
  unreachable('hangs.test', timeout, true),
  ...[
    'loopback.test',
    'mapped.test',
    'mixed.test',
    'zone.test',
    'junk.test',
    'localhost',
    '127.0.0.1',
    '127.1',
    '2130706433',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '0.0.0.0',
  ].map((host) => unreachable(host, blocked, true)),
];

/** Every row. Names are unique. */
export const behaviours: readonly Behaviour[] = [
  ...connections,
  ...slow,
  ...bombs,
  ...shapes,
  ...secure,
  ...addresses,
];
